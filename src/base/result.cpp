#include "base/result.h"

#include <cstdio>

namespace mamori {

std::string describe(const Error& error) {
  std::string text = error.code;
  for (const auto& [key, value] : error.facts) text += " " + key + "=" + value;
  for (const auto& problem : error.problems) {
    text += " [" + problem.field + ": " + problem.code;
    for (const auto& [key, value] : problem.facts) text += " " + key + "=" + value;
    text += "]";
  }
  return text;
}

void assertion_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, condition);
  std::abort();
}

}  // namespace mamori
