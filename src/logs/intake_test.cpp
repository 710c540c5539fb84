// From the socket, the file or the request into the archive, and what is watched on the way.
#include "logs/intake_test.h"

#include <fstream>

#include "testing/limited_disk.h"

namespace mamori::logs {
namespace {

using archive::Field;

TEST_F(Intake, UnknownSendersAppearAndRefusedOnesAreNotHeard) {
  const auto receiver = *Receiver::open({.udp_port = 0, .tcp_port = 0}, *logs_);
  send_tcp(receiver->tcp_port(), "<34>one\n9 <34>three<34>two\n");
  ASSERT_TRUE(wait_for(3));
  const auto sources = *logs_->sources(facility_);
  ASSERT_EQ(sources.size(), 1u);
  EXPECT_EQ(sources[0].state, "unknown");
  EXPECT_EQ(sources[0].number, "LS-0001");
  const auto* reg = *ledger_->find_register("log_source");
  ASSERT_TRUE(ledger_->update({"", "t", "test"}, *reg, store::Scope::door(facility_), sources[0].id, 1,
                              {{{"state", "refused"}}, ""}));
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  send_tcp(receiver->tcp_port(), "<34>four\n");
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_EQ(events().size(), 3u);
}

TEST_F(Intake, ASenderBelongsToOneFacility) {
  const store::Actor manager{"u2", "別の管理者", "test"};
  const auto& sources = **ledger_->find_register("log_source");
  const auto other = ledger_
                         ->create(manager, **ledger_->find_register("facility"), "",
                                  {{{"name", "別の診療所"}, {"kind", "clinic"}}, ""})
                         ->id;
  const auto certificate = std::string(64, 'a');
  const auto ours = *ledger_->create(
      manager, sources, facility_,
      {{{"name", "電子カルテ"}, {"address", "198.51.100.4"}, {"certificate", certificate}}, ""});
  const auto refused = [&](const Result<ledger::Record>& made, const std::string& field) {
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().kind, ErrorKind::conflict);
    ASSERT_EQ(made.error().problems.size(), 1u);
    EXPECT_EQ(made.error().problems[0].field, field);
    EXPECT_EQ(made.error().problems[0].code, "ledger.field.elsewhere");
  };
  refused(ledger_->create(manager, sources, other, {{{"name", "写し"}, {"address", "198.51.100.4"}}, ""}),
          "address");
  refused(ledger_->create(manager, sources, other,
                          {{{"name", "写し"}, {"certificate", std::string(64, 'A')}}, ""}),
          "certificate");
  // Entered as undecided and accepted then: no way either, and meanwhile nothing is diverted.
  const auto undecided = *ledger_->create(
      manager, sources, other, {{{"name", "写し"}, {"address", "198.51.100.4"}, {"state", "unknown"}}, ""});
  EXPECT_EQ(logs_->source_of({.address = "198.51.100.4"})->facility, facility_);
  refused(ledger_->update(manager, sources, store::Scope::job(other), undecided.id, undecided.version,
                          {{{"state", "accepted"}}, ""}),
          "address");
  refused(ledger_->update(manager, sources, store::Scope::job(other), undecided.id, undecided.version,
                          {{{"state", "refused"}}, ""}),
          "address");
  // A sender that appeared by itself may be claimed by the facility that has it.
  EXPECT_EQ(logs_->source_of({.address = "198.51.100.5"})->facility, facility_);
  ASSERT_TRUE(ledger_->create(manager, sources, other, {{{"name", "UTM"}, {"address", "198.51.100.5"}}, ""}));
  ASSERT_TRUE(logs_->all_sources());
  EXPECT_EQ(logs_->source_of({.address = "198.51.100.5"})->facility, other);
  // What was retired is free, and cannot come back beside its successor.
  ASSERT_TRUE(ledger_->retire(manager, sources, store::Scope::job(facility_), ours.id, ours.version, "移設"));
  ASSERT_TRUE(
      ledger_->create(manager, sources, other, {{{"name", "移設"}, {"address", "198.51.100.4"}}, ""}));
  refused(
      ledger_->bring_back(manager, sources, store::Scope::job(facility_), ours.id, ours.version + 1, "戻す"),
      "address");
}

TEST_F(Intake, ASenderThatPausesIsReadOn) {
  const auto receiver = *Receiver::open({.tcp_port = 0}, *logs_);
  const int file = connect_tcp(receiver->tcp_port());
  for (int i = 0; i < 300; ++i) {
    const auto line = "<13>number n" + std::to_string(i) + "\n";
    ASSERT_EQ(::send(file, line.data(), line.size(), MSG_NOSIGNAL), static_cast<ssize_t>(line.size()))
        << "closed after " << i;
    if (i % 7 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1 + i % 5));
  }
  ::close(file);
  EXPECT_TRUE(wait_for(300)) << events().size();
}

TEST_F(Intake, HostileBytesLeaveTheReceiverStanding) {
  const auto receiver = *Receiver::open({.udp_port = 0, .tcp_port = 0}, *logs_);
  send_tcp(receiver->tcp_port(), std::string(3 << 20, 'A') + "\n<34>after a giant\n");
  send_tcp(receiver->tcp_port(), "999999999999 <34>never ends");
  send_tcp(receiver->tcp_port(), std::string("\0\0\0\xff\xfe\n<>\n<34>\n", 14));
  send_tcp(receiver->tcp_port(), "");
  send_tcp(receiver->tcp_port(),
           "<34>1 1970-01-01T00:00:00Z old clock - - - x\n<34>1 2099-12-31T23:59:59Z new clock - - - y\n");
  send_tcp(receiver->tcp_port(), "<34>still here\n");
  const std::vector<std::string> wanted = {"<34>after a giant", "<34>still here",
                                           "<34>1 2099-12-31T23:59:59Z new clock - - - y"};
  std::vector<std::string> now;
  for (int i = 0; i < 500; ++i) {
    now = all();
    if (std::all_of(wanted.begin(), wanted.end(),
                    [&](const auto& text) { return std::find(now.begin(), now.end(), text) != now.end(); }))
      break;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  for (const auto& expected : wanted) EXPECT_EQ(std::count(now.begin(), now.end(), expected), 1) << expected;
  EXPECT_EQ(std::count(now.begin(), now.end(), std::string(1 << 20, 'A')), 1) << "a giant is cut, not lost";
}

// Every datagram is kept, or counted as dropped for its sender, or counted as what the kernel had no room
// for; and one that sends little beside a flood fares no worse than the flood.
TEST_F(Intake, AFloodOfDatagramsIsCountedAndOthersKeepTheirShare) {
  constexpr std::uint64_t kFlood = 60'000, kCalm = 300;
  const auto receiver = *Receiver::open({.address = "0.0.0.0", .udp_port = 0}, *logs_);
  const auto send_all = [](int file, std::uint64_t count, int pause) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto text = "<34>1 - h app - - - datagram n" + std::to_string(i);
      EXPECT_EQ(::send(file, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
      if (pause != 0) std::this_thread::sleep_for(std::chrono::milliseconds(pause));
    }
  };
  const int loud = udp_from("127.0.0.1", receiver->udp_port()),
            calm = udp_from("127.0.0.2", receiver->udp_port());
  std::thread flood([&] { send_all(loud, kFlood, 0); });
  send_all(calm, kCalm, 2);
  flood.join();
  const auto figure = [&](const std::string& name) {
    const auto text = logs_->metrics();
    return std::strtoull(text.c_str() + text.find("\n" + name + " ") + name.size() + 2, nullptr, 10);
  };
  const auto counted = [&] {
    return figure("mamori_log_events_total") + figure("mamori_log_dropped_total") +
           figure("mamori_log_overflow_total");
  };
  std::uint64_t sent = kFlood + kCalm;
  for (int i = 0; i < 600 && counted() != sent; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    if (i % 20 != 19) continue;
    send_all(calm, 1, 0);  // what the kernel dropped is told with the next datagram
    ++sent;
  }
  EXPECT_EQ(counted(), sent);
  std::map<std::string, std::uint64_t> kept;
  for (const auto& source : *logs_->sources(facility_)) {
    const archive::Stream* const streams[] = {&events()};
    kept[source.name] = archive_
                            ->search(streams, *archive::parse_query("source:" + source.number),
                                     {.limit = 0, .statistics = true})
                            ->total;
  }
  EXPECT_GT(kept["127.0.0.1"], 0u);
  EXPECT_GE(static_cast<double>(kept["127.0.0.2"]) / kCalm + 0.1,
            static_cast<double>(kept["127.0.0.1"]) / kFlood);
  ::close(loud);
  ::close(calm);
}

TEST_F(Intake, OneAddressCannotTakeAllConnections) {
  const auto receiver = *Receiver::open({.tcp_port = 0, .connections = 100, .of_one_address = 5}, *logs_);
  std::vector<int> open;
  for (int i = 0; i < 20; ++i) {
    open.push_back(connect_tcp(receiver->tcp_port()));
  }
  std::size_t closed = 0;
  for (int tries = 0; tries < 100 && closed < 15; ++tries) {
    closed = 0;
    for (const int file : open) {
      char byte;
      closed += ::recv(file, &byte, 1, MSG_DONTWAIT) == 0 ? 1u : 0u;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(closed, 15u);
  for (const int file : open) ::close(file);
  for (int i = 0; i < 100 && events().size() == 0; ++i) {
    send_tcp(receiver->tcp_port(), "<34>there is room again\n");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_GT(events().size(), 0u);
}

TEST_F(Intake, AReceiverEndsBesideOpenConnections) {
  std::vector<int> open;
  {
    const auto receiver = *Receiver::open({.tcp_port = 0}, *logs_);
    for (int i = 0; i < 5; ++i) open.push_back(connect_tcp(receiver->tcp_port()));
    const std::string text = "<34>whole\n<34>half";
    EXPECT_EQ(::send(open[0], text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    EXPECT_TRUE(wait_for(1));
  }
  for (const int file : open) ::close(file);
  EXPECT_EQ(all().front(), "<34>whole");
}

TEST_F(Intake, AFileGoesInWholeAndInOrder) {
  const auto source = *logs_->source_of({.address = "192.0.2.9"});
  const auto file = folder_.path() / "big.log";
  {
    std::ofstream out(file);
    for (int i = 0; i < 40'000; ++i)
      out << "Nov 21 13:00:" << (i % 60 < 10 ? "0" : "") << i % 60 << " host app[1]: event n" << i
          << " user=u" << i % 7 << "\n";
    out << "\n\r\nlast line without an end";
  }
  std::uint64_t told = 0;
  const auto result =
      logs_->import_file(source, file, [&](std::uint64_t done, std::uint64_t) { told = done; });
  ASSERT_TRUE(result) << describe(result.error());
  EXPECT_EQ(result->events, 40'001u);
  EXPECT_GT(told, 1'000'000u);
  const auto raws = all();
  ASSERT_EQ(raws.size(), 40'001u);
  for (std::size_t i = 0; i < 40'000; i += 991)
    EXPECT_NE(raws[i].find("event n" + std::to_string(i) + " "), std::string::npos);
  EXPECT_EQ(raws.back(), "last line without an end");
  EXPECT_EQ(logs_->import_file(source, folder_.path() / "absent").error().code, "base.file.missing");
}

TEST_F(Intake, WhatIsRefusedOrCutIsKeptAndCounted) {
  const auto source = *logs_->source_of({.address = "192.0.2.9"});
  const std::string giant = "<34>1 2026-11-20T22:14:15Z h a - - - " + std::string(archive::kLongestRaw, 'g');
  const auto kept = logs_->accept(
      source, "192.0.2.9", {{{giant, 1}}, {{2, "collect.events.bulk-action", R"({"delete":{"_id":"1"}})"}}});
  ASSERT_TRUE(kept) << describe(kept.error());
  EXPECT_EQ(kept->events, 1u);
  ASSERT_EQ(kept->notes.size(), 2u);
  EXPECT_EQ(kept->notes[0].code, "archive.event.cut");
  EXPECT_EQ(kept->notes[1].code, "collect.events.bulk-action");
  const auto raws = all();
  ASSERT_EQ(raws.size(), 2u);
  EXPECT_EQ(raws[0], giant.substr(0, archive::kLongestRaw));
  EXPECT_EQ(raws[1], R"({"delete":{"_id":"1"}})");
  const auto event = events().event(1)->event;
  EXPECT_EQ(event[Field::kind], "refused");
  EXPECT_EQ(event[Field::action], "collect.events.bulk-action");
  EXPECT_NE(logs_->metrics().find("mamori_log_events_total 1\n"), std::string::npos);
  EXPECT_NE(logs_->metrics().find("mamori_log_refused_total 1\n"), std::string::npos);
}

TEST_F(Intake, MeasuresSilenceClocksAndTheJournal) {
  const auto source = *logs_->source_of({.address = "192.0.2.9"});
  const auto late =
      "<34>1 " + iso_instant(clock_.now() - std::chrono::minutes(10)) + " h a - - - ten minutes slow";
  const std::vector<formats::Found> found = {{late, 1}, {late, 2}};
  ASSERT_TRUE(logs_->accept(source, "192.0.2.9", {found, {}}));
  ASSERT_TRUE(round());
  const auto* reg = *ledger_->find_register("observed_log");
  const auto page = ledger_->list(*reg, {.scope = store::Scope::door(facility_), .sort = "label"});
  ASSERT_EQ(page->items.size(), 1u);
  EXPECT_NEAR(page->items[0].fields.at("drift_seconds").to_number<double>(), 600, 5);
  EXPECT_FALSE(page->items[0].fields.at("silent").get_bool());
  auto* journal = *archive_->stream({facility_, "journal"});
  EXPECT_GT(journal->size(), 0u);
  ASSERT_TRUE(logs_->journal().feed());  // the note of the heads that were signed
  const auto before = journal->size();
  ASSERT_TRUE(logs_->journal().feed());
  EXPECT_EQ(journal->size(), before) << "each entry once";
  const auto checked = ledger_->list(**ledger_->find_register("observed_archive"),
                                     {.scope = store::Scope::door(facility_), .sort = "label"});
  EXPECT_GE(checked->items.size(), 1u);
  EXPECT_NE(logs_->metrics().find("mamori_log_events_total 2"), std::string::npos);
}

TEST_F(Intake, FilesWithDeclaredColumnsAndJsonPaths) {
  const auto* reg = *ledger_->find_register("log_source");
  const auto add = [&](const char* name, const char* mapping) {
    EXPECT_TRUE(ledger_->create({"", "t", "test"}, *reg, facility_,
                                {{{"name", name}, {"state", "accepted"}, {"mapping", mapping}}, ""}));
    EXPECT_TRUE(logs_->all_sources());  // reads the sources again
    return *logs_->source_called(facility_, name);
  };
  const auto write = [&](const char* name, const std::string& text) {
    std::ofstream(folder_.path() / name) << text;
    return folder_.path() / name;
  };
  const auto csv = add("emr", "time=操作日時, user=職員, patient=患者番号, action=操作, outcome=結果");
  const auto done = logs_->import_file(
      csv, write("emr.csv",
                 "操作日時,職員,操作,患者番号,結果\r\n2026/11/20 18:05,tanaka,閲覧,001234,OK\r\n2026/11/20 "
                 "18:06,sato,\"印刷\n2枚\",5678,NG\r\nbroken,,\r\n"));
  ASSERT_TRUE(done) << describe(done.error());
  EXPECT_EQ(done->events, 3u);
  const auto kept = *events().event(0);
  const auto& first = kept.event;
  EXPECT_EQ(first.raw, "2026/11/20 18:05,tanaka,閲覧,001234,OK");
  EXPECT_EQ(iso_instant(first.time), "2026-11-20T09:05:00Z");
  EXPECT_EQ(first[Field::user], "tanaka");
  EXPECT_EQ(first[Field::patient], "001234");
  EXPECT_EQ(first[Field::action], "閲覧");
  EXPECT_EQ(first[Field::outcome], "success");
  EXPECT_EQ(first[Field::kind], "csv");
  const auto second = *events().event(1);
  EXPECT_EQ(second.event[Field::action], "印刷\n2枚");
  EXPECT_EQ(second.event[Field::patient], "5678");
  EXPECT_EQ(logs_->import_file(csv, write("other.csv", "a,b\n1,2\n")).error().code, "collect.log.column");
  const auto numbered = add("numbers", "time=1, user=2");
  ASSERT_TRUE(logs_->import_file(numbered, write("plain.csv", "2026/11/20 18:05,suzuki,x\n")));
  EXPECT_EQ(events().event(3)->event[Field::user], "suzuki");
  const auto lines = add("lines", "user=who.id, patient=chart.0.no, time=at");
  ASSERT_TRUE(logs_->import_file(lines, write("lines.jsonl",
                                              "{\"who\":{\"id\":\"ito\"},\"chart\":[{\"no\":\"42\"}],\"at\":"
                                              "\"2026-11-20T18:05:00+09:00\",\"user\":\"machine\"}\n")));
  const auto json_event = *events().event(4);
  EXPECT_EQ(json_event.event[Field::user], "ito");
  EXPECT_EQ(json_event.event[Field::patient], "42");
  EXPECT_EQ(iso_instant(json_event.event.time), "2026-11-20T09:05:00Z");
  EXPECT_EQ(logs_->import_file(add("wrong", "nobody=1"), write("x.csv", "1\n")).error().code,
            "collect.log.mapping");
}

TEST_F(Intake, WhenTheDiskIsNearlyFullOnlyWhatMayGoGoes) {
  testing::LimitedDisk disk;
  disk.total = std::uint64_t{200} << 30;
  disk.free = std::uint64_t{100} << 30;
  logs_.reset();
  archive_.reset();
  archive_ = *archive::EmbeddedArchive::open(folder_.path() / "archive", *key_, clock_, disk);
  logs_ = *Logs::open(*ledger_, *archive_);
  const auto* reg = *ledger_->find_register("log_stream");
  ASSERT_TRUE(ledger_->create({"", "t", "test"}, *reg, facility_,
                              {{{"stream", "network"}, {"when_full", "oldest"}}, ""}));
  ASSERT_TRUE(ledger_->create({"", "t", "test"}, *reg, facility_,
                              {{{"stream", "access"}, {"when_full", "refuse"}}, ""}));
  for (const auto* name : {"network", "access"}) {
    auto* stream = *archive_->stream({facility_, name});
    // More than one segment of 64 blocks, made of small blocks.
    for (int i = 0; i < 70; ++i) {
      auto batch = std::make_shared<archive::Batch>();
      batch->events.resize(3);
      for (auto& event : batch->events) {
        event.raw = batch->arena.keep(std::string(name) + " event " + std::to_string(i));
        event.time = event.received = clock_.now();
      }
      ASSERT_TRUE(stream->append_block(batch));
    }
    ASSERT_TRUE(stream->settle());
  }
  auto* network = *archive_->stream({facility_, "network"});
  auto* access = *archive_->stream({facility_, "access"});
  ASSERT_TRUE(logs_->keeping().make_room());
  EXPECT_EQ(network->first(), 0u) << "there is room";
  disk.free = 100 << 20;
  ASSERT_TRUE(round()) << "each round of the clock";
  EXPECT_EQ(network->first(), 64u * 3);
  EXPECT_EQ(access->first(), 0u);
  EXPECT_TRUE(network->verify([](const archive::Damage& damage) { ADD_FAILURE() << damage.what; }));
  ASSERT_TRUE(round());
  const auto facts = ledger_->list(**ledger_->find_register("observed_log_space"),
                                   {.scope = store::Scope::door(facility_), .sort = "label"});
  ASSERT_EQ(facts->items.size(), 1u);
  EXPECT_EQ(facts->items[0].fields.at("free_percent").as_int64(), 0);
  const auto lease = *database_->read();
  EXPECT_EQ(store::as_integer(lease
                                  ->query("SELECT COUNT(*) FROM journal WHERE subject = 'logs' AND action = "
                                          "'retention' AND reason = 'disk full'")
                                  ->rows[0][0]),
            1);
}

TEST_F(Intake, ASmallDiskThatIsNearlyEmptyLosesNothing) {
  testing::LimitedDisk disk;
  disk.total = std::uint64_t{900} << 20;
  disk.free = std::uint64_t{890} << 20;
  logs_.reset();
  archive_.reset();
  archive_ = *archive::EmbeddedArchive::open(folder_.path() / "archive", *key_, clock_, disk);
  logs_ = *Logs::open(*ledger_, *archive_);
  ASSERT_TRUE(ledger_->create({"", "t", "test"}, **ledger_->find_register("log_stream"), facility_,
                              {{{"stream", "network"}, {"when_full", "oldest"}}, ""}));
  auto* stream = *archive_->stream({facility_, "network"});
  fill(*stream, clock_.now());
  ASSERT_TRUE(logs_->keeping().make_room());
  EXPECT_EQ(stream->first(), 0u);
  disk.free = std::uint64_t{10} << 20;
  ASSERT_TRUE(logs_->keeping().make_room());
  EXPECT_GT(stream->first(), 0u);
}

// A clock that is wrong for one start must not make old what is not.
TEST_F(Intake, NothingGoesForItsAgeWhereTheClockJumped) {
  ASSERT_TRUE(ledger_->create({"", "t", "test"}, **ledger_->find_register("log_stream"), facility_,
                              {{{"stream", "network"}, {"keep_years", 5}}, ""}));
  auto* stream = *archive_->stream({facility_, "network"});
  fill(*stream, clock_.now() -
                    std::chrono::hours(
                        24 * 365 * 6));  // as if it had been written then, or the clock were six years ahead
  fill(*stream, clock_.now() - std::chrono::hours(24 * 365 * 6));
  ASSERT_TRUE(round());
  ASSERT_TRUE(round());
  EXPECT_EQ(stream->first(), 0u) << "nothing since then: somebody set the clock";
  ASSERT_TRUE(logs_->keeping().retain({facility_, "network"}, {.age = std::chrono::hours(24 * 366 * 5)}));
  EXPECT_GT(stream->first(), 0u) << "it is old indeed";
}

// What was received behind something newer is no older than that.
TEST_F(Intake, EventsThatAWrongClockStampedAreKeptWithTheirNeighbours) {
  ASSERT_TRUE(ledger_->create({"", "t", "test"}, **ledger_->find_register("log_stream"), facility_,
                              {{{"stream", "network"}, {"keep_years", 5}}, ""}));
  auto* stream = *archive_->stream({facility_, "network"});
  fill(*stream, clock_.now());
  fill(*stream, from_millis(946'684'800'000));  // 2000-01-01
  fill(*stream, clock_.now());
  ASSERT_TRUE(logs_->keeping().retain({facility_, "network"}, {.age = std::chrono::hours(24 * 366 * 5)}));
  EXPECT_EQ(stream->first(), 0u);
}

TEST_F(Intake, WhatWentWithoutAWordInTheJournalIsWrittenDownLater) {
  auto* stream = *archive_->stream({facility_, "network"});
  fill(*stream, clock_.now());
  fill(*stream, clock_.now());
  ASSERT_TRUE(stream->retain({.bytes = 1}));  // as a removal whose process ended before it was in the journal
  ASSERT_GT(stream->first(), 0u);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(round());
  const auto rows =
      *(*database_->read())->query("SELECT after_json, reason FROM journal WHERE action = 'retention'");
  ASSERT_EQ(rows.rows.size(), 1u);
  EXPECT_EQ(store::as_text(rows.rows[0][1]), "found at the start");
  EXPECT_NE(store::as_text(rows.rows[0][0]).find("\"first\":" + std::to_string(stream->first())),
            std::string::npos);
}

TEST_F(Intake, ASearchNamesWhatIsKnownToBeGone) {
  const auto source = *logs_->source_of({.address = "192.0.2.9"});
  const std::vector<formats::Found> found(20, {"<34>1 - h app - - - one", 1});
  ASSERT_TRUE(logs_->accept(source, "192.0.2.9", {found, {}}));
  ASSERT_TRUE(logs_->keeping().publish_heads());
  logs_.reset();
  archive_.reset();
  for (const auto& entry :
       std::filesystem::directory_iterator(folder_.path() / "archive" / facility_ / "events"))
    if (entry.path().extension() == ".log") std::filesystem::remove(entry.path());
  archive_ = *archive::EmbeddedArchive::open(folder_.path() / "archive", *key_, clock_);
  logs_ = *Logs::open(*ledger_, *archive_);
  const auto streams = *logs_->streams(facility_);
  const std::vector<const archive::Stream*> list(streams.open.begin(), streams.open.end());
  const auto result = logs_->search({"", "t", "test"}, facility_, list, *parse_question("one", "", ""), {});
  ASSERT_TRUE(result) << describe(result.error());
  EXPECT_EQ(result->total, 0u);
  ASSERT_EQ(result->damage.size(), 1u);
  EXPECT_EQ(result->damage[0].last, 19u);
}

TEST_F(Intake, AStreamThatIsGoneShorterAnotherOrClosedIsNamedAndStopsNoOther) {
  const auto source = *logs_->source_of({.address = "192.0.2.9"});
  const std::vector<formats::Found> found(20, {"<34>1 - h app - - - one", 1});
  ASSERT_TRUE(logs_->accept(source, "192.0.2.9", {found, {}}));
  fill(**archive_->stream({facility_, "network"}), clock_.now());
  ASSERT_TRUE(logs_->journal().feed());
  ASSERT_TRUE(logs_->keeping().publish_heads());
  const auto place = folder_.path() / "archive" / facility_;
  const auto again = [&] {
    logs_.reset();
    archive_.reset();
    archive_ = *archive::EmbeddedArchive::open(folder_.path() / "archive", *key_, clock_);
    logs_ = *Logs::open(*ledger_, *archive_);
  };
  const auto damage_of_events = [&]() -> std::vector<std::string> {
    std::vector<std::string> out;
    for (const auto& state : *logs_->keeping().state(facility_))
      for (const auto& damage : state.damage) out.push_back(state.name.name + " " + damage.what);
    return out;
  };
  EXPECT_TRUE(damage_of_events().empty());
  logs_.reset();
  std::filesystem::rename(place / "events", place / "Aside");
  again();
  EXPECT_EQ(damage_of_events(), std::vector<std::string>{"events archive.damage.gone"});
  EXPECT_FALSE(round()) << "one is gone";
  const auto whole = [&] {
    std::map<std::string, bool> out;
    const auto verdicts = ledger_->list(**ledger_->find_register("observed_archive"),
                                        {.scope = store::Scope::door(facility_), .sort = "label"});
    for (const auto& one : verdicts->items)
      out[text_of(one.fields, "stream")] = one.fields.at("whole").as_bool();
    return out;
  };
  EXPECT_EQ(whole(), (std::map<std::string, bool>{{"events", false}, {"journal", true}, {"network", true}}));
  // Another in its place.
  ASSERT_TRUE(logs_->accept(source, "192.0.2.9",
                            {std::vector<formats::Found>(20, {"<34>1 - h app - - - two", 1}), {}}));
  EXPECT_EQ(damage_of_events(), std::vector<std::string>{"events archive.damage.root"});
  EXPECT_EQ(logs_->keeping().verify({facility_, "events"}).error().code, "archive.verify.failed");
  // And one that does not open.
  logs_.reset();
  std::ofstream(place / "events" / "format") << "mamori archive stream 99\n";
  again();
  const auto streams = *logs_->streams(facility_);
  EXPECT_EQ(streams.open.size(), 1u);
  ASSERT_EQ(streams.closed.size(), 1u);
  EXPECT_EQ(streams.closed[0].what, "archive.stream.newer");
  EXPECT_EQ(logs_->streams(facility_, {"events"}).error().code, "archive.stream.newer")
      << "asked for it alone";
  EXPECT_EQ(logs_->keeping().newest_heads(facility_)->size(), 2u);
}

TEST_F(Intake, FoldersThatAreNoStreamsAreLeftAlone) {
  for (const auto* name : {"lost+found", "@eaDir", ".snapshot"}) {
    std::filesystem::create_directories(folder_.path() / "archive" / name / "x");
    std::filesystem::create_directories(folder_.path() / "archive" / facility_ / name);
  }
  ASSERT_TRUE(round());
  EXPECT_TRUE(logs_->keeping().state(facility_));
}

// LOG-02: by field, as a word, on a later page, in the counts, or because the answer shows patients; who
// neither asks for one nor sees one leaves no trace.
TEST_F(Intake, WhoLooksForAPatientIsOnRecord) {
  const auto source = *logs_->source_of({.address = "192.0.2.9"});
  std::vector<formats::Found> found;
  for (std::size_t i = 0; i < 3; ++i)
    found.push_back(
        {"<34>1 2026-11-20T22:14:15Z h chart - - - "
         "{\"user\":\"tanaka\",\"patient_id\":\"001234\",\"action\":\"read\"}",
         i + 1});
  ASSERT_TRUE(logs_->accept(source, "192.0.2.9", {found, {}}));
  const auto streams = *logs_->streams(facility_);
  const std::vector<const archive::Stream*> list(streams.open.begin(), streams.open.end());
  const auto recorded = [&] {
    const auto lease = *database_->read();
    return store::as_integer(
        lease->query("SELECT COUNT(*) FROM journal WHERE subject = 'logs' AND action = 'searched'")
            ->rows[0][0]);
  };
  const auto ask = [&](const std::string& text, const archive::SearchOptions& options = {},
                       const char* who = "a") {
    const auto result =
        logs_->search({who, who, "test"}, facility_, list, *parse_question(text, "", ""), options);
    EXPECT_TRUE(result) << text;
    return recorded();
  };
  ASSERT_EQ(events().event(0)->event[Field::patient], "001234");
  EXPECT_EQ(ask("tanaka NOT read"), 0) << "no patient is seen";
  EXPECT_EQ(ask("user:tanaka"), 1) << "whose charts she opened";
  EXPECT_EQ(ask("patient:001234"), 2);
  EXPECT_EQ(ask("patient:001234"), 2) << "the same question, the same person";
  EXPECT_EQ(ask("patient:001234", {}, "b"), 3);
  EXPECT_EQ(ask("001234"), 4);
  EXPECT_EQ(ask("0012*"), 5);
  EXPECT_EQ(ask("patient_id:001234"), 6);
  EXPECT_EQ(ask("tanaka OR patient:999", {.before = archive::Position{clock_.now(), 0, 5}}), 7)
      << "a later page asked for first";
  EXPECT_EQ(ask("patient:nobody"), 8) << "asked for, and not there";
  archive::SearchOptions counting{.limit = 0, .statistics = true};
  counting.count = {Field::patient};
  EXPECT_EQ(ask("\"001234\"", counting), 9);
  EXPECT_EQ(parse_question("a", "soon", "").error().code, "collect.log.time");
}

TEST_F(Intake, UsersAreAccountsAndPersonsWhereTheyAreKnown) {
  const store::Actor actor{"", "t", "test"};
  const auto add = [&](const char* reg, json::object fields) {
    return ledger_->create(actor, **ledger_->find_register(reg), facility_, {std::move(fields), ""})->id;
  };
  const auto tanaka = add("person", {{"name", "田中 一郎"}});
  const auto account = add("account", {{"login", "Tanaka"}, {"kind", "personal"}, {"person", tanaka}});
  const auto shared = add("account", {{"login", "uketsuke"}, {"kind", "shared"}});
  const auto owners = logs_->owners(
      facility_, {"tanaka", "MINATO\\TANAKA", "tanaka@minato.example", "uketsuke", "nobody", "田中", ""});
  ASSERT_TRUE(owners) << describe(owners.error());
  for (const auto* user : {"tanaka", "MINATO\\TANAKA", "tanaka@minato.example"}) {
    ASSERT_TRUE(owners->contains(user)) << user;
    EXPECT_EQ(owners->at(user).account, account);
    EXPECT_EQ(owners->at(user).person, tanaka);
    EXPECT_EQ(owners->at(user).name, "田中 一郎");
  }
  EXPECT_EQ(owners->at("uketsuke").account, shared);
  EXPECT_EQ(owners->at("uketsuke").person, "");
  EXPECT_EQ(owners->size(), 4u);
  EXPECT_TRUE(logs_->owners("another", {"tanaka"})->empty()) << "of this facility only";
}

TEST_F(Intake, TokensAreShownOnceAndTheNewestCounts) {
  const auto* reg = *ledger_->find_register("log_source");
  const auto made =
      *ledger_->create({"", "t", "test"}, *reg, facility_, {{{"name", "app"}, {"state", "accepted"}}, ""});
  const auto first = *logs_->make_token({"", "t", "test"}, store::Scope::door(facility_), made.id);
  EXPECT_EQ(logs_->source_of({.address = "192.0.2.1", .token = first.reveal()})->id, made.id);
  const auto second = *logs_->make_token({"", "t", "test"}, store::Scope::door(facility_), made.id);
  EXPECT_EQ(logs_->source_of({.token = first.reveal()}).error().code, "collect.log.token");
  EXPECT_TRUE(logs_->source_of({.token = second.reveal()}));
  EXPECT_FALSE(logs_->make_token({"", "t", "test"}, store::Scope::door("another"), made.id));
}

}  // namespace
}  // namespace mamori::logs
