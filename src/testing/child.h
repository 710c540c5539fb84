// A process beside the test, ended with it.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace mamori::testing {

// Its output goes to the end of a file; nothing comes in. For a variable of its environment let `env` start
// it: {"env", "NAME=value", …}.
class Child {
 public:
  Child(const std::vector<std::string>& words, const std::filesystem::path& output = "/dev/null");
  Child(Child&& other) noexcept : process_(other.process_) { other.process_ = -1; }
  Child& operator=(Child&&) = delete;
  ~Child() { stop(); }
  void stop(int signal = 15);

 private:
  pid_t process_;
};

}  // namespace mamori::testing
