// Whether the ledger can be read and written and the disk takes something: looked at again and again by
// threads of its own, so that the answer comes from memory, also while a database hangs.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <optional>
#include <thread>

#include "base/json.h"
#include "base/mutex.h"
#include "store/database.h"

namespace mamori::server {

// One question, asked every `every` by its own thread. Threads: state() may come from many.
class Check {
 public:
  using Steady = std::chrono::steady_clock;
  // `silence`: after so long without an answer it counts as failed; none: who waits for his turn has not
  // failed.
  struct Pace {
    std::chrono::milliseconds every{15'000};
    std::optional<std::chrono::milliseconds> silence{};
  };
  Check(std::string name, Pace pace, std::function<Status()> ask);
  ~Check();
  Check(const Check&) = delete;
  Check& operator=(const Check&) = delete;

  const std::string& name() const { return name_; }
  bool holds() const;

 private:
  void loop();

  const std::string name_;
  const Pace pace_;
  const std::function<Status()> ask_;
  mutable Mutex mutex_;
  CondVar wake_;
  bool stopping_ GUARDED_BY(mutex_) = false, good_ GUARDED_BY(mutex_) = true;
  Steady::time_point answered_ GUARDED_BY(mutex_) = Steady::now();
  std::thread thread_;
};

class Health {
 public:
  static Status migrate(store::Database& database);
  // `directory`: what is kept beside the database goes there.
  // `server`: the name of the one that looks.
  Health(store::Database& database, const std::string& server, const std::filesystem::path& directory,
         std::chrono::milliseconds every = std::chrono::seconds(15));
  // {"status": "ok" or "failing", "reads": …, "writes": …, "disk": …}; no more, since strangers ask it.
  json::object state() const;

 private:
  Check reads_, writes_, disk_;
};

}  // namespace mamori::server
