// Log events for benchmarks, without end and the same every time: six of eight are lines of the public loghub
// samples with fresh times and users (our own lines where the samples are absent), one is an audit message of
// an image archive about a patient, one a Windows log-on event.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mamori::bench {

class Corpus {
 public:
  // `samples`: a folder with *.log, may be absent. Times start at `start` (milliseconds since 1970) and move
  // on `step_micros` an event.
  Corpus(const std::string& samples, std::int64_t start, std::int64_t step_micros, std::uint64_t seed = 1);
  // The next event: as a line of a file (no line feed in it).
  const std::string& next();
  bool from_samples() const { return from_samples_; }

 private:
  std::uint64_t random();
  std::uint64_t random(std::uint64_t below) { return random() % below; }
  struct Line {
    std::string before, after;  // around the user's name; `after` empty where the line names none
    bool has_user = false;
    int time_form = 0;
  };
  void add(const std::string& line);

  std::vector<Line> lines_;
  bool from_samples_ = false;
  std::uint64_t state_, number_ = 0;
  std::int64_t micros_, step_;
  std::string out_;
};

// What the generator uses, so that questions can be asked about it.
std::string user_name(std::uint64_t number);   // of 650
std::string patient_id(std::uint64_t number);  // of 200,000, eight digits

}  // namespace mamori::bench
