// Locks that clang's thread safety analysis can follow. libstdc++'s std::mutex and std::lock_guard carry no
// annotations, so that GUARDED_BY on them would check nothing; these are the same locks, with them. g++ sees
// plain inline calls. Who reads a guarded member without its lock does not pass `./test static`.
//
//   mutable Mutex mutex_;
//   std::deque<Work> work_ GUARDED_BY(mutex_);
//   void take_next() REQUIRES(mutex_);                                      // its caller holds the lock
//   wake_.wait(mutex_, [this]() REQUIRES(mutex_) { return !work_.empty(); });  // a lambda is a function too
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>

#if defined(__clang__)
#define MAMORI_THREAD_ANALYSIS(x) __attribute__((x))
#else
#define MAMORI_THREAD_ANALYSIS(x)
#endif

// Without a prefix, as everybody who uses this analysis writes them.
#define GUARDED_BY(x) MAMORI_THREAD_ANALYSIS(guarded_by(x))        // the member itself
#define PT_GUARDED_BY(x) MAMORI_THREAD_ANALYSIS(pt_guarded_by(x))  // what it points to
#define REQUIRES(...) MAMORI_THREAD_ANALYSIS(requires_capability(__VA_ARGS__))
#define REQUIRES_SHARED(...) MAMORI_THREAD_ANALYSIS(requires_shared_capability(__VA_ARGS__))
#define EXCLUDES(...) MAMORI_THREAD_ANALYSIS(locks_excluded(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS MAMORI_THREAD_ANALYSIS(no_thread_safety_analysis)  // the reason beside it

namespace mamori {

class MAMORI_THREAD_ANALYSIS(capability("mutex")) Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  void lock() MAMORI_THREAD_ANALYSIS(acquire_capability()) { mutex_.lock(); }
  void unlock() MAMORI_THREAD_ANALYSIS(release_capability()) { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class MAMORI_THREAD_ANALYSIS(capability("mutex")) SharedMutex {
 public:
  SharedMutex() = default;
  SharedMutex(const SharedMutex&) = delete;
  SharedMutex& operator=(const SharedMutex&) = delete;
  void lock() MAMORI_THREAD_ANALYSIS(acquire_capability()) { mutex_.lock(); }
  void unlock() MAMORI_THREAD_ANALYSIS(release_capability()) { mutex_.unlock(); }
  void lock_shared() MAMORI_THREAD_ANALYSIS(acquire_shared_capability()) { mutex_.lock_shared(); }
  void unlock_shared() MAMORI_THREAD_ANALYSIS(release_shared_capability()) { mutex_.unlock_shared(); }

 private:
  std::shared_mutex mutex_;
};

// Holds the lock to the end of its block; may let go of it in between.
class MAMORI_THREAD_ANALYSIS(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) MAMORI_THREAD_ANALYSIS(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() MAMORI_THREAD_ANALYSIS(release_capability()) {
    if (held_) mutex_.unlock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  void lock() MAMORI_THREAD_ANALYSIS(acquire_capability()) {
    mutex_.lock();
    held_ = true;
  }
  void unlock() MAMORI_THREAD_ANALYSIS(release_capability()) {
    held_ = false;
    mutex_.unlock();
  }

 private:
  Mutex& mutex_;
  bool held_ = true;
};

// The other way round: lets go of a lock that the caller holds, to the end of its block.
class MAMORI_THREAD_ANALYSIS(scoped_lockable) MutexUnlock {
 public:
  explicit MutexUnlock(Mutex& mutex) MAMORI_THREAD_ANALYSIS(release_capability(mutex)) : mutex_(mutex) {
    mutex_.unlock();
  }
  ~MutexUnlock() MAMORI_THREAD_ANALYSIS(release_capability()) {
    if (away_) mutex_.lock();
  }
  MutexUnlock(const MutexUnlock&) = delete;
  MutexUnlock& operator=(const MutexUnlock&) = delete;
  // To the analysis this scope is what is held, so that taking the mutex back releases it.
  void lock() MAMORI_THREAD_ANALYSIS(release_capability()) {
    mutex_.lock();
    away_ = false;
  }
  void unlock() MAMORI_THREAD_ANALYSIS(acquire_capability()) {
    away_ = true;
    mutex_.unlock();
  }

 private:
  Mutex& mutex_;
  bool away_ = true;
};

class MAMORI_THREAD_ANALYSIS(scoped_lockable) WriterLock {
 public:
  explicit WriterLock(SharedMutex& mutex) MAMORI_THREAD_ANALYSIS(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~WriterLock() MAMORI_THREAD_ANALYSIS(release_capability()) { mutex_.unlock(); }
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  SharedMutex& mutex_;
};

class MAMORI_THREAD_ANALYSIS(scoped_lockable) ReaderLock {
 public:
  explicit ReaderLock(SharedMutex& mutex) MAMORI_THREAD_ANALYSIS(acquire_shared_capability(mutex))
      : mutex_(mutex) {
    mutex_.lock_shared();
  }
  ~ReaderLock() MAMORI_THREAD_ANALYSIS(release_capability()) { mutex_.unlock_shared(); }
  ReaderLock(const ReaderLock&) = delete;
  ReaderLock& operator=(const ReaderLock&) = delete;

 private:
  SharedMutex& mutex_;
};

// Waits on the Mutex itself, so that the analysis sees that it is held before and after. What is underneath
// is std::condition_variable and not condition_variable_any, which would take a second mutex at each wait and
// notification.
class CondVar {
 public:
  void notify_one() noexcept { condition_.notify_one(); }
  void notify_all() noexcept { condition_.notify_all(); }

  void wait(Mutex& mutex) REQUIRES(mutex) {
    const Borrowed lock(mutex);
    condition_.wait(lock.native);
  }
  template <typename Clock, typename Duration>
  void wait_until(Mutex& mutex, const std::chrono::time_point<Clock, Duration>& end) REQUIRES(mutex) {
    const Borrowed lock(mutex);
    condition_.wait_until(lock.native, end);
  }
  // The predicates run with the lock; the analysis cannot see that of a template's argument, and does not
  // look into these functions.
  template <typename Predicate>
  void wait(Mutex& mutex, Predicate&& done) REQUIRES(mutex) NO_THREAD_SAFETY_ANALYSIS {
    const Borrowed lock(mutex);
    condition_.wait(lock.native, done);
  }
  // What `done` says at the end.
  template <typename Rep, typename Period, typename Predicate>
  bool wait_for(Mutex& mutex, const std::chrono::duration<Rep, Period>& longest, Predicate&& done)
      REQUIRES(mutex) NO_THREAD_SAFETY_ANALYSIS {
    const Borrowed lock(mutex);
    return condition_.wait_for(lock.native, longest, done);
  }

 private:
  // The caller's lock, in the form that std::condition_variable wants; gives it back locked, as it was.
  struct Borrowed {
    explicit Borrowed(Mutex& mutex) : native(mutex.mutex_, std::adopt_lock) {}
    ~Borrowed() { native.release(); }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    mutable std::unique_lock<std::mutex> native;
  };

  std::condition_variable condition_;
};

}  // namespace mamori
