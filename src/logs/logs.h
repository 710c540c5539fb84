// The logs of an installation: who may send, what arrives goes normalised into the archive, and what is asked
// of it.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <set>

#include "archive/archive.h"
#include "base/crypto.h"
#include "base/mutex.h"
#include "formats/bodies.h"
#include "ledger/ledger.h"
#include "logs/counting.h"
#include "logs/journal_feed.h"
#include "logs/keeping.h"
#include "logs/senders.h"

namespace mamori::logs {

// A question to the archive: its words, and from when (including) to when (excluding).
struct Question {
  std::string text;
  archive::Query query;
  Instant from = archive::SearchOptions().from, to = archive::SearchOptions().to;
  bool about_patient() const;  // it asks for one by the field
};
// Errors: archive.query.bad, collect.log.time. Empty times = without limit.
Result<Question> parse_question(std::string text, std::string_view from, std::string_view to);

// Whose login the user of an event is: an account of the ledger or, where it has none, of a directory, and
// the person behind it.
struct Owner {
  std::string reg, account;  // register and id
  std::string person, name;  // empty where nobody is known
};

// Threads: all calls may come from several. What it is given outlives it.
class Logs {
 public:
  static Result<std::unique_ptr<Logs>> open(ledger::Ledger& ledger, archive::Archive& archive);

  archive::Archive& archive() const { return archive_; }
  Instant now() const { return ledger_.database().clock().now(); }

  // Which facilities somebody looks after: an unknown sender's messages go to the oldest of them. Set before
  // anything runs.
  void looked_after(std::function<Result<std::set<std::string>>()> facilities) {
    senders_.looked_after(std::move(facilities));
  }

  // --- senders
  // Waits for the database where it must. Errors: collect.log.refused (the source is refused),
  // collect.log.token (nobody has it). Who comes for the first time becomes an unknown source, whose events
  // are kept like anyone's: see Senders.
  Result<LogSource> source_of(const Sender& sender) { return senders_.find_or_admit(sender); }
  // From memory alone, for those who read the network; nothing: not known before admit_senders().
  Result<std::optional<LogSource>> find_sender(const Sender& sender) { return senders_.find(sender); }
  Status admit_senders() { return senders_.admit(); }
  std::optional<LogSource> nameless_sender(const std::string& address) const {
    return senders_.nameless(address);
  }
  Result<std::vector<LogSource>> sources(const std::string& facility);
  Result<std::vector<LogSource>> all_sources() { return senders_.all(); }
  // As they were read last.
  std::vector<LogSource> known_sources(const std::string& facility) const;
  // By number (LS-0001) or name. Error: collect.log.source.
  Result<LogSource> source_called(const std::string& facility, std::string_view name);
  // A new token, shown once; the former one ends. Error: ledger.record.missing.
  Result<Secret> make_token(const store::Actor& actor, const store::Scope& scope, const std::string& source);

  // --- intake
  struct Accepted {
    std::size_t events = 0;
    std::vector<formats::Refused> notes;  // what was cut (archive.event.cut) or refused
  };
  // Normalises and keeps; durable when it returns. Of events over the archive's limit the beginning is kept.
  // What was refused is kept too, as it came, with the kind `refused` and the reason as its action: nobody's
  // message is dropped in silence. Errors: of the archive; then nothing of it is kept, or the first
  // kAppendedAtOnce events or a multiple of them. Where a disk is full and the register lets the oldest
  // events of a stream go, they go first (make_room).
  static constexpr std::size_t kAppendedAtOnce = 4096;
  Result<Accepted> accept(const LogSource& source, std::string_view address, const formats::Bodies& bodies);
  // As received at another time: for the demonstration and for tests.
  Result<Accepted> accept(const LogSource& source, std::string_view address, const formats::Bodies& bodies,
                          Instant received);
  // The same for a file: straight into blocks. `progress`: bytes done. `from` names the source; its zone
  // applies.
  struct FileResult {
    std::uint64_t events = 0, bytes = 0;
    std::vector<formats::Refused> notes;  // what was cut; at most 1000
  };
  Result<FileResult> import_file(
      const LogSource& source, const std::filesystem::path& file,
      const std::function<void(std::uint64_t done, std::uint64_t all)>& progress = {});

  // --- reading
  // The streams of the facility that the question may be about; `wanted` empty = all but the journal. One
  // that does not open ends a question only where it is about no other.
  struct Streams {
    std::vector<archive::Stream*> open;
    std::vector<archive::Damage> closed;
  };
  Result<Streams> streams(const std::string& facility, const std::vector<std::string>& wanted = {});
  // Where the question names a patient, or what it found does, the journal tells who asked (LOG-02): the same
  // question of the same person once an hour. `options` gives page and statistics; the times are the
  // question's.
  Result<archive::SearchResult> search(const store::Actor& actor, const std::string& facility,
                                       std::span<const archive::Stream* const> streams,
                                       const Question& question, archive::SearchOptions options);
  // By user as the events name it (in any case, with or without a domain); those that are known.
  Result<std::map<std::string, Owner>> owners(const std::string& facility,
                                              const std::set<std::string>& users) const;
  // The same record for whoever reads event by event.
  Status record_search(const store::Actor& actor, const std::string& facility, const std::string& question);
  // Writes into the journal who looked for which patient's accesses, or took logs out.
  Status record_use(const store::Actor& actor, const std::string& facility, std::string_view action,
                    std::string_view question);

  // --- what it does by itself: see duties.h
  Keeping& keeping() { return keeping_; }
  Counting& counting() { return counting_; }
  JournalFeed& journal() { return journal_; }
  // Prometheus lines.
  std::string metrics();

 private:
  Logs(ledger::Ledger& ledger, archive::Archive& archive)
      : ledger_(ledger),
        archive_(archive),
        senders_(ledger),
        keeping_(ledger, archive),
        counting_(ledger, senders_),
        journal_(ledger.database(), archive, keeping_) {}

  ledger::Ledger& ledger_;
  archive::Archive& archive_;
  Senders senders_;
  Keeping keeping_;
  Counting counting_;
  JournalFeed journal_;
  mutable Mutex mutex_;
  std::map<std::string, Instant> used_ GUARDED_BY(mutex_);  // who asked what, lately
};

}  // namespace mamori::logs
