// What `mamori verify --data` notices. Each test hurts a copy of one real installation in a way that leaves
// the rest whole.
#include <gtest/gtest.h>

#include <fstream>

#include "api/first_use.h"
#include "cli/command.h"
#include "formats/normalise.h"
#include "os/process.h"
#include "store/journal.h"
#include "testing/clock.h"
#include "testing/postgres.h"

namespace mamori::cli {
namespace {

namespace fs = std::filesystem;
const fs::path kSource = MAMORI_SOURCE_DIR;
const store::Actor kActor{"u1", "試験", "test"};

struct Answer {
  int code = 0;
  std::string out, err;
  bool says(std::string_view text) const { return (out + err).find(text) != std::string::npos; }
};

Answer mamori(std::vector<std::string> words) {
  words.insert(words.begin(), {"mamori", "--home", kSource.string(), "--language", "en"});
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  Answer answer;
  answer.code = run_mamori(static_cast<int>(argv.size()), argv.data());
  std::fflush(stdout);
  answer.out = ::testing::internal::GetCapturedStdout();
  answer.err = ::testing::internal::GetCapturedStderr();
  return answer;
}

class Verify : public ::testing::TestWithParam<store::Engine> {
 protected:
  void SetUp() override {
    auto& services = open();
    auto first = api::first_use(
        services,
        {"みなと病院", "hospital", 300, true, "manager", "企画管理者", Secret("mizu-Umi7 kaze&Tsuki")},
        "test");
    ASSERT_TRUE(first) << describe(first.error());
    facility_ = first->facility;
    auto& ledger = services.ledger;
    const auto& assets = **ledger.find_register("asset");
    for (int i = 0; i < 3; ++i)
      asset_ = *ledger.create(kActor, assets, facility_, {{{"kind", "pc"}, {"place", "医局"}}, "test"});
    asset_ = *ledger.update(kActor, assets, store::Scope::door(facility_), asset_.id, 1,
                            {{{"place", "外来"}}, "test"});
    ASSERT_TRUE(ledger.create(kActor, **ledger.find_register("system"), facility_,
                              {{{"name", "系"}, {"kind", "chart"}, {"rto_hours", 0.1}}, ""}));
    const auto source = *services.logs.source_of({.address = "192.0.2.9"});
    const std::vector<formats::Found> found(20, {"<34>1 2026-11-20T22:14:15Z h a - - - one", 1});
    ASSERT_TRUE(services.logs.accept(source, "192.0.2.9", {found, {}}));
    ASSERT_TRUE(services.logs.journal().feed());
    ASSERT_TRUE(services.logs.keeping().publish_heads());
    ASSERT_TRUE(services.logs.journal().feed());
    installation_.reset();
  }

  api::Services& open() {
    auto opened =
        server::Installation::open(data(), database(), "", {kSource / "data", kSource / "web"}, clock_);
    EXPECT_TRUE(opened) << describe(opened.error());
    installation_ = std::move(opened).take();
    return installation_->services();
  }
  fs::path data() const { return folder_.path() / "data"; }
  std::string database() const { return GetParam() == store::Engine::sqlite ? "" : database_.url(); }
  fs::path stream(const std::string& name) const { return data() / "archive" / facility_ / name; }

  Answer verify(std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"--data", data().string(), "verify"};
    if (GetParam() == store::Engine::postgresql) words.insert(words.end(), {"--database", database_.url()});
    words.insert(words.end(), more.begin(), more.end());
    return mamori(words);
  }
  // By hand, past everything.
  void in_database(const std::string& sql) {
    auto connection = GetParam() == store::Engine::sqlite
                          ? store::open_sqlite((data() / "ledger.db").string(), os::Disk::real())
                          : store::open_postgresql(database_.url());
    ASSERT_TRUE(connection);
    const auto done = (*connection)->script(sql);
    ASSERT_TRUE(done) << describe(done.error());
  }

  testing::ManualClock clock_{*parse_instant("2026-11-21T03:00:00Z")};
  testing::FreshDatabase database_{GetParam(), clock_};
  TemporaryFolder folder_;
  std::unique_ptr<server::Installation> installation_;
  std::string facility_;
  ledger::Record asset_;
};

INSTANTIATE_TEST_SUITE_P(Engines, Verify, ::testing::Values(store::Engine::sqlite, store::Engine::postgresql),
                         [](const auto& chosen) {
                           return chosen.param == store::Engine::sqlite ? "SQLite" : "PostgreSQL";
                         });

TEST_P(Verify, WhatIsWholeIsSaidToBeAndHowFarItWasLookedAt) {
  const auto answer = verify();
  EXPECT_EQ(answer.code, 0) << answer.out << answer.err;
  for (const auto* text : {"records of the registers are as the journal says",
                           "held against its signed stream journal", "Log events: read 0 to 19.",
                           "the 0 events after it are not signed yet", "heads kept elsewhere with --heads"})
    EXPECT_TRUE(answer.says(text)) << text << "\n" << answer.out;
  const auto told = parse_json_object(verify({"--format", "json"}).out);
  ASSERT_TRUE(told);
  EXPECT_TRUE(told->at("valid").as_bool());
  EXPECT_EQ(told->at("streams").as_array().size(), 2u);
}

TEST_P(Verify, ARecordEditedInTheDatabaseIsNamedWithItsField) {
  in_database("UPDATE r_asset SET place = 'elsewhere' WHERE id = '" + asset_.id + "'");
  const auto answer = verify();
  EXPECT_EQ(answer.code, 1);
  EXPECT_TRUE(answer.says("Device") || answer.says("Asset")) << answer.err;
  EXPECT_TRUE(answer.says(asset_.number) && answer.says("was changed past the journal")) << answer.err;
}

TEST_P(Verify, ARecordRenumberedDeletedRetiredOrSlippedInIsNamed) {
  in_database("UPDATE r_asset SET number = 'PC-777' WHERE id = '" + asset_.id + "'");
  EXPECT_TRUE(verify().says("PC-777") && verify().says("its number was changed past the journal"));
  in_database("UPDATE r_asset SET number = '" + asset_.number +
              "', retired_at = 5, retired_reason = 'x' WHERE id = '" + asset_.id + "'");
  EXPECT_TRUE(verify().says("it was retired or brought back past the journal"));
  in_database("UPDATE r_asset SET retired_at = NULL, retired_reason = '', version = 7 WHERE id = '" +
              asset_.id + "'");
  EXPECT_TRUE(verify().says("its version does not agree"));
  in_database("UPDATE r_asset SET version = 2, id = 'other' WHERE id = '" + asset_.id + "'");
  const auto answer = verify();
  EXPECT_EQ(answer.code, 1);
  EXPECT_TRUE(answer.says("it was slipped in past the journal")) << answer.err;
  EXPECT_TRUE(answer.says("it was deleted past the journal")) << answer.err;
}

TEST_P(Verify, EntriesCutFromTheDatabaseAreFoundInTheSignedStream) {
  // The two newest, with the chain's head set back: the chain alone is whole.
  in_database(
      "DELETE FROM journal WHERE sequence > (SELECT sequence - 2 FROM journal_head);"
      "UPDATE journal_head SET sequence = sequence - 2;"
      "UPDATE journal_head SET hash = (SELECT hash FROM journal ORDER BY sequence DESC LIMIT 1)");
  const auto answer = verify();
  EXPECT_EQ(answer.code, 1) << answer.out;
  EXPECT_TRUE(answer.says("was removed from the database")) << answer.err;
}

// A copy of the database came back beside an archive that went on: what comes now must be in the stream too.
TEST_P(Verify, AJournalThatWasPutBackGoesOnInItsStreamAndIsNamed) {
  in_database(
      "DELETE FROM journal WHERE sequence > (SELECT sequence - 3 FROM journal_head);"
      "UPDATE journal_head SET sequence = sequence - 3;"
      "UPDATE journal_head SET hash = (SELECT hash FROM journal ORDER BY sequence DESC LIMIT 1)");
  for (int i = 0; i < 3; ++i) {  // also after further starts
    auto& services = open();
    ASSERT_TRUE(services.ledger.create(kActor, **services.ledger.find_register("asset"), facility_,
                                       {{{"kind", "pc"}}, ""}));
    ASSERT_TRUE(services.logs.journal().feed());
    ASSERT_TRUE(services.logs.keeping().publish_heads());
    ASSERT_TRUE(services.logs.journal().feed());
    auto* journal = *services.logs.archive().stream({facility_, "journal"});
    const auto last = parse_json_object(journal->event(journal->size() - 1)->event.raw);
    const auto head = (*services.database.read())->query("SELECT sequence, hash FROM journal_head");
    EXPECT_EQ(integer_of(*last, "sequence"), store::as_integer(head->rows[0][0]));
    EXPECT_EQ(text_of(*last, "hash"), store::as_text(head->rows[0][1]));
    EXPECT_EQ(store::as_integer((*services.database.read())
                                    ->query("SELECT COUNT(*) FROM journal WHERE action = 'put_back'")
                                    ->rows[0][0]),
              1);
    installation_.reset();
  }
  const auto answer = verify();
  EXPECT_EQ(answer.code, 1) << answer.out;
  EXPECT_TRUE(answer.says("The journal was put back to a state before entry")) << answer.err;
  EXPECT_FALSE(answer.says("is not in the signed stream")) << answer.err;
}

TEST_P(Verify, EntriesRewrittenWithAWholeChainDifferFromTheSignedStream) {
  {
    auto connection = GetParam() == store::Engine::sqlite
                          ? *store::open_sqlite((data() / "ledger.db").string(), os::Disk::real())
                          : *store::open_postgresql(database_.url());
    auto entries = *store::read_journal_after(*connection, facility_, 0, 1000);
    std::string hash;
    for (auto& entry : entries) {  // one facility alone: all there is
      if (entry.sequence == 3) entry.change.reason = "another reason";
      hash = store::journal_hash(hash, entry);
      ASSERT_TRUE(connection->execute("UPDATE journal SET reason = ?, hash = ? WHERE sequence = ?",
                                      {entry.change.reason, hash, entry.sequence}));
    }
    ASSERT_TRUE(connection->execute("UPDATE journal_head SET hash = ?", {hash}));
    ASSERT_TRUE(store::verify_journal(*connection));
  }
  const auto answer = verify();
  EXPECT_EQ(answer.code, 1);
  EXPECT_TRUE(answer.says("Entry 3 of the journal differs from the signed stream")) << answer.err;
}

TEST_P(Verify, AnEntryThatTheStreamLacksIsTold) {
  {
    auto& services = open();
    ASSERT_TRUE(services.ledger.create(kActor, **services.ledger.find_register("asset"), facility_,
                                       {{{"kind", "pc"}}, ""}));
    installation_.reset();
  }
  const auto answer = verify();
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_TRUE(answer.says("1 entries of the journal after number")) << answer.out;
}

TEST_P(Verify, AStreamThatIsGoneIsMissed) {
  fs::remove_all(stream("events"));
  const auto answer = verify();
  EXPECT_EQ(answer.code, 1) << answer.out;
  EXPECT_TRUE(answer.says("Log events") && answer.says("is gone")) << answer.err;
}

TEST_P(Verify, AStreamThatWasReplacedIsMissedAlsoAfterItWasSignedAnew) {
  fs::remove_all(stream("events"));
  {
    auto& services = open();
    const auto source = *services.logs.source_of({.address = "192.0.2.9"});
    const std::vector<formats::Found> found(40, {"<34>1 2026-11-20T22:14:15Z h a - - - another", 1});
    ASSERT_TRUE(services.logs.accept(source, "192.0.2.9", {found, {}}));
    for (int i = 0; i < 3; ++i) {
      clock_.advance(std::chrono::hours(25));
      ASSERT_TRUE(services.logs.keeping().publish_heads());
    }
    installation_.reset();
  }
  auto answer = verify();
  EXPECT_EQ(answer.code, 1) << answer.out;
  EXPECT_TRUE(answer.says("events") && answer.says("is not what was signed")) << answer.err;
  const auto connection = GetParam() == store::Engine::sqlite
                              ? store::open_sqlite((data() / "ledger.db").string(), os::Disk::real())
                              : store::open_postgresql(database_.url());
  EXPECT_EQ(store::as_integer(
                (*connection)->query("SELECT COUNT(*) FROM journal WHERE action = 'heads_lost'")->rows[0][0]),
            1)
      << "told once";
  in_database("DELETE FROM log_head");
  EXPECT_EQ(verify().code, 1) << "the journal says it too";
}

TEST_P(Verify, AStreamThatDoesNotOpenKeepsNothingElseFromBeingLookedAt) {
  std::ofstream(stream("events") / "format") << "mamori archive stream 99\n";
  const auto answer = verify();
  EXPECT_EQ(answer.code, 1) << answer.out;
  EXPECT_TRUE(answer.says("could not be opened") &&
              answer.says("records of the registers are as the journal says"))
      << answer.out << answer.err;
  EXPECT_FALSE(answer.says("events: read 0 to 19")) << answer.out;
}

TEST_P(Verify, AnAttachmentThatIsGoneOrAlteredIsNamedWithItsRecord) {
  std::string hash;
  {
    auto& services = open();
    hash = *services.blobs.put("証明書");
    ASSERT_TRUE(services.ledger.create(
        kActor, **services.ledger.find_register("disposal"), facility_,
        {{{"what", "パソコン"}, {"method", "crush"}, {"certificate", hash + ":証明書.txt"}}, "test"}));
    installation_.reset();
  }
  EXPECT_TRUE(verify().says("The 1 files attached to records are there")) << verify().out << verify().err;
  const auto file = data() / "blobs" / hash.substr(0, 2) / hash;
  std::ofstream(file, std::ios::app) << "x";
  EXPECT_EQ(verify().code, 1);
  EXPECT_TRUE(verify().says("is missing or was altered"));
  fs::remove(file);
  EXPECT_TRUE(verify().says("is missing or was altered"));
}

TEST_P(Verify, WhatIsLostIsSaidByListSearchExportAndTheDaysReport) {
  for (const auto& entry : fs::directory_iterator(stream("events")))
    if (entry.path().extension() == ".log") fs::resize_file(entry.path(), 100);
  {
    auto& services = open();
    const auto source = *services.logs.source_of({.address = "192.0.2.9"});
    const std::vector<formats::Found> found(5, {"<34>1 2026-11-20T22:14:15Z h a - - - two", 1});
    ASSERT_TRUE(services.logs.accept(source, "192.0.2.9", {found, {}}));
    ASSERT_TRUE(services.logs.keeping().publish_heads());
    installation_.reset();
  }
  const auto run = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"--data", data().string()});
    if (GetParam() == store::Engine::postgresql) words.insert(words.end(), {"--database", database_.url()});
    return mamori(words);
  };
  const auto listed = run({"logs", "streams"});
  EXPECT_EQ(listed.code, 6) << listed.out;
  EXPECT_TRUE(listed.says("(0–19)")) << listed.err;
  for (const auto* action : {"search", "stats"}) {
    const auto searched = run({"logs", action, "one"});
    EXPECT_EQ(searched.code, 6) << action;
    EXPECT_TRUE(searched.says("(0–19)")) << searched.err;
  }
  const auto file = (folder_.path() / "out.zip").string();
  const auto exported = run({"logs", "export", "two", "--output", file});
  ASSERT_EQ(exported.code, 0) << exported.err;
  const auto checked = mamori({"verify", file});
  EXPECT_EQ(checked.code, 7) << "whose key it is was not said: " << checked.err;
  EXPECT_TRUE(checked.says("Incomplete") && checked.says("events 0 to 19")) << checked.out;
  const auto page = (folder_.path() / "day.pdf").string();
  ASSERT_EQ(run({"document", "log-heads", "--output", page}).code, 0);
  const auto text = os::run_process({"pdftotext", "-layout", page, "-"});
  ASSERT_TRUE(text);
  EXPECT_NE(text->out.find("events (0–19)"), std::string::npos) << text->out;
}

TEST_P(Verify, AnArchiveThatIsGoneIsMissed) {
  fs::remove_all(data() / "archive");
  const auto answer = verify();
  EXPECT_EQ(answer.code, 1) << answer.out;
  EXPECT_TRUE(answer.says("Log journal") && answer.says("Log events")) << answer.err;
  // Also where the table that says so was emptied: the journal tells it too.
  in_database("DELETE FROM log_head");
  EXPECT_EQ(verify().code, 1);
}

TEST_P(Verify, AStreamWhoseHeadsAreGoneOrWhichIsShorterFails) {
  ASSERT_TRUE(fs::exists(stream("events") / "heads"));
  fs::remove(stream("events") / "heads");
  auto answer = verify();
  EXPECT_EQ(answer.code, 1) << answer.out;
  EXPECT_TRUE(answer.says("is no longer kept")) << answer.err;
  for (const auto& entry : fs::directory_iterator(stream("events")))
    if (entry.path().extension() == ".log") fs::resize_file(entry.path(), fs::file_size(entry.path()) / 2);
  answer = verify();
  EXPECT_EQ(answer.code, 1) << answer.out;
  EXPECT_TRUE(answer.says("events only")) << answer.err << answer.out;
}

TEST_P(Verify, AHeadKeptElsewhereThatIsBrokenFailsWithItsFilesName) {
  const auto place = folder_.path() / "elsewhere";
  fs::create_directory(place);
  auto& services = open();
  const auto heads = services.logs.keeping().newest_heads(facility_);
  ASSERT_TRUE(heads);
  for (const auto& one : *heads) std::ofstream(place / (one.name.name + ".note")) << one.head.note;
  const auto note = heads->front().head.note;
  const auto key = services.signing_key.public_key();
  installation_.reset();
  auto answer = verify({"--heads", place.string()});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_TRUE(answer.says("newest head kept elsewhere is of")) << answer.out;
  for (std::size_t at = 0; at < note.size(); at += 3) {  // one letter, anywhere
    auto broken = note;
    broken[at] = broken[at] == 'x' ? 'y' : 'x';
    std::ofstream(place / "broken.note") << broken;
    const auto found = proof::find_heads(broken);
    EXPECT_TRUE(found.broken > 0 || found.heads.empty() || !proof::head_is_signed_by(found.heads[0], key))
        << at << broken;
  }
  answer = verify({"--heads", place.string()});
  EXPECT_EQ(answer.code, 1);
  EXPECT_TRUE(answer.says("broken.note")) << answer.err;
  fs::remove(place / "broken.note");
  std::ofstream(place / "empty.note") << "nothing here\n";
  answer = verify({"--heads", place.string()});
  EXPECT_EQ(answer.code, 1);
  EXPECT_TRUE(answer.says("empty.note")) << answer.err;
  fs::remove(place / "empty.note");
  fs::remove(place / "events.note");
  answer = verify({"--heads", place.string()});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_TRUE(answer.says("no head of log events is kept")) << answer.out;
}

// The fields are under no proof of their own: they are made again from the raw bytes.
TEST_P(Verify, FieldsThatTheRawBytesDoNotSayAreNamed) {
  const auto whole = verify();
  EXPECT_EQ(whole.code, 0) << whole.err;
  EXPECT_TRUE(whole.says("fields of 20 events are what their raw bytes say")) << whole.out;
  using archive::Field;
  struct Altered {
    const char* what;
    std::function<void(archive::Event&)> alter;
  };
  const std::vector<Altered> ways = {
      {"user", [](archive::Event& event) { event[Field::user] = "v-other"; }},
      {"user", [](archive::Event& event) { event[Field::user] = ""; }},
      {"address", [](archive::Event& event) { event[Field::address] = "203.0.113.7"; }},
      {"time", [](archive::Event& event) { event.time += std::chrono::hours(24 * 365); }},
      {"kind", [](archive::Event& event) {
         const auto source = event[Field::source];
         event.fields = {};
         event[Field::source] = source;
         event[Field::kind] = "refused";
         event[Field::action] = "collect.events.fhir";
       }}};
  const std::string raw = "<34>1 2026-11-20T22:14:15Z chart app - - - user=tanaka src=10.0.0.9 action=read";
  std::size_t at = 20;
  for (const auto& way : ways) {
    {
      auto& services = open();
      const auto source = *services.logs.source_of({.address = "192.0.2.9"});
      archive::Arena arena;
      archive::Event event;
      event.raw = raw;
      formats::normalise(event, {clock_.now(), source.number, "192.0.2.9", source.zone, nullptr}, arena);
      ASSERT_EQ(event[Field::user], "tanaka");
      auto hidden = event;
      way.alter(hidden);
      auto* const stream = *services.logs.archive().stream({facility_, "events"});
      ASSERT_TRUE(stream->append(std::vector{event, hidden}));
      ASSERT_TRUE(services.logs.keeping().publish_heads());
      installation_.reset();
    }
    at += 2;
    const auto answer = verify();
    EXPECT_EQ(answer.code, 1) << answer.out;
    EXPECT_TRUE(answer.says("Event " + std::to_string(at - 1) + " of log events")) << answer.err;
    EXPECT_TRUE(answer.says(std::string("kept as ") + way.what) || answer.says(std::string(", ") + way.what))
        << way.what << answer.err;
    EXPECT_FALSE(answer.says("Event " + std::to_string(at - 2) + " of log events")) << answer.err;
  }
}

TEST_P(Verify, WhatAnotherVersionReadOtherwiseIsNotCalledAltered) {
  {
    auto& services = open();
    const auto source = *services.logs.source_of({.address = "192.0.2.9"});
    archive::Arena arena;
    archive::Event event;
    event.raw = "<34>1 2026-11-20T22:14:15Z chart app - - - user=tanaka";
    formats::normalise(event, {clock_.now(), source.number, "192.0.2.9", source.zone, nullptr}, arena);
    event[archive::Field::user] = "";
    ASSERT_TRUE((*services.logs.archive().stream({facility_, "events"}))->append(std::vector{event}));
    {
      auto transaction = *services.database.begin();
      const auto note = json::serialize(json::object{{"reader", "another"}, {"since", 0}});
      transaction.journal(kActor, {facility_, "logs", "", "reader", "", note, ""});
      ASSERT_TRUE(transaction.commit());
    }
    ASSERT_TRUE(services.logs.journal().feed());
    clock_.advance(std::chrono::minutes(1));
    installation_.reset();
  }
  {
    auto& services = open();  // this version reads again from now on
    const auto source = *services.logs.source_of({.address = "192.0.2.9"});
    ASSERT_TRUE(services.logs.accept(source, "192.0.2.9", {{{"user=later", 1}}, {}}));
    ASSERT_TRUE(services.logs.keeping().publish_heads());
    ASSERT_TRUE(services.logs.journal().feed());
    installation_.reset();
  }
  const auto answer = verify();
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_TRUE(answer.says("fields of 21 events are what") && answer.says("fields of 1 events")) << answer.out;
}

// A source that says something else of itself today does not make what came before wrong.
TEST_P(Verify, WhatASourceSaidOfItselfThenCounts) {
  {
    auto& services = open();
    auto& ledger = services.ledger;
    const auto& reg = **ledger.find_register("log_source");
    auto record =
        *ledger.create(kActor, reg, facility_, {{{"name", "部門システム"}, {"address", "192.0.2.10"}}, ""});
    const auto take = [&](std::string_view line) {
      ASSERT_TRUE(services.logs.all_sources());
      const auto source = *services.logs.source_of({.address = "192.0.2.10"});
      const std::vector<formats::Found> found(1, {line, 1});
      ASSERT_TRUE(services.logs.accept(source, "192.0.2.10", {found, {}}));
    };
    take("2026-11-20 10:00:00 login");
    record = *ledger.update(kActor, reg, store::Scope::door(facility_), record.id, record.version,
                            {{{"utc_offset_minutes", 0}, {"mapping", "time=1, user=2, patient=3"}}, ""});
    take("2026-11-20 10:00:00,suzuki,00123");
    ASSERT_TRUE(ledger.retire(kActor, reg, store::Scope::door(facility_), record.id, record.version, "撤去"));
    ASSERT_TRUE(services.logs.keeping().publish_heads());
    ASSERT_TRUE(services.logs.journal().feed());
    installation_.reset();
  }
  const auto answer = verify();
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_TRUE(answer.says("fields of 22 events are what")) << answer.out;
}

TEST_P(Verify, AStreamThatWasNeverSignedFailsAfterAnHour) {
  {
    auto& services = open();
    auto* const stream = *services.logs.archive().stream({facility_, "network"});
    archive::Event event;
    event.raw = "one";
    event.time = event.received = clock_.now();
    ASSERT_TRUE(stream->append(std::vector{event}));
    installation_.reset();
  }
  const auto answer = verify();
  EXPECT_EQ(answer.code, 1) << answer.out;
  EXPECT_TRUE(answer.says("events of log network have no signed head")) << answer.err;
}

TEST_P(Verify, AFolderWithoutHeadsIsNoProof) {
  const auto place = folder_.path() / "nothing";
  fs::create_directory(place);
  const auto answer = verify({"--heads", place.string()});
  EXPECT_EQ(answer.code, 1) << answer.out;
  EXPECT_TRUE(answer.says("No signed log head found")) << answer.err;
}

TEST_P(Verify, AnImportIsTakenBackFromTheCommandLine) {
  const auto file = folder_.path() / "list.csv";
  std::ofstream(file) << "種別,管理番号,型番\nパソコン,X-1,A\nパソコン,X-2,B\n";
  std::vector<std::string> place = {"--data", data().string()};
  if (GetParam() == store::Engine::postgresql) place.insert(place.end(), {"--database", database_.url()});
  const auto run = [&](std::vector<std::string> words) {
    words.insert(words.begin(), place.begin(), place.end());
    return mamori(words);
  };
  const auto imported = run({"import", "asset", file.string()});
  ASSERT_EQ(imported.code, 0) << imported.err;
  const auto at = imported.err.find("--undo ");
  ASSERT_NE(at, std::string::npos) << imported.err;
  auto id = imported.err.substr(at + 7);
  id = id.substr(0, id.find('\n'));
  const auto undone = run({"import", "--undo", id});
  EXPECT_EQ(undone.code, 0) << undone.err;
  EXPECT_TRUE(undone.says("2 records were taken back")) << undone.out;
  EXPECT_EQ(run({"import", "--undo", id}).code, 4);
  EXPECT_EQ(run({"import"}).code, 2);
  EXPECT_EQ(verify().code, 0);
}

}  // namespace
}  // namespace mamori::cli
