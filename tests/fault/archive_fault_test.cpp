// The archive under every fault: live appends, imports, sealing, heads, retention and restarts, in an order
// that a seed chooses.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "archive/embedded/search.h"
#include "archive/embedded/stream.h"
#include "base/file.h"
#include "os/keys.h"
#include "runs.h"
#include "testing/clock.h"

namespace mamori::fault {
namespace {

using namespace archive;

constexpr const char* kFolder = "/data/archive/f1/events";
constexpr const char* kOrigin = "mamori/f1/events";

const SigningKey& key() {
  static const SigningKey one(Secret(std::string(SigningKey::kSeed, 'k')));
  return one;
}

std::string text_of(std::uint64_t number) {
  return fmt::format("host sshd[{}]: Failed password for user{} from 192.0.2.{} unique{:08}x",
                     100 + number % 7, number % 5, number % 250, number);
}

class ArchiveScenario : public Scenario {
 public:
  explicit ArchiveScenario(std::uint64_t seed) : random_(seed) {}

  void run(SimulatedDisk& disk) override {
    disk_ = &disk;
    open();
    // The same steps with the same seed, whatever fails: chance is asked before it is known what does.
    for (int step = 0; step < 20; ++step) {
      const auto what = random_() % 20;
      const auto size = 1 + random_() % 6;
      if (std::getenv("MAMORI_FAULT"))
        std::printf("step %d, choice %d, size %d, before it: %zu events, %s\n", step, static_cast<int>(what),
                    static_cast<int>(size), stream_ ? static_cast<std::size_t>(stream_->size()) : 0,
                    why_.c_str());
      if (what < 9)
        append(size);
      else if (what < 13)
        import_blocks(1 + size % 4, random_() % 4 != 0);
      else if (what < 15)
        publish();
      else if (what < 16)
        seal();
      else if (what < 17)
        settle();
      else if (what < 18)
        retain();
      else
        restart();
      clock_.advance(std::chrono::minutes(10));
    }
    publish();
  }

  std::string go_on(SimulatedDisk& disk) override {
    disk_ = &disk;
    if (!stream_) open();
    if (!stream_) return "cannot be opened though nothing fails any more: " + why_;
    append(2);
    if (why_ == "archive.block.damaged" || why_ == "os.file.short") {
      // What an import wrote can neither be synced nor read any more: the stream says so, and is well when it
      // is opened anew.
      restart();
      if (!stream_) return "cannot be opened anew: " + why_;
      append(2);
    }
    if (!why_.empty()) return "does not go on though nothing fails any more: " + why_;
    import_blocks(1, true);
    if (!why_.empty()) return "imports nothing though nothing fails any more: " + why_;
    seal();
    publish();
    if (!why_.empty()) return "signs no head though nothing fails any more: " + why_;
    return look(*stream_, true);
  }

  void close() override { stream_.reset(); }

  std::string check(SimulatedDisk& disk, bool again) override {
    auto& mine = checked_;
    if (!again) mine.clear();
    Workers workers{0};
    for (int round = 0; round < 2; ++round) {  // what mends itself at one start must be right at the next
      auto opened = EmbeddedStream::open(kFolder, kOrigin, key(), clock_, disk, workers, options());
      if (!opened) return "cannot be opened: " + describe(opened.error());
      auto& stream = **opened;
      if (auto wrong = look(stream, false); !wrong.empty())
        return fmt::format("start {}: {}", round + 1, wrong);
      for (const auto& [index, text] : mine) {
        const auto there = stream.event(index);
        if (!there || there->event.raw != text)
          return fmt::format("start {}: what the last start acknowledged is gone: {}", round + 1, index);
      }
      Arena arena;
      const auto number = 0x90000000 + checks_++;
      submitted_.insert(text_of(number));
      std::vector<Event> events = {event(number, arena)};
      const auto added = stream.append(events);
      if (!added) return "takes nothing more: " + describe(added.error());
      if (!disk.crashed()) mine[added->first] = text_of(number);
      const auto head = stream.publish_head();
      if (!head) return "signs nothing more: " + describe(head.error());
      if (round == 0) continue;
      if (const auto sealed = stream.seal(); !sealed)
        return "seals nothing more: " + describe(sealed.error());
      const auto verified = stream.verify([](const Damage&) {});
      if (!verified) return "is not whole after it went on: " + describe(verified.error());
    }
    return {};
  }

  const Clock& clock() const { return clock_; }
  static StreamOptions options() {
    return {.level = 1, .events = 8, .bytes = 1 << 20, .backlog = 2, .segment = 3};
  }

 protected:
  Event event(std::uint64_t number, Arena& arena) const {
    Event out;
    out.raw = arena.keep(text_of(number));
    out.received = out.time = clock_.now();
    out[Field::source] = "LS-0001";
    out[Field::user] = arena.keep("user" + std::to_string(number % 5));
    return out;
  }

  void note(const Status& status) { why_ = status ? "" : status.error().code; }

  void open() {
    auto opened = EmbeddedStream::open(kFolder, kOrigin, key(), clock_, *disk_, workers_, options());
    why_ = opened ? "" : opened.error().code;
    if (opened) stream_ = std::move(*opened);
  }
  bool ready() {
    if (!stream_) open();
    return stream_ != nullptr;
  }

  void append(std::uint64_t count) {
    Arena arena;
    std::vector<Event> events;
    std::vector<std::uint64_t> numbers;
    for (std::uint64_t i = 0; i < count; ++i) {
      numbers.push_back(next_);
      submitted_.insert(text_of(next_));
      events.push_back(event(next_++, arena));
    }
    if (!ready()) return;
    const auto added = stream_->append(events);
    why_ = added ? "" : added.error().code;
    if (!added || disk_->crashed()) return;
    for (std::size_t i = 0; i < numbers.size(); ++i) acknowledged_[added->first + i] = text_of(numbers[i]);
    // Whatever stood before it was made durable with it.
    for (auto& [index, text] : promised_) acknowledged_[index] = std::move(text);
    promised_.clear();
  }

  void import_blocks(std::uint64_t blocks, bool settles) {
    for (std::uint64_t b = 0; b < blocks; ++b) {
      auto batch = std::make_shared<Batch>();
      std::vector<std::string> texts;
      for (int i = 0; i < 5; ++i) {
        texts.push_back(text_of(next_));
        submitted_.insert(texts.back());
        batch->events.push_back(event(next_++, batch->arena));
      }
      if (!ready()) return;
      const auto first = stream_->size();
      const auto added = stream_->append_block(batch);
      note(added);
      if (!added || disk_->crashed()) continue;
      for (std::size_t i = 0; i < texts.size(); ++i) promised_[first + i] = std::move(texts[i]);
    }
    if (settles) settle();
  }

  void settled(const Status& status) {
    note(status);
    if (!status || disk_->crashed()) return;
    for (auto& [index, text] : promised_) acknowledged_[index] = std::move(text);
    promised_.clear();
  }
  void settle() {
    if (ready()) settled(stream_->settle());
  }
  void seal() {
    if (ready()) settled(stream_->seal());
  }

  void publish() {
    if (!ready()) return;
    auto head = stream_->publish_head();
    why_ = head ? "" : head.error().code;
    if (head && !disk_->crashed()) heads_.push_back(std::move(*head));
  }

  void retain() {
    if (!ready()) return;
    may_go_ = std::max(may_go_, stream_->size());
    const auto gone = stream_->retain({.bytes = 1});
    why_ = gone ? "" : gone.error().code;
  }

  void restart() {
    stream_.reset();
    promised_.clear();  // nobody was told that they are kept
    open();
  }

  // What is wrong with what a stream shows.
  std::string look(EmbeddedStream& stream, bool same_process) {
    for (const auto& damage : stream.damage())
      return fmt::format("damage {} {}-{} of {}", damage.what, damage.first, damage.last, damage.file);
    if (stream.first() > may_go_)
      return fmt::format("events before {} are gone, and nobody let them go", stream.first());
    std::map<LeafIndex, std::string> found;
    std::set<std::string> seen;
    std::string wrong;
    const auto read = stream.each_match(Query{}, SearchOptions().from, SearchOptions().to, 0,
                                        [&](LeafIndex index, const Event& one) -> Result<bool> {
                                          std::string text(one.raw);
                                          if (!seen.insert(text).second)
                                            wrong = fmt::format("twice: {}", text);
                                          else if (!submitted_.contains(text))
                                            wrong = fmt::format("never sent: {}", text);
                                          found[index] = std::move(text);
                                          return wrong.empty();
                                        });
    if (!read) return "cannot be read: " + describe(read.error());
    if (!wrong.empty()) return wrong;
    for (const auto& [index, text] : acknowledged_) {
      if (index < stream.first()) continue;
      const auto there = found.find(index);
      if (there == found.end()) return fmt::format("acknowledged and gone: {} ({})", index, text);
      if (there->second != text)
        return fmt::format("acknowledged and another: {} ({} is {})", index, text, there->second);
    }
    if (!same_process && stream.first() + found.size() != stream.size()) return "places without events";
    const auto verified = stream.verify([](const Damage&) {});
    if (!verified) return "not whole: " + describe(verified.error());
    const auto heads = stream.heads();
    for (const auto& head : heads_) {
      if (head.size == 0) continue;
      if (std::none_of(heads.begin(), heads.end(), [&](const Head& one) { return one.note == head.note; }))
        return fmt::format("a signed head of {} is gone", head.size);
      const auto root = stream.root_at(head.size);
      if (!root || *root != head.root)
        return fmt::format("a signed head of {} does not fit any more", head.size);
      const auto proof = stream.consistency(head.size, stream.size());
      if (!proof ||
          !verify_consistency(head.size, stream.size(), head.root, *stream.root_at(stream.size()), *proof))
        return fmt::format("from a signed head of {} nothing can be proven", head.size);
    }
    // By their words, so that the filters are asked.
    std::size_t asked = 0;
    for (auto one = acknowledged_.rbegin(); one != acknowledged_.rend() && asked < 12; ++one, ++asked) {
      if (one->first < stream.first()) continue;
      const EmbeddedStream* const streams[] = {&stream};
      const auto word = one->second.substr(one->second.rfind(' ') + 1);
      const auto result = search(streams, *parse_query(word), {.limit = 5});
      if (!result) return "cannot be searched: " + describe(result.error());
      if (result->hits.size() != 1) return fmt::format("a search for {} finds {}", word, result->hits.size());
    }
    return {};
  }

  std::mt19937_64 random_;
  testing::ManualClock clock_;
  Workers workers_{0};
  SimulatedDisk* disk_ = nullptr;
  std::unique_ptr<EmbeddedStream> stream_;
  std::string why_;
  std::uint64_t next_ = 0;
  std::set<std::string> submitted_;
  std::map<LeafIndex, std::string> acknowledged_, promised_, checked_;
  std::uint64_t checks_ = 0;
  std::vector<Head> heads_;
  LeafIndex may_go_ = 0;
};

// Years later: a bit turns somewhere. Nothing else goes, and what is lost is said, at this start and at every
// later one.
class RottenArchive : public ArchiveScenario {
 public:
  using ArchiveScenario::ArchiveScenario;
  std::string look_at(SimulatedDisk& disk) {
    Workers workers{0};
    for (int round = 0; round < 2; ++round) {
      auto opened = EmbeddedStream::open(kFolder, kOrigin, key(), clock_, disk, workers, options());
      if (!opened) return "cannot be opened: " + describe(opened.error());
      auto& stream = **opened;
      const auto verified = stream.verify([](const Damage&) {});
      const bool named = !stream.damage().empty() || !verified;
      std::map<LeafIndex, std::string> found;
      const auto read = stream.each_match(Query{}, SearchOptions().from, SearchOptions().to, 0,
                                          [&](LeafIndex index, const Event& one) -> Result<bool> {
                                            found[index] = std::string(one.raw);
                                            return true;
                                          });
      if (!read && !named) return "cannot be read, and nothing says why";
      for (const auto& [index, text] : acknowledged_) {
        if (index < first_before) continue;
        const auto there = found.find(index);
        if (there != found.end() && there->second != text && verified)
          return fmt::format("start {}: another event at {}", round + 1, index);
        if (there == found.end() && !named)
          return fmt::format("start {}: {} is gone, and nothing says so", round + 1, index);
      }
      std::set<std::string> signed_once, there;
      for (const auto& head : heads_) signed_once.insert(head.note);
      for (const auto& head : stream.heads()) there.insert(head.note);
      if (!std::includes(there.begin(), there.end(), signed_once.begin(), signed_once.end()) && !named &&
          round == 0)
        return "a signed head is gone, and nothing says so";
      Arena arena;
      const std::vector<Event> events = {event(0x80000000 + checks_++, arena)};
      if (!stream.append(events)) return "takes nothing more";
      if (!stream.publish_head()) return "signs nothing more";
    }
    return {};
  }
  LeafIndex first_before = 0;
};

TEST(Faults, ATurnedBitTakesNothingElseAlongAndWhatIsLostIsNamed) {
  crypto_ready();
  std::size_t runs = 0, wrongs = 0;
  for (const std::uint64_t seed : {2u, 3u, 5u}) {
    SimulatedDisk disk;
    RottenArchive scenario(seed);
    scenario.run(disk);
    scenario.close();
    {
      const auto copy = disk.process_died();
      Workers workers{0};
      scenario.first_before = (*EmbeddedStream::open(kFolder, kOrigin, key(), scenario.clock(), *copy,
                                                     workers, ArchiveScenario::options()))
                                  ->first();
    }
    std::mt19937_64 random(seed);
    // As it was left, and as a power cut leaves it: logs that went may be there again.
    const auto left = disk.process_died(),
               cut = disk.power_lost([](std::size_t) { return SimulatedDisk::Fate::lost; }, 0);
    for (const auto* const state : {left.get(), cut.get()}) {
      for (const auto& [file, bytes] : state->files()) {
        const auto step = std::max<std::size_t>(1, bytes.size() / 60);
        for (std::size_t at = random() % step; at < bytes.size() && wrongs < 5; at += step) {
          const auto copy = state->process_died();
          const auto bits = static_cast<char>(1 << random() % 8);
          copy->turn(file, at, bits);
          ++runs;
          const auto wrong = scenario.look_at(*copy);
          if (wrong.empty()) continue;
          ++wrongs;
          ADD_FAILURE() << "seed " << seed << ", byte " << at << " of " << file << " ^ "
                        << static_cast<int>(bits) << ": " << wrong;
        }
      }
    }
  }
  std::printf("[ fault runs ] turned bits: %zu runs\n", runs);
}

TEST(Faults, TheArchiveKeepsWhatItAcknowledgedWhateverFailsAndWheneverThePowerGoes) {
  crypto_ready();
  const auto count = run_all(
      "archive", [](std::uint64_t seed) { return std::make_unique<ArchiveScenario>(seed); }, 4, 3);
  if (std::getenv("MAMORI_FAULT") || std::getenv("MAMORI_FAULT_SEEDS")) return;
  EXPECT_GE(count.runs, 10'000u);
}

}  // namespace
}  // namespace mamori::fault
