// The cluster engine while lines break and servers stop. A scenario (live appends, an import, heads, a search, a restart, retention) runs
// against a real ClickHouse through a proxy that does one bad thing at one request; afterwards nothing that was acknowledged may be
// missing, altered or there twice, and every signed head must be true.
//
// The test tries as many pairs of fault and request as fit in its time, in an order that the printed seed makes. MAMORI_FAULTS=600 tries
// so many; MAMORI_FAULTS=cut_after@17 one pair (cut_after@17! for a sender that does not try again); MAMORI_SEED=… an order again.
#include <gtest/gtest.h>

#include <iostream>
#include <random>
#include <set>

#include "archive/cluster/archive.h"
#include "base/text.h"
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
    key_.emplace(*SigningKey::open_or_make(folder_.path() / "key"));
    servers_.emplace(1);
    proxy_.emplace(servers_->port_of(0), kProxyWaits);
  }

  ClickHouseAddress address(int port) const {
    auto out = *parse_clickhouse("clickhouse://127.0.0.1:" + std::to_string(port) + "/" + database_);
    out.limit = port == proxy_->port() ? kClientWaits : 60s;
    return out;
  }

  // What a server process does: tries again until it succeeds. The server that a fault stopped is started after the second error.
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

  Status open() {
    archive_.reset();
    archive_ = MAMORI_TRY(ClusterArchive::open(address(proxy_->port()), folder_.path() / database_, *key_, clock_));
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
    if (done) sent.acknowledged = *done;
    else ASSERT_FALSE(now_.again) << errors_.back();
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
    if (done) sent.acknowledged = LeafRange{~LeafIndex{0}, count};  // where it lies is not told
    else ASSERT_FALSE(now_.again) << errors_.back();
  }

  void publish() {
    const auto head = until_done("head", [&]() -> Result<Head> { return MAMORI_TRY(stream())->publish_head(); });
    ASSERT_TRUE(head) << errors_.back();
    heads_.push_back(*head);
  }

  void look() {
    const auto found = until_done("search", [&]() -> Result<SearchResult> { return search(*archive_, *MAMORI_TRY(stream())); });
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
    ASSERT_TRUE(until_done("retain", [&]() -> Result<std::uint64_t> { return MAMORI_TRY(stream())->retain({.bytes = 30'000}); })) << errors_.back();
    ASSERT_NO_FATAL_FAILURE(send(80));
    ASSERT_NO_FATAL_FAILURE(publish());
  }

  // Asked past the proxy, by another process.
  void check() {
    const auto archive = ClusterArchive::open(address(servers_->port_of(0)), folder_.path() / (database_ + "-beside"), *key_, clock_);
    ASSERT_TRUE(archive) << describe(archive.error());
    const auto opened = (*archive)->stream({"f1", "events@" + archive_->writer()});
    ASSERT_TRUE(opened) << describe(opened.error());
    const auto& stream = **opened;
    const auto verified = stream.verify([](const Damage& damage) { ADD_FAILURE() << damage.what << " " << damage.first << "–" << damage.last; });
    ASSERT_TRUE(verified) << describe(verified.error());
    EXPECT_EQ(verified->size, stream.size());

    const auto kept = stream.heads();
    for (const auto& head : heads_) {
      EXPECT_TRUE(std::any_of(kept.begin(), kept.end(), [&](const Head& one) { return one.size == head.size && one.root == head.root; })) << head.size;
      const auto root = stream.root_at(head.size);
      ASSERT_TRUE(root) << describe(root.error());
      EXPECT_EQ(*root, head.root) << head.size;
      EXPECT_TRUE(stream.consistency(head.size, stream.size()));
    }

    std::map<std::string, LeafIndex> found;
    ASSERT_TRUE(stream.each_match(Query{}, SearchOptions().from, SearchOptions().to, 0, [&](LeafIndex leaf, const Event& event) -> Result<bool> {
      EXPECT_TRUE(found.emplace(std::string(event.raw), leaf).second) << "twice: " << event.raw;
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
      for (const auto& hit : page->hits) EXPECT_TRUE(pages.insert(hit.at.index).second) << "twice: " << hit.event.raw;
      if (!page->more) break;
      options.before = page->hits.back().at;
    }
    EXPECT_EQ(pages.size(), found.size());
  }

  void run(const Try& one) {
    SCOPED_TRACE(std::string(testing::name_of(one.fault)) + "@" + std::to_string(one.at) + (one.again ? "" : "!"));
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
    EXPECT_TRUE(ClickHouse(address(servers_->port_of(0))).run("DROP DATABASE IF EXISTS " + database_));
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
        if (const auto name = std::string(testing::name_of(fault)) + "@" + std::to_string(at) + (again ? "" : "!"); !(wanted.find("@") != wanted.npos) || wanted == name) all.push_back({fault, at, again});
  const auto given = variable("MAMORI_SEED");
  const auto seed = given.empty() ? std::random_device()() : static_cast<unsigned>(std::stoul(given));
  std::shuffle(all.begin(), all.end(), std::mt19937(seed));
  if (!wanted.empty() && !(wanted.find("@") != wanted.npos)) all.resize(std::min<std::size_t>(all.size(), std::stoul(wanted)));
  const auto stop = std::chrono::steady_clock::now() + 45s;
  std::size_t tried = 0;
  for (const auto& one : all) {
    if (wanted.empty() && std::chrono::steady_clock::now() > stop) break;
    run(one);
    ++tried;
    if (HasFailure()) break;
  }
  std::cout << "tried " << tried << " of " << all.size() << " pairs of fault and request (" << requests_ << " requests), " << happened_ << " faults happened, seed " << seed << "\n";
}

}  // namespace
}  // namespace mamori::archive
