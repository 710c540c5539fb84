// The cluster engine against real servers: the same events as in the embedded engine give the same answers
// and the same proofs.
#include <gtest/gtest.h>

#include <thread>

#include "archive/cluster/archive.h"
#include "archive/cluster/query_sql.h"
#include "archive/cluster/schema.h"
#include "archive/embedded/archive.h"
#include "os/keys.h"
#include "testing/clickhouse.h"
#include "testing/clock.h"

namespace mamori::archive {
namespace {

using testing::ClickHouseServers;

TEST(ClickHouseAddress, IsReadAndRefused) {
  const auto address = parse_clickhouse(
      "clickhouses://mamori:p%40ss@ch1.example:8443,ch2.example:8443/logs?cluster=main&quorum=2");
  ASSERT_TRUE(address);
  EXPECT_EQ(address->servers,
            (std::vector<std::string>{"https://ch1.example:8443", "https://ch2.example:8443"}));
  EXPECT_EQ(address->user, "mamori");
  EXPECT_EQ(address->password.reveal(), "p@ss");
  EXPECT_EQ(address->database, "logs");
  EXPECT_EQ(address->cluster, "main");
  EXPECT_EQ(address->quorum, 2);
  for (const auto* bad :
       {"", "http://x", "clickhouse://", "clickhouse:///db", "clickhouse://h/a b", "clickhouse://h/a;DROP",
        "clickhouse://h/db?cluster=a'b", "clickhouse://h/db?what=1", "clickhouse://h/db?quorum=x",
        "clickhouse://u%0d%0aX:y@h/db"})
    EXPECT_EQ(parse_clickhouse(bad).error().code, "archive.cluster.address") << bad;
}

TEST(ClickHouseText, CannotLeaveItsQuotes) {
  EXPECT_EQ(sql_text("a'b\\c"), "'a\\'b\\\\c'");
  EXPECT_EQ(sql_text(std::string_view("\0'", 2)), "'\\0\\''");
}

std::vector<std::string> raws() {
  std::vector<std::string> out = {
      "Failed password for invalid user admin from 203.0.113.9 port 22 ssh2",
      "Accepted password for tanaka from 10.1.1.5 port 22",
      "User=TANAKA EventID=4625 Status=0xC000006D",
      "{\"patient\":\"001234\",\"user\":\"佐藤\",\"action\":\"read\"}",
      "サーバーが停止しました user=ﾀﾅｶ",
      "\x8A\xB3\x8E\xD2\x82\xCC\x83J\x83\x8B\x83"
      "e\x82\xF0\x8AJ\x82\xAB\x82\xDC\x82\xB5\x82\xBD",  // CP932
      "mail from a.b@example.jp to c-d.example",
      "10.1.5.5 10.1.5 x-10.1.5-y",
      "path C:\\Windows\\[x] a'b\"c `DROP TABLE event` -- ; \\",
      std::string("zero\0"
                  "byte and \xFF\xFE no text",
                  24),
      "",
      "tanaka's tanakas atanaka tana-ka tanaka_1",
      "a-xbb a-xb",
      "line\nbreak\ttab",
  };
  for (int i = 0; i < 700; ++i)
    out.push_back("filler number " + std::to_string(i) + (i % 7 == 0 ? " failure" : " success") + " host" +
                  std::to_string(i % 13));
  return out;
}

void fill(Event& event, std::size_t i) {
  event.received = *parse_instant("2026-11-21T00:00:00Z") + std::chrono::seconds(i);
  event.time = event.received - std::chrono::milliseconds(i % 5 * 700);
  event[Field::source] = i % 2 == 0 ? "LS-0001" : "LS-0002";
  event[Field::user] = i % 3 == 0 ? "tanaka" : i % 3 == 1 ? "佐藤" : "";
  event[Field::outcome] = i % 7 == 0 ? "failure" : "success";
  event[Field::patient] = i % 11 == 0 ? "001234" : "";
}

std::vector<Event> events_of(const std::vector<std::string>& texts, std::size_t from = 0) {
  std::vector<Event> out(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    out[i].raw = texts[i];
    fill(out[i], from + i);
  }
  return out;
}

class Cluster : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!ClickHouseServers::installed()) GTEST_SKIP() << "clickhouse-server and zookeeper are not installed";
    crypto_ready();
    key_.emplace(*os::open_or_make_signing_key(folder_.path() / "key"));
  }
  std::unique_ptr<ClusterArchive> open(const std::string& url, const char* who = "a") {
    auto opened = ClusterArchive::open(*parse_clickhouse(url), folder_.path() / who, *key_, clock_);
    EXPECT_TRUE(opened) << describe(opened.error());
    return opened ? std::move(opened).take() : nullptr;
  }
  TemporaryFolder folder_;
  SystemClock clock_;
  std::optional<SigningKey> key_;
};

constexpr const char* kQuestions[] = {
    "*",
    "failed",
    "password",
    "PASSWORD",
    "\"failed password\"",
    "passw*",
    "*word",
    "tanaka",
    "tana*",
    "tan*a",
    "tana*s",
    "user:tanaka",
    "user:佐藤",
    "user:佐*",
    "user:*",
    "NOT user:*",
    "user:\"\"",
    "patient:001234",
    "001234",
    "outcome:failure AND user:tanaka",
    "outcome:failure OR patient:001234",
    "failed NOT tanaka",
    "(admin OR tanaka) -filler",
    "EventID:4625",
    "eventid:46*",
    "user:TANAKA",
    "User:tanaka",
    "patient:\"001234\"",
    "action:read",
    "EventID:*",
    "10.1.5",
    "10.1.5.5",
    "10.*.5",
    "x-10.1.5-y",
    "a.b@example.jp",
    "example.jp",
    "c-d.example",
    "a-*b",
    "\"a'b\"",
    "\"c:\\\\windows\"",
    "\"[x]\"",
    "\"`drop table event`\"",
    "--",
    ";",
    "サーバ",
    "停止",
    "サーバ*",
    "患者",
    "ｻｰﾊﾞｰ",
    "タナカ",
    "カルテ",
    "\"no text\"",
    "zero",
    "byte",
    "line",
    "\"line break\"",
    "host1",
    "host1*",
    "nowhere",
    "\"number 69\"",
    "number 69",
    "filler failure host3 -source:LS-0001",
};

TEST_F(Cluster, AnswersLikeTheEmbeddedEngine) {
  const ClickHouseServers servers(1);
  const auto cluster = open(servers.url());
  ASSERT_TRUE(cluster);
  const auto embedded = *EmbeddedArchive::open(folder_.path() / "files", *key_, clock_);
  auto* ours = *cluster->stream({"f1", "events"});
  auto* theirs = *embedded->stream({"f1", "events"});
  const auto texts = raws();
  const auto events = events_of(texts);
  for (std::size_t i = 0; i < events.size(); i += 100) {
    const auto some = std::span(events).subspan(i, std::min<std::size_t>(100, events.size() - i));
    const auto range = ours->append(some);
    ASSERT_TRUE(range) << describe(range.error());
    EXPECT_EQ(range->first, i);
    ASSERT_TRUE(theirs->append(some));
  }
  ASSERT_TRUE(
      (*cluster->stream({"f2", "events"}))->append(events_of({"another facility's password failed"})));
  const Stream* const a[] = {ours};
  const Stream* const b[] = {theirs};
  std::size_t answered = 0;
  for (const auto* text : kQuestions) {
    SCOPED_TRACE(text);
    const auto query = parse_query(text);
    ASSERT_TRUE(query);
    SearchOptions options{.limit = 50, .statistics = true};
    options.count = {Field::source, Field::user, Field::outcome, Field::patient};
    const auto here = cluster->search(a, *query, options);
    const auto there = embedded->search(b, *query, options);
    ASSERT_TRUE(here) << describe(here.error()) << condition_of(*query);
    ASSERT_TRUE(there);
    EXPECT_EQ(here->total, there->total) << condition_of(*query);
    answered += here->total > 0 ? 1 : 0;
    ASSERT_EQ(here->hits.size(), there->hits.size());
    for (std::size_t i = 0; i < here->hits.size(); ++i) {
      EXPECT_EQ(here->hits[i].at, there->hits[i].at);
      EXPECT_EQ(here->hits[i].event.raw, there->hits[i].event.raw);
      EXPECT_EQ(here->hits[i].event.fields, there->hits[i].event.fields);
      EXPECT_EQ(here->hits[i].event.received, there->hits[i].event.received);
    }
    std::uint64_t in_histogram = 0;
    for (const auto& bucket : here->histogram) in_histogram += bucket.count;
    EXPECT_EQ(in_histogram, here->total);
    for (std::size_t f = 0; f < kFieldCount; ++f) {
      ASSERT_EQ(here->counts[f].size(), there->counts[f].size());
      for (std::size_t i = 0; i < here->counts[f].size(); ++i) {
        EXPECT_EQ(here->counts[f][i].value, there->counts[f][i].value);
        EXPECT_EQ(here->counts[f][i].count, there->counts[f][i].count);
      }
    }
    // Page by page it is the same.
    SearchOptions paged{.limit = 7};
    std::vector<LeafIndex> pages, direct;
    for (int page = 0; page < 3; ++page) {
      const auto some = cluster->search(a, *query, paged);
      ASSERT_TRUE(some);
      for (const auto& hit : some->hits) pages.push_back(hit.at.index);
      if (some->hits.empty()) break;
      paged.before = some->hits.back().at;
    }
    for (std::size_t i = 0; i < std::min<std::size_t>(21, there->hits.size()); ++i)
      direct.push_back(there->hits[i].at.index);
    EXPECT_EQ(pages, direct);
  }
  EXPECT_GE(answered, std::size(kQuestions) * 3 / 4) << "most questions are about something";
  // The tree does not depend on the engine.
  EXPECT_EQ(*ours->root_at(ours->size()), *theirs->root_at(theirs->size()));
  EXPECT_EQ(*ours->inclusion(3, 300), *theirs->inclusion(3, 300));
  EXPECT_EQ(*ours->consistency(257, 600), *theirs->consistency(257, 600));
  const std::vector<LeafIndex> some = {0, 5, 256, 511, 600};
  EXPECT_EQ(*ours->inclusion_of_all(some, 700), *theirs->inclusion_of_all(some, 700));
  EXPECT_EQ(ours->event(4)->event.raw, texts[4]);
  EXPECT_EQ(ours->event(9)->event.raw, texts[9]);
  EXPECT_EQ(ours->event(99999).error().code, "archive.event.missing");
  EXPECT_EQ(ours->raw_bytes(), theirs->raw_bytes());
  std::vector<LeafIndex> matched;
  ASSERT_TRUE(ours->each_match(*parse_query("user:tanaka failure"), SearchOptions().from, SearchOptions().to,
                               40, [&](LeafIndex index, const Event&) -> Result<bool> {
                                 matched.push_back(index);
                                 return matched.size() < 5;
                               }));
  EXPECT_EQ(matched.size(), 5u);
  EXPECT_TRUE(std::is_sorted(matched.begin(), matched.end()) && matched.front() >= 40);
}

TEST_F(Cluster, ProvesAcrossStartsAndNamesWhatWasChanged) {
  ClickHouseServers servers(1);
  const auto address = *parse_clickhouse(servers.url());
  const ClickHouse direct(address);
  const auto texts = raws();
  Head head;
  {
    const auto archive = open(servers.url());
    ASSERT_TRUE(archive);
    auto* stream = *archive->stream({"f1", "events"});
    ASSERT_TRUE(stream->append(events_of(texts)));
    head = *stream->publish_head();
    EXPECT_TRUE(head_is_signed_by(head, key_->public_key()));
    // Another process with the same directory reads only.
    const auto beside = open(servers.url());
    EXPECT_TRUE(beside->read_only());
    EXPECT_EQ((*beside->stream({"f1", "events"}))->size(), texts.size());
    EXPECT_EQ((*beside->stream({"f1", "events"}))->append(events_of({"x"})).error().code, "archive.busy");
  }
  // The server is killed and comes back; so do we.
  servers.stop(0, SIGKILL);
  EXPECT_EQ(ClusterArchive::open(address, folder_.path() / "b", *key_, clock_).error().code,
            "archive.cluster.unreachable");
  servers.start(0);
  const auto archive = open(servers.url());
  ASSERT_TRUE(archive);
  auto* stream = *archive->stream({"f1", "events"});
  EXPECT_EQ(stream->size(), texts.size());
  EXPECT_EQ(*stream->root_at(head.size), head.root);
  ASSERT_EQ(stream->heads().size(), 1u);
  ASSERT_TRUE(stream->append(events_of(texts, texts.size())));
  ASSERT_TRUE(stream->publish_head());
  const auto whole = stream->verify([](const Damage&) {});
  ASSERT_TRUE(whole) << describe(whole.error());
  EXPECT_EQ(whole->heads, 2u);
  EXPECT_EQ(whole->events, 2 * texts.size());

  const auto broken = [&](const std::string& statement, LeafIndex first, LeafIndex last, const char* what) {
    SCOPED_TRACE(statement);
    ASSERT_TRUE(direct.run(statement));
    std::vector<Damage> found;
    for (int i = 0; i < 100 && found.empty(); ++i) {  // mutations take their time
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      (void)stream->verify([&](const Damage& damage) { found.push_back(damage); }).has_value();
    }
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found[0].what, what);
    EXPECT_LE(found[0].first, first);
    EXPECT_GE(found[0].last, last);
  };
  ASSERT_NO_FATAL_FAILURE(broken("ALTER TABLE mamori.event UPDATE raw = 'nothing happened' WHERE leaf = 300",
                                 300, 300, "archive.damage.event"));
  ASSERT_TRUE(
      direct.run("ALTER TABLE mamori.event UPDATE raw = " + sql_text(texts[300]) + " WHERE leaf = 300"));
  for (int i = 0; i < 100 && !stream->verify([](const Damage&) {}); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  ASSERT_TRUE(stream->verify([](const Damage&) {}));
  ASSERT_NO_FATAL_FAILURE(broken("ALTER TABLE mamori.event DELETE WHERE leaf >= 700 AND leaf < 710", 700, 709,
                                 "archive.damage.missing"));
}

TEST_F(Cluster, RetentionKeepsTheProofs) {
  const ClickHouseServers servers(1);
  const auto archive = open(servers.url());
  ASSERT_TRUE(archive);
  auto* stream = *archive->stream({"f1", "events"});
  const auto texts = raws();
  ASSERT_TRUE(stream->append(std::span<const Event>(events_of(texts)).first(300)));
  const auto early = *stream->publish_head();
  const auto all = events_of(texts);
  ASSERT_TRUE(stream->append(std::span<const Event>(all).subspan(300)));
  ASSERT_TRUE(stream->publish_head());
  EXPECT_EQ(*stream->retain({.age = std::chrono::hours(24 * 365 * 20)}), 0u);
  // By age: everything is older than a moment, but only whole chunks go.
  const auto removed = stream->retain({.age = std::chrono::hours(1)});
  ASSERT_TRUE(removed) << describe(removed.error());
  EXPECT_EQ(*removed, texts.size() / kChunk * kChunk);
  EXPECT_EQ(stream->first(), *removed);
  EXPECT_EQ(stream->event(5).error().code, "archive.event.missing");
  for (int i = 0; i < 100 && *ClickHouse(*parse_clickhouse(servers.url()))
                                     .number("SELECT count() FROM mamori.event WHERE leaf < 512") != 0;
       ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(*stream->root_at(early.size), early.root);
  EXPECT_TRUE(stream->consistency(early.size, stream->size()));
  EXPECT_TRUE(
      stream->verify([](const Damage& damage) { ADD_FAILURE() << damage.what << " " << damage.first; }));
  const Stream* const streams[] = {stream};
  EXPECT_EQ(archive->search(streams, Query{}, {.statistics = true})->total, texts.size() - *removed);
}

TEST_F(Cluster, TwoServersReceiveIntoShardsAndOneMayFail) {
  ClickHouseServers servers(2);
  const auto first = open(servers.url_of(0), "a"), second = open(servers.url_of(1), "b");
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->writer(), second->writer());
  const auto texts = raws();
  const auto write = [&](ClusterArchive& archive, std::size_t from) {
    auto* stream = *archive.stream({"f1", "events"});
    const auto events = events_of(texts, from);
    for (std::size_t i = 0; i < events.size(); i += 60) {
      const auto done = stream->append(
          std::span<const Event>(events).subspan(i, std::min<std::size_t>(60, events.size() - i)));
      ASSERT_TRUE(done) << describe(done.error());
    }
    ASSERT_TRUE(stream->publish_head());
  };
  std::thread beside([&] { write(*second, 10'000); });
  write(*first, 0);
  beside.join();
  // Both see all: two trees, one answer.
  const auto names = *first->names("f1");
  ASSERT_EQ(names.size(), 2u);
  std::vector<const Stream*> all;
  for (const auto& name : names) {
    EXPECT_EQ(name.base(), "events");
    auto* stream = *first->stream(name);
    EXPECT_EQ(stream->size(), texts.size());
    EXPECT_TRUE(
        stream->verify([](const Damage& damage) { ADD_FAILURE() << damage.what << " " << damage.first; }));
    all.push_back(stream);
  }
  SearchOptions options{.limit = 10, .statistics = true};
  EXPECT_EQ(first->search(all, Query{}, options)->total, 2 * texts.size());
  EXPECT_EQ(first->search(all, *parse_query("\"failed password\""), options)->total, 2u);
  // The rows lie on both.
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_GT(
        *ClickHouse(*parse_clickhouse(servers.url_of(i))).number("SELECT count() FROM mamori.event_rows"),
        0u);
  }
  // A server dies while we write. What was acknowledged is there afterwards, and no number is given twice.
  auto* stream = *first->stream({"f1", "events"});
  const auto before = stream->size();
  servers.stop(1, SIGKILL);
  std::size_t acknowledged = 0;
  const auto events = events_of(texts, 20'000);
  for (std::size_t i = 0; i < 5; ++i)
    acknowledged += stream->append(std::span<const Event>(events).subspan(i * 10, 10)) ? 10 : 0;
  servers.start(1);
  LeafRange last;
  for (int i = 0; i < 100; ++i) {
    if (const auto done = stream->append(std::span<const Event>(events).subspan(50, 10))) {
      last = *done;
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  EXPECT_EQ(last.count, 10u);
  EXPECT_GE(stream->size(), before + acknowledged + 10);
  EXPECT_TRUE(stream->verify([](const Damage& damage) {
    ADD_FAILURE() << damage.what << " " << damage.first << "–" << damage.last;
  }));
  EXPECT_EQ(stream->event(last.first)->event.raw, events[50].raw);
}

TEST_F(Cluster, AnswersOverTlsAndOnlyToWhomItsAuthorityVouchesFor) {
  const ClickHouseServers servers({.tls = true});
  const auto archive = open(servers.url());
  ASSERT_TRUE(archive);
  auto* stream = *archive->stream({"f1", "events"});
  const auto texts = raws();
  ASSERT_TRUE(stream->append(std::span<const Event>(events_of(texts)).first(50)));
  EXPECT_EQ(stream->size(), 50u);
  EXPECT_TRUE(stream->verify([](const Damage& damage) { ADD_FAILURE() << damage.what; }));
  // Nobody vouches for its certificate here; and it does not speak plainly.
  auto unknown = *parse_clickhouse(servers.url());
  unknown.authority.clear();
  EXPECT_EQ(ClusterArchive::open(unknown, folder_.path() / "b", *key_, clock_).error().code,
            "archive.cluster.unreachable");
  auto plain = unknown;
  plain.servers[0].replace(0, 5, "http");
  EXPECT_FALSE(ClusterArchive::open(plain, folder_.path() / "b", *key_, clock_));
}

// With quorum=2 an insert that only one replica has is not acknowledged: a server that is lost for good takes
// nothing along.
TEST_F(Cluster, AQuorumAcknowledgesOnlyWhatBothReplicasHave) {
  ClickHouseServers servers({.servers = 2, .replicas = true});
  const auto archive = open(servers.url() + "&quorum=2");
  ASSERT_TRUE(archive);
  auto* stream = *archive->stream({"f1", "events"});
  const auto texts = raws();
  const auto events = events_of(texts);
  const auto some = [&](std::size_t from) { return std::span<const Event>(events).subspan(from, 10); };
  ASSERT_TRUE(stream->append(some(0)));
  ASSERT_TRUE(stream->append(some(10)));
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(
        *ClickHouse(*parse_clickhouse(servers.url_of(i))).number("SELECT count() FROM mamori.event_rows"),
        20u)
        << "on both when it was acknowledged";
  }
  servers.stop(1, SIGKILL);
  std::this_thread::sleep_for(std::chrono::seconds(7));  // ZooKeeper gives it up after five
  EXPECT_FALSE(stream->append(some(20)));
  EXPECT_EQ(stream->size(), 20u);
  servers.start(1);
  Result<LeafRange> last = Error{ErrorKind::unavailable, "archive.cluster.unreachable"};
  for (int i = 0; i < 300 && !last; ++i) {
    last = stream->append(some(20));
    if (!last) std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  ASSERT_TRUE(last) << describe(last.error());
  ASSERT_TRUE(stream->publish_head());
  EXPECT_TRUE(stream->verify([](const Damage& damage) {
    ADD_FAILURE() << damage.what << " " << damage.first << "–" << damage.last;
  }));
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(stream->event(last->first + i)->event.raw, texts[20 + i]);
}

// An insert that only one replica has waits for the other; whether it counts is not known, and nobody signs
// it or gives its numbers again.
TEST_F(Cluster, NothingIsSignedThatWaitsForItsQuorum) {
  ClickHouseServers servers({.servers = 2, .replicas = true});
  auto address = *parse_clickhouse(servers.url_of(0) + "&quorum=2");
  address.limit = std::chrono::seconds(4);
  const auto open_again = [&](std::unique_ptr<ClusterArchive>& archive) -> Result<Stream*> {
    archive.reset();
    archive = MAMORI_TRY(ClusterArchive::open(address, folder_.path() / "a", *key_, clock_));
    auto* stream = MAMORI_TRY(archive->stream({"f1", "events"}));
    return stream;
  };
  std::unique_ptr<ClusterArchive> archive;
  auto stream = open_again(archive);
  ASSERT_TRUE(stream) << describe(stream.error());
  const auto texts = raws();
  const auto events = events_of(texts);
  const auto some = [&](std::size_t from) { return std::span<const Event>(events).subspan(from, 10); };
  ASSERT_TRUE((*stream)->append(some(0)));
  servers.stop(1, SIGKILL);
  // ZooKeeper does not know yet that the replica is gone: the rows are written, and wait for it.
  EXPECT_FALSE((*stream)->append(some(10)));
  ASSERT_EQ(*ClickHouse(address).number("SELECT count() FROM mamori.event_rows"), 20u)
      << "there, on one of two";
  const auto head = (*stream)->publish_head();
  EXPECT_TRUE(!head || head->size == 10) << "head of " << head->size;
  // Another process sees them, reads, and neither signs nor writes. A busy machine may answer later than the
  // limit, which is short here for what follows.
  for (int i = 0; i < 10; ++i) {
    stream = open_again(archive);
    if (stream) break;
  }
  ASSERT_TRUE(stream) << describe(stream.error());
  EXPECT_EQ((*stream)->event(5)->event.raw, texts[5]);
  EXPECT_FALSE((*stream)->publish_head());
  EXPECT_FALSE((*stream)->append(some(20)));
  servers.start(1);
  Result<LeafRange> last = Error{ErrorKind::unavailable, "archive.cluster.unreachable"};
  for (int i = 0; i < 300 && !last; ++i) {
    last = (*stream)->append(some(20));
    if (!last) std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  ASSERT_TRUE(last) << describe(last.error());
  EXPECT_EQ(last->first, 20u) << "the numbers of those that waited are theirs";
  ASSERT_TRUE((*stream)->publish_head());
  EXPECT_TRUE(
      (*stream)->verify([](const Damage& damage) { ADD_FAILURE() << damage.what << " " << damage.first; }));
  for (std::size_t i = 0; i < 30; ++i) EXPECT_EQ((*stream)->event(i)->event.raw, texts[i]);
}

}  // namespace
}  // namespace mamori::archive
