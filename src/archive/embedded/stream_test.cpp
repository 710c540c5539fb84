// The embedded engine under full disks, torn files, flipped bits, forgers and kill -9.
#include "archive/embedded/stream.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <future>
#include <random>
#include <thread>

#include "archive/embedded/search.h"
#include "base/file.h"
#include "os/keys.h"
#include "testing/clock.h"
#include "testing/limited_disk.h"

namespace mamori::archive {
namespace {

class Streams : public ::testing::Test {
 protected:
  void SetUp() override {
    crypto_ready();
    key_.emplace(*os::open_or_make_signing_key(folder_.path() / "key"));
  }
  std::filesystem::path where() const { return folder_.path() / "stream"; }
  StreamOptions small() const { return {.level = 3, .events = 500, .bytes = 1 << 20, .backlog = 4}; }
  std::unique_ptr<EmbeddedStream> open(os::Disk& disk = os::Disk::real()) {
    auto opened = EmbeddedStream::open(where(), "mamori/test/events", *key_, clock_, disk, workers_, small());
    EXPECT_TRUE(opened) << describe(opened.error());
    return std::move(opened).take();
  }

  // Event number `i`, always the same.
  static std::string text_of(std::uint64_t i) {
    if (i % 97 == 5) return "患者 " + std::to_string(100000 + i) + " を参照 端末 ｱ" + std::to_string(i % 7);
    if (i % 11 == 3)
      return "<Event><EventID>" + std::to_string(4620 + i % 9) + "</EventID><Data Name=\"TargetUserName\">s" +
             std::to_string(10000 + i % 40) + "</Data></Event>";
    return "sshd[" + std::to_string(1000 + i % 77) + "]: Failed password for user" + std::to_string(i % 13) +
           " from 192.168." + std::to_string(i % 4) + "." + std::to_string(i % 250) + " number n" +
           std::to_string(i);
  }
  Event make(std::uint64_t i, Arena& arena) const {
    Event event;
    event.raw = arena.keep(text_of(i));
    event.received = from_millis(1'700'000'000'000 + static_cast<std::int64_t>(i) * 1000);
    event.time = event.received - std::chrono::milliseconds(i % 5000);
    event[Field::source] = i % 3 == 0 ? "src-a" : "src-b";
    event[Field::user] = arena.keep("user" + std::to_string(i % 13));
    if (i % 97 == 5) event[Field::patient] = arena.keep(std::to_string(100000 + i));
    event[Field::outcome] = i % 2 ? "failure" : "success";
    return event;
  }
  void add(EmbeddedStream& stream, std::uint64_t first, std::uint64_t count, std::size_t batch = 50) {
    for (std::uint64_t i = first; i < first + count;) {
      Arena arena;
      std::vector<Event> events;
      for (std::size_t k = 0; k < batch && i < first + count; ++k, ++i) events.push_back(make(i, arena));
      const auto done = stream.append(events);
      ASSERT_TRUE(done) << describe(done.error());
    }
  }
  // Every event is there, unchanged and in its place.
  void expect_events(const EmbeddedStream& stream, std::uint64_t count) {
    ASSERT_EQ(stream.size(), count);
    std::uint64_t next = 0;
    ASSERT_TRUE(stream.each_match(Query{}, SearchOptions().from, SearchOptions().to, 0,
                                  [&](LeafIndex index, const Event& event) -> Result<bool> {
                                    EXPECT_EQ(index, next);
                                    EXPECT_EQ(event.raw, text_of(index));
                                    EXPECT_EQ(event[Field::user], "user" + std::to_string(index % 13));
                                    ++next;
                                    return !::testing::Test::HasFailure();
                                  }));
    EXPECT_EQ(next, count);
    std::vector<Damage> damage;
    const auto verified = stream.verify([&](const Damage& found) { damage.push_back(found); });
    ASSERT_TRUE(verified) << describe(verified.error());
    EXPECT_EQ(verified->events, count);
  }

  TemporaryFolder folder_;
  testing::ManualClock clock_;
  std::optional<SigningKey> key_;
  Workers workers_{2};
};

TEST_F(Streams, WhatWasAppendedIsThereAfterReopening) {
  {
    const auto stream = open();
    add(*stream, 0, 1777);
    expect_events(*stream, 1777);
    ASSERT_TRUE(stream->publish_head());
  }
  const auto stream = open();
  EXPECT_EQ(stream->heads().size(), 1u);
  EXPECT_EQ(stream->heads()[0].size, 1777u);
  EXPECT_TRUE(head_is_signed_by(stream->heads()[0], key_->public_key()));
  add(*stream, 1777, 40'000, 250);  // over one segment of 64 blocks
  ASSERT_TRUE(stream->settle());
  expect_events(*stream, 41'777);
  EXPECT_TRUE(std::filesystem::exists(where() / "00000000000000000000.filter"));
  const auto head = stream->publish_head();
  ASSERT_TRUE(head);
  const auto first = stream->heads()[0];
  const auto proof = stream->consistency(first.size, head->size);
  ASSERT_TRUE(proof);
  EXPECT_TRUE(verify_consistency(first.size, head->size, first.root, head->root, *proof));
  for (const LeafIndex index : {0u, 499u, 1776u, 20'000u, 41'776u}) {
    const auto kept = stream->event(index);
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->event.raw, text_of(index));
    EXPECT_TRUE(verify_inclusion(index, head->size, hash_leaf(leaf_of(kept->event)),
                                 *stream->inclusion(index, head->size), head->root));
  }
}

TEST_F(Streams, SeveralSendersAndReadersAtOnce) {
  const auto stream = open();
  std::vector<std::thread> senders;
  std::atomic<bool> done{false};
  for (int t = 0; t < 4; ++t)
    senders.emplace_back([&, t] {
      for (int i = 0; i < 60; ++i) {
        Arena arena;
        std::vector<Event> events;
        for (int k = 0; k < 20; ++k)
          events.push_back(make(static_cast<std::uint64_t>(t * 1200 + i * 20 + k), arena));
        EXPECT_TRUE(stream->append(events));
      }
    });
  std::thread reader([&] {
    const EmbeddedStream* const streams[] = {stream.get()};
    const auto query = *parse_query("failed user:user3");
    while (!done) {
      const auto found = search(streams, query, {.limit = 20, .statistics = true});
      EXPECT_TRUE(found);
      for (const auto& hit : found->hits) EXPECT_EQ(hit.event[Field::user], "user3");
      EXPECT_TRUE(stream->publish_head());
    }
  });
  for (auto& sender : senders) sender.join();
  done = true;
  reader.join();
  EXPECT_EQ(stream->size(), 4800u);
  ASSERT_TRUE(stream->settle());
  EXPECT_TRUE(stream->verify([](const Damage& damage) { ADD_FAILURE() << damage.what; }));
}

TEST_F(Streams, ImportsGoStraightIntoBlocksBetweenOtherEvents) {
  const auto stream = open();
  add(*stream, 0, 120);
  std::uint64_t next = 120;
  for (int i = 0; i < 7; ++i) {
    auto batch = std::make_shared<Batch>();
    for (int k = 0; k < 300 + i; ++k) batch->events.push_back(make(next++, batch->arena));
    ASSERT_TRUE(stream->append_block(batch));
    if (i % 3 == 1) {
      add(*stream, next, 7);
      next += 7;
    }
  }
  ASSERT_TRUE(stream->settle());
  expect_events(*stream, next);
}

TEST_F(Streams, AFullDiskRefusesTheBatchAndLosesNothing) {
  testing::LimitedDisk disk;
  std::uint64_t there = 0;
  {
    const auto stream = open(disk);
    add(*stream, 0, 700);
    there = 700;
    disk.room = 9000;
    for (int i = 0; i < 50; ++i) {
      Arena arena;
      std::vector<Event> events;
      for (std::uint64_t k = 0; k < 30; ++k) events.push_back(make(there + k, arena));
      const auto done = stream->append(events);
      if (done)
        there += 30;
      else
        EXPECT_EQ(done.error().code, "os.disk.full") << describe(done.error());
    }
    EXPECT_LT(there, 700u + 50 * 30);
    EXPECT_EQ(stream->size(), there);
    disk.room = std::numeric_limits<std::int64_t>::max();
    add(*stream, there, 1000);
    there += 1000;
    ASSERT_TRUE(stream->settle());
    expect_events(*stream, there);
  }
  expect_events(*open(), there);
}

TEST_F(Streams, NothingIsAcknowledgedWhileSyncsFailAndEverythingGoesOnAfterwards) {
  testing::LimitedDisk disk;
  {
    const auto stream = open(disk);
    add(*stream, 0, 100);
    disk.sync_fails = true;
    Arena arena;
    const std::vector<Event> events = {make(100, arena)};
    for (int i = 0; i < 20; ++i) EXPECT_EQ(stream->append(events).error().code, "os.disk.failed");
    EXPECT_FALSE(stream->publish_head());
    disk.sync_fails = false;
    // The log that could not be synced is given up for a block; nothing waits for a new start.
    ASSERT_TRUE(stream->append(events)) << "the disk is well again";
    ASSERT_TRUE(stream->publish_head());
  }
  const auto stream = open();
  EXPECT_EQ(stream->heads().back().size, stream->size());
  EXPECT_TRUE(stream->verify([](const Damage& found) { ADD_FAILURE() << found.what; }));
  std::size_t acknowledged = 0;
  ASSERT_TRUE(stream->each_match(Query{}, SearchOptions().from, SearchOptions().to, 0,
                                 [&](LeafIndex, const Event& event) -> Result<bool> {
                                   acknowledged += event.raw == text_of(acknowledged) ? 1 : 0;
                                   return true;
                                 }));
  EXPECT_EQ(acknowledged, 101u);
}

// A header copy reached the disk, its block did not: the copy is never believed over the segment.
TEST_F(Streams, AnImportThatAPowerCutEndedIsTakenBackAndWhatFollowsStays) {
  std::uintmax_t before = 0;
  const auto segment = where() / "00000000000000000000.seg";
  const auto import = [&](EmbeddedStream& stream, std::uint64_t first, std::uint64_t count) {
    auto batch = std::make_shared<Batch>();
    for (auto i = first; i < first + count; ++i) batch->events.push_back(make(i, batch->arena));
    return stream.append_block(batch);
  };
  {
    const auto stream = open();
    add(*stream, 0, 1500, 100);
    ASSERT_TRUE(stream->settle());
    before = std::filesystem::file_size(segment);
    ASSERT_TRUE(import(*stream, 1500, 100));
  }
  ASSERT_GT(std::filesystem::file_size(segment), before);
  std::filesystem::resize_file(segment, before);  // what no sync ever promised
  {
    const auto stream = open();
    EXPECT_TRUE(stream->damage().empty());
    expect_events(*stream, 1500);
    add(*stream, 1500, 1000, 100);
    ASSERT_TRUE(stream->settle());
    ASSERT_TRUE(stream->publish_head());
  }
  for (int i = 0; i < 2; ++i) {
    const auto stream = open();
    EXPECT_TRUE(stream->damage().empty());
    expect_events(*stream, 2500);
  }
}

TEST_F(Streams, AFailureAfterABlockIsInNeverWritesItAgain) {
  testing::LimitedDisk disk;
  for (const auto* file : {".headers", ".filter"}) {
    SCOPED_TRACE(file);
    std::filesystem::remove_all(where());
    {
      const auto stream = open(disk);
      disk.sync_fails_of = file;
      disk.sync_fails = true;
      add(*stream, 0, 32'500,
          500);  // the 64th block ends the segment, and what is made of it cannot be written
      ASSERT_TRUE(stream->settle());
      expect_events(*stream, 32'500);
      disk.sync_fails = false;
      add(*stream, 32'500, 900, 300);
      ASSERT_TRUE(stream->settle());
      expect_events(*stream, 33'400);
      ASSERT_TRUE(stream->publish_head());
    }
    const auto stream = open();
    EXPECT_TRUE(stream->damage().empty());
    expect_events(*stream, 33'400);
  }
}

TEST_F(Streams, AnImportOnAFullDiskNeitherHangsNorEndsAnything) {
  testing::LimitedDisk disk;
  const auto stream = open(disk);
  add(*stream, 0, 300);
  std::uint64_t next = 300;
  const auto import = [&] {
    auto batch = std::make_shared<Batch>();
    for (int i = 0; i < 400; ++i)
      batch->events.push_back(make(next + static_cast<std::uint64_t>(i), batch->arena));
    auto done = stream->append_block(batch);
    if (done) next += 400;
    return done;
  };
  for (const std::int64_t room :
       {0, 20, 40, 5000, 30'000}) {  // also: the log is made, and its first record does not fit
    disk.room = room;
    Status failed;
    for (int i = 0; i < 40 && failed; ++i) {
      failed = import();
      if (failed && i % 3 == 0) {
        Arena arena;
        const std::vector<Event> events = {make(next, arena)};
        const auto added = stream->append(events);
        if (added) ++next;
        // Whether it was refused before or after it stood in its place: what is asked for next stands behind.
        else
          next = stream->size();
      }
    }
    EXPECT_FALSE(failed);
    EXPECT_FALSE(stream->settle());
    disk.room = testing::LimitedDisk::kPlenty;
    next = stream->size();
    add(*stream, next, 100);
    next += 100;
    ASSERT_TRUE(stream->settle());
    ASSERT_TRUE(stream->publish_head());
    expect_events(*stream, next);
  }
}

TEST_F(Streams, ManyThreadsOnADiskThatFailsNowAndThenLoseNothing) {
  testing::LimitedDisk disk;
  std::mutex mutex;
  std::map<LeafIndex, std::string> acknowledged;
  std::vector<Head> heads;
  std::atomic<std::uint64_t> next{0};
  const auto check = [&](EmbeddedStream& stream) {
    std::set<std::string> seen;
    std::map<LeafIndex, std::string> found;
    ASSERT_TRUE(stream.each_match(Query{}, SearchOptions().from, SearchOptions().to, 0,
                                  [&](LeafIndex index, const Event& event) -> Result<bool> {
                                    EXPECT_TRUE(seen.insert(std::string(event.raw)).second)
                                        << "twice: " << event.raw;
                                    found[index] = std::string(event.raw);
                                    return true;
                                  }));
    for (const auto& [index, text] : acknowledged) ASSERT_EQ(found[index], text) << index;
    ASSERT_TRUE(
        stream.verify([](const Damage& damage) { ADD_FAILURE() << damage.what << " " << damage.first; }));
    for (const auto& head : heads) EXPECT_EQ(*stream.root_at(head.size), head.root);
  };
  {
    const auto stream = open(disk);
    std::atomic<bool> done{false};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 120; ++i) {
          Arena arena;
          std::vector<Event> events;
          std::vector<std::string> texts;
          for (int k = 0; k < 5; ++k) {
            const auto number = next++;
            texts.push_back(text_of(number) + " #" + std::to_string(number));
            auto event = make(number, arena);
            event.raw = arena.keep(texts.back());
            events.push_back(event);
          }
          const auto added = stream->append(events);
          if (!added) continue;
          const std::lock_guard lock(mutex);
          for (std::size_t k = 0; k < texts.size(); ++k) acknowledged[added->first + k] = texts[k];
        }
      });
    threads.emplace_back([&] {
      for (int i = 0; i < 30; ++i) {
        auto batch = std::make_shared<Batch>();
        for (int k = 0; k < 100; ++k) {
          const auto number = next++;
          auto event = make(number, batch->arena);
          event.raw = batch->arena.keep(text_of(number) + " #" + std::to_string(number));
          batch->events.push_back(event);
        }
        (void)stream->append_block(batch).has_value();
        if (i % 3 == 0) (void)stream->settle().has_value();
      }
    });
    std::thread publisher([&] {
      while (!done) {
        auto head = stream->publish_head();
        if (head) {
          const std::lock_guard lock(mutex);
          heads.push_back(*head);
        }
        (void)stream->inclusion(0, 1).has_value();
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
    });
    std::thread saboteur([&] {
      for (int i = 0; !done; ++i) {
        disk.sync_fails = i % 3 == 0;
        disk.room = i % 3 == 1 ? 3000 : testing::LimitedDisk::kPlenty;
        std::this_thread::sleep_for(std::chrono::milliseconds(4));
      }
      disk.sync_fails = false;
      disk.room = testing::LimitedDisk::kPlenty;
    });
    for (auto& thread : threads) thread.join();
    done = true;
    publisher.join();
    saboteur.join();
    ASSERT_TRUE(stream->settle());
    ASSERT_TRUE(stream->publish_head());
    check(*stream);
    EXPECT_GT(acknowledged.size(), 0u);
  }
  check(*open());
}

TEST_F(Streams, ATornTailIsCutOffWhereverItWasTorn) {
  {
    const auto stream = open();
    add(*stream, 0, 1400, 37);
    ASSERT_TRUE(stream->settle());
  }
  std::filesystem::path log;
  for (const auto& entry : std::filesystem::directory_iterator(where()))
    if (entry.path().extension() == ".log") log = entry.path();
  ASSERT_FALSE(log.empty());
  const auto bytes = *read_file(log, 1 << 24);
  const auto count = [&] {
    std::size_t events = 0;
    const auto read = *read_log(log);
    for (const auto& record : read.records) events += record.count;
    return events;
  };
  const auto whole = count();
  const auto before = 1400 - whole;
  std::mt19937 random(5);
  for (int i = 0; i < 40; ++i) {
    const auto cut = kLogStart + random() % (bytes.size() - kLogStart);
    std::ofstream(log, std::ios::binary | std::ios::trunc) << bytes.substr(0, cut);
    const auto kept = count();
    const auto stream = open();
    EXPECT_EQ(stream->size(), kept == 0 ? before : before + kept);
    EXPECT_TRUE(stream->damage().empty());
    EXPECT_TRUE(stream->verify([](const Damage& damage) { ADD_FAILURE() << damage.what; }));
    std::ofstream(log, std::ios::binary | std::ios::trunc) << bytes;
  }
}

TEST_F(Streams, EveryFlippedBitIsNamedAndTheRestIsRead) {
  {
    const auto stream = open();
    add(*stream, 0, 2600);
    ASSERT_TRUE(stream->seal());
    ASSERT_TRUE(stream->publish_head());
  }
  const auto file = where() / "00000000000000000000.seg";
  const auto bytes = *read_file(file, 1 << 26);
  std::mt19937_64 random(9);
  for (int i = 0; i < 120; ++i) {
    auto broken = bytes;
    const auto at = random() % broken.size();
    broken[at] = static_cast<char>(broken[at] ^ (1 << random() % 8));
    std::ofstream(file, std::ios::binary | std::ios::trunc) << broken;
    const auto stream = open();
    std::vector<Damage> damage;
    const auto verified = stream->verify([&](const Damage& found) { damage.push_back(found); });
    ASSERT_FALSE(verified) << "byte " << at;
    EXPECT_EQ(verified.error().code, "archive.verify.failed");
    ASSERT_FALSE(damage.empty());
    // All but one block can still be searched.
    const EmbeddedStream* const streams[] = {stream.get()};
    const auto found = search(streams, *parse_query("*"), {.limit = 10, .statistics = true});
    ASSERT_TRUE(found);
    EXPECT_GE(found->total, 2600u - 500u) << "byte " << at;
  }
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
  EXPECT_TRUE(open()->verify([](const Damage& found) { ADD_FAILURE() << found.what; }));
}

// Nothing signed vouches for them, nothing behind them shows the gap: the end of the newest file is what an
// attacker or a bad sector hits.
TEST_F(Streams, AnEndThatCannotBeReadIsNamedWholeAndItsPlacesStay) {
  const auto damage_block = [&](std::uint64_t first, std::uint64_t number, std::uint64_t length) {
    const auto file = where() / fmt::format("{:020}.seg", first);
    auto bytes = *read_file(file, 1 << 24);
    const auto from = bytes.size() / length * number;
    for (auto at = from; at < bytes.size(); at += 97) bytes[at] = static_cast<char>(bytes[at] ^ 0x55);
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
  };
  const auto expect_lost = [&](LeafIndex first, LeafIndex last, TreeSize size) {
    for (const bool read_only : {true, false, false, true}) {
      auto options = small();
      options.read_only = read_only;
      const auto stream = EmbeddedStream::open(where(), "mamori/test/events", *key_, clock_, os::Disk::real(),
                                               workers_, options);
      ASSERT_TRUE(stream) << describe(stream.error());
      std::vector<Damage> found = holes(**stream);
      ASSERT_FALSE(found.empty()) << read_only;
      EXPECT_EQ(found[0].first, first) << read_only;
      EXPECT_EQ(found[0].last, last) << read_only;
      EXPECT_EQ((*stream)->size(), size);
      EXPECT_FALSE((*stream)->verify([](const Damage&) {}));
    }
  };
  {
    const auto stream = open();
    add(*stream, 0, 1500);
    ASSERT_TRUE(stream->seal());
  }
  damage_block(0, 2, 3);  // the last of three, about
  {
    const auto stream = open();
    const auto found = holes(*stream);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].last, 1499u);
    EXPECT_EQ(stream->size(), 1500u);
    expect_lost(found[0].first, 1499, 1500);
  }
  { add(*open(), 1500, 20); }
  {
    const auto stream = open();
    EXPECT_EQ(stream->size(), 1520u);
    EXPECT_EQ(stream->event(1510)->event.raw, text_of(1510));
    EXPECT_EQ(stream->event(300)->event.raw, text_of(300));
    EXPECT_FALSE(stream->event(1400));
  }
  // Without the copy of the headers nobody knows how many: at least one.
  std::filesystem::remove_all(where());
  {
    const auto stream = open();
    add(*stream, 0, 1000);
    ASSERT_TRUE(stream->seal());
  }
  damage_block(0, 1, 2);
  std::filesystem::remove(where() / "00000000000000000000.headers");
  expect_lost(500, 500, 501);
  // And where nothing of the file can be read at all.
  std::filesystem::remove_all(where());
  {
    const auto stream = open();
    add(*stream, 0, 500);
    ASSERT_TRUE(stream->seal());
  }
  damage_block(0, 0, 1);
  std::filesystem::remove(where() / "00000000000000000000.headers");
  expect_lost(0, 0, 1);
}

TEST_F(Streams, RewritingHistoryIsFoundByTheSignedHead) {
  {
    const auto stream = open();
    add(*stream, 0, 900);
    ASSERT_TRUE(stream->seal());
    ASSERT_TRUE(stream->publish_head());
  }
  const auto heads = *read_file(where() / "heads", 1 << 20);
  std::filesystem::remove_all(where());
  {
    // An attacker with the disk, without the key's old heads: the same events but one, all checks right.
    const auto stream = open();
    for (std::uint64_t i = 0; i < 900; ++i) {
      Arena arena;
      auto event = make(i, arena);
      if (i == 321) event.raw = "nothing happened here";
      ASSERT_TRUE(stream->append({&event, 1}));
    }
    ASSERT_TRUE(stream->seal());
  }
  std::ofstream(where() / "heads", std::ios::binary) << heads;
  const auto verified = open()->verify([](const Damage&) {});
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().facts[1].second, "archive.damage.root");
  // And cutting the newest events off:
  std::filesystem::remove_all(where());
  {
    const auto stream = open();
    add(*stream, 0, 850);
  }
  std::ofstream(where() / "heads", std::ios::binary) << heads;
  EXPECT_EQ(open()->verify([](const Damage&) {}).error().facts[1].second, "archive.damage.cut");
}

// Someone takes a block apart, changes one line, and puts it together again with every check right, but
// cannot make the hashes fit.
TEST_F(Streams, VerificationOfADirectoryNamesTheAlteredEvent) {
  {
    const auto stream = open();
    add(*stream, 0, 500);
    ASSERT_TRUE(stream->seal());
    ASSERT_TRUE(stream->publish_head());
  }
  Arena arena;
  std::vector<Event> events;
  for (std::uint64_t i = 0; i < 500; ++i) events.push_back(make(i, arena));
  const auto hashes = leaf_hashes(events);
  events[321].raw = "nothing happened here";
  auto forged = build_block(events, hashes, 3);
  const auto header = make_header(forged, 0, 0);
  const auto file = where() / "00000000000000000000";
  std::ofstream(file.string() + ".seg", std::ios::binary) << header << forged.sections;
  std::filesystem::remove(file.string() + ".headers");
  std::vector<Damage> damage;
  EXPECT_FALSE(open()->verify([&](const Damage& found) { damage.push_back(found); }));
  ASSERT_FALSE(damage.empty());
  EXPECT_EQ(damage[0].what, "archive.damage.event");
  EXPECT_EQ(damage[0].first, 321u);
  EXPECT_EQ(damage[0].last, 321u);
}

// A disk that does not answer holds up whoever reads from it, and nobody who writes or signs.
TEST_F(Streams, AppendsAndHeadsDoNotWaitForWhoeverReads) {
  {
    const auto stream = open();
    add(*stream, 0, 3000);
    ASSERT_TRUE(stream->seal());
    ASSERT_TRUE(stream->publish_head());
  }
  std::atomic<bool> stuck{false};
  std::atomic<int> held{0};
  std::mutex mutex;
  std::condition_variable wake;
  testing::LimitedDisk disk;
  disk.before_read = [&](const std::filesystem::path& file) {
    if (!stuck || file.extension() != ".seg") return;
    std::unique_lock lock(mutex);
    ++held;
    wake.wait(lock, [&] { return !stuck; });
    --held;
  };
  const auto stream = open(disk);
  const auto size = stream->size();
  stuck = true;
  std::vector<std::future<bool>> readers;
  readers.push_back(std::async(std::launch::async, [&] { return stream->inclusion(777, size).has_value(); }));
  readers.push_back(
      std::async(std::launch::async, [&] { return stream->consistency(300, size).has_value(); }));
  readers.push_back(
      std::async(std::launch::async, [&] { return stream->verify([](const Damage&) {}).has_value(); }));
  readers.push_back(std::async(std::launch::async, [&] {
    const EmbeddedStream* const streams[] = {stream.get()};
    return search(streams, *parse_query("password"), {.limit = 10, .statistics = true}).has_value();
  }));
  for (int i = 0; i < 1000 && held < 4; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_GE(held, 3) << "some proofs need no disk";
  auto writing = std::async(std::launch::async, [&] {
    add(*stream, size, 200);
    return stream->publish_head().has_value() && stream->size() == size + 200;
  });
  const bool done = writing.wait_for(std::chrono::seconds(30)) == std::future_status::ready;
  EXPECT_TRUE(done) << "an append or a head waits for a reader";
  {
    const std::lock_guard lock(mutex);
    stuck = false;
  }
  wake.notify_all();
  EXPECT_TRUE(writing.get());
  for (auto& reader : readers) EXPECT_TRUE(reader.get());
}

TEST_F(Streams, RetentionLeavesTheProofOfTheRestWhole) {
  std::optional<Head> early, late;
  std::uint64_t removed = 0;
  {
    const auto stream = open();
    add(*stream, 0, 777);
    early = *stream->publish_head();
    add(*stream, 777, 70'000, 500);
    ASSERT_TRUE(stream->settle());
    late = *stream->publish_head();
    clock_.set(from_millis(1'700'000'000'000 + 40'000'000));
    const auto gone = stream->retain({.age = std::chrono::hours(1)});
    ASSERT_TRUE(gone) << describe(gone.error());
    removed = *gone;
    EXPECT_GT(removed, 30'000u);
    EXPECT_EQ(stream->first(), removed);
    EXPECT_FALSE(stream->event(removed - 1));
  }
  const auto stream = open();
  EXPECT_EQ(stream->first(), removed);
  EXPECT_EQ(stream->size(), 70'777u);
  EXPECT_EQ(*stream->root_at(late->size), late->root);
  const auto proof = stream->consistency(early->size, late->size);
  ASSERT_TRUE(proof) << "from a head whose events are gone";
  EXPECT_TRUE(verify_consistency(early->size, late->size, early->root, late->root, *proof));
  for (const LeafIndex index : {removed, removed + 1, LeafIndex{70'776}}) {
    const auto kept = stream->event(index);
    ASSERT_TRUE(kept);
    EXPECT_TRUE(verify_inclusion(index, late->size, hash_leaf(leaf_of(kept->event)),
                                 *stream->inclusion(index, late->size), late->root));
  }
  const auto verified = stream->verify([](const Damage& found) { ADD_FAILURE() << found.what; });
  ASSERT_TRUE(verified);
  EXPECT_EQ(verified->heads, 2u);
}

TEST_F(Streams, TwoOfALaterFormatAreRefused) {
  open();
  std::ofstream(where() / "format") << "mamori archive stream 4\n";
  EXPECT_EQ(EmbeddedStream::open(where(), "x", *key_, clock_, os::Disk::real(), workers_).error().code,
            "archive.stream.newer");
}

// The smallest sections there are: what points into them must stay good when they are moved.
TEST_F(Streams, ABlockOfOneShortEventComesBack) {
  {
    auto stream = open();
    const std::vector<Event> events = {{.time = from_millis(5), .received = from_millis(5), .raw = "hi"}};
    ASSERT_TRUE(stream->append(events));
    ASSERT_TRUE(stream->seal());
  }
  const auto stream = open();
  EXPECT_EQ(stream->event(0)->event.raw, "hi");
  const EmbeddedStream* const streams[] = {stream.get()};
  const auto found = search(streams, *parse_query("hi"), {});
  ASSERT_EQ(found->hits.size(), 1u);
  EXPECT_EQ(found->hits[0].event.raw, "hi");
}

// tests/data/archive-version-1: 48 events of three users and one line without anything, as the first version
// wrote them.
TEST_F(Streams, BlocksOfTheFirstVersionAreReadAndNewOnesStandBehindThem) {
  std::filesystem::copy(std::filesystem::path(MAMORI_SOURCE_DIR) / "tests/data/archive-version-1", where());
  const auto look = [](const EmbeddedStream& stream, std::uint64_t more) {
    const EmbeddedStream* const streams[] = {&stream};
    EXPECT_EQ(search(streams, Query{}, {.statistics = true})->total, 49 + more);
    const auto all =
        search(streams, *parse_query("kind:syslog"), {.statistics = true, .count = {Field::user}});
    EXPECT_EQ(all->total, 48u);
    const auto& users = all->counts[static_cast<std::size_t>(Field::user)];
    for (const auto* name : {"tanaka", "佐藤", "suzuki"})
      EXPECT_TRUE(std::any_of(users.begin(), users.end(), [&](const auto& user) {
        return user.value == name && user.count == 16;
      })) << name;
    const auto some = search(streams, *parse_query("user:佐藤 outcome:failure"),
                             {.statistics = true, .count = {Field::address}});
    EXPECT_EQ(some->total, 3u);
    std::uint64_t addresses = 0;
    for (const auto& address : some->counts[static_cast<std::size_t>(Field::address)])
      addresses += address.count;
    EXPECT_EQ(addresses, 3u);
    EXPECT_EQ(stream.event(48)->event.raw, "hi");
    EXPECT_TRUE(stream.verify([](const Damage& damage) { ADD_FAILURE() << damage.what; }));
  };
  {
    auto stream = open();
    look(*stream, 0);
    add(*stream, 0, 700);
    ASSERT_TRUE(stream->seal());
    look(*stream, 700);
  }
  EXPECT_EQ(*read_file(where() / "format", 100), "mamori archive stream 3\n");
  look(*open(), 700);
}

// What search finds is what a look at every event finds, whatever lies in blocks, in filters or still in the
// log.
TEST_F(Streams, SearchFindsExactlyWhatReadingEverythingFinds) {
  const auto stream = open();
  constexpr std::uint64_t kCount = 34'321;  // a full segment, a growing one, and a log
  add(*stream, 0, kCount, 400);
  const EmbeddedStream* const streams[] = {stream.get()};
  const auto naive = [&](const std::function<bool(const Event&)>& is) {
    std::vector<LeafIndex> out;
    Arena arena;
    for (std::uint64_t i = 0; i < kCount; ++i)
      if (is(make(i, arena))) out.push_back(i);
    return out;
  };
  const auto has = [](const Event& event, std::string_view text) {
    return event.raw.find(text) != event.raw.npos;
  };
  const std::vector<std::pair<std::string, std::function<bool(const Event&)>>> cases = {
      {"n4711", [&](const Event& e) { return e.raw.ends_with(" n4711"); }},
      {"failed", [&](const Event& e) { return has(e, "Failed"); }},
      {"nowhere", [](const Event&) { return false; }},
      {"user:user3 failed", [&](const Event& e) { return e[Field::user] == "user3" && has(e, "Failed"); }},
      {"user:USER3 NOT failed",
       [&](const Event& e) { return e[Field::user] == "user3" && !has(e, "Failed"); }},
      {"patient:100005 OR patient:100102",
       [](const Event& e) { return e[Field::patient] == "100005" || e[Field::patient] == "100102"; }},
      {"patient:*", [](const Event& e) { return !e[Field::patient].empty(); }},
      {"192.168.2.6", [&](const Event& e) { return has(e, " 192.168.2.6 "); }},
      {"192.168.2.*", [&](const Event& e) { return has(e, " 192.168.2."); }},
      {"n471*", [&](const Event& e) { return has(e, " n471"); }},
      {"*711", [&](const Event& e) { return e.raw.ends_with("711") && has(e, "number"); }},
      {"\"for user7\" success", [](const Event&) { return false; }},
      {"\"for user7 from\" outcome:success",
       [&](const Event& e) { return has(e, "for user7 from") && e[Field::outcome] == "success"; }},
      {"参照", [&](const Event& e) { return has(e, "参照"); }},
      {"ア3", [&](const Event& e) { return has(e, "ｱ3"); }},
      {"端末 AND NOT 患者", [](const Event&) { return false; }},
      {"EventID:4625 source:src-a",
       [&](const Event& e) { return has(e, "<EventID>4625<") && e[Field::source] == "src-a"; }},
      {"(user:user1 OR user:user2) -outcome:failure s1000*",
       [&](const Event& e) {
         return (e[Field::user] == "user1" || e[Field::user] == "user2") && e[Field::outcome] != "failure" &&
                has(e, ">s1000");
       }},
  };
  for (const auto& [text, is] : cases) {
    SCOPED_TRACE(text);
    const auto query = parse_query(text);
    ASSERT_TRUE(query) << describe(query.error());
    const auto expected = naive(is);
    // All pages one after the other.
    std::set<LeafIndex> found;
    std::optional<Position> before;
    std::uint64_t total = 0;
    Instant last = from_millis(std::numeric_limits<std::int64_t>::max());
    for (int page = 0; page < 400; ++page) {
      const auto result = search(
          streams, *query,
          {.limit = 173, .before = before, .statistics = page == 0, .count = {Field::user, Field::outcome}});
      ASSERT_TRUE(result);
      if (page == 0) {
        total = result->total;
        std::uint64_t in_histogram = 0;
        for (const auto& bucket : result->histogram) in_histogram += bucket.count;
        EXPECT_EQ(in_histogram, total);
      }
      for (const auto& hit : result->hits) {
        EXPECT_TRUE(found.insert(hit.at.index).second);
        EXPECT_LE(hit.event.time, last) << "newest first";
        EXPECT_EQ(hit.event.raw, text_of(hit.at.index));
        last = hit.event.time;
      }
      if (!result->more || result->hits.empty() || found.size() > 2000) break;
      before = result->hits.back().at;
    }
    EXPECT_EQ(total, expected.size());
    if (expected.size() <= 2000) {
      EXPECT_EQ(std::vector<LeafIndex>(found.begin(), found.end()), expected);
    }
  }
  // A time range cuts exactly.
  const auto from = from_millis(1'700'000'000'000 + 5'000'000),
             to = from_millis(1'700'000'000'000 + 6'000'000);
  const auto in_range = search(
      streams, Query{}, {.from = from, .to = to, .limit = 5, .statistics = true, .count = {Field::user}});
  ASSERT_TRUE(in_range);
  EXPECT_EQ(in_range->total, naive([&](const Event& e) { return e.time >= from && e.time < to; }).size());
  EXPECT_EQ(in_range->counts[static_cast<std::size_t>(Field::user)].size(), 12u);
}

// The process is killed while it appends; whatever it had acknowledged is there.
TEST_F(Streams, SurvivesBeingKilledAtAnyMoment) {
  const char* wanted = std::getenv("MAMORI_KILLS");
  const int kills = wanted ? std::atoi(wanted) : 120;
  std::mt19937 random(static_cast<unsigned>(kills));
  std::uint64_t acknowledged = 0;
  for (int round = 0; round < kills; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(::pipe(pipe_ends), 0);
    const auto start = acknowledged;
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(pipe_ends[0]);
      Workers workers(2);
      auto stream = EmbeddedStream::open(where(), "mamori/test/events", *key_, clock_, os::Disk::real(),
                                         workers, small());
      if (!stream) ::_exit(3);
      auto next = (*stream)->size();
      if (next < start) ::_exit(4);
      for (int i = 0;; ++i) {
        Arena arena;
        std::vector<Event> events;
        const auto count = 1 + (next * 7 + static_cast<std::uint64_t>(i)) % 90;
        for (std::uint64_t k = 0; k < count; ++k) events.push_back(make(next + k, arena));
        if (!(*stream)->append(events)) ::_exit(5);
        next += count;
        if (::write(pipe_ends[1], &next, sizeof next) != sizeof next) ::_exit(6);
        if (i % 9 == 8 && !(*stream)->publish_head()) ::_exit(7);
      }
    }
    ::close(pipe_ends[1]);
    const auto wait = std::chrono::microseconds(5000 + random() % 30000);
    std::this_thread::sleep_for(wait);
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "ended by itself with " << WEXITSTATUS(status) << " in round "
                                     << round;
    std::uint64_t told = 0;
    while (::read(pipe_ends[0], &told, sizeof told) == sizeof told) acknowledged = told;
    ::close(pipe_ends[0]);
    const auto stream = open();
    ASSERT_GE(stream->size(), acknowledged);
    acknowledged = stream->size();
    const auto verified = stream->verify([&](const Damage& damage) {
      ADD_FAILURE() << damage.what << " " << damage.first << " in round " << round;
    });
    ASSERT_TRUE(verified) << round;
    for (int i = 0; i < 20 && acknowledged > 0; ++i) {
      const auto index = random() % acknowledged;
      ASSERT_EQ(stream->event(index)->event.raw, text_of(index));
    }
    if (stream->size() > 60'000) {
      std::filesystem::remove_all(where());
      acknowledged = 0;
    }
  }
}

}  // namespace
}  // namespace mamori::archive
