// Running an outside program: no shell, a time limit, a limit on its output; it does not outlive us.
#pragma once

#include <chrono>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"

namespace mamori::os {

struct ProcessResult {
  int exit_code = 0;  // 128 + signal where it was ended by one
  std::string out;
  std::string err;  // at most 64 KiB
};

struct ProcessOptions {
  std::map<std::string, std::string> environment = {};  // on top of a minimal one: PATH, HOME, LANG
  std::chrono::milliseconds limit = std::chrono::seconds(60);
  std::size_t largest_output = 64u << 20;
  std::stop_token stop = {};  // ends it
};

// `arguments[0]` is looked up in PATH. Errors: base.process.missing (fact: program), base.process.timeout,
// base.process.output, base.process.stopped. An exit code other than 0 is not an error here: the caller knows
// what it means.
Result<ProcessResult> run_process(const std::vector<std::string>& arguments,
                                  const ProcessOptions& options = {});

}  // namespace mamori::os
