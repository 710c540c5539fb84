#include "logs/keeper.h"

#include <fmt/format.h>

#include "base/log.h"

namespace mamori::logs {
namespace {

constexpr std::size_t kMostBytes = 4u << 20;  // of one append, about
constexpr std::chrono::milliseconds kFirstPause{50}, kLongestPause{2000}, kPauseAtEnd{100};
constexpr std::chrono::seconds kLook{1};   // how often the ledger is looked at for senders
constexpr std::chrono::seconds kTell{60};  // how often the log hears of the same trouble

std::chrono::milliseconds pause_after(int tries) {
  return std::min(kLongestPause, kFirstPause * (1 << std::min(tries, 6)));
}

// Nothing about the events themselves: another time it may go well.
bool passes(const Error& error) {
  switch (error.kind) {
    case ErrorKind::unavailable:
    case ErrorKind::exhausted:
    case ErrorKind::conflict:
    case ErrorKind::corrupt:  // a stream that does not open: until someone has looked at it its senders wait
    case ErrorKind::internal:
    case ErrorKind::not_found: return true;
    case ErrorKind::invalid:
    case ErrorKind::unauthenticated:
    case ErrorKind::forbidden: return false;
  }
  MAMORI_UNREACHABLE();
}

bool is_refusal(const Error& error) {
  return error.kind == ErrorKind::forbidden || error.kind == ErrorKind::unauthenticated;
}

}  // namespace

Keeper::Keeper(Logs& logs, const Options& options) : logs_(logs), options_(options) {
  for (std::size_t i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { work(); });
  taker_ = std::thread([this] { take_in(); });
}

Keeper::~Keeper() {
  hurry(std::chrono::milliseconds(0));
  stop();
}

std::size_t Keeper::weight(const std::vector<std::string>& messages) {
  std::size_t sum = 0;
  for (const auto& message : messages) sum += weight(message);
  return sum;
}

bool Keeper::room(const Lane& lane, std::size_t bytes, std::size_t gathered) const {
  const auto taken = waiting_ + gathered;
  return taken + bytes <= options_.bytes && lane.waiting() + bytes <= options_.bytes - taken;
}

void Keeper::put(const LanePtr& lane, std::vector<std::string> messages, Done done) {
  if (messages.empty()) return;
  const auto bytes = weight(messages);
  const MutexLock lock(mutex_);
  lane->waiting_ += bytes;
  if (lane->flow == Flow::comes) waiting_ += bytes;
  events_ += messages.size();
  logs_.counting().count_waiting(events_);
  lane->batches_.push_back({std::move(messages), 0, std::move(done)});
  if (lane->state_ != Lane::State::idle) return;
  lane->state_ = Lane::State::ready;
  ++busy_;
  ready_.push_back(lane);
  wake_.notify_one();
}

void Keeper::work() {
  MutexLock lock(mutex_);
  while (true) {
    const auto now = Steady::now();
    while (!later_.empty() && later_.begin()->first <= now) {
      later_.begin()->second->state_ = Lane::State::ready;
      ready_.push_back(std::move(later_.begin()->second));
      later_.erase(later_.begin());
    }
    if (!ready_.empty()) {
      const auto lane = std::move(ready_.front());
      ready_.pop_front();
      if (!ready_.empty()) wake_.notify_one();
      run(lane);
    } else if (ending_ && busy_ == 0) {
      wake_.notify_all();
      return;
    } else if (later_.empty()) {
      wake_.wait(mutex_);
    } else {
      const auto next = later_.begin()->first;  // a copy: the entry may go meanwhile
      wake_.wait_until(mutex_, next);
    }
  }
}

void Keeper::run(const LanePtr& lane) {
  lane->state_ = Lane::State::running;
  // What stands in the lane is not moved while it is read: others only add behind.
  formats::Bodies bodies;
  std::size_t bytes = 0;
  const auto limit = lane->trying_ != 0 ? lane->trying_ : Logs::kAppendedAtOnce;
  for (const auto& batch : lane->batches_)
    for (auto i = batch.kept; i < batch.messages.size() && bodies.events.size() < limit &&
                              (lane->trying_ != 0 || bytes < kMostBytes);
         ++i) {
      bodies.events.push_back({batch.messages[i], 0});
      bytes += batch.messages[i].size();
    }
  const auto count = bodies.events.size();
  if (std::exchange(lane->trying_, count) == 0) lane->received_ = logs_.now();
  MutexUnlock away(mutex_);

  auto source = logs_.find_sender(lane->sender);
  if (source && !*source && !patient()) source = logs_.nameless_sender(lane->sender.address);
  Status done;
  if (!source)
    done = source.error();
  else if (!*source)
    done = Error{ErrorKind::unavailable, "collect.log.sender-waits", {{"address", lane->sender.address}}};
  else if (const auto accepted = logs_.accept(**source, lane->sender.address, bodies, lane->received_);
           !accepted)
    done = accepted.error();

  const bool again = !done && passes(done.error()) && patient();
  const bool waits = source && !*source;
  if (!done && !again) {
    if (is_refusal(done.error())) {
      logs_.counting().count_turned_away(count);
    } else {
      logs_.counting().count_dropped(source && *source ? (*source)->id : "", count);
      log::error(fmt::format("log intake: {} events of {} are lost: {}", count, lane->sender.address,
                             describe(done.error())));
    }
  }

  std::vector<std::pair<Done, Outcome>> told;
  away.lock();
  if (again) {
    const auto now = Steady::now();
    if (!waits && now - lane->told_ > kTell) {
      log::error("log intake: " + lane->sender.address + " waits: " + describe(done.error()));
      lane->told_ = now;
    }
    if (waits && !asked_) {
      asked_ = true;
      wake_taker_.notify_one();
    }
    lane->state_ = Lane::State::later;
    lane->asks_ = waits;
    later_.emplace(now + (end_ ? kPauseAtEnd : pause_after(lane->tries_++)), lane);
    wake_.notify_one();
    return;
  }
  if (done && lane->told_ != Steady::time_point{}) {
    log::info("log intake: " + lane->sender.address + " is kept again");
    lane->told_ = {};
  }
  lane->tries_ = 0;
  lane->trying_ = 0;
  ++progress_;
  finish(*lane, count,
         done                       ? Outcome::kept
         : is_refusal(done.error()) ? Outcome::refused
                                    : Outcome::lost,
         told);
  if (lane->batches_.empty()) {
    lane->state_ = Lane::State::idle;
    if (--busy_ == 0 && ending_) wake_.notify_all();
  } else {
    lane->state_ = Lane::State::ready;
    ready_.push_back(lane);
  }
  away.unlock();
  for (const auto& [tell, outcome] : told) tell(outcome);
}

void Keeper::finish(Lane& lane, std::size_t count, Outcome outcome,
                    std::vector<std::pair<Done, Outcome>>& told) {
  events_ -= count;
  logs_.counting().count_waiting(events_);
  std::size_t bytes = 0;
  while (count != 0) {
    auto& batch = lane.batches_.front();
    const auto some = std::min(count, batch.messages.size() - batch.kept);
    for (std::size_t i = 0; i < some; ++i) {
      auto& message = batch.messages[batch.kept + i];
      bytes += weight(message);
      std::string().swap(message);
    }
    batch.kept += some;
    count -= some;
    if (batch.kept != batch.messages.size()) break;
    if (batch.done) told.emplace_back(std::move(batch.done), outcome);
    lane.batches_.pop_front();
  }
  lane.waiting_ -= bytes;
  if (lane.flow == Flow::comes) waiting_ -= bytes;
}

// The only thread here that waits for the database.
void Keeper::take_in() {
  MutexLock lock(mutex_);
  Steady::time_point told{};
  while (!ended_) {
    asked_ = false;
    lock.unlock();
    const auto done = logs_.admit_senders();
    if (!done && Steady::now() - told > kTell) {
      log::error("log senders: " + describe(done.error()));
      told = Steady::now();
    }
    lock.lock();
    if (done && !later_.empty()) {  // those who waited for it
      for (auto entry = later_.begin(); entry != later_.end();) {
        const auto next = std::next(entry);
        if (entry->second->asks_) {
          entry->second->state_ = Lane::State::ready;
          ready_.push_back(std::move(entry->second));
          later_.erase(entry);
        }
        entry = next;
      }
      wake_.notify_all();
    }
    // Not at once where it failed: the database may be busy.
    if (!done)
      wake_taker_.wait_for(mutex_, kLook, [this]() REQUIRES(mutex_) { return ended_; });
    else
      wake_taker_.wait_for(mutex_, kLook, [this]() REQUIRES(mutex_) { return ended_ || asked_; });
  }
}

bool Keeper::patient() {
  const MutexLock lock(mutex_);
  return !end_ || Steady::now() < *end_;
}

void Keeper::hurry(std::chrono::milliseconds patience) {
  const MutexLock lock(mutex_);
  if (end_) return;
  end_ = Steady::now() + patience;
  for (auto& [when, lane] : later_) {
    lane->state_ = Lane::State::ready;
    ready_.push_back(std::move(lane));
  }
  later_.clear();
  wake_.notify_all();
}

void Keeper::stop() {
  {
    const MutexLock lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_)
    if (thread.joinable()) thread.join();
  {
    const MutexLock lock(mutex_);
    ended_ = true;
  }
  wake_taker_.notify_all();
  if (taker_.joinable()) taker_.join();
}

}  // namespace mamori::logs
