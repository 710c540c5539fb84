// The ledger's database under every fault: records and their history, batches, transactions that fail,
// readers beside writers, restarts, and the first opening of an empty file.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "base/crypto.h"
#include "installation.h"
#include "runs.h"
#include "store/journal.h"

namespace mamori::fault {
namespace {

using ledger::Record;

// One change that was asked for. Each carries its name as the reason, by which it is found in the journal.
struct Deed {
  std::size_t entries = 1;  // in the journal, when it happened
  bool told_done = false;
  bool told_not = false;  // in the life of the process that is still there: then it did not happen
};

class LedgerScenario final : public Scenario {
 public:
  explicit LedgerScenario(std::uint64_t seed) : random_(seed), tight_(seed % 2 == 0) {}

  void run(SimulatedDisk& disk) override {
    disk_ = &disk;
    installation_.emplace(disk, clock_);
    for (int step = 0; step < 8; ++step) {
      const auto what = random_() % 20, which = random_();
      if (std::getenv("MAMORI_FAULT"))
        std::printf("step %d, choice %d, before it: %s\n", step, static_cast<int>(what), why_.c_str());
      if (!ready()) continue;
      if (what < 6)
        create();
      else if (what < 9)
        update(which);
      else if (what < 11)
        retire_or_bring_back(which);
      else if (what < 13)
        create_many(4 + which % 9);
      else if (what < 15)
        fail();
      else if (what < 16)
        revert(which);
      else if (what < 18)
        write_beside_a_reader();
      else
        restart();
      clock_.advance(std::chrono::seconds(1));
    }
  }

  std::string go_on(SimulatedDisk& disk) override {
    if (!ready()) return "cannot be opened though nothing fails any more: " + why_;
    for (int i = 0; i < 6; ++i) {  // more than the connections that are kept
      create();
      if (!why_.empty()) return "takes nothing though nothing fails any more: " + why_;
    }
    create_many(5);
    if (!why_.empty()) return "takes no batch though nothing fails any more: " + why_;
    if (auto wrong = look(installation_->database()); !wrong.empty()) return wrong;
    // The power goes while it is open: nothing is tidied up by its end.
    const auto wrong =
        check(*disk.power_lost([](std::size_t) { return SimulatedDisk::Fate::lost; }, 0), false);
    return wrong.empty() ? wrong : "if the power went now: " + wrong;
  }

  void close() override { installation_->close(); }

  std::string check(SimulatedDisk& disk, bool again) override {
    if (!again) checked_.clear();
    for (int round = 0; round < 2; ++round) {
      Installation next(disk, clock_);
      if (const auto opened = next.open(); !opened)
        return fmt::format("start {}: cannot be opened: {}", round + 1, describe(opened.error()));
      for (auto& [token, deed] : deeds_)
        deed.told_not = false;  // told by a process that is gone: it may yet have happened
      if (auto wrong = look(next.database()); !wrong.empty())
        return fmt::format("start {}: {}", round + 1, wrong);
      const auto token = fmt::format("check {}", ++checks_);
      const auto made = next.ledger().create(kActor, reg(), "f1", write(token));
      if (!made) return "takes nothing more: " + describe(made.error());
      checked_.insert(token);
      if (auto wrong = look(next.database()); !wrong.empty())
        return fmt::format("after start {}: {}", round + 1, wrong);
    }
    return {};
  }

 private:
  static const ledger::Register& reg() { return *registers().find("thing"); }

  // Long, so that a few of them do not fit into a page.
  static ledger::Write write(const std::string& token) {
    return {{{"name", token}, {"remark", std::string(700, 'r')}}, token};
  }

  bool ready() {
    if (installation_->is_open()) return true;
    const auto opened = installation_->open();
    why_ = opened ? "" : describe(opened.error());
    if (opened && tight_) (void)installation_->make_tight().has_value();
    return opened.has_value();
  }

  // A new deed, and how it ended.
  std::string begin(std::size_t entries = 1) {
    auto token = fmt::format("deed {}", deeds_.size());
    deeds_[token].entries = entries;
    return token;
  }
  void ended(const std::string& token, bool done, const std::string& why) {
    why_ = why;
    if (disk_->crashed()) return;
    deeds_[token].told_done = done;
    deeds_[token].told_not = !done;
  }
  template <class T>
  void ended(const std::string& token, const Result<T>& result) {
    ended(token, result.has_value(), result.has_value() ? "" : describe(result.error()));
    if (!result && result.error().code == "store.outcome-unknown") deeds_[token].told_not = false;
  }

  void create() {
    const auto token = begin();
    const auto made = installation_->ledger().create(kActor, reg(), "f1", write(token));
    ended(token, made);
    if (made) ids_.push_back(made->id);
  }

  std::optional<Record> one(std::uint64_t which) {
    if (ids_.empty()) return {};
    auto found = installation_->ledger().get(reg(), store::Scope::door("f1"), ids_[which % ids_.size()]);
    if (!found) return {};
    return std::move(*found);
  }

  void update(std::uint64_t which) {
    const auto record = one(which);
    if (!record) return;
    const auto token = begin();
    ended(token, installation_->ledger().update(kActor, reg(), store::Scope::door("f1"), record->id,
                                                record->version, write(token)));
  }

  void retire_or_bring_back(std::uint64_t which) {
    const auto record = one(which);
    if (!record) return;
    const auto token = begin();
    auto& ledger = installation_->ledger();
    if (record->retired_at)
      ended(token,
            ledger.bring_back(kActor, reg(), store::Scope::door("f1"), record->id, record->version, token));
    else
      ended(token,
            ledger.retire(kActor, reg(), store::Scope::door("f1"), record->id, record->version, token));
  }

  void revert(std::uint64_t which) {
    const auto record = one(which);
    if (!record) return;
    const auto history = installation_->ledger().history(reg(), store::Scope::door("f1"), record->id);
    if (!history || history->size() < 2) return;
    const auto token = begin();
    const auto before = history->back().sequence;  // as it was made
    const auto reverted = installation_->ledger().revert(kActor, reg(), store::Scope::door("f1"), record->id,
                                                         record->version, before, token);
    if (reverted && reverted->version == record->version) deeds_[token].entries = 0;  // it was so already
    ended(token, reverted);
  }

  void create_many(std::size_t count) {
    const auto token = begin(count);
    ended(token, [&]() -> Result<bool> {
      auto transaction = MAMORI_TRY(installation_->database().begin());
      std::vector<json::object> records;
      for (std::size_t i = 0; i < count; ++i) {
        records.push_back(write(token).fields);
        records.back()["name"] = fmt::format("{}, {}", token, i);
      }
      MAMORI_TRY(installation_->ledger().create_many(transaction, kActor, reg(), "f1", std::move(records),
                                                     token, nullptr));
      MAMORI_TRY(transaction.commit());
      return true;
    }());
  }

  // What is wrong in it ends a transaction half way.
  void fail() {
    const auto token = begin();
    auto& ledger = installation_->ledger();
    const auto done = [&]() -> Result<bool> {
      auto transaction = MAMORI_TRY(installation_->database().begin());
      const auto made = MAMORI_TRY(ledger.create_in(transaction, kActor, reg(), "f1", write(token)));
      MAMORI_TRY(transaction->execute("INSERT INTO r_thing SELECT * FROM r_thing WHERE id = ?", {made.id}));
      MAMORI_TRY(transaction.commit());
      return true;
    }();
    ended(token, done);
    deeds_[token].entries = 0;
    why_.clear();
  }

  void write_beside_a_reader() {
    const auto lease = installation_->database().read();
    if (!lease) return;
    bool first = true;
    (void)(*lease)
        ->each("SELECT id, remark FROM r_thing ORDER BY remark, id", {},
               [&](store::Row&) {
                 if (std::exchange(first, false)) create();
               })
        .has_value();
  }

  void restart() {
    installation_->close();
    for (auto& [token, deed] : deeds_) deed.told_not = false;
    (void)ready();
  }

  // What is wrong with what a database shows.
  std::string look(store::Database& database) {
    if (auto wrong = look_into(database); !wrong.empty()) return wrong;
    std::map<std::string, std::size_t> found;
    const auto lease = database.read();
    if (!lease) return "cannot be read: " + describe(lease.error());
    const auto read = (*lease)->each("SELECT reason FROM journal WHERE subject = 'thing'", {},
                                     [&](store::Row& row) { ++found[store::as_text(row[0])]; });
    if (!read) return "cannot be read: " + describe(read.error());
    for (const auto& [token, deed] : deeds_) {
      const auto at = found.find(token);
      const auto entries = at == found.end() ? 0 : at->second;
      if (entries != 0 && entries != deed.entries)
        return fmt::format("{}: {} of {} entries", token, entries, deed.entries);
      if (deed.told_done && entries != deed.entries) return token + ": acknowledged and gone";
      if (deed.told_not && entries != 0) return token + ": told that it did not happen, and it has";
    }
    for (const auto& token : checked_)
      if (found[token] != 1) return token + ": acknowledged by the start before, and gone";
    for (const auto& [token, entries] : found)
      if (!deeds_.contains(token) && !token.starts_with("check ")) return "never asked for: " + token;
    return {};
  }

  std::mt19937_64 random_;
  const bool tight_;
  testing::ManualClock clock_;
  SimulatedDisk* disk_ = nullptr;
  std::optional<Installation> installation_;
  std::string why_;
  std::vector<std::string> ids_;
  std::map<std::string, Deed> deeds_;
  std::set<std::string> checked_;
  std::size_t checks_ = 0;
};

TEST(Faults, TheLedgerKeepsWhatItAcknowledgedWithItsJournalAndNothingByHalves) {
  crypto_ready();
  const auto count = run_all(
      "ledger", [](std::uint64_t seed) { return std::make_unique<LedgerScenario>(seed); }, 2, 1);
  if (std::getenv("MAMORI_FAULT") || std::getenv("MAMORI_FAULT_SEEDS")) return;
  EXPECT_GE(count.runs, 3'000u);
}

}  // namespace
}  // namespace mamori::fault
