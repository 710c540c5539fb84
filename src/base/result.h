// Errors are values. Result<T> holds a T or an Error, Status holds success or an Error; neither may be
// dropped. Named like std::expected, so that it can become it one day.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace mamori {

enum class ErrorKind {
  invalid,
  unauthenticated,
  forbidden,
  not_found,
  conflict,
  exhausted,
  unavailable,
  corrupt,
  internal
};

using Facts = std::vector<std::pair<std::string, std::string>>;

// One wrong field of an input that was refused as a whole. `code` is looked up in the message catalogue like
// Error::code.
struct Problem {
  std::string field;
  std::string code;
  Facts facts = {};
};

// `code` is part of the interface: stable, "module.subject.reason"; data/texts holds its sentences in
// Japanese and English. `facts` fill the sentence; never a secret or patient data.
struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string code;
  Facts facts = {};
  std::vector<Problem> problems = {};
  const char* file = __builtin_FILE();  // where it arose, for the log only
  int line = __builtin_LINE();
};

// "code key=value …" for logs and test output; people are shown Texts::sentence() instead.
std::string describe(const Error& error);

[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

// A broken invariant is our own bug: stop at once, in release builds too. Never used on input.
#define MAMORI_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::mamori::assertion_failed(#condition, __FILE__, __LINE__))
#define MAMORI_UNREACHABLE() ::mamori::assertion_failed("unreachable", __FILE__, __LINE__)

template <class T>
class [[nodiscard]] Result {
 public:
  using Value = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return state_.index() == 0; }
  bool has_value() const { return state_.index() == 0; }

  const T& value() const& {
    MAMORI_ASSERT(has_value());
    return std::get<0>(state_);
  }
  T& value() & {
    MAMORI_ASSERT(has_value());
    return std::get<0>(state_);
  }
  T take() && {
    MAMORI_ASSERT(has_value());
    return std::move(std::get<0>(state_));
  }
  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  T operator*() && { return std::move(*this).take(); }  // by value: `for (x : *load())` is safe
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }
  T value_or(T otherwise) && { return has_value() ? std::move(std::get<0>(state_)) : std::move(otherwise); }

  const Error& error() const {
    MAMORI_ASSERT(!has_value());
    return std::get<1>(state_);
  }
  Error& error() {
    MAMORI_ASSERT(!has_value());
    return std::get<1>(state_);
  }
  Error take_error() && {
    MAMORI_ASSERT(!has_value());
    return std::move(std::get<1>(state_));
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using Value = void;
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  explicit operator bool() const { return !error_; }
  bool has_value() const { return !error_; }
  void take() && { MAMORI_ASSERT(has_value()); }
  const Error& error() const {
    MAMORI_ASSERT(!has_value());
    return *error_;
  }
  Error& error() {
    MAMORI_ASSERT(!has_value());
    return *error_;
  }
  Error take_error() && {
    MAMORI_ASSERT(!has_value());
    return std::move(*error_);
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

#define MAMORI_CONCAT_INNER(a, b) a##b
#define MAMORI_CONCAT(a, b) MAMORI_CONCAT_INNER(a, b)
#define MAMORI_TRY_NAMED(name, expression)          \
  __extension__({                                   \
    auto name = (expression);                       \
    if (!name) return std::move(name).take_error(); \
    std::move(name).take();                         \
  })
// The value of a Result, or an early return with its error: `auto rows = MAMORI_TRY(read(file));`
#define MAMORI_TRY(expression) MAMORI_TRY_NAMED(MAMORI_CONCAT(mamori_try_, __COUNTER__), expression)

}  // namespace mamori
