#include "archive/embedded/workers.h"

#include <signal.h>

namespace mamori::archive {

Workers::Workers(std::size_t threads) {
  // Signals are for the thread that waits for them: one delivered here would end the program in the middle of
  // a block.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Workers::~Workers() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void Workers::add(std::function<void()> work) {
  if (threads_.empty()) return work();
  {
    const MutexLock lock(mutex_);
    work_.push_back(std::move(work));
  }
  wake_.notify_one();
}

void Workers::run() {
  MutexLock lock(mutex_);
  while (true) {
    wake_.wait(mutex_, [this]() REQUIRES(mutex_) { return stopping_ || !work_.empty(); });
    if (work_.empty()) return;
    const auto work = std::move(work_.front());
    work_.pop_front();
    lock.unlock();
    work();
    lock.lock();
  }
}

}  // namespace mamori::archive
