// What failed while the rest went on: the first error, with the others beside it.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"

namespace mamori::logs {

class Failures {
 public:
  void add(const std::string& where, const Status& done) {
    if (done) return;
    if (!first_) first_ = done.error();
    first_->problems.push_back({where, done.error().code, done.error().facts});
  }
  Status status() const { return first_ ? Status(*first_) : Status(); }

 private:
  std::optional<Error> first_;
};

}  // namespace mamori::logs
