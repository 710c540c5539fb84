# mamori_module(NAME [KNOWS module…] [USES target…])
#
# Turns the folder src/NAME into the library mamori::NAME. What it KNOWS it may include and links publicly; what it USES (outside
# libraries) it links privately. A file in the folder is in the module; *_test.cpp become the program NAME_test. Which module a
# file includes is checked before compiling: linking alone would not notice, since all headers share one root.
function(mamori_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "KNOWS;USES;PUBLIC_USES")
  set(folder ${CMAKE_CURRENT_SOURCE_DIR}/${name})
  file(GLOB_RECURSE files CONFIGURE_DEPENDS ${folder}/*.cpp ${folder}/*.h)
  set(sources ${files})
  set(tests ${files})
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")

  add_library(mamori_${name} STATIC ${sources})
  add_library(mamori::${name} ALIAS mamori_${name})
  target_include_directories(mamori_${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(mamori_${name} PUBLIC fmt::fmt spdlog::spdlog Boost::headers Boost::json Threads::Threads)
  foreach(module IN LISTS arg_KNOWS)
    target_link_libraries(mamori_${name} PUBLIC mamori::${module})
  endforeach()
  target_link_libraries(mamori_${name} PRIVATE ${arg_USES} PUBLIC ${arg_PUBLIC_USES})
  if(name STREQUAL "base")
    target_precompile_headers(mamori_base PRIVATE <algorithm> <chrono> <filesystem> <functional> <map> <memory> <optional> <span>
      <string> <string_view> <variant> <vector> <boost/json.hpp> <fmt/format.h>)
  else()
    target_precompile_headers(mamori_${name} REUSE_FROM mamori_base)
  endif()

  string(REPLACE ";" "," knows "${arg_KNOWS}")
  add_custom_command(
    OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}.layers
    COMMAND ${CMAKE_COMMAND} -DMODULE=${name} -DKNOWS=${knows} -DFOLDER=${folder} -P ${CMAKE_SOURCE_DIR}/cmake/check_layers.cmake
    COMMAND ${CMAKE_COMMAND} -E touch ${CMAKE_CURRENT_BINARY_DIR}/${name}.layers
    DEPENDS ${files} ${CMAKE_SOURCE_DIR}/cmake/check_layers.cmake
    COMMENT "layers of ${name}" VERBATIM)
  add_custom_target(${name}_layers DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/${name}.layers)
  add_dependencies(mamori_${name} ${name}_layers)

  if(MAMORI_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE mamori::${name} mamori::testing GTest::gtest GTest::gmock GTest::gtest_main ${arg_USES})
    target_compile_definitions(${name}_test PRIVATE MAMORI_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    target_precompile_headers(${name}_test REUSE_FROM mamori_base)
    add_dependencies(tests ${name}_test)
    add_test(NAME ${name} COMMAND ${name}_test)
    set_tests_properties(${name} PROPERTIES TIMEOUT 600)
  endif()
endfunction()
