// A few threads that work off what is handed to them, first come, first served.
#pragma once

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace mamori::archive {

class Workers {
 public:
  // Without threads, what is handed in is done at once by who hands it in: then everything happens in one
  // order.
  explicit Workers(std::size_t threads);
  // Ends after what was handed in.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  void add(std::function<void()> work);

 private:
  void run();
  Mutex mutex_;
  CondVar wake_;
  std::deque<std::function<void()>> work_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace mamori::archive
