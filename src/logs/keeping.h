// What is kept stays provable, whole, and within its room: signed heads and their copies, retention,
// verification.
#pragma once

#include <deque>
#include <map>

#include "archive/archive.h"
#include "base/mutex.h"
#include "ledger/ledger.h"
#include "logs/witness.h"

namespace mamori::logs {

struct StreamState {
  archive::StreamName name;
  std::uint64_t events = 0, first = 0, waiting = 0, bytes = 0, raw_bytes = 0;
  std::vector<archive::Damage> damage;
  const archive::Stream* stream = nullptr;  // none where it does not open
};

// The newest signed head of a stream, and its time stamp where an authority gave one.
struct NewestHead {
  archive::StreamName name;
  proof::Head head;
  std::optional<proof::TimeStamp> stamp;
};

struct DiskState {
  std::uint64_t free = 0, total = 0;
  std::optional<double> days_left;  // from how fast the archive grew lately
};

// A stream that does not open, as damage.
archive::Damage damage_of(const archive::StreamName& name, const Error& error);
std::string label_of(const archive::StreamName& name);

// Threads: all calls may come from several. What it is given outlives it.
class Keeping {
 public:
  Keeping(ledger::Ledger& ledger, archive::Archive& archive)
      : ledger_(ledger), archive_(archive), reading_since_(ledger.database().clock().now()) {}
  static Status migrate(store::Database& database);

  // --- appending
  // Where a disk is full and the register lets the oldest events of a stream go, they go first (make_room).
  Status append(archive::Stream& stream, std::span<const archive::Event> events);

  // --- signed heads (heads.cpp)
  // Where they go beyond this machine; set before anything runs.
  void witness(WitnessOptions options, const Texts& texts, std::string language);
  bool mails() const { return witness_ && witness_->mails(); }
  // Signs what the stream holds now, notes it in the database, and takes it to the witnesses.
  Status publish_head(const archive::StreamName& name);
  // Of every stream that this installation writes: one that fails stops no other.
  Status publish_heads();
  Status mail_heads();
  // The time stamp of a head, asked for now where an authority is set and none is there yet.
  Result<std::optional<proof::TimeStamp>> stamp(const archive::StreamName& name, const proof::Head& head);
  Result<std::optional<proof::TimeStamp>> stamp_kept(const archive::StreamName& name,
                                                     const proof::Head& head) {
    return stamp_of(ledger_.database(), name, head);
  }
  // Of the streams that open: state() names the others.
  Result<std::vector<NewestHead>> newest_heads(const std::string& facility);

  // --- retention (retention.cpp)
  // The streams that the register gives a time or a size; of `only`, where it is given.
  Result<std::map<archive::StreamName, archive::Retention>> retentions(
      const archive::StreamName* only = nullptr);
  // How many events of the stream went.
  Result<std::uint64_t> retain(const archive::StreamName& name, const archive::Retention& retention);
  // Where the disk is nearly full: of the streams whose line says so, the oldest events go; every stream else
  // stays and refuses. `full`: a disk has refused an event, whatever it says of its room.
  Status make_room(bool full = false);
  // What went stands in the journal: now, or at the next call. At the first one also what went unseen.
  Status record_removals();
  // Looks at the clock, once a minute: where it was set, events look older than they are, or younger.
  Status watch_clock();
  // Whether the clock may be believed: nothing goes for its age for a day after it was set.
  Result<bool> clock_is_sure();

  // --- verification (verification.cpp)
  // Reads a stream again and keeps the result as a fact (LOG-03). `progress`: events done of how many; false
  // ends it (archive.verify.stopped), without a fact.
  using Progress = std::function<bool(std::uint64_t done, std::uint64_t all)>;
  Result<archive::Verified> verify(
      const archive::StreamName& name,
      const std::function<void(const archive::Damage&)>& report = [](const archive::Damage&) {},
      const Progress& progress = {});
  // The same for a name that may be of a stream that was signed once: that it is gone is a fact. Error:
  // archive.damage.gone.
  Result<archive::Verified> verify_if_there(const archive::StreamName& name, const Progress& progress = {});
  // Those that are there and those that were signed once, and when each was verified last.
  Result<std::map<archive::StreamName, std::optional<Instant>>> verified();

  // --- state (state.cpp)
  // Also of streams that do not open, and of such as were signed once and are not there any more.
  Result<std::vector<StreamState>> state(const std::string& facility);
  DiskState disk() const;
  // How the archive grows, and what is left of the disk, as facts.
  Status measure_space();

 private:
  Status find_unrecorded_removals();
  Status note_growth(Instant now);
  Result<std::optional<archive::Damage>> against_note(const archive::StreamName& name,
                                                      const archive::Stream* stream);
  Status keep_verdict(const archive::StreamName& name, json::object fact);
  static store::Actor actor() { return {"", "log intake", "logs"}; }

  ledger::Ledger& ledger_;
  archive::Archive& archive_;
  const Instant reading_since_;
  Mutex making_room_;               // one at a time
  std::optional<Witness> witness_;  // set before anything runs
  const Texts* texts_ = nullptr;
  std::string language_;
  mutable Mutex mutex_;  // never held across database or disk
  struct Removal {
    archive::StreamName name;
    std::uint64_t events = 0, first = 0;
    std::string reason;
  };
  std::deque<Removal> removals_ GUARDED_BY(mutex_);  // not yet in the journal
  bool removals_looked_for_ GUARDED_BY(mutex_) = false;
  Instant last_round_ GUARDED_BY(mutex_){};
  int rounds_in_doubt_ GUARDED_BY(mutex_) = 0;  // since the clock jumped, counted down
  std::vector<std::pair<Instant, std::uint64_t>> growth_ GUARDED_BY(mutex_);  // bytes of the archive, lately
};

}  // namespace mamori::logs
