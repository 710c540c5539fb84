// The ledger's journal followed into a stream of the archive, both on one disk under every fault.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "archive/embedded/archive.h"
#include "base/crypto.h"
#include "installation.h"
#include "logs/logs.h"
#include "runs.h"

namespace mamori::fault {
namespace {

const SigningKey& key() {
  static const SigningKey one(Secret(std::string(SigningKey::kSeed, 'k')));
  return one;
}

// Ledger, archive, and what feeds the one into the other.
class Followed {
 public:
  Followed(SimulatedDisk& disk, const Clock& clock)
      : disk_(disk), clock_(clock), installation_(disk, clock) {}
  ~Followed() { close(); }

  Status open() {
    MAMORI_TRY(installation_.open());
    if (!archive_)
      archive_ = MAMORI_TRY(archive::EmbeddedArchive::open("/data/archive", key(), clock_, disk_));
    if (!logs_) logs_ = MAMORI_TRY(logs::Logs::open(installation_.ledger(), *archive_));
    return {};
  }
  void close() {
    logs_.reset();
    archive_.reset();
    installation_.close();
  }
  bool is_open() const { return logs_ != nullptr; }
  ledger::Ledger& ledger() { return installation_.ledger(); }
  store::Database& database() { return installation_.database(); }
  logs::Logs& logs() { return *logs_; }

  // Whether the streams hold exactly what the journal holds, in order, each once. Empty: they do.
  std::string compare() {
    std::map<std::string, std::vector<std::string>> journal;  // by facility: sequence and hash of each
    {
      const auto lease = database().read();
      if (!lease) return "cannot be read: " + describe(lease.error());
      const auto read = (*lease)->each(
          "SELECT facility, sequence, hash FROM journal ORDER BY sequence", {}, [&](store::Row& row) {
            journal[store::as_text(row[0])].push_back(store::as_text(row[1]) + " " + store::as_text(row[2]));
          });
      if (!read) return "cannot be read: " + describe(read.error());
    }
    for (const auto& [facility, entries] : journal) {
      const auto stream = archive_->stream({facility, "journal"});
      if (!stream) return "has no stream: " + describe(stream.error());
      std::vector<std::string> fed;
      const archive::SearchOptions all;
      const auto read = (*stream)->each_match(
          {}, all.from, all.to, 0, [&](proof::LeafIndex, const archive::Event& event) -> Result<bool> {
            const auto line = parse_json_object(std::string(event.raw));
            if (line)
              fed.push_back(fmt::format("{} {}", integer_of(*line, "sequence"), text_of(*line, "hash")));
            return true;
          });
      if (!read) return "cannot be read: " + describe(read.error());
      if (fed == entries) continue;
      std::size_t same = 0;
      while (same < fed.size() && same < entries.size() && fed[same] == entries[same]) ++same;
      return fmt::format("{} entries in the journal, {} in the stream, the first {} alike; then {} and {}",
                         entries.size(), fed.size(), same, same < entries.size() ? entries[same] : "none",
                         same < fed.size() ? fed[same] : "none");
    }
    return {};
  }

 private:
  SimulatedDisk& disk_;
  const Clock& clock_;
  Installation installation_;
  std::unique_ptr<archive::EmbeddedArchive> archive_;
  std::unique_ptr<logs::Logs> logs_;
};

class JournalScenario final : public Scenario {
 public:
  explicit JournalScenario(std::uint64_t seed) : random_(seed) {}

  void run(SimulatedDisk& disk) override {
    disk_ = &disk;
    followed_.emplace(disk, clock_);
    for (int step = 0; step < 8; ++step) {
      const auto what = step == 0 ? 0 : random_() % 10;
      if (std::getenv("MAMORI_FAULT"))
        std::printf("step %d, choice %d, before it: %s\n", step, static_cast<int>(what), why_.c_str());
      if (!ready()) continue;
      if (what < 1)
        make_facility();
      else if (what < 5)
        make_thing();
      else if (what < 9)
        feed();
      else
        followed_->close();
      clock_.advance(std::chrono::seconds(1));
    }
  }

  std::string go_on(SimulatedDisk& disk) override {
    if (!ready()) return "cannot be opened though nothing fails any more: " + why_;
    make_facility();
    make_thing();
    if (!why_.empty()) return "takes nothing though nothing fails any more: " + why_;
    feed();
    if (!why_.empty()) return "feeds nothing though nothing fails any more: " + why_;
    if (auto wrong = look(*followed_); !wrong.empty()) return wrong;
    // The power goes while all is open: nothing is tidied up by its end.
    const auto wrong =
        check(*disk.power_lost([](std::size_t) { return SimulatedDisk::Fate::lost; }, 0), false);
    return wrong.empty() ? wrong : "if the power went now: " + wrong;
  }

  void close() override { followed_->close(); }

  std::string check(SimulatedDisk& disk, bool again) override {
    if (!again) checked_ = 0;
    for (int round = 0; round < 2; ++round) {
      Followed next(disk, clock_);
      if (const auto opened = next.open(); !opened)
        return fmt::format("start {}: cannot be opened: {}", round + 1, describe(opened.error()));
      // The first start only follows, and makes nothing durable in the ledger by a change of its own.
      if (const auto fed = next.logs().journal().feed(); !fed)
        return fmt::format("start {}: feeds nothing: {}", round + 1, describe(fed.error()));
      if (auto wrong = look(next); !wrong.empty()) return fmt::format("start {}: {}", round + 1, wrong);
      if (round == 0) {
        // The process died before, and the power goes now: what was followed must not be further than what is
        // kept.
        const auto lost = disk.power_lost([](std::size_t) { return SimulatedDisk::Fate::lost; }, 0);
        Followed later(*lost, clock_);
        if (const auto reopened = later.open(); !reopened)
          return "cannot be opened after that: " + describe(reopened.error());
        if (const auto fed = later.logs().journal().feed(); !fed)
          return "feeds nothing after that: " + describe(fed.error());
        if (auto wrong = look(later); !wrong.empty()) return "the power gone after start 1: " + wrong;
        continue;
      }
      const auto made = next.ledger().create(kActor, *registers().find("facility"), "", facility("later"));
      if (!made) return "takes nothing more: " + describe(made.error());
      ++checked_;
      if (const auto fed = next.logs().journal().feed(); !fed)
        return "feeds nothing more: " + describe(fed.error());
      if (auto wrong = look(next); !wrong.empty()) return "after one more: " + wrong;
    }
    return {};
  }

 private:
  static ledger::Write facility(const std::string& name) {
    return {{{"name", name}, {"kind", "clinic"}}, "test"};
  }

  bool ready() {
    if (followed_->is_open()) return true;
    const auto opened = followed_->open();
    why_ = opened ? "" : describe(opened.error());
    return opened.has_value();
  }
  void note(const Status& status) {
    why_ = status ? "" : describe(status.error());
    if (status && !disk_->crashed()) ++acknowledged_;
  }

  void make_facility() {
    const auto made = followed_->ledger().create(kActor, *registers().find("facility"), "",
                                                 facility(fmt::format("F{}", ++number_)));
    if (made) facilities_.push_back(made->id);
    note(made ? Status() : Status(made.error()));
  }
  void make_thing() {
    const auto which = random_();
    if (facilities_.empty()) return;
    const auto name = fmt::format("thing {}", ++number_);
    const auto made = followed_->ledger().create(
        kActor, *registers().find("thing"), facilities_[which % facilities_.size()], {{{"name", name}}, ""});
    note(made ? Status() : Status(made.error()));
  }
  void feed() {
    const auto fed = followed_->logs().journal().feed();
    why_ = fed ? "" : describe(fed.error());
  }

  std::string look(Followed& followed) const {
    if (auto wrong = look_into(followed.database()); !wrong.empty()) return wrong;
    const auto lease = followed.database().read();
    if (!lease) return "cannot be read: " + describe(lease.error());
    const auto count = (*lease)->query("SELECT COUNT(*) FROM journal");
    if (!count) return "cannot be read: " + describe(count.error());
    if (static_cast<std::size_t>(store::as_integer(count->rows[0][0])) < acknowledged_ + checked_)
      return "acknowledged and gone";
    return followed.compare();
  }

  std::mt19937_64 random_;
  testing::ManualClock clock_;
  SimulatedDisk* disk_ = nullptr;
  std::optional<Followed> followed_;
  std::string why_;
  std::vector<std::string> facilities_;
  int number_ = 0;
  std::size_t acknowledged_ = 0, checked_ = 0;
};

TEST(Faults, TheJournalComesIntoItsStreamWholeOnceAndInOrder) {
  crypto_ready();
  const auto count = run_all(
      "journal", [](std::uint64_t seed) { return std::make_unique<JournalScenario>(seed); }, 1, 2);
  if (std::getenv("MAMORI_FAULT") || std::getenv("MAMORI_FAULT_SEEDS")) return;
  EXPECT_GE(count.runs, 1'000u);
}

}  // namespace
}  // namespace mamori::fault
