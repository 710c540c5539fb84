// What senders write, taken apart: every format, every framing, every sample.
#include <gtest/gtest.h>

#include <fstream>

#include "base/file.h"
#include "base/text.h"
#include "formats/bodies.h"
#include "formats/fields.h"
#include "formats/framing.h"

namespace mamori::formats {
namespace {

using archive::Field;

std::filesystem::path test_data() {
  if (const char* given = std::getenv("MAMORI_TEST_DATA")) return given;
  return std::filesystem::path(MAMORI_SOURCE_DIR) / "../shared/data";
}

const Instant kReceived = *parse_instant("2026-11-21T04:31:54Z");

struct Read {
  archive::Arena arena;
  std::string raw;
  archive::Event event;
  std::string operator[](Field field) const { return std::string(event[field]); }
};
std::unique_ptr<Read> read(std::string raw) {
  auto out = std::make_unique<Read>();
  out->raw = std::move(raw);
  out->event.raw = out->raw;
  normalise(out->event, {kReceived, "LS-0001", "192.0.2.1"}, out->arena);
  return out;
}

TEST(Normalise, SyslogAsTheStandardsAndAsDevicesWriteIt) {
  struct Case {
    const char* raw;
    const char* time;
    const char* host;
    const char* severity;
  };
  for (const auto& c :
       {Case{"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - 'su root' failed",
             "2003-10-11T22:14:15Z", "mymachine.example.com", "2"},
        Case{"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - [x@1 a=\"]\\\"\"] hello",
             "2003-08-24T12:14:15Z", "192.0.2.1", "5"},
        Case{"<13>1 - - - - - - nothing known", "2026-11-21T04:31:54Z", "192.0.2.1", "5"},
        Case{"<34>Oct 11 22:14:15 mymachine su: 'su root' failed", "2026-10-11T13:14:15Z", "mymachine", "2"},
        Case{"<34>Dec 31 23:59:59 host app: last year", "2025-12-31T14:59:59Z", "host", "2"},
        Case{"<190>Nov 21 2026 04:31:54 asa1 : %ASA-6-302013: Built", "2026-11-20T19:31:54Z", "asa1", "6"},
        Case{"<13>2026-11-21T13:31:54.12+09:00 fw app[3]: relayed by rsyslog", "2026-11-21T04:31:54Z", "fw",
             "5"},
        Case{"<189>45: *Nov 21 13:31:54.123 JST: %SYS-5-CONFIG_I: Configured from console by vty0",
             "2026-11-21T04:31:54Z", "192.0.2.1", "5"},
        Case{"<189>12: core-sw: .Nov 21 13:31:54: %LINK-3-UPDOWN: Interface", "2026-11-21T04:31:54Z",
             "core-sw", "5"},
        Case{"<189>date=2026-11-21 time=13:31:54 devname=\"FGT60F\" logid=\"0000000013\" srcip=10.1.1.5 "
             "user=\"tanaka\" action=\"deny\"",
             "2026-11-21T04:31:54Z", "FGT60F", "5"},
        Case{"<30>[IKE] SA[1] timed out", "2026-11-21T04:31:54Z", "192.0.2.1", "6"},
        Case{"Jun 14 15:16:01 combo sshd(pam_unix)[19939]: authentication failure; user=root",
             "2026-06-14T06:16:01Z", "combo", ""},
        Case{"2016-09-28 04:30:30, Info                  CBS    Loaded", "2016-09-27T19:30:30Z", "192.0.2.1",
             ""},
        Case{"[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok", "2005-12-03T19:47:44Z", "192.0.2.1",
             ""},
        Case{"<999>not a priority", "2026-11-21T04:31:54Z", "192.0.2.1", ""},
        Case{"", "2026-11-21T04:31:54Z", "192.0.2.1", ""}}) {
    SCOPED_TRACE(c.raw);
    const auto event = read(c.raw);
    EXPECT_EQ(iso_instant(event->event.time), c.time);
    EXPECT_EQ((*event)[Field::host], c.host);
    EXPECT_EQ((*event)[Field::severity], c.severity);
  }
  const auto forti = read(
      "<189>date=2026-11-21 time=13:31:54 devname=\"FGT60F\" srcip=10.1.1.5 user=\"tanaka\" action=\"deny\" "
      "status=\"failure\"");
  EXPECT_EQ((*forti)[Field::user], "tanaka");
  EXPECT_EQ((*forti)[Field::address], "10.1.1.5");
  EXPECT_EQ((*forti)[Field::outcome], "failure");
  const auto sshd = read(
      "<38>1 2026-11-21T04:31:54Z gw sshd 1 - - Failed password for invalid user admin from 203.0.113.9 port "
      "22 ssh2");
  EXPECT_EQ((*sshd)[Field::user], "admin");
  EXPECT_EQ((*sshd)[Field::outcome], "failure");
  EXPECT_EQ((*sshd)[Field::address], "203.0.113.9");
  const auto cef = read(
      "<13>Nov 21 13:31:54 waf CEF:0|Maker|Box|1.0|100|Login denied|5|suser=suzuki src=10.0.0.9 act=blocked "
      "outcome=failure");
  EXPECT_EQ((*cef)[Field::kind], "cef");
  EXPECT_EQ((*cef)[Field::user], "suzuki");
  EXPECT_EQ((*cef)[Field::object], "Login denied");
}

TEST(Normalise, HeadersThatEndTooEarlyStayText) {
  for (const auto* raw :
       {"<34>a: ", "<34>4:0:: ", "<34>a: *", "<34>1: a: ", "<34>", "<34>1 ", "<34>*", "<34>a: *Nov"}) {
    const auto event = read(raw);
    EXPECT_EQ(event->event.raw, raw);
    EXPECT_EQ(iso_instant(event->event.time), "2026-11-21T04:31:54Z") << raw;
    EXPECT_EQ((*event)[Field::kind], "syslog") << raw;
  }
}

TEST(Normalise, WindowsAndFhirAndOtlp) {
  const auto windows = read(
      "<Event "
      "xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><EventID>4625</"
      "EventID><Level>0</Level><Keywords>0x8010000000000000</Keywords><TimeCreated "
      "SystemTime='2026-11-21T04:00:00.1234567Z'/><Computer>dc1</Computer></System><EventData><Data "
      "Name='TargetUserName'>tanaka</Data><Data Name='IpAddress'>10.1.2.3</Data></EventData></Event>");
  EXPECT_EQ((*windows)[Field::kind], "windows");
  EXPECT_EQ((*windows)[Field::user], "tanaka");
  EXPECT_EQ((*windows)[Field::action], "4625");
  EXPECT_EQ((*windows)[Field::outcome], "failure");
  EXPECT_EQ((*windows)[Field::address], "10.1.2.3");
  EXPECT_EQ(iso_instant(windows->event.time), "2026-11-21T04:00:00Z");
  archive::Arena arena;
  const auto bodies = parse_otlp_json(
      R"({"resourceLogs":[{"resource":{"attributes":[{"key":"host.name","value":{"stringValue":"app1"}}]},"scopeLogs":[{"scope":{},"logRecords":[{"timeUnixNano":"1763697600000000000","severityNumber":17,"body":{"stringValue":"x"},"attributes":[{"key":"user.name","value":{"stringValue":"sato"}}]},{"body":{"stringValue":"y"}}]}]}]})",
      arena);
  ASSERT_TRUE(bodies) << describe(bodies.error());
  ASSERT_EQ(bodies->events.size(), 2u);
  const auto otlp = read(std::string(bodies->events[0].raw));
  EXPECT_EQ((*otlp)[Field::kind], "otlp");
  EXPECT_EQ((*otlp)[Field::user], "sato");
  EXPECT_EQ((*otlp)[Field::host], "app1");
  EXPECT_EQ((*otlp)[Field::severity], "3");
  EXPECT_EQ(iso_instant(otlp->event.time), "2025-11-21T04:00:00Z");
}

TEST(Normalise, BundlesGiveEachResourceItsOwnBytes) {
  const std::string one =
      R"({"resourceType":"AuditEvent", "recorded":"2026-11-21T04:00:00Z","entity":[{"what":{"reference":"Patient/77"},"role":{"code":"1"}}]})";
  archive::Arena arena;
  const auto bundle = parse_fhir(
      R"({"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"POST"},"resource":)" + one +
          R"(},{"resource":{"resourceType":"Patient"}},{"resource":)" + one + "}]}",
      arena);
  ASSERT_TRUE(bundle) << describe(bundle.error());
  ASSERT_EQ(bundle->events.size(), 2u);
  EXPECT_EQ(bundle->events[0].raw, one);
  EXPECT_EQ(bundle->events[1].raw, one);
  ASSERT_EQ(bundle->refused.size(), 1u);
  EXPECT_EQ(bundle->refused[0].line, 2u);
  EXPECT_EQ(bundle->refused[0].raw, R"({"resourceType":"Patient"})");
  const auto without = parse_fhir(
      R"({"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"POST"}},{"resource":)" + one +
          "}]}",
      arena);
  ASSERT_TRUE(without) << describe(without.error());
  ASSERT_EQ(without->refused.size(), 1u);
  EXPECT_EQ(without->refused[0].raw, R"({"request":{"method":"POST"}})");
  ASSERT_EQ(without->events.size(), 1u);
  EXPECT_EQ(without->events[0].raw, one);
  EXPECT_EQ((*read(one))[Field::patient], "77");
  for (const auto* bad :
       {"", "{", "[]", "{\"resourceType\":\"Patient\"}", "{\"resourceType\":\"AuditEvent\""})
    EXPECT_FALSE(parse_fhir(bad, arena)) << bad;
}

TEST(Normalise, BulkAndBrokenBodies) {
  archive::Arena arena;
  std::vector<BulkItem> items;
  const auto bodies = parse_bulk(
      "{\"create\":{\"_index\":\"logs\"}}\n{\"message\":\"a\"}\n{\"index\":{}}\n{\"user\":{\"name\":\"b\"}}"
      "\n{\"delete\":{\"_id\":\"1\"}}\n",
      items, arena);
  ASSERT_TRUE(bodies);
  EXPECT_EQ(bodies->events.size(), 2u);
  ASSERT_EQ(items.size(), 3u);
  EXPECT_EQ(items[0].index, "logs");
  EXPECT_FALSE(items[2].event) << "what is logged stays";
  items.clear();
  EXPECT_FALSE(parse_bulk("{\"create\":{}}", items, arena));
  EXPECT_FALSE(parse_bulk("nonsense\n", items, arena));
  EXPECT_FALSE(parse_otlp_json("{", arena));
  EXPECT_FALSE(parse_otlp_protobuf("\x0a\xff\xff\xff\x0f", arena));
  EXPECT_TRUE(parse_otlp_protobuf("", arena)->events.empty());
}

TEST(Framing, CountsLinesAndWhatSendersGetWrong) {
  const auto frames = [](std::string_view bytes, std::size_t step) {
    Framer framer(1000);
    std::vector<std::string> out;
    for (std::size_t i = 0; i < bytes.size(); i += step) {
      framer.feed(bytes.substr(i, step));
      while (const auto message = framer.next()) out.emplace_back(*message);
    }
    while (const auto last = framer.finish()) out.emplace_back(*last);
    return out;
  };
  using List = std::vector<std::string>;
  for (const std::size_t step : {1u, 2u, 7u, 5000u}) {
    EXPECT_EQ(frames("7 <34>abc7 <34>def", step), (List{"<34>abc", "<34>def"}));
    EXPECT_EQ(frames("<34>abc\n<34>def\r\n\n<1>x", step), (List{"<34>abc", "<34>def", "<1>x"}));
    EXPECT_EQ(frames("<34>abc\n7 <34>def<35>tail\n", step), (List{"<34>abc", "<34>def", "<35>tail"}));
    EXPECT_EQ(frames(std::string("<1>a\0<1>b\0", 10), step), (List{"<1>a", "<1>b"}));
    EXPECT_EQ(frames("12 monkeys\n", step), (List{"12 monkeys"}));
    const auto giant = frames(std::string(2500, 'x') + "\n<1>next\n", step);
    ASSERT_GE(giant.size(), 2u);
    EXPECT_EQ(giant[0], std::string(1000, 'x')) << "cut at the limit";
    EXPECT_EQ(giant.back(), "<1>next");
    const auto counted = [](const std::string& text) { return std::to_string(text.size()) + " " + text; };
    const auto big = "<1>" + std::string(3000, 'y');
    EXPECT_EQ(frames(counted(big) + counted("<1>one") + counted(big) + counted("<1>two"), step),
              (List{big.substr(0, 1000), "<1>one", big.substr(0, 1000), "<1>two"}))
        << "the count says where the next one begins";
    EXPECT_EQ(frames("5000 " + big, step), (List{big.substr(0, 1000)}));
  }
}

TEST(Framing, ACountIsBelievedButForADocumentThatItCuts) {
  using List = std::vector<std::string>;
  // What is there while the connection is open, and what comes at the end.
  const auto frames = [](const List& writes) {
    Framer framer;
    std::pair<List, List> out;
    for (const auto& bytes : writes) {
      framer.feed(bytes);
      while (const auto message = framer.next()) out.first.emplace_back(*message);
    }
    while (const auto last = framer.finish()) out.second.emplace_back(*last);
    return out;
  };
  const auto counted = [](const std::string& text) { return std::to_string(text.size()) + " " + text; };
  // Text beside a document, of one letter a byte, or whole: the count is right.
  for (const std::string text :
       {"<9>proxy refused <?xml version='1.0'?><order/> with 403", "<9>half <?xml version='1.0'?><order>1",
        "<9>断った <?xml version='1.0'?><注文>一</注文> 理由 4", "<9>途中 <?xml version='1.0'?>"}) {
    const auto [now, later] = frames({counted(text), counted("<9>next 7"), counted("<9>last")});
    EXPECT_EQ(now, (List{text, "<9>next 7", "<9>last"}));
    EXPECT_TRUE(later.empty());
    EXPECT_EQ(frames({counted(text)}).first, (List{text}));
  }
  // Counted in letters: the document's end is the frame's.
  const std::string audit = "<85>1 <AuditMessage><User>田中一郎</User></AuditMessage>";
  const auto letters = std::to_string(audit.size() - 8) + " ";
  EXPECT_EQ(frames({letters + audit}).first, (List{audit}));
  EXPECT_EQ(frames({letters + audit + letters + audit + counted("<9>x")}).first,
            (List{audit, audit, "<9>x"}));
  // A document that never ends: nothing behind it is lost, and it is there at the end.
  const std::string torn = "<85>1 <AuditMessage><User>田中";
  EXPECT_EQ(frames({counted(torn) + counted("<9>x")}).first, (List{torn, "<9>x"}));
  EXPECT_EQ(frames({counted(torn)}).second, (List{torn}));
  EXPECT_EQ(frames({"<9>whole\n<9>half"}).second, (List{"<9>half"}));
}

TEST(Bodies, LinesMayBeAJsonArrayOrOneObject) {
  const auto raws = [](const std::string& body) {
    std::vector<std::string> out;
    for (const auto& one : parse_lines(body).events) out.emplace_back(one.raw);
    return out;
  };
  using List = std::vector<std::string>;
  EXPECT_EQ(raws("[{\"a\": 1},\n {\"b\":[2]}]\n"), (List{"{\"a\": 1}", "{\"b\":[2]}"}));
  EXPECT_EQ(raws("\xEF\xBB\xBF [{\"a\":1},\"text\",7]"), (List{"{\"a\":1}", "\"text\"", "7"}));
  EXPECT_EQ(raws("[{\"a\":1},{\"a\":2}]\n[{\"a\":3}]\n"), (List{"{\"a\":1}", "{\"a\":2}", "{\"a\":3}"}));
  EXPECT_EQ(raws("{\n \"a\": 1\n}\n"), (List{"{\n \"a\": 1\n}"}));
  EXPECT_EQ(raws("{\"a\":1}\n{\"a\":2}\n"), (List{"{\"a\":1}", "{\"a\":2}"}));
  EXPECT_EQ(raws("[error] [client 1] x\n[1]\n"), (List{"[error] [client 1] x", "[1]"})) << "text in brackets";
  EXPECT_EQ(raws("[{\"a\":1},{\"a\""), (List{"[{\"a\":1},{\"a\""})) << "half a document stays as it came";
  EXPECT_TRUE(raws("[]").empty());
  std::string many = "[";
  for (int i = 0; i < 30000; ++i)
    many += (i ? "," : "") + std::string("{\"n\":") + std::to_string(i) + ",\"pad\":\"" +
            std::string(60, 'p') + "\"}";
  EXPECT_GT(many.size(), archive::kLongestRaw * 2);
  const auto all = raws(many + "]");
  ASSERT_EQ(all.size(), 30000u);
  EXPECT_TRUE(all.back().starts_with("{\"n\":29999,"));
}

// Whatever stands under audit/: read, and its main fields found.
TEST(Conformance, EveryAuditMessageIsUnderstood) {
  const auto folder = test_data() / "audit";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "Skipped: no " << folder;
  std::size_t messages = 0, with_user = 0, with_patient = 0;
  for (const auto* part :
       {"dicom", "ihe-atna", "rfc3881", "fhir-dstu2", "fhir-stu3", "fhir-r4", "fhir-r5", "fhir-balp-r4"}) {
    if (!std::filesystem::exists(folder / part)) continue;
    for (const auto& entry : std::filesystem::directory_iterator(folder / part)) {
      SCOPED_TRACE(entry.path().string());
      const bool fhir = std::string_view(part).starts_with("fhir");
      if (entry.path().extension() != (fhir ? ".json" : ".xml")) continue;
      const auto bytes = *read_file(entry.path(), 1 << 20);
      if (!fhir && bytes.find("<AuditMessage") == bytes.npos && bytes.find(":AuditMessage") == bytes.npos)
        continue;
      const auto event = read(bytes);
      if (fhir && (*event)[Field::kind] == "json") continue;  // something else than an AuditEvent
      EXPECT_EQ((*event)[Field::kind], fhir ? "fhir" : "atna");
      if (fhir || bytes.find("EventDateTime=") != bytes.npos) {
        EXPECT_NE(event->event.time, kReceived) << "its own time";
      }
      EXPECT_FALSE((*event)[Field::action].empty());
      ++messages;
      with_user += !(*event)[Field::user].empty();
      with_patient += !(*event)[Field::patient].empty();
      EXPECT_FALSE(all_fields(bytes).empty());
    }
  }
  EXPECT_GT(messages, 0u);
  EXPECT_GT(with_user * 10, messages * 8);
  EXPECT_GT(with_patient, 0u);
}

// audit/wire: what senders really put on the wire, with expected.tsv beside it.
TEST(Conformance, EveryCapturedTransmissionIsTakenApart) {
  const auto folder = test_data() / "audit/wire";
  if (!std::filesystem::exists(folder / "expected.tsv")) GTEST_SKIP() << "Skipped: no " << folder;
  std::ifstream table(folder / "expected.tsv");
  std::string line;
  std::getline(table, line);
  std::size_t checked = 0;
  while (std::getline(table, line)) {
    const auto cells = split(line, '\t');
    if (cells.size() < 5) continue;
    SCOPED_TRACE(line);
    const auto bytes = *read_file(folder / std::string(cells[0]), 1 << 24);
    std::vector<std::string> messages;
    if (cells[1] == "udp") {
      messages.push_back(bytes);
    } else {
      Framer framer;
      framer.feed(bytes);
      while (const auto message = framer.next()) messages.emplace_back(*message);
      while (const auto last = framer.finish()) messages.emplace_back(*last);
    }
    EXPECT_EQ(messages.size(), std::stoul(std::string(cells[3])));
    std::size_t audits = 0;
    for (const auto& message : messages) audits += (*read(message))[Field::kind] == "atna";
    EXPECT_GE(audits, std::stoul(std::string(cells[4])));
    ++checked;
  }
  EXPECT_GT(checked, 0u);
}

TEST(Conformance, LogHubLinesHaveTheirTimes) {
  const auto folder = test_data() / "loghub";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "Skipped: no " << folder;
  std::size_t lines = 0, timed = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".log") continue;
    const auto bytes = *read_file(entry.path(), 1 << 26);
    for (const auto& found : parse_lines(bytes).events) {
      ++lines;
      timed += read(std::string(found.raw))->event.time != kReceived;
    }
  }
  EXPECT_GT(lines, 0u);
  EXPECT_GT(timed * 100, lines * 99);
}

// --- the whole way, with real senders

TEST(Mapping, IsReadAndRefused) {
  const auto mapping = parse_mapping(" time=日時, user = 職員番号\npatient=患者ID ");
  ASSERT_TRUE(mapping);
  ASSERT_EQ(mapping->entries.size(), 3u);
  EXPECT_FALSE(mapping->entries[0].field);
  EXPECT_EQ(mapping->entries[1].field, Field::user);
  EXPECT_EQ(mapping->entries[1].name, "職員番号");
  EXPECT_TRUE(is_numbered(*parse_mapping("time=1, user=3")));
  for (const auto* bad : {"user", "user=", "nobody=1", "=x"})
    EXPECT_EQ(parse_mapping(bad).error().code, "collect.log.mapping") << bad;
  EXPECT_EQ(with_heading(*mapping, "日時\t職員番号\t患者ID")->separator, '\t');
  EXPECT_EQ(with_heading(*mapping, "日時,職員番号").error().facts.front().second, "患者ID");
  archive::Arena arena;
  EXPECT_EQ(csv_cells("a,\"b \"\"x\"\", c\",,d", ',', arena),
            (std::vector<std::string_view>{"a", "b \"x\", c", "", "d"}));
  EXPECT_EQ(csv_record("a,\"b\nc\"\nd", 100), 8u);
  EXPECT_EQ(csv_record("a \" b\nc", 100), 6u) << "a quote without an end is a letter";
  for (const auto* text :
       {"2026-05-08T09:05:00+09:00", "2026/5/8 9:05", "2026/05/08 09:05:00.25", "2026.5.8 9:05:00"})
    EXPECT_EQ(iso_instant(*parse_loose_time(text, std::chrono::minutes(540))), "2026-05-08T00:05:00Z")
        << text;
  for (const auto* text : {"", "soon", "2026/13/1", "2026/5/8 25:00", "8/5/2026", "2026/5/8 9"})
    EXPECT_FALSE(parse_loose_time(text, std::chrono::minutes(540))) << text;
}

constexpr std::string_view kFhirXml =
    R"(<AuditEvent xmlns="http://hl7.org/fhir"><text><div xmlns="http://www.w3.org/1999/xhtml">read</div></text>
<type><system value="http://dicom.nema.org/resources/ontology/DCM"/><code value="110110"/><display value="Patient Record"/></type>
<action value="R"/><recorded value="2026-11-21T09:00:00+09:00"/><outcome value="0"/>
<agent><who><identifier><value value="tanaka"/></identifier></who><requestor value="true"/><network><address value="10.1.1.5"/></network></agent>
<agent><who><identifier><value value="proxy"/></identifier></who><requestor value="false"/></agent>
<source><observer><display value="emr1"/></observer></source>
<entity><what><reference value="Patient/001234"/></what><role><code value="1"/></role></entity></AuditEvent>)";

TEST(Normalise, FhirAsXml) {
  const auto event = read(std::string("\n") + std::string(kFhirXml));
  EXPECT_EQ((*event)[Field::kind], "fhir");
  EXPECT_EQ((*event)[Field::user], "tanaka");
  EXPECT_EQ((*event)[Field::patient], "001234");
  EXPECT_EQ((*event)[Field::action], "read");
  EXPECT_EQ((*event)[Field::outcome], "success");
  EXPECT_EQ((*event)[Field::address], "10.1.1.5");
  EXPECT_EQ((*event)[Field::host], "emr1");
  EXPECT_EQ(iso_instant(event->event.time), "2026-11-21T00:00:00Z");
  const auto one = "<entry><resource>" + std::string(kFhirXml) + "</resource></entry>";
  const auto bundle = "<?xml version=\"1.0\"?><Bundle xmlns=\"http://hl7.org/fhir\"><type value=\"batch\"/>" +
                      one + "<entry><resource><Patient/></resource></entry>" + one + "</Bundle>";
  const auto bodies = parse_fhir_xml(bundle);
  ASSERT_TRUE(bodies);
  ASSERT_EQ(bodies->events.size(), 2u);
  EXPECT_EQ(bodies->events[1].raw, kFhirXml) << "byte for byte";
  ASSERT_EQ(bodies->refused.size(), 1u);
  EXPECT_EQ(bodies->refused[0].line, 2u);
  EXPECT_EQ(bodies->refused[0].raw, "<entry><resource><Patient/></resource></entry>");
  for (const auto* bad : {"", "<", "<Patient/>", "<AuditEvent>",
                          "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><x>&b;</x>"})
    EXPECT_EQ(parse_fhir_xml(bad).error().code, "collect.events.fhir") << bad;
}

}  // namespace
}  // namespace mamori::formats
