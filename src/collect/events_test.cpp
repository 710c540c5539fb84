#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "archive/embedded/archive.h"
#include "base/process.h"
#include "collect/events/fields.h"
#include "collect/events/framing.h"
#include "collect/events/receiver.h"
#include "testing/child.h"
#include "testing/clock.h"
#include "testing/postgres.h"

namespace mamori::collect::events {
namespace {

using archive::Field;
const std::filesystem::path kSource = MAMORI_SOURCE_DIR;

std::filesystem::path test_data() {
  if (const char* given = std::getenv("MAMORI_TEST_DATA")) return given;
  return kSource / "../shared/data";
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
  for (const auto& c : {Case{"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - 'su root' failed", "2003-10-11T22:14:15Z", "mymachine.example.com", "2"},
                        Case{"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - [x@1 a=\"]\\\"\"] hello", "2003-08-24T12:14:15Z", "192.0.2.1", "5"},
                        Case{"<13>1 - - - - - - nothing known", "2026-11-21T04:31:54Z", "192.0.2.1", "5"},
                        Case{"<34>Oct 11 22:14:15 mymachine su: 'su root' failed", "2026-10-11T13:14:15Z", "mymachine", "2"},
                        Case{"<34>Dec 31 23:59:59 host app: last year", "2025-12-31T14:59:59Z", "host", "2"},
                        Case{"<190>Nov 21 2026 04:31:54 asa1 : %ASA-6-302013: Built", "2026-11-20T19:31:54Z", "asa1", "6"},
                        Case{"<13>2026-11-21T13:31:54.12+09:00 fw app[3]: relayed by rsyslog", "2026-11-21T04:31:54Z", "fw", "5"},
                        Case{"<189>45: *Nov 21 13:31:54.123 JST: %SYS-5-CONFIG_I: Configured from console by vty0", "2026-11-21T04:31:54Z", "192.0.2.1", "5"},
                        Case{"<189>12: core-sw: .Nov 21 13:31:54: %LINK-3-UPDOWN: Interface", "2026-11-21T04:31:54Z", "core-sw", "5"},
                        Case{"<189>date=2026-11-21 time=13:31:54 devname=\"FGT60F\" logid=\"0000000013\" srcip=10.1.1.5 user=\"tanaka\" action=\"deny\"", "2026-11-21T04:31:54Z", "FGT60F", "5"},
                        Case{"<30>[IKE] SA[1] timed out", "2026-11-21T04:31:54Z", "192.0.2.1", "6"},
                        Case{"Jun 14 15:16:01 combo sshd(pam_unix)[19939]: authentication failure; user=root", "2026-06-14T06:16:01Z", "combo", ""},
                        Case{"2016-09-28 04:30:30, Info                  CBS    Loaded", "2016-09-27T19:30:30Z", "192.0.2.1", ""},
                        Case{"[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok", "2005-12-03T19:47:44Z", "192.0.2.1", ""},
                        Case{"<999>not a priority", "2026-11-21T04:31:54Z", "192.0.2.1", ""},
                        Case{"", "2026-11-21T04:31:54Z", "192.0.2.1", ""}}) {
    SCOPED_TRACE(c.raw);
    const auto event = read(c.raw);
    EXPECT_EQ(iso_instant(event->event.time), c.time);
    EXPECT_EQ((*event)[Field::host], c.host);
    EXPECT_EQ((*event)[Field::severity], c.severity);
  }
  const auto forti = read("<189>date=2026-11-21 time=13:31:54 devname=\"FGT60F\" srcip=10.1.1.5 user=\"tanaka\" action=\"deny\" status=\"failure\"");
  EXPECT_EQ((*forti)[Field::user], "tanaka");
  EXPECT_EQ((*forti)[Field::address], "10.1.1.5");
  EXPECT_EQ((*forti)[Field::outcome], "failure");
  const auto sshd = read("<38>1 2026-11-21T04:31:54Z gw sshd 1 - - Failed password for invalid user admin from 203.0.113.9 port 22 ssh2");
  EXPECT_EQ((*sshd)[Field::user], "admin");
  EXPECT_EQ((*sshd)[Field::outcome], "failure");
  EXPECT_EQ((*sshd)[Field::address], "203.0.113.9");
  const auto cef = read("<13>Nov 21 13:31:54 waf CEF:0|Maker|Box|1.0|100|Login denied|5|suser=suzuki src=10.0.0.9 act=blocked outcome=failure");
  EXPECT_EQ((*cef)[Field::kind], "cef");
  EXPECT_EQ((*cef)[Field::user], "suzuki");
  EXPECT_EQ((*cef)[Field::object], "Login denied");
}

TEST(Normalise, HeadersThatEndTooEarlyStayText) {
  for (const auto* raw : {"<34>a: ", "<34>4:0:: ", "<34>a: *", "<34>1: a: ", "<34>", "<34>1 ", "<34>*", "<34>a: *Nov"}) {
    const auto event = read(raw);
    EXPECT_EQ(event->event.raw, raw);
    EXPECT_EQ(iso_instant(event->event.time), "2026-11-21T04:31:54Z") << raw;
    EXPECT_EQ((*event)[Field::kind], "syslog") << raw;
  }
}

TEST(Normalise, WindowsAndFhirAndOtlp) {
  const auto windows = read("<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><EventID>4625</EventID><Level>0</Level><Keywords>0x8010000000000000</Keywords><TimeCreated SystemTime='2026-11-21T04:00:00.1234567Z'/><Computer>dc1</Computer></System><EventData><Data Name='TargetUserName'>tanaka</Data><Data Name='IpAddress'>10.1.2.3</Data></EventData></Event>");
  EXPECT_EQ((*windows)[Field::kind], "windows");
  EXPECT_EQ((*windows)[Field::user], "tanaka");
  EXPECT_EQ((*windows)[Field::action], "4625");
  EXPECT_EQ((*windows)[Field::outcome], "failure");
  EXPECT_EQ((*windows)[Field::address], "10.1.2.3");
  EXPECT_EQ(iso_instant(windows->event.time), "2026-11-21T04:00:00Z");
  archive::Arena arena;
  const auto bodies = parse_otlp_json(R"({"resourceLogs":[{"resource":{"attributes":[{"key":"host.name","value":{"stringValue":"app1"}}]},"scopeLogs":[{"scope":{},"logRecords":[{"timeUnixNano":"1763697600000000000","severityNumber":17,"body":{"stringValue":"x"},"attributes":[{"key":"user.name","value":{"stringValue":"sato"}}]},{"body":{"stringValue":"y"}}]}]}]})", arena);
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
  const std::string one = R"({"resourceType":"AuditEvent", "recorded":"2026-11-21T04:00:00Z","entity":[{"what":{"reference":"Patient/77"},"role":{"code":"1"}}]})";
  archive::Arena arena;
  const auto bundle = parse_fhir(R"({"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"POST"},"resource":)" + one + R"(},{"resource":{"resourceType":"Patient"}},{"resource":)" + one + "}]}", arena);
  ASSERT_TRUE(bundle) << describe(bundle.error());
  ASSERT_EQ(bundle->events.size(), 2u);
  EXPECT_EQ(bundle->events[0].raw, one);
  EXPECT_EQ(bundle->events[1].raw, one);
  ASSERT_EQ(bundle->refused.size(), 1u);
  EXPECT_EQ(bundle->refused[0].line, 2u);
  EXPECT_EQ(bundle->refused[0].raw, R"({"resourceType":"Patient"})");
  const auto without = parse_fhir(R"({"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"POST"}},{"resource":)" + one + "}]}", arena);
  ASSERT_TRUE(without) << describe(without.error());
  ASSERT_EQ(without->refused.size(), 1u);
  EXPECT_EQ(without->refused[0].raw, R"({"request":{"method":"POST"}})");
  ASSERT_EQ(without->events.size(), 1u);
  EXPECT_EQ(without->events[0].raw, one);
  EXPECT_EQ((*read(one))[Field::patient], "77");
  for (const auto* bad : {"", "{", "[]", "{\"resourceType\":\"Patient\"}", "{\"resourceType\":\"AuditEvent\""}) EXPECT_FALSE(parse_fhir(bad, arena)) << bad;
}

TEST(Normalise, BulkAndBrokenBodies) {
  archive::Arena arena;
  std::vector<BulkItem> items;
  const auto bodies = parse_bulk("{\"create\":{\"_index\":\"logs\"}}\n{\"message\":\"a\"}\n{\"index\":{}}\n{\"user\":{\"name\":\"b\"}}\n{\"delete\":{\"_id\":\"1\"}}\n", items, arena);
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
    if (const auto last = framer.finish()) out.emplace_back(*last);
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
  }
}

// Whatever stands under audit/: read, and its main fields found.
TEST(Conformance, EveryAuditMessageIsUnderstood) {
  const auto folder = test_data() / "audit";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "Skipped: no " << folder;
  std::size_t messages = 0, with_user = 0, with_patient = 0;
  for (const auto* part : {"dicom", "ihe-atna", "rfc3881", "fhir-dstu2", "fhir-stu3", "fhir-r4", "fhir-r5", "fhir-balp-r4"}) {
    if (!std::filesystem::exists(folder / part)) continue;
    for (const auto& entry : std::filesystem::directory_iterator(folder / part)) {
      SCOPED_TRACE(entry.path().string());
      const bool fhir = std::string_view(part).starts_with("fhir");
      if (entry.path().extension() != (fhir ? ".json" : ".xml")) continue;
      const auto bytes = *read_file(entry.path(), 1 << 20);
      if (!fhir && bytes.find("<AuditMessage") == bytes.npos && bytes.find(":AuditMessage") == bytes.npos) continue;
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
      if (const auto last = framer.finish()) messages.emplace_back(*last);
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

class Intake : public ::testing::Test {
 protected:
  void SetUp() override {
    crypto_ready();
    key_.emplace(*SigningKey::open_or_make(folder_.path() / "key"));
    registers_ = *ledger::Registers::load(kSource / "data/registers");
    ledger_ = *ledger::Ledger::open(*database_, registers_);
    archive_ = *archive::EmbeddedArchive::open(folder_.path() / "archive", *key_, clock_);
    logs_ = *Logs::open(*ledger_, *archive_);
    facility_ = ledger_->create({"", "t", "test"}, **ledger_->find_register("facility"), "", {{{"name", "試験病院"}, {"kind", "hospital"}}, ""})->id;
  }
  archive::Stream& events() { return **archive_->stream({facility_, "events"}); }
  // Waits until so many events are there.
  bool wait_for(std::uint64_t count, int seconds = 20) {
    for (int i = 0; i < seconds * 50; ++i) {
      if (events().size() >= count) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
  }
  std::vector<std::string> all() {
    std::vector<std::string> out;
    EXPECT_TRUE(events().each_match(archive::Query{}, from_millis(0), from_millis(std::numeric_limits<std::int64_t>::max()), 0, [&](archive::LeafIndex, const archive::Event& event) -> Result<bool> {
      out.emplace_back(event.raw);
      return true;
    }));
    return out;
  }
  static void send_tcp(int port, std::string_view bytes) {
    const int file = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    ASSERT_EQ(::connect(file, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    while (!bytes.empty()) {
      const auto sent = ::send(file, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) break;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    ::close(file);
  }

  TemporaryFolder folder_;
  SystemClock clock_;
  testing::FreshDatabase database_{store::Engine::sqlite, clock_};
  std::optional<SigningKey> key_;
  ledger::Registers registers_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<archive::Archive> archive_;
  std::unique_ptr<Logs> logs_;
  std::string facility_;
};

TEST_F(Intake, UnknownSendersAppearAndRefusedOnesAreNotHeard) {
  const auto receiver = *Receiver::open({.udp_port = 0, .tcp_port = 0}, *logs_);
  send_tcp(receiver->tcp_port(), "<34>one\n9 <34>three<34>two\n");
  ASSERT_TRUE(wait_for(3));
  const auto sources = *logs_->sources({facility_});
  ASSERT_EQ(sources.size(), 1u);
  EXPECT_EQ(sources[0].state, "unknown");
  EXPECT_EQ(sources[0].number, "LS-0001");
  const auto* reg = *ledger_->find_register("log_source");
  ASSERT_TRUE(ledger_->update({"", "t", "test"}, *reg, {facility_}, sources[0].id, 1, {{{"state", "refused"}}, ""}));
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  send_tcp(receiver->tcp_port(), "<34>four\n");
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_EQ(events().size(), 3u);
}

TEST_F(Intake, ASenderThatPausesIsReadOn) {
  const auto receiver = *Receiver::open({.tcp_port = 0}, *logs_);
  const int file = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<std::uint16_t>(receiver->tcp_port()));
  ASSERT_EQ(::connect(file, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  for (int i = 0; i < 300; ++i) {
    const auto line = "<13>number n" + std::to_string(i) + "\n";
    ASSERT_EQ(::send(file, line.data(), line.size(), MSG_NOSIGNAL), static_cast<ssize_t>(line.size())) << "closed after " << i;
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
  send_tcp(receiver->tcp_port(), "<34>1 1970-01-01T00:00:00Z old clock - - - x\n<34>1 2099-12-31T23:59:59Z new clock - - - y\n");
  send_tcp(receiver->tcp_port(), "<34>still here\n");
  const std::vector<std::string> wanted = {"<34>after a giant", "<34>still here", "<34>1 2099-12-31T23:59:59Z new clock - - - y"};
  std::vector<std::string> now;
  for (int i = 0; i < 500; ++i) {
    now = all();
    if (std::all_of(wanted.begin(), wanted.end(), [&](const auto& text) { return std::find(now.begin(), now.end(), text) != now.end(); })) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  for (const auto& expected : wanted) EXPECT_EQ(std::count(now.begin(), now.end(), expected), 1) << expected;
  EXPECT_EQ(std::count(now.begin(), now.end(), std::string(1 << 20, 'A')), 1) << "a giant is cut, not lost";
}

// A real program run in the background, ended with the test.
class Daemon {
 public:
  explicit Daemon(const std::vector<std::string>& words, const std::string& library_path = "") : process_(::fork()) {
    if (process_ != 0) return;
    if (!library_path.empty()) ::setenv("LD_LIBRARY_PATH", library_path.c_str(), 1);
    std::vector<char*> argv;
    for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ~Daemon() {
    ::kill(process_, SIGTERM);
    ::waitpid(process_, nullptr, 0);
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

 private:
  pid_t process_;
};

// rsyslogd reads a file and forwards it over UDP, TCP in both framings, and TLS with a client certificate.
TEST_F(Intake, RsyslogSendsOverUdpTcpAndTls) {
  ASSERT_TRUE(std::filesystem::exists("/usr/sbin/rsyslogd")) << "Debian package rsyslog";
  const auto at = [&](const char* name) { return (folder_.path() / name).string(); };
  const auto made = run_process({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", at("tls.key"), "-out", at("tls.pem"), "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"});
  ASSERT_TRUE(made && made->exit_code == 0) << made->err;
  const auto receiver = Receiver::open({.udp_port = 0, .tcp_port = 0, .tls_port = 0, .certificate_file = at("tls.pem"), .key_file = at("tls.key"), .client_ca_file = at("tls.pem")}, *logs_);
  ASSERT_TRUE(receiver) << describe(receiver.error());
  std::ofstream(at("in.log")) << "";
  const auto config = "global(workDirectory=\"" + folder_.path().string() + "\" defaultNetstreamDriverCAFile=\"" + at("tls.pem") + "\" defaultNetstreamDriverCertFile=\"" + at("tls.pem") + "\" defaultNetstreamDriverKeyFile=\"" + at("tls.key") + "\")\n"
      "module(load=\"imfile\" pollingInterval=\"1\")\ninput(type=\"imfile\" file=\"" + at("in.log") + "\" tag=\"app:\" severity=\"info\" facility=\"local0\")\n"
      "action(type=\"omfwd\" target=\"127.0.0.1\" port=\"" + std::to_string((*receiver)->udp_port()) + "\" protocol=\"udp\" template=\"RSYSLOG_SyslogProtocol23Format\")\n"
      "action(type=\"omfwd\" target=\"127.0.0.1\" port=\"" + std::to_string((*receiver)->tcp_port()) + "\" protocol=\"tcp\" TCP_Framing=\"octet-counted\" template=\"RSYSLOG_SyslogProtocol23Format\")\n"
      "action(type=\"omfwd\" target=\"127.0.0.1\" port=\"" + std::to_string((*receiver)->tcp_port()) + "\" protocol=\"tcp\" template=\"RSYSLOG_TraditionalForwardFormat\")\n"
      "action(type=\"omfwd\" target=\"127.0.0.1\" port=\"" + std::to_string((*receiver)->tls_port()) + "\" protocol=\"tcp\" StreamDriver=\"ossl\" StreamDriverMode=\"1\" StreamDriverAuthMode=\"x509/certvalid\" template=\"RSYSLOG_ForwardFormat\")\n";
  std::ofstream(at("rsyslog.conf")) << config;
  const Daemon rsyslog({"/usr/sbin/rsyslogd", "-n", "-iNONE", "-f", at("rsyslog.conf")});
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  {
    std::ofstream out(at("in.log"), std::ios::app);
    for (int i = 0; i < 50; ++i) out << "病院のログ number n" << i << " user=tanaka\n";
  }
  EXPECT_TRUE(wait_for(200)) << events().size();
  std::map<std::string, int> seen;
  for (const auto& raw : all())
    for (int i = 0; i < 50; ++i)
      if (raw.find("number n" + std::to_string(i) + " ") != raw.npos) ++seen[std::to_string(i)];
  EXPECT_EQ(seen.size(), 50u);
  for (const auto& [number, times] : seen) EXPECT_EQ(times, 4) << number;
  const archive::Stream* const streams[] = {&events()};
  const auto found = archive_->search(streams, *archive::parse_query("user:tanaka 病院のログ n7"), {.statistics = true});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->total, 4u);
}

// syslog-ng conflicts with rsyslog as a package; ./test unpacks it beside.
TEST_F(Intake, SyslogNgSendsOverTcpAndSyslogProtocol) {
  const auto root = kSource / "build/peers/syslog-ng";
  const auto program = root / "usr/sbin/syslog-ng";
  if (!std::filesystem::exists(program)) GTEST_SKIP() << "Skipped: no " << program << " (./test unpacks it from Debian's package)";
  std::filesystem::path modules, library;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root / "usr/lib")) {
    if (entry.path().filename() == "libafsocket.so") modules = entry.path().parent_path();
    if (entry.path().filename().string().starts_with("libsyslog-ng-3")) library = entry.path().parent_path();
  }
  ASSERT_FALSE(modules.empty());
  const auto receiver = *Receiver::open({.tcp_port = 0}, *logs_);
  const auto at = [&](const char* name) { return (folder_.path() / name).string(); };
  std::ofstream(at("in.log")) << "";
  const auto port = std::to_string(receiver->tcp_port());
  std::ofstream(at("ng.conf")) << "@version: 3.38\noptions { keep-hostname(yes); };\nsource s { file(\"" << at("in.log") << "\" flags(no-parse) follow-freq(1)); };\n"
                               << "destination a { network(\"127.0.0.1\" port(" << port << ")); };\ndestination b { syslog(\"127.0.0.1\" port(" << port << ") transport(\"tcp\") persist-name(\"b\")); };\nlog { source(s); destination(a); destination(b); };\n";
  const Daemon ng({program.string(), "-F", "--no-caps", "-f", at("ng.conf"), "-p", at("pid"), "-c", at("ctl"), "-R", at("persist"), "--module-path", modules.string()}, library.string() + ":" + modules.string());
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  {
    std::ofstream out(at("in.log"), std::ios::app);
    for (int i = 0; i < 30; ++i) out << "line number n" << i << " from syslog-ng\n";
  }
  EXPECT_TRUE(wait_for(60)) << events().size();
  std::size_t counted = 0;
  for (const auto& raw : all()) counted += raw.find("from syslog-ng") != raw.npos;
  EXPECT_EQ(counted, 60u);
}

TEST_F(Intake, AFileGoesInWholeAndInOrder) {
  const auto source = *logs_->source_of({.address = "192.0.2.9"});
  const auto file = folder_.path() / "big.log";
  {
    std::ofstream out(file);
    for (int i = 0; i < 40'000; ++i) out << "Nov 21 13:00:" << (i % 60 < 10 ? "0" : "") << i % 60 << " host app[1]: event n" << i << " user=u" << i % 7 << "\n";
    out << "\n\r\nlast line without an end";
  }
  std::uint64_t told = 0;
  const auto result = logs_->import_file(source, file, [&](std::uint64_t done, std::uint64_t) { told = done; });
  ASSERT_TRUE(result) << describe(result.error());
  EXPECT_EQ(result->events, 40'001u);
  EXPECT_GT(told, 1'000'000u);
  const auto raws = all();
  ASSERT_EQ(raws.size(), 40'001u);
  for (std::size_t i = 0; i < 40'000; i += 991) EXPECT_NE(raws[i].find("event n" + std::to_string(i) + " "), std::string::npos);
  EXPECT_EQ(raws.back(), "last line without an end");
  EXPECT_EQ(logs_->import_file(source, folder_.path() / "absent").error().code, "base.file.missing");
}

TEST_F(Intake, WhatIsRefusedOrCutIsKeptAndCounted) {
  const auto source = *logs_->source_of({.address = "192.0.2.9"});
  const std::string giant = "<34>1 2026-11-20T22:14:15Z h a - - - " + std::string(archive::kLongestRaw, 'g');
  const auto kept = logs_->accept(source, "192.0.2.9", {{{giant, 1}}, {{2, "collect.events.bulk-action", R"({"delete":{"_id":"1"}})"}}});
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
  const auto late = "<34>1 " + iso_instant(clock_.now() - std::chrono::minutes(10)) + " h a - - - ten minutes slow";
  const std::vector<Found> found = {{late, 1}, {late, 2}};
  ASSERT_TRUE(logs_->accept(source, "192.0.2.9", {found, {}}));
  ASSERT_TRUE(logs_->tick());
  const auto* reg = *ledger_->find_register("observed_log");
  const auto page = ledger_->list(*reg, {.facilities = {facility_}, .sort = "label"});
  ASSERT_EQ(page->items.size(), 1u);
  EXPECT_NEAR(page->items[0].fields.at("drift_seconds").to_number<double>(), 600, 5);
  EXPECT_FALSE(page->items[0].fields.at("silent").get_bool());
  auto* journal = *archive_->stream({facility_, "journal"});
  EXPECT_GT(journal->size(), 0u);
  const auto before = journal->size();
  ASSERT_TRUE(logs_->feed_journal());
  EXPECT_EQ(journal->size(), before) << "each entry once";
  const auto checked = ledger_->list(**ledger_->find_register("observed_archive"), {.facilities = {facility_}, .sort = "label"});
  EXPECT_GE(checked->items.size(), 1u);
  EXPECT_NE(logs_->metrics().find("mamori_log_events_total 2"), std::string::npos);
}

TEST(Mapping, IsReadAndRefused) {
  const auto mapping = parse_mapping(" time=日時, user = 職員番号\npatient=患者ID ");
  ASSERT_TRUE(mapping);
  ASSERT_EQ(mapping->entries.size(), 3u);
  EXPECT_FALSE(mapping->entries[0].field);
  EXPECT_EQ(mapping->entries[1].field, Field::user);
  EXPECT_EQ(mapping->entries[1].name, "職員番号");
  EXPECT_TRUE(is_numbered(*parse_mapping("time=1, user=3")));
  for (const auto* bad : {"user", "user=", "nobody=1", "=x"}) EXPECT_EQ(parse_mapping(bad).error().code, "collect.log.mapping") << bad;
  EXPECT_EQ(with_heading(*mapping, "日時\t職員番号\t患者ID")->separator, '\t');
  EXPECT_EQ(with_heading(*mapping, "日時,職員番号").error().facts.front().second, "患者ID");
  archive::Arena arena;
  EXPECT_EQ(csv_cells("a,\"b \"\"x\"\", c\",,d", ',', arena), (std::vector<std::string_view>{"a", "b \"x\", c", "", "d"}));
  EXPECT_EQ(csv_record("a,\"b\nc\"\nd", 100), 8u);
  EXPECT_EQ(csv_record("a \" b\nc", 100), 6u) << "a quote without an end is a letter";
  for (const auto* text : {"2026-05-08T09:05:00+09:00", "2026/5/8 9:05", "2026/05/08 09:05:00.25", "2026.5.8 9:05:00"}) EXPECT_EQ(iso_instant(*parse_loose_time(text, std::chrono::minutes(540))), "2026-05-08T00:05:00Z") << text;
  for (const auto* text : {"", "soon", "2026/13/1", "2026/5/8 25:00", "8/5/2026", "2026/5/8 9"}) EXPECT_FALSE(parse_loose_time(text, std::chrono::minutes(540))) << text;
}

constexpr std::string_view kFhirXml = R"(<AuditEvent xmlns="http://hl7.org/fhir"><text><div xmlns="http://www.w3.org/1999/xhtml">read</div></text>
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
  const auto bundle = "<?xml version=\"1.0\"?><Bundle xmlns=\"http://hl7.org/fhir\"><type value=\"batch\"/>" + one + "<entry><resource><Patient/></resource></entry>" + one + "</Bundle>";
  const auto bodies = parse_fhir_xml(bundle);
  ASSERT_TRUE(bodies);
  ASSERT_EQ(bodies->events.size(), 2u);
  EXPECT_EQ(bodies->events[1].raw, kFhirXml) << "byte for byte";
  ASSERT_EQ(bodies->refused.size(), 1u);
  EXPECT_EQ(bodies->refused[0].line, 2u);
  EXPECT_EQ(bodies->refused[0].raw, "<entry><resource><Patient/></resource></entry>");
  for (const auto* bad : {"", "<", "<Patient/>", "<AuditEvent>", "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><x>&b;</x>"}) EXPECT_EQ(parse_fhir_xml(bad).error().code, "collect.events.fhir") << bad;
}

TEST_F(Intake, FilesWithDeclaredColumnsAndJsonPaths) {
  const auto* reg = *ledger_->find_register("log_source");
  const auto add = [&](const char* name, const char* mapping) {
    EXPECT_TRUE(ledger_->create({"", "t", "test"}, *reg, facility_, {{{"name", name}, {"state", "accepted"}, {"mapping", mapping}}, ""}));
    (void)logs_->measure().has_value();  // reads the sources again
    return *logs_->source_called(facility_, name);
  };
  const auto write = [&](const char* name, const std::string& text) {
    std::ofstream(folder_.path() / name) << text;
    return folder_.path() / name;
  };
  const auto csv = add("emr", "time=操作日時, user=職員, patient=患者番号, action=操作, outcome=結果");
  const auto done = logs_->import_file(csv, write("emr.csv", "操作日時,職員,操作,患者番号,結果\r\n2026/11/20 18:05,tanaka,閲覧,001234,OK\r\n2026/11/20 18:06,sato,\"印刷\n2枚\",5678,NG\r\nbroken,,\r\n"));
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
  ASSERT_TRUE(logs_->import_file(lines, write("lines.jsonl", "{\"who\":{\"id\":\"ito\"},\"chart\":[{\"no\":\"42\"}],\"at\":\"2026-11-20T18:05:00+09:00\",\"user\":\"machine\"}\n")));
  const auto json_event = *events().event(4);
  EXPECT_EQ(json_event.event[Field::user], "ito");
  EXPECT_EQ(json_event.event[Field::patient], "42");
  EXPECT_EQ(iso_instant(json_event.event.time), "2026-11-20T09:05:00Z");
  EXPECT_EQ(logs_->import_file(add("wrong", "nobody=1"), write("x.csv", "1\n")).error().code, "collect.log.mapping");
}

// RFC 3161 with OpenSSL's own authority behind a small server of Python's, mail with Python's mail server: both real, both on loopback.
class Witnessing : public Intake {
 protected:
  void SetUp() override {
    Intake::SetUp();
    const auto dir = folder_.path() / "tsa";
    std::filesystem::create_directory(dir);
    std::ofstream(dir / "ts.cnf") << "[tsa]\ndefault_tsa=d\n[d]\nserial=" << dir.string() << "/serial\nsigner_digest=sha256\ndefault_policy=1.2.3.4.1\ndigests=sha256\naccuracy=secs:1\ntsa_name=yes\ness_cert_id_chain=no\n"
                                      "[req]\ndistinguished_name=dn\n[dn]\n[ts]\nextendedKeyUsage=critical,timeStamping\nkeyUsage=digitalSignature\n";
    std::ofstream(dir / "serial") << "01\n";
    const auto run = [](std::vector<std::string> words) {
      const auto done = run_process(words);
      ASSERT_TRUE(done);
      ASSERT_EQ(done->exit_code, 0) << done->err;
    };
    for (const auto* name : {"tsa", "other"})
      run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=" + std::string(name), "-config", (dir / "ts.cnf").string(), "-extensions", "ts", "-keyout", (dir / (std::string(name) + ".key")).string(), "-out", (dir / (std::string(name) + ".pem")).string()});
    std::ofstream(dir / "serve.py") << R"(import http.server, subprocess, sys, smtpd, asyncore, threading, os, warnings
home = sys.argv[1]
class Tsa(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        open(home + "/q", "wb").write(body)
        subprocess.run(["openssl", "ts", "-reply", "-config", home + "/ts.cnf", "-section", "d", "-queryfile", home + "/q", "-signer", home + "/tsa.pem", "-inkey", home + "/tsa.key", "-out", home + "/a"], check=True, stderr=subprocess.DEVNULL)
        answer = open(home + "/old" if self.path == "/replay" else home + "/a", "rb").read()
        self.send_response(200); self.send_header("Content-Type", "application/timestamp-reply"); self.send_header("Content-Length", str(len(answer))); self.end_headers(); self.wfile.write(answer)
    def log_message(self, *a): pass
class Mail(smtpd.SMTPServer):
    def process_message(self, peer, mailfrom, rcpttos, data, **kw):
        if "refused@example.jp" in rcpttos: return "550 no such person"
        open(home + "/mail", "wb").write(("%s %s\n" % (mailfrom, rcpttos)).encode() + data)
web = http.server.HTTPServer(("127.0.0.1", 0), Tsa)
mail = Mail(("127.0.0.1", 0), None)
open(home + "/ports.new", "w").write("%d %d" % (web.server_port, mail.socket.getsockname()[1]))
os.rename(home + "/ports.new", home + "/ports")
threading.Thread(target=web.serve_forever, daemon=True).start()
asyncore.loop()
)";
    server_.emplace(std::vector<std::string>{"/usr/bin/python3", "-W", "ignore", (dir / "serve.py").string(), dir.string()}, dir / "log");
    for (int i = 0; i < 200 && !std::filesystem::exists(dir / "ports"); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    std::ifstream(dir / "ports") >> web_port_ >> mail_port_;
    ASSERT_GT(mail_port_, 0) << read_file(dir / "log", 1 << 20).value_or("");
  }
  std::filesystem::path tsa(const char* name) const { return folder_.path() / "tsa" / name; }
  std::optional<testing::Child> server_;
  int web_port_ = 0, mail_port_ = 0;
};

TEST_F(Witnessing, HeadsAreStampedCopiedAndMailed) {
  const auto texts = *Texts::load(kSource / "data/texts");
  const auto url = "http://127.0.0.1:" + std::to_string(web_port_) + "/";
  WitnessOptions options{.folder = folder_.path() / "elsewhere"};
  options.mail_server.url = "smtp://127.0.0.1:" + std::to_string(mail_port_);
  options.mail_from = "mamori@example.jp";
  options.mail_to = {"director@example.jp", "safety@example.jp"};
  options.stamp_url = url;
  options.stamp_authority = tsa("tsa.pem").string();
  logs_->witness(options, texts, "ja");
  const auto source = *logs_->source_of({.address = "192.0.2.9"});
  const std::vector<Found> found = {{"<34>1 2026-11-20T22:14:15Z h a - - - one", 1}};
  ASSERT_TRUE(logs_->accept(source, "192.0.2.9", {found, {}}));
  ASSERT_TRUE(logs_->publish_heads());
  const auto head = events().heads().back();
  const auto stamp = logs_->stamp_kept({facility_, "events"}, head);
  ASSERT_TRUE(stamp && *stamp);
  EXPECT_EQ((*stamp)->authority, "tsa");
  EXPECT_LT(std::chrono::abs((*stamp)->at - clock_.now()), std::chrono::minutes(1));
  EXPECT_TRUE(archive::check_stamp((*stamp)->token, head.note, tsa("tsa.pem").string()));
  // From the other side: another note, another authority, an altered token, an old answer played again, nobody there.
  EXPECT_EQ(archive::check_stamp((*stamp)->token, head.note + "x", "").error().code, "archive.stamp.bad");
  EXPECT_EQ(archive::check_stamp((*stamp)->token, head.note, tsa("other.pem").string()).error().code, "archive.stamp.bad");
  auto altered = (*stamp)->token;
  altered[altered.size() - 10] = static_cast<char>(altered[altered.size() - 10] ^ 1);
  EXPECT_EQ(archive::check_stamp(altered, head.note, tsa("tsa.pem").string()).error().code, "archive.stamp.bad");
  for (std::size_t cut = 0; cut < altered.size(); cut += 37) EXPECT_FALSE(archive::check_stamp(altered.substr(0, cut), head.note, ""));
  std::filesystem::copy_file(tsa("a"), tsa("old"));
  EXPECT_EQ(archive::ask_for_stamp(url + "replay", head.note, "").error().facts.front().second, "nonce");
  EXPECT_EQ(archive::ask_for_stamp("http://127.0.0.1:1/", head.note, "").error().code, "archive.stamp.unreachable");
  // The folder has note and stamp; OpenSSL's own check agrees.
  const auto place = folder_.path() / "elsewhere" / facility_ / "events";
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(place)) {
    ++files;
    if (entry.path().extension() != ".tsr") continue;
    auto note = entry.path();
    note.replace_extension(".note");
    const auto checked = run_process({"openssl", "ts", "-verify", "-in", entry.path().string(), "-data", note.string(), "-CAfile", tsa("tsa.pem").string()});
    EXPECT_EQ(checked->exit_code, 0) << checked->err;
  }
  EXPECT_EQ(files, 2u);
  ASSERT_TRUE(logs_->mail_heads());
  const auto mail = read_file(tsa("mail"), 1 << 20);
  ASSERT_TRUE(mail);
  EXPECT_NE(mail->find("mamori@example.jp ['director@example.jp', 'safety@example.jp']"), std::string::npos) << *mail;
  auto body = mail->substr(mail->find("\n\n") + 2);
  std::erase_if(body, [](char c) { return c == '\n' || c == '\r'; });
  const auto text = from_base64(body);
  ASSERT_TRUE(text) << *mail;
  EXPECT_NE(text->find(archive::to_base64(head.root)), std::string::npos);
  options.mail_to = {"refused@example.jp"};
  logs_->witness(options, texts, "ja");
  EXPECT_EQ(logs_->mail_heads().error().code, "base.mail.refused");
  options.mail_server.url = "smtp://127.0.0.1:1";
  logs_->witness(options, texts, "ja");
  EXPECT_EQ(logs_->mail_heads().error().code, "base.web.unreachable");
}

// A disk that says it is nearly full.
class SmallDisk final : public archive::Disk {
 public:
  std::atomic<std::uint64_t> free{std::uint64_t{100} << 30};
  std::pair<std::uint64_t, std::uint64_t> space(const std::filesystem::path&) override { return {free, std::uint64_t{200} << 30}; }
};

TEST_F(Intake, WhenTheDiskIsNearlyFullOnlyWhatMayGoGoes) {
  SmallDisk disk;
  logs_.reset();
  archive_.reset();
  archive_ = *archive::EmbeddedArchive::open(folder_.path() / "archive", *key_, clock_, disk);
  logs_ = *Logs::open(*ledger_, *archive_);
  const auto* reg = *ledger_->find_register("log_stream");
  ASSERT_TRUE(ledger_->create({"", "t", "test"}, *reg, facility_, {{{"stream", "network"}, {"when_full", "oldest"}}, ""}));
  ASSERT_TRUE(ledger_->create({"", "t", "test"}, *reg, facility_, {{{"stream", "access"}, {"when_full", "refuse"}}, ""}));
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
  ASSERT_TRUE(logs_->make_room());
  EXPECT_EQ(network->first(), 0u) << "there is room";
  disk.free = 100 << 20;
  ASSERT_TRUE(logs_->make_room());
  EXPECT_EQ(network->first(), 64u * 3);
  EXPECT_EQ(access->first(), 0u);
  EXPECT_TRUE(network->verify([](const archive::Damage& damage) { ADD_FAILURE() << damage.what; }));
  ASSERT_TRUE(logs_->tick());
  const auto facts = ledger_->list(**ledger_->find_register("observed_log_space"), {.facilities = {facility_}, .sort = "label"});
  ASSERT_EQ(facts->items.size(), 1u);
  EXPECT_EQ(facts->items[0].fields.at("free_percent").as_int64(), 0);
  const auto lease = *database_->read();
  EXPECT_EQ(store::as_integer(lease->query("SELECT COUNT(*) FROM journal WHERE subject = 'logs' AND action = 'retention' AND reason = 'disk full'")->rows[0][0]), 1);
}

// LOG-02: by field, as a word, on a later page, in the counts; and who asks for no patient leaves no trace.
TEST_F(Intake, WhoLooksForAPatientIsOnRecord) {
  const auto source = *logs_->source_of({.address = "192.0.2.9"});
  std::vector<Found> found;
  for (std::size_t i = 0; i < 3; ++i) found.push_back({"<34>1 2026-11-20T22:14:15Z h chart - - - {\"user\":\"tanaka\",\"patient_id\":\"001234\",\"action\":\"read\"}", i + 1});
  ASSERT_TRUE(logs_->accept(source, "192.0.2.9", {found, {}}));
  const auto streams = *logs_->streams({facility_});
  const std::vector<const archive::Stream*> list(streams.begin(), streams.end());
  const auto recorded = [&] {
    const auto lease = *database_->read();
    return store::as_integer(lease->query("SELECT COUNT(*) FROM journal WHERE subject = 'logs' AND action = 'searched'")->rows[0][0]);
  };
  const auto ask = [&](const std::string& text, const archive::SearchOptions& options = {}, const char* who = "a") {
    const auto result = logs_->search({who, who, "test"}, facility_, list, *parse_question(text, "", ""), options);
    EXPECT_TRUE(result) << text;
    return recorded();
  };
  ASSERT_EQ(events().event(0)->event[Field::patient], "001234");
  EXPECT_EQ(ask("user:tanaka"), 0);
  EXPECT_EQ(ask("tanaka NOT read"), 0);
  EXPECT_EQ(ask("patient:001234"), 1);
  EXPECT_EQ(ask("patient:001234"), 1) << "the same question, the same person";
  EXPECT_EQ(ask("patient:001234", {}, "b"), 2);
  EXPECT_EQ(ask("001234"), 3);
  EXPECT_EQ(ask("0012*"), 4);
  EXPECT_EQ(ask("patient_id:001234"), 5);
  EXPECT_EQ(ask("tanaka OR patient:999", {.before = archive::Position{clock_.now(), 0, 5}}), 6) << "a later page asked for first";
  archive::SearchOptions counting{.limit = 0, .statistics = true};
  counting.count = {Field::patient};
  EXPECT_EQ(ask("\"001234\"", counting), 7);
  EXPECT_EQ(parse_question("a", "soon", "").error().code, "collect.log.time");
}

TEST_F(Intake, TokensAreShownOnceAndTheNewestCounts) {
  const auto* reg = *ledger_->find_register("log_source");
  const auto made = *ledger_->create({"", "t", "test"}, *reg, facility_, {{{"name", "app"}, {"state", "accepted"}}, ""});
  const auto first = *logs_->make_token({"", "t", "test"}, {facility_}, made.id);
  EXPECT_EQ(logs_->source_of({.address = "192.0.2.1", .token = first.reveal()})->id, made.id);
  const auto second = *logs_->make_token({"", "t", "test"}, {facility_}, made.id);
  EXPECT_EQ(logs_->source_of({.token = first.reveal()}).error().code, "collect.log.token");
  EXPECT_TRUE(logs_->source_of({.token = second.reveal()}));
  EXPECT_FALSE(logs_->make_token({"", "t", "test"}, {"another"}, made.id));
}

}  // namespace
}  // namespace mamori::collect::events
