// The cluster engine while lines break and servers stop. A scenario (live appends, an import, heads, a
// search, a restart, retention) runs against a real ClickHouse through a proxy that does one bad thing at one
// request; afterwards nothing that was acknowledged may be missing, altered or there twice, and every signed
// head must be true.
//
// The test tries as many pairs of fault and request as fit in its time, in an order that the printed seed
// makes. MAMORI_FAULTS=600 tries so many; MAMORI_FAULTS=cut_after@17 one pair (cut_after@17! for a sender
// that does not try again); MAMORI_SEED=… an order again.
#include <gtest/gtest.h>

#include <iostream>
#include <random>
#include <set>

#include "archive/cluster/archive.h"
#include "base/text.h"
#include "net/web_client.h"
#include "os/keys.h"
#include "testing/clickhouse.h"
#include "testing/clock.h"
#include "testing/fault_proxy.h"

namespace mamori::archive {
namespace {

using namespace std::chrono_literals;
using testing::ClickHouseServers;
using testing::Fault;
using testing::FaultProxy;

constexpr auto kClientWaits = 1500ms, kProxyWaits = 2000ms;
constexpr auto kLongestRun = 120s;  // nothing hangs; the machine may be busy

struct Try {
  Fault fault = Fault::none;
  int at = 0;
  bool again = true;  // whether the sender offers what was not acknowledged again
};

struct Sent {
  std::vector<std::string> raws;
  std::optional<LeafRange> acknowledged;
};

class ClusterFaults : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!ClickHouseServers::installed()) GTEST_SKIP() << "clickhouse-server is not installed";
    crypto_ready();
    key_.emplace(*os::open_or_make_signing_key(folder_.path() / "key"));
    servers_.emplace(1);
    proxy_.emplace(servers_->port_of(0), kProxyWaits);
  }

  ClickHouseAddress address(int port) const {
    auto out = *parse_clickhouse("clickhouse://127.0.0.1:" + std::to_string(port) + "/" + database_);
    out.limit = port == proxy_->port() ? kClientWaits : 60s;
    return out;
  }

  // What a server process does: tries again until it succeeds. The server that a fault stopped is started
  // after the second error.
  template <class Step>
  auto until_done(const char* what, const Step& step) -> decltype(step()) {
    for (int errors = 0;; ++errors) {
      auto done = step();
      if (done) return done;
      EXPECT_TRUE(done.error().code.starts_with("archive.")) << describe(done.error());
      errors_.push_back(std::string(what) + ": " + describe(done.error()));
      if (errors >= 1) start_again();
      if (errors == 60) return done;
      std::this_thread::sleep_for(20ms);
    }
  }

  void start_again() {
    if (!stopped_.exchange(false)) return;
    servers_->start(0);
  }

  ClickHouse direct() const { return ClickHouse(address(servers_->port_of(0))); }

  Status open() {
    archive_.reset();
    archive_ =
        MAMORI_TRY(ClusterArchive::open(address(proxy_->port()), folder_.path() / database_, *key_, clock_));
    return {};
  }
  Result<Stream*> stream() {
    auto* out = MAMORI_TRY(archive_->stream({"f1", "events"}));
    return out;
  }

  std::shared_ptr<Batch> make_batch(std::size_t count, Sent& sent) {
    auto batch = std::make_shared<Batch>();
    // The events pass from one month into the next: into another partition.
    const auto base = *parse_instant("2026-10-31T23:55:00Z");
    for (std::size_t i = 0; i < count; ++i, ++events_) {
      sent.raws.push_back("event " + std::to_string(events_) + " of the run: password failed");
      Event event;
      event.raw = batch->arena.keep(sent.raws.back());
      event.received = base + std::chrono::seconds(events_);
      event.time = event.received - 3s;
      event[Field::source] = events_ % 2 == 0 ? "LS-0001" : "LS-0002";
      event[Field::user] = batch->arena.keep("user" + std::to_string(events_ % 5));
      batch->events.push_back(event);
    }
    return batch;
  }

  void send(std::size_t count) {
    auto& sent = sent_.emplace_back();
    const auto batch = make_batch(count, sent);
    const auto step = [&]() -> Result<LeafRange> { return MAMORI_TRY(stream())->append(batch->events); };
    const auto done = now_.again ? until_done("append", step) : step();
    if (done)
      sent.acknowledged = *done;
    else
      ASSERT_FALSE(now_.again) << errors_.back();
  }

  void import(std::size_t count) {
    auto& sent = sent_.emplace_back();
    const auto batch = make_batch(count, sent);
    const auto step = [&]() -> Status {
      auto* into = MAMORI_TRY(stream());
      MAMORI_TRY(into->append_block(batch));
      return into->settle();
    };
    const auto done = now_.again ? until_done("import", step) : step();
    if (done)
      sent.acknowledged = LeafRange{~LeafIndex{0}, count};  // where it lies is not told
    else
      ASSERT_FALSE(now_.again) << errors_.back();
  }

  void publish() {
    const auto head =
        until_done("head", [&]() -> Result<Head> { return MAMORI_TRY(stream())->publish_head(); });
    ASSERT_TRUE(head) << errors_.back();
    heads_.push_back(*head);
  }

  void look() {
    const auto found = until_done(
        "search", [&]() -> Result<SearchResult> { return search(*archive_, *MAMORI_TRY(stream())); });
    ASSERT_TRUE(found) << errors_.back();
    auto* const stream = *this->stream();
    EXPECT_EQ(found->total, stream->size() - stream->first());
  }

  static Result<SearchResult> search(const Archive& archive, const Stream& stream) {
    const Stream* const streams[] = {&stream};
    SearchOptions options{.limit = 37, .statistics = true};
    options.count = {Field::source, Field::user};
    return archive.search(streams, *parse_query("password"), options);
  }

  void scenario() {
    ASSERT_TRUE(until_done("open", [&] { return open(); })) << errors_.back();
    ASSERT_TRUE(until_done("stream", [&] { return stream(); })) << errors_.back();
    ASSERT_NO_FATAL_FAILURE(send(100));
    ASSERT_NO_FATAL_FAILURE(send(150));
    ASSERT_NO_FATAL_FAILURE(publish());
    ASSERT_NO_FATAL_FAILURE(send(110));
    ASSERT_NO_FATAL_FAILURE(import(600));
    ASSERT_NO_FATAL_FAILURE(publish());
    ASSERT_NO_FATAL_FAILURE(look());
    ASSERT_TRUE(until_done("open again", [&] { return open(); })) << errors_.back();
    ASSERT_NO_FATAL_FAILURE(send(90));
    ASSERT_NO_FATAL_FAILURE(publish());
    ASSERT_TRUE(until_done("retain", [&]() -> Result<std::uint64_t> {
      return MAMORI_TRY(stream())->retain({.bytes = 30'000});
    })) << errors_.back();
    ASSERT_NO_FATAL_FAILURE(send(80));
    ASSERT_NO_FATAL_FAILURE(publish());
  }

  // Asked past the proxy, by another process.
  void check() {
    const auto archive = ClusterArchive::open(address(servers_->port_of(0)),
                                              folder_.path() / (database_ + "-beside"), *key_, clock_);
    ASSERT_TRUE(archive) << describe(archive.error());
    const auto opened = (*archive)->stream({"f1", "events@" + archive_->writer()});
    ASSERT_TRUE(opened) << describe(opened.error());
    const auto& stream = **opened;
    const auto verified = stream.verify([](const Damage& damage) {
      ADD_FAILURE() << damage.what << " " << damage.first << "–" << damage.last;
    });
    ASSERT_TRUE(verified) << describe(verified.error());
    EXPECT_EQ(verified->size, stream.size());

    const auto kept = stream.heads();
    for (const auto& head : heads_) {
      EXPECT_TRUE(std::any_of(kept.begin(), kept.end(), [&](const Head& one) {
        return one.size == head.size && one.root == head.root;
      })) << head.size;
      const auto root = stream.root_at(head.size);
      ASSERT_TRUE(root) << describe(root.error());
      EXPECT_EQ(*root, head.root) << head.size;
      EXPECT_TRUE(stream.consistency(head.size, stream.size()));
    }

    std::map<std::string, LeafIndex> found;
    ASSERT_TRUE(stream.each_match(Query{}, SearchOptions().from, SearchOptions().to, 0,
                                  [&](LeafIndex leaf, const Event& event) -> Result<bool> {
                                    EXPECT_TRUE(found.emplace(std::string(event.raw), leaf).second)
                                        << "twice: " << event.raw;
                                    return true;
                                  }));
    EXPECT_EQ(found.size(), stream.size() - stream.first());
    for (const auto& sent : sent_) {
      if (!sent.acknowledged) continue;
      for (std::size_t i = 0; i < sent.raws.size(); ++i) {
        const auto leaf = found.find(sent.raws[i]);
        if (sent.acknowledged->first == ~LeafIndex{0}) continue;
        const auto promised = sent.acknowledged->first + i;
        if (promised < stream.first()) continue;
        ASSERT_NE(leaf, found.end()) << "missing: " << sent.raws[i];
        EXPECT_EQ(leaf->second, promised);
      }
    }
    // Who offers the same events again until they are acknowledged has each of them there once.
    if (now_.again) {
      EXPECT_EQ(stream.size(), events_);
    }

    const auto statistics = search(**archive, stream);
    ASSERT_TRUE(statistics) << describe(statistics.error());
    EXPECT_EQ(statistics->total, found.size());
    std::uint64_t sum = 0;
    for (const auto& bucket : statistics->histogram) sum += bucket.count;
    EXPECT_EQ(sum, found.size());
    for (const auto field : {Field::source, Field::user}) {
      sum = 0;
      for (const auto& value : statistics->counts[static_cast<std::size_t>(field)]) sum += value.count;
      EXPECT_EQ(sum, found.size());
    }
    std::set<LeafIndex> pages;
    const Stream* const streams[] = {&stream};
    for (SearchOptions options{.limit = 37};;) {
      const auto page = (*archive)->search(streams, Query{}, options);
      ASSERT_TRUE(page) << describe(page.error());
      for (const auto& hit : page->hits)
        EXPECT_TRUE(pages.insert(hit.at.index).second) << "twice: " << hit.event.raw;
      if (!page->more) break;
      options.before = page->hits.back().at;
    }
    EXPECT_EQ(pages.size(), found.size());
    // Each insert lies in one partition: it is there as a whole or not at all.
    EXPECT_EQ(*direct().number("SELECT count() FROM (SELECT batch FROM " + database_ +
                               ".event GROUP BY batch HAVING uniqExact(toYYYYMM(toDateTime(intDiv(received, "
                               "1000), 'UTC'))) > 1)"),
              0u);
  }

  void run(const Try& one) {
    SCOPED_TRACE(std::string(testing::name_of(one.fault)) + "@" + std::to_string(one.at) +
                 (one.again ? "" : "!"));
    const auto began = std::chrono::steady_clock::now();
    now_ = one;
    database_ = "run" + std::to_string(++runs_);
    sent_.clear();
    heads_.clear();
    errors_.clear();
    events_ = 0;
    proxy_->arm(one.fault, one.at, [this] {
      servers_->stop(0, SIGKILL);
      stopped_ = true;
    });
    scenario();
    if (!HasFatalFailure()) {
      proxy_->settle();
      start_again();
      happened_ += proxy_->happened();
      check();
      if (one.fault == Fault::none) requests_ = proxy_->requests();
      // Whoever was there all the time goes on.
      if (!HasFatalFailure()) send(10);
    }
    if (HasFailure())
      for (const auto& error : errors_) std::cout << error << "\n";
    archive_.reset();
    start_again();
    EXPECT_LT(std::chrono::steady_clock::now() - began, kLongestRun);
    EXPECT_TRUE(direct().run("DROP DATABASE IF EXISTS " + database_));
  }

  TemporaryFolder folder_;
  SystemClock clock_;
  std::optional<SigningKey> key_;
  std::optional<ClickHouseServers> servers_;
  std::optional<FaultProxy> proxy_;
  std::unique_ptr<ClusterArchive> archive_;
  std::atomic<bool> stopped_ = false;
  Try now_;
  std::string database_ = "run0";
  std::vector<Sent> sent_;
  std::vector<Head> heads_;
  std::vector<std::string> errors_;
  std::size_t events_ = 0;
  int runs_ = 0, requests_ = 0, happened_ = 0;
};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

TEST_F(ClusterFaults, NothingAcknowledgedIsLostAlteredOrThereTwice) {
  ASSERT_NO_FATAL_FAILURE(run({}));
  ASSERT_FALSE(HasFailure());
  const auto wanted = variable("MAMORI_FAULTS");
  std::vector<Try> all;
  for (const auto fault : testing::kFaults)
    for (int at = 1; at <= requests_; ++at)
      for (const bool again : {true, false})
        if (const auto name =
                std::string(testing::name_of(fault)) + "@" + std::to_string(at) + (again ? "" : "!");
            !(wanted.find("@") != wanted.npos) || wanted == name)
          all.push_back({fault, at, again});
  const auto given = variable("MAMORI_SEED");
  const auto seed = given.empty() ? std::random_device()() : static_cast<unsigned>(std::stoul(given));
  std::shuffle(all.begin(), all.end(), std::mt19937(seed));
  if (!wanted.empty() && !(wanted.find("@") != wanted.npos))
    all.resize(std::min<std::size_t>(all.size(), std::stoul(wanted)));
  const auto stop = std::chrono::steady_clock::now() + 45s;
  std::size_t tried = 0;
  for (const auto& one : all) {
    if (wanted.empty() && std::chrono::steady_clock::now() > stop) break;
    run(one);
    ++tried;
    if (HasFailure()) break;
  }
  std::cout << "tried " << tried << " of " << all.size() << " pairs of fault and request (" << requests_
            << " requests), " << happened_ << " faults happened, seed " << seed << "\n";
}

std::vector<Event> plain_events(const std::vector<std::string>& raws, std::size_t after = 0) {
  std::vector<Event> out;
  for (const auto& raw : raws) {
    Event event;
    event.raw = raw;
    event.received = event.time =
        *parse_instant("2026-11-21T00:00:00Z") + std::chrono::seconds(after + out.size());
    out.push_back(event);
  }
  return out;
}

std::vector<std::string> numbered(const std::string& what, std::size_t count) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(what + " " + std::to_string(i));
  return out;
}

TEST_F(ClusterFaults, ManyWhoAppendAtOnceWhileLinesBreakLoseNothing) {
  ASSERT_TRUE(open());
  auto* into = *stream();
  constexpr std::size_t kSenders = 4, kBatches = 12, kEvents = 30;
  std::mutex mutex;
  std::map<std::string, LeafIndex> acknowledged;
  std::atomic<std::size_t> running = kSenders, refused = 0;
  std::vector<std::thread> senders;
  for (std::size_t sender = 0; sender < kSenders; ++sender)
    senders.emplace_back([&, sender] {
      for (std::size_t batch = 0; batch < kBatches; ++batch) {
        const auto raws = numbered(
            "sender " + std::to_string(sender) + " batch " + std::to_string(batch) + " event", kEvents);
        const auto events = plain_events(raws);
        for (int tries = 0; tries < 200; ++tries) {
          const auto done = into->append(events);
          if (!done) {
            ++refused;
            continue;
          }
          const std::lock_guard lock(mutex);
          for (std::size_t i = 0; i < raws.size(); ++i) acknowledged[raws[i]] = done->first + i;
          break;
        }
      }
      --running;
    });
  std::mt19937 random(7);
  constexpr std::array faults = {Fault::refuse, Fault::cut_before,  Fault::cut_within, Fault::cut_after,
                                 Fault::twice,  Fault::error_500,   Fault::done_503,   Fault::garbage,
                                 Fault::page,   Fault::half_answer, Fault::half_header};
  std::vector<Head> heads;
  while (running > 0) {
    proxy_->arm(faults[random() % faults.size()], static_cast<int>(random() % 3) + 1);
    std::this_thread::sleep_for(20ms);
    if (auto head = into->publish_head()) heads.push_back(*head);
  }
  for (auto& sender : senders) sender.join();
  proxy_->arm(Fault::none, 0);
  proxy_->settle();
  EXPECT_EQ(acknowledged.size(), kSenders * kBatches * kEvents);
  EXPECT_EQ(into->size(), acknowledged.size()) << "each of them once, " << refused << " appends refused";
  std::map<std::string, LeafIndex> found;
  ASSERT_TRUE(into->each_match(Query{}, SearchOptions().from, SearchOptions().to, 0,
                               [&](LeafIndex leaf, const Event& event) -> Result<bool> {
                                 EXPECT_TRUE(found.emplace(std::string(event.raw), leaf).second)
                                     << "twice: " << event.raw;
                                 return true;
                               }));
  EXPECT_EQ(found, acknowledged);
  for (const auto& head : heads) EXPECT_EQ(*into->root_at(head.size), head.root);
  EXPECT_TRUE(into->verify([](const Damage& damage) {
    ADD_FAILURE() << damage.what << " " << damage.first << "–" << damage.last;
  }));
}

// An insert of a process that is gone may come in when the next one has looked already.
TEST_F(ClusterFaults, ALateInsertOfTheLastLifeTakesNoNumberFromThisOne) {
  ASSERT_TRUE(open());
  ASSERT_TRUE((*stream())->append(plain_events({"first"})));
  proxy_->arm(Fault::late, 1);
  EXPECT_EQ((*stream())->append(plain_events({"late 1", "late 2"})).error().code, "archive.cluster.slow");
  ASSERT_TRUE(open());
  auto* into = *stream();
  EXPECT_EQ(into->size(), 1u);
  proxy_->settle();
  const auto done = into->append(plain_events({"new"}));
  ASSERT_TRUE(done) << describe(done.error());
  EXPECT_EQ(done->first, 3u) << "the late ones have theirs";
  EXPECT_EQ(into->event(1)->event.raw, "late 1");
  EXPECT_EQ(into->event(3)->event.raw, "new");
  EXPECT_TRUE(
      into->verify([](const Damage& damage) { ADD_FAILURE() << damage.what << " " << damage.first; }));
}

// …or when that one has given the numbers to others: then it is as if it had never come.
TEST_F(ClusterFaults, ALateInsertOfTheLastLifeDoesNotCountWhereThisOneGaveTheNumbers) {
  ASSERT_TRUE(open());
  ASSERT_TRUE((*stream())->append(plain_events({"first"})));
  proxy_->arm(Fault::late, 1);
  EXPECT_EQ((*stream())->append(plain_events(numbered("late", 30))).error().code, "archive.cluster.slow");
  ASSERT_TRUE(open());
  auto* into = *stream();
  ASSERT_TRUE(into->append(plain_events(numbered("new", 20))));
  const auto head = *into->publish_head();
  proxy_->settle();
  ASSERT_EQ(*direct().number("SELECT count() FROM " + database_ + ".event"), 51u) << "it came";

  const auto check_all = [&](const ClusterArchive& archive, const Stream& from) {
    EXPECT_EQ(from.size(), 21u);
    for (LeafIndex leaf = 1; leaf < 21; ++leaf)
      EXPECT_EQ(from.event(leaf)->event.raw, "new " + std::to_string(leaf - 1));
    EXPECT_EQ(*from.root_at(head.size), head.root);
    const auto proof = from.inclusion(5, 21);
    ASSERT_TRUE(proof);
    EXPECT_TRUE(verify_inclusion(5, 21, hash_leaf(leaf_of(from.event(5)->event)), *proof, head.root));
    EXPECT_TRUE(
        from.verify([](const Damage& damage) { ADD_FAILURE() << damage.what << " " << damage.first; }));
    const Stream* const streams[] = {&from};
    for (const auto& [question, expected] :
         std::map<std::string, std::size_t>{{"late", 0}, {"new", 20}, {"*", 21}}) {
      SCOPED_TRACE(question);
      const auto found = archive.search(streams, *parse_query(question), {.limit = 100, .statistics = true});
      ASSERT_TRUE(found) << describe(found.error());
      EXPECT_EQ(found->total, expected);
      EXPECT_EQ(found->hits.size(), expected);
      std::size_t matched = 0;
      EXPECT_TRUE(from.each_match(*parse_query(question), SearchOptions().from, SearchOptions().to, 0,
                                  [&](LeafIndex, const Event&) -> Result<bool> {
                                    ++matched;
                                    return true;
                                  }));
      EXPECT_EQ(matched, expected);
    }
  };
  ASSERT_NO_FATAL_FAILURE(check_all(*archive_, *into));
  const auto beside =
      *ClusterArchive::open(address(servers_->port_of(0)), folder_.path() / "beside", *key_, clock_);
  ASSERT_NO_FATAL_FAILURE(check_all(*beside, **beside->stream({"f1", "events@" + archive_->writer()})));
  // What comes next takes the numbers that are left of it.
  ASSERT_TRUE(into->append(plain_events(numbered("next", 5))));
  EXPECT_EQ(into->event(21)->event.raw, "next 0");
  ASSERT_TRUE(into->publish_head());
  EXPECT_TRUE(
      into->verify([](const Damage& damage) { ADD_FAILURE() << damage.what << " " << damage.first; }));
}

// Whoever followed the stream may have read the late rows before the ones that count.
TEST_F(ClusterFaults, WhoFollowsAStreamLetsGoOfLateRowsWithTheNextHead) {
  ASSERT_TRUE(open());
  ASSERT_TRUE((*stream())->append(plain_events({"first"})));
  ASSERT_TRUE(open());
  auto* into = *stream();
  const auto beside =
      *ClusterArchive::open(address(servers_->port_of(0)), folder_.path() / "beside", *key_, clock_);
  const auto* from = *beside->stream({"f1", "events@" + archive_->writer()});
  EXPECT_EQ(from->size(), 1u);
  // A row of the first life comes in under the next number, just before that is given.
  ASSERT_TRUE(into->publish_head());  // looks first, as any writing does
  proxy_->arm(Fault::held, 1);
  std::thread appends([&] { EXPECT_TRUE(into->append(plain_events({"second"}, 1))); });
  while (!proxy_->happened()) std::this_thread::sleep_for(1ms);
  const auto columns = [](const char* leaf, const char* raw) {
    return std::string("facility, stream, writer, batch, ") + leaf + ", time, received, " + raw;
  };
  EXPECT_TRUE(direct().run("INSERT INTO " + database_ + ".event (" + columns("leaf", "raw") + ") SELECT " +
                           columns("toUInt64(1)", "'late'") + " FROM " + database_ +
                           ".event WHERE leaf = 0"));
  for (int i = 0; i < 600 && from->size() < 2; ++i) std::this_thread::sleep_for(50ms);
  EXPECT_EQ(from->event(1)->event.raw, "late");
  proxy_->release();
  appends.join();
  const auto head = *into->publish_head();
  EXPECT_EQ(head.size, 2u);
  for (int i = 0; i < 600 && from->heads().size() < 2; ++i) std::this_thread::sleep_for(50ms);
  for (int i = 0; i < 600 && *from->root_at(2) != head.root; ++i) std::this_thread::sleep_for(50ms);
  EXPECT_EQ(*from->root_at(2), head.root);
  EXPECT_EQ(from->event(1)->event.raw, "second");
}

TEST_F(ClusterFaults, WritingWaitsForWhatTheLastLifeStillInserts) {
  ASSERT_TRUE(open());
  ASSERT_TRUE(stream());
  std::atomic<bool> ended = false;
  const auto name = "mamori/" + archive_->writer() + "/f1/events/0";
  std::thread earlier([&] {
    EXPECT_TRUE(net::ask_web(
        {.url = "http://127.0.0.1:" + std::to_string(servers_->port_of(0)) + "/?query_id=" + name,
         .method = "POST",
         .body = "SELECT sleep(1)"}));
    ended = true;
  });
  const auto running = "SELECT count() FROM system.processes WHERE query_id = '" + name + "'";
  while (!ended && *direct().number(running) == 0) std::this_thread::sleep_for(5ms);
  ASSERT_TRUE(open());
  ASSERT_TRUE((*stream())->append(plain_events({"next"})));
  EXPECT_EQ(*direct().number(running), 0u);
  earlier.join();
}

// Nothing but the table tells the root of a chunk whose events are gone.
TEST_F(ClusterFaults, RetentionDeletesNothingBeforeTheRootsAreKept) {
  ASSERT_TRUE(open());
  auto* into = *stream();
  const auto raws = numbered("event", 700);
  ASSERT_TRUE(into->append(plain_events(raws)));
  const auto head = *into->publish_head();
  const auto count = [&](const std::string& table) {
    return *direct().number("SELECT count() FROM " + database_ + "." + table);
  };
  // The rows of the chunks cannot be written or read.
  ASSERT_TRUE(direct().run("RENAME TABLE " + database_ + ".chunk TO " + database_ + ".away"));
  EXPECT_EQ(into->retain({.age = 1h}).error().code, "archive.cluster.refused");
  EXPECT_EQ(into->first(), 0u);
  EXPECT_EQ(count("event"), 700u);
  // They are there again, and empty: what is missing is written again without a restart.
  ASSERT_TRUE(direct().run("CREATE TABLE " + database_ + ".chunk AS " + database_ + ".away"));
  const auto removed = into->retain({.age = 1h});
  ASSERT_TRUE(removed) << describe(removed.error());
  EXPECT_EQ(*removed, 512u);
  for (int i = 0; i < 300 && count("event") > 188; ++i) std::this_thread::sleep_for(100ms);
  EXPECT_EQ(count("event"), 188u);
  ASSERT_TRUE(open());
  into = *stream();
  EXPECT_EQ(into->first(), 512u);
  EXPECT_EQ(*into->root_at(head.size), head.root);
  EXPECT_TRUE(
      into->verify([](const Damage& damage) { ADD_FAILURE() << damage.what << " " << damage.first; }));
}

TEST_F(ClusterFaults, ARowOfAChunkThatWasRefusedIsWrittenWithTheNext) {
  ASSERT_TRUE(open());
  auto* into = *stream();
  ASSERT_TRUE(into->append(plain_events({"first"})));
  ASSERT_TRUE(direct().run("RENAME TABLE " + database_ + ".chunk TO " + database_ + ".away"));
  ASSERT_TRUE(into->append(plain_events(numbered("event", 300))));
  ASSERT_TRUE(into->publish_head());
  ASSERT_TRUE(direct().run("RENAME TABLE " + database_ + ".away TO " + database_ + ".chunk"));
  ASSERT_TRUE(into->append(plain_events(numbered("more", 10))));
  ASSERT_TRUE(into->publish_head());
  EXPECT_EQ(*direct().number("SELECT count() FROM " + database_ + ".chunk"), 1u);
}

TEST_F(ClusterFaults, WhoeverProvesExportsOrRetainsKeepsNobodyFromAppending) {
  const auto patient = [&] {
    auto out = address(proxy_->port());
    out.limit = 60s;
    return out;
  }();
  archive_ = *ClusterArchive::open(patient, folder_.path() / database_, *key_, clock_);
  auto* into = *stream();
  ASSERT_TRUE(into->append(plain_events(numbered("event", 300))));
  const auto beside = [&](const char* what, const auto& asks) {
    SCOPED_TRACE(what);
    proxy_->arm(Fault::held, 1);
    std::atomic<bool> done = false;
    std::thread held([&] {
      asks();
      done = true;
    });
    while (!proxy_->happened()) std::this_thread::sleep_for(1ms);
    // Where somebody waits for the one who is held, the test ends all the same, and says so.
    std::atomic<bool> appended = false;
    std::thread release([&] {
      for (int i = 0; i < 3000 && !appended; ++i) std::this_thread::sleep_for(10ms);
      proxy_->release();
    });
    EXPECT_TRUE(into->append(plain_events({"meanwhile"})));
    EXPECT_EQ((*archive_->stream({"f1", "events"})), into);
    EXPECT_FALSE(done);
    appended = true;
    release.join();
    held.join();
  };
  const std::vector<LeafIndex> some = {3, 5};
  beside("inclusion", [&] { EXPECT_TRUE(into->inclusion(3, 200)); });
  beside("inclusion_of_all", [&] { EXPECT_TRUE(into->inclusion_of_all(some, 300)); });
  beside("root_at", [&] { EXPECT_TRUE(into->root_at(100)); });
  beside("consistency", [&] { EXPECT_TRUE(into->consistency(100, 300)); });
  beside("verify", [&] { EXPECT_TRUE(into->verify([](const Damage&) {})); });
  beside("head", [&] { EXPECT_TRUE(into->publish_head()); });
  beside("retention", [&] { EXPECT_TRUE(into->retain({.age = 1h})); });
  beside("another stream", [&] { EXPECT_TRUE(archive_->stream({"f1", "other"})); });
  beside("size on disk", [&] { EXPECT_GT(into->bytes_on_disk(), 0u); });
}

TEST_F(ClusterFaults, AHeadDoesNotWaitForAnInsert) {
  auto patient = address(proxy_->port());
  patient.limit = 60s;
  archive_ = *ClusterArchive::open(patient, folder_.path() / database_, *key_, clock_);
  auto* into = *stream();
  ASSERT_TRUE(into->append(plain_events({"first"})));
  proxy_->arm(Fault::held, 1);
  std::atomic<bool> done = false;
  std::thread held([&] {
    EXPECT_TRUE(into->append(plain_events({"second"})));
    done = true;
  });
  while (!proxy_->happened()) std::this_thread::sleep_for(1ms);
  std::atomic<bool> published = false;
  std::thread release([&] {
    for (int i = 0; i < 3000 && !published; ++i) std::this_thread::sleep_for(10ms);
    proxy_->release();
  });
  EXPECT_EQ(into->publish_head()->size, 1u) << "only what is there is signed";
  EXPECT_FALSE(done);
  published = true;
  release.join();
  held.join();
}

TEST_F(ClusterFaults, WhoFollowsAnothersStreamReadsOnlyWhatIsNewAndSaysWhenItCannot) {
  const auto writes =
      *ClusterArchive::open(address(servers_->port_of(0)), folder_.path() / "writer", *key_, clock_);
  auto* into = *writes->stream({"f1", "events"});
  for (int i = 0; i < 20; ++i)
    ASSERT_TRUE(into->append(plain_events(numbered("event " + std::to_string(i), 1000))));
  ASSERT_TRUE(into->publish_head());
  ASSERT_TRUE(open());
  const auto* from = *archive_->stream({"f1", "events@" + writes->writer()});
  const auto until = [&](TreeSize size) {
    for (int i = 0; i < 600 && from->size() != size; ++i) std::this_thread::sleep_for(50ms);
    EXPECT_EQ(from->size(), size);
    EXPECT_EQ(*from->root_at(size), *into->root_at(size));
  };
  until(20'000);
  proxy_->arm(Fault::none, 0);
  ASSERT_TRUE(into->append(plain_events(numbered("new", 10), 1000)));
  until(20'010);
  EXPECT_LT(proxy_->answered(), 20'000u)
      << "the chunks of 20,000 events alone are 78 * 56 bytes, their events 1.5 MB";
  // Over the border of chunks, some of them in the table.
  for (const auto count : {100, 300, 5000, 1}) {
    ASSERT_TRUE(into->append(plain_events(numbered("more", static_cast<std::size_t>(count)), into->size())));
    until(into->size());
  }
  // A clock that was set back: what looks old is found with the next head.
  ASSERT_TRUE(into->append(plain_events({"of yesterday"})));
  ASSERT_TRUE(into->publish_head());
  for (int i = 0; i < 600 && from->heads().size() < 2; ++i) std::this_thread::sleep_for(50ms);
  EXPECT_EQ(from->heads().size(), 2u);
  until(into->size());
  EXPECT_TRUE(from->damage().empty());

  servers_->stop(0, SIGKILL);
  for (int i = 0; i < 600 && from->damage().empty(); ++i) std::this_thread::sleep_for(50ms);
  ASSERT_EQ(from->damage().size(), 1u);
  EXPECT_EQ(from->damage()[0].what, "archive.damage.away");
  EXPECT_EQ(from->size(), into->size()) << "as it was known last";
  EXPECT_EQ(from->root_at(5).error().code, "archive.cluster.unreachable");
  servers_->start(0);
  for (int i = 0; i < 600 && !from->damage().empty(); ++i) std::this_thread::sleep_for(50ms);
  EXPECT_TRUE(from->damage().empty());
  ASSERT_TRUE(into->append(plain_events({"after"}, 30'000)));
  until(into->size());
}

TEST_F(ClusterFaults, AWriterThatFindsLessThanWasSignedGivesNoNumberTwice) {
  ASSERT_TRUE(open());
  ASSERT_TRUE((*stream())->append(plain_events(numbered("event", 20))));
  ASSERT_TRUE((*stream())->publish_head());
  ASSERT_TRUE(direct().run("ALTER TABLE " + database_ + ".event DELETE WHERE leaf >= 15"));
  for (int i = 0; i < 300 && *direct().number("SELECT count() FROM " + database_ + ".event") > 15; ++i)
    std::this_thread::sleep_for(100ms);
  ASSERT_TRUE(open());
  auto* into = *stream();
  EXPECT_EQ(into->append(plain_events({"next"})).error().code, "archive.cluster.behind");
  EXPECT_EQ(into->publish_head().error().code, "archive.cluster.behind");
  ASSERT_EQ(into->damage().size(), 1u);
  EXPECT_EQ(into->damage()[0].what, "archive.damage.cut");
  EXPECT_EQ(into->event(14)->event.raw, "event 14") << "what is there is read";
}

}  // namespace
}  // namespace mamori::archive
