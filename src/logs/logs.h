// The logs of an installation: who may send, what arrives goes normalised into the archive, and the intake watches itself.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <set>

#include "archive/archive.h"
#include "base/crypto.h"
#include "formats/bodies.h"
#include "ledger/ledger.h"
#include "logs/senders.h"
#include "logs/witness.h"

namespace mamori::logs {

// A question to the archive: its words, and from when (including) to when (excluding).
struct Question {
  std::string text;
  archive::Query query;
  Instant from = archive::SearchOptions().from, to = archive::SearchOptions().to;
  // Whether it asks for a patient: by the field, or because a word of it is the patient of an event that it found.
  bool about_patient(std::string_view found = {}) const;
};
// Errors: archive.query.bad, collect.log.time. Empty times = without limit.
Result<Question> parse_question(std::string text, std::string_view from, std::string_view to);

struct StreamState {
  archive::StreamName name;
  std::uint64_t events = 0, first = 0, waiting = 0, bytes = 0, raw_bytes = 0;
  std::vector<archive::Damage> damage;
  const archive::Stream* stream = nullptr;  // none where it does not open
};

// Whose login the user of an event is: an account of the ledger or, where it has none, of a directory, and the person behind it.
struct Owner {
  std::string reg, account;          // register and id
  std::string person, name;          // empty where nobody is known
};

// The newest signed head of a stream, and its time stamp where an authority gave one.
// A stream that does not open, as damage.
archive::Damage damage_of(const archive::StreamName& name, const Error& error);

struct NewestHead {
  archive::StreamName name;
  proof::Head head;
  std::optional<proof::TimeStamp> stamp;
};

struct DiskState {
  std::uint64_t free = 0, total = 0;
  std::optional<double> days_left;   // from how fast the archive grew lately
};

// Threads: all calls may come from several. What it is given outlives it.
class Logs {
 public:
  static Result<std::unique_ptr<Logs>> open(ledger::Ledger& ledger, archive::Archive& archive);

  archive::Archive& archive() const { return archive_; }
  Instant now() const { return ledger_.database().clock().now(); }

  // Which facilities somebody looks after: an unknown sender's messages go to the oldest of them. Set before anything runs.
  void looked_after(std::function<Result<std::set<std::string>>()> facilities) { senders_.looked_after(std::move(facilities)); }

  // --- senders
  // Waits for the database where it must. Errors: collect.log.refused (the source is refused), collect.log.token (nobody has it).
  // Who comes for the first time becomes an unknown source, whose events are kept like anyone's: see Senders.
  Result<LogSource> source_of(const Sender& sender) { return senders_.find_or_admit(sender); }
  // From memory alone, for those who read the network; nothing: not known before admit_senders().
  Result<std::optional<LogSource>> find_sender(const Sender& sender) { return senders_.find(sender); }
  Status admit_senders() { return senders_.admit(); }
  std::optional<LogSource> nameless_sender(const std::string& address) const { return senders_.nameless(address); }
  Result<std::vector<LogSource>> sources(const std::vector<std::string>& facilities);
  // By number (LS-0001) or name. Error: collect.log.source.
  Result<LogSource> source_called(const std::string& facility, std::string_view name);
  // A new token, shown once; the former one ends. Error: ledger.record.missing.
  Result<Secret> make_token(const store::Actor& actor, const std::vector<std::string>& facilities, const std::string& source);

  // --- intake
  struct Accepted {
    std::size_t events = 0;
    std::vector<formats::Refused> notes;     // what was cut (archive.event.cut) or refused
  };
  // Normalises and keeps; durable when it returns. Of events over the archive's limit the beginning is kept. What was refused is kept
  // too, as it came, with the kind `refused` and the reason as its action: nobody's message is dropped in silence.
  // Errors: of the archive; then nothing of it is kept, or the first kAppendedAtOnce events or a multiple of them. Where a disk is full and the
  // register lets the oldest events of a stream go, they go first (make_room).
  static constexpr std::size_t kAppendedAtOnce = 4096;
  Result<Accepted> accept(const LogSource& source, std::string_view address, const formats::Bodies& bodies);
  // As received at another time: for the demonstration and for tests.
  Result<Accepted> accept(const LogSource& source, std::string_view address, const formats::Bodies& bodies, Instant received);
  // The same for a file: straight into blocks. `progress`: bytes done. `from` names the source; its zone applies.
  struct FileResult {
    std::uint64_t events = 0, bytes = 0;
    std::vector<formats::Refused> notes;     // what was cut; at most 1000
  };
  Result<FileResult> import_file(const LogSource& source, const std::filesystem::path& file, const std::function<void(std::uint64_t done, std::uint64_t all)>& progress = {});
  // What came and could not be kept. `source` "": nobody knows whose.
  void count_dropped(const std::string& source, std::uint64_t events);
  // What a refused sender sent.
  void count_waiting(std::uint64_t events) { waiting_ = events; }   // read, not yet kept
  void count_turned_away(std::uint64_t events) { turned_away_ += events; }
  // Datagrams that the kernel had no room for: nobody knows whose.
  void count_overflow(std::uint64_t datagrams) { overflow_ += datagrams; }

  // --- reading
  // The streams of these facilities that the question may be about; `wanted` empty = all but the journal. One that does not open ends a
  // question only where it is about no other.
  struct Streams {
    std::vector<archive::Stream*> open;
    std::vector<archive::Damage> closed;
  };
  Result<Streams> streams(const std::vector<std::string>& facilities, const std::vector<std::string>& wanted = {});
  // Where the question, or what it found, names a patient, the journal tells who asked (LOG-02): the same question of the same person
  // once an hour. `options` gives page and statistics; the times are the question's.
  Result<archive::SearchResult> search(const store::Actor& actor, const std::string& facility, std::span<const archive::Stream* const> streams, const Question& question, archive::SearchOptions options);
  // By user as the events name it (in any case, with or without a domain); those that are known.
  Result<std::map<std::string, Owner>> owners(const std::string& facility, const std::set<std::string>& users) const;
  // The same record for whoever reads event by event.
  Status record_search(const store::Actor& actor, const std::string& facility, const std::string& question);
  // Writes into the journal who looked for which patient's accesses, or took logs out.
  Status record_use(const store::Actor& actor, const std::string& facility, std::string_view action, std::string_view question);

  // Where signed heads go beyond this machine; set before anything runs.
  void witness(WitnessOptions options, const Texts& texts, std::string language);

  // --- watching itself
  // Once a minute: journal entries into their streams, measured facts into the ledger, signed heads every hour, retention every day,
  // verification every week, space left.
  // Each of these goes on where something fails; the error names the first, its problems all of them.
  Status tick();
  Status feed_journal();
  Status measure();
  Status publish_heads();
  Status mail_heads();
  // The time stamp of a head, asked for now where an authority is set and none is there yet.
  Result<std::optional<proof::TimeStamp>> stamp_kept(const archive::StreamName& name, const proof::Head& head) { return stamp_of(ledger_.database(), name, head); }
  Result<std::optional<proof::TimeStamp>> stamp(const archive::StreamName& name, const proof::Head& head);
  Status retain();
  // Where the disk is nearly full: of the streams whose line says so, the oldest events go; every stream else stays and refuses.
  // `full`: a disk has refused an event, whatever it says of its room. Removals stand in the journal after the next tick().
  Status make_room(bool full = false);
  // Reads a stream again and keeps the result as a fact (LOG-03).
  Result<archive::Verified> verify(const archive::StreamName& name, const std::function<void(const archive::Damage&)>& report = [](const archive::Damage&) {});
  // Of the streams that open: state() names the others.
  Result<std::vector<NewestHead>> newest_heads(const std::vector<std::string>& facilities);
  // Also of streams that do not open, and of such as were signed once and are not there any more.
  Result<std::vector<StreamState>> state(const std::vector<std::string>& facilities);
  DiskState disk() const;
  // Prometheus lines.
  std::string metrics();

 private:
  Logs(ledger::Ledger& ledger, archive::Archive& archive)
      : ledger_(ledger), archive_(archive), senders_(ledger), started_(ledger.database().clock().now()) {}
  struct Counters {
    std::array<std::uint64_t, 24> events{}, refused{}, dropped{};  // by hour of the day
    std::int64_t hour = -1;                                        // since 1970, of the newest
    std::vector<float> drifts;                                     // seconds, of the latest events that name a time
    Instant last_received{};
    std::uint64_t total = 0;
    double usual = 0;                                              // events a day, slowly following
    int days = 0;
    std::optional<double> drift() const;                           // the middle one
    std::optional<double> last_drift;                              // of before the start
  };
  Status measure_space();
  Status feed_journal(const std::string& facility);
  Result<std::int64_t> fed_until(const std::string& facility, const archive::Stream& stream);
  Status publish_head(const archive::StreamName& name, std::vector<std::pair<archive::StreamName, proof::Head>>& published);
  Status record_removals();
  Status note_growth(Instant now);
  Result<bool> clock_is_steady(Instant now);
  Status find_unrecorded_removals();
  Status verify_next(Instant now);
  Result<std::optional<archive::Damage>> against_note(const archive::StreamName& name, const archive::Stream* stream);
  Status keep_verdict(const archive::StreamName& name, json::object fact);
  Status append(archive::Stream& stream, std::span<const archive::Event> events);
  // `refused`: how many of them.
  void count(const LogSource& source, std::span<const archive::Event> events, std::size_t refused);
  void roll(Counters& counters, Instant now);
  static store::Actor intake_actor() { return {"", "log intake", "logs"}; }

  ledger::Ledger& ledger_;
  archive::Archive& archive_;
  Senders senders_;
  std::mutex making_room_;            // one at a time
  const Instant started_;
  std::optional<Witness> witness_;    // set before anything runs
  const Texts* texts_ = nullptr;
  std::string language_;
  mutable std::mutex mutex_;  // guards everything below; never held across database or disk
  struct Removal {
    archive::StreamName name;
    std::uint64_t events = 0, first = 0;
    std::string reason;
  };
  std::deque<Removal> removals_;              // not yet in the journal
  std::map<std::string, Counters> counters_;  // by source id
  std::map<std::string, std::int64_t> fed_;   // journal: by facility, the last entry in its stream
  Instant last_heads_{}, last_retention_{}, last_mail_{};
  // Of tick() alone, which one thread calls.
  Instant last_round_{};
  int rounds_in_doubt_ = 0;                   // since the clock jumped, counted down
  bool removals_looked_for_ = false;
  std::map<std::string, Instant> used_;       // who asked what, lately
  std::vector<std::pair<Instant, std::uint64_t>> growth_;  // bytes of the archive, lately
  std::atomic<std::uint64_t> accepted_{0}, refused_{0}, dropped_{0}, overflow_{0}, turned_away_{0}, waiting_{0};
};

}  // namespace mamori::logs
