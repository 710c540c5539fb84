// Real syslog daemons send to a real receiver.
#include <fstream>

#include "logs/intake_test.h"
#include "os/process.h"
#include "testing/child.h"

namespace mamori::logs {
namespace {

// rsyslogd reads a file and forwards it over UDP, TCP in both framings, and TLS with a client certificate.
TEST_F(Intake, RsyslogSendsOverUdpTcpAndTls) {
  ASSERT_TRUE(std::filesystem::exists("/usr/sbin/rsyslogd")) << "Debian package rsyslog";
  const auto at = [&](const char* name) { return (folder_.path() / name).string(); };
  const auto made =
      os::run_process({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                       "-nodes", "-keyout", at("tls.key"), "-out", at("tls.pem"), "-days", "2", "-subj",
                       "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"});
  ASSERT_TRUE(made && made->exit_code == 0) << made->err;
  const auto receiver = Receiver::open({.udp_port = 0,
                                        .tcp_port = 0,
                                        .tls_port = 0,
                                        .certificate_file = at("tls.pem"),
                                        .key_file = at("tls.key"),
                                        .client_ca_file = at("tls.pem")},
                                       *logs_);
  ASSERT_TRUE(receiver) << describe(receiver.error());
  std::ofstream(at("in.log")) << "";
  const auto config =
      "global(workDirectory=\"" + folder_.path().string() + "\" defaultNetstreamDriverCAFile=\"" +
      at("tls.pem") + "\" defaultNetstreamDriverCertFile=\"" + at("tls.pem") +
      "\" defaultNetstreamDriverKeyFile=\"" + at("tls.key") +
      "\")\n"
      "module(load=\"imfile\" pollingInterval=\"1\")\ninput(type=\"imfile\" file=\"" +
      at("in.log") +
      "\" tag=\"app:\" severity=\"info\" facility=\"local0\")\n"
      "action(type=\"omfwd\" target=\"127.0.0.1\" port=\"" +
      std::to_string((*receiver)->udp_port()) +
      "\" protocol=\"udp\" template=\"RSYSLOG_SyslogProtocol23Format\")\n"
      "action(type=\"omfwd\" target=\"127.0.0.1\" port=\"" +
      std::to_string((*receiver)->tcp_port()) +
      "\" protocol=\"tcp\" TCP_Framing=\"octet-counted\" template=\"RSYSLOG_SyslogProtocol23Format\")\n"
      "action(type=\"omfwd\" target=\"127.0.0.1\" port=\"" +
      std::to_string((*receiver)->tcp_port()) +
      "\" protocol=\"tcp\" template=\"RSYSLOG_TraditionalForwardFormat\")\n"
      "action(type=\"omfwd\" target=\"127.0.0.1\" port=\"" +
      std::to_string((*receiver)->tls_port()) +
      "\" protocol=\"tcp\" StreamDriver=\"ossl\" StreamDriverMode=\"1\" "
      "StreamDriverAuthMode=\"x509/certvalid\" template=\"RSYSLOG_ForwardFormat\")\n";
  std::ofstream(at("rsyslog.conf")) << config;
  const testing::Child rsyslog({"/usr/sbin/rsyslogd", "-n", "-iNONE", "-f", at("rsyslog.conf")});
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
  const auto found =
      archive_->search(streams, *archive::parse_query("user:tanaka 病院のログ n7"), {.statistics = true});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->total, 4u);
}

// A client certificate that has run out, or that nobody vouches for, is not let in; one who says nothing does
// not stay.
TEST_F(Intake, OnlyGoodClientCertificatesAreLetIn) {
  const auto at = [&](const char* name) { return (folder_.path() / name).string(); };
  const auto shell = [](const std::string& command) {
    const auto done = os::run_process({"sh", "-c", command}, {.limit = std::chrono::seconds(60)});
    return done && done->exit_code == 0;
  };
  const std::string key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
  const auto folder = "cd '" + folder_.path().string() + "' && ";
  ASSERT_TRUE(shell(folder + "openssl req -x509 " + key +
                    " -keyout ca.key -out ca.pem -days 2 -subj /CN=ca -addext "
                    "basicConstraints=critical,CA:TRUE && openssl req -x509 " +
                    key + " -keyout tls.key -out tls.pem -days 2 -subj /CN=localhost"));
  for (const auto* days : {"2", "-1"})
    ASSERT_TRUE(shell(folder + "openssl req " + key + " -keyout c" + days +
                      ".key -out c.csr -subj /CN=fw && openssl x509 -req -in c.csr -CA ca.pem -CAkey ca.key "
                      "-CAcreateserial -days " +
                      days + " -out c" + days + ".pem"));
  ASSERT_TRUE(
      shell(folder + "openssl req -x509 " + key + " -keyout cself.key -out cself.pem -days 2 -subj /CN=fw"));
  const auto receiver = Receiver::open({.tls_port = 0,
                                        .certificate_file = at("tls.pem"),
                                        .key_file = at("tls.key"),
                                        .client_ca_file = at("ca.pem"),
                                        .handshake_seconds = 1},
                                       *logs_);
  ASSERT_TRUE(receiver) << describe(receiver.error());
  const auto port = std::to_string((*receiver)->tls_port());
  const auto send = [&](const std::string& who) {
    (void)shell(folder + "(printf '<34>from " + who +
                "\n'; sleep 1) | timeout 3 openssl s_client -quiet -connect 127.0.0.1:" + port + " -cert c" +
                who + ".pem -key c" + who + ".key");
  };
  send("-1");
  send("self");
  send("2");
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(all(), std::vector<std::string>{"<34>from 2"});
  const auto sources = *logs_->sources(facility_);
  ASSERT_EQ(sources.size(), 1u);
  // Connected, but never a word of TLS: closed after a second.
  const int file = connect_tcp((*receiver)->tls_port());
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  char byte;
  errno = 0;
  EXPECT_LE(::recv(file, &byte, 1, 0), 0);
  EXPECT_NE(errno, EAGAIN) << "still open";
  ::close(file);
}

// syslog-ng conflicts with rsyslog as a package; ./test unpacks it beside.
TEST_F(Intake, SyslogNgSendsOverTcpAndSyslogProtocol) {
  const auto root = kSource / "build/peers/syslog-ng";
  const auto program = root / "usr/sbin/syslog-ng";
  if (!std::filesystem::exists(program))
    GTEST_SKIP() << "Skipped: no " << program << " (./test unpacks it from Debian's package)";
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
  std::ofstream(at("ng.conf")) << "@version: 3.38\noptions { keep-hostname(yes); };\nsource s { file(\""
                               << at("in.log") << "\" flags(no-parse) follow-freq(1)); };\n"
                               << "destination a { network(\"127.0.0.1\" port(" << port
                               << ")); };\ndestination b { syslog(\"127.0.0.1\" port(" << port
                               << ") transport(\"tcp\") persist-name(\"b\")); };\nlog { source(s); "
                                  "destination(a); destination(b); };\n";
  const testing::Child ng({"env", "LD_LIBRARY_PATH=" + library.string() + ":" + modules.string(),
                           program.string(), "-F", "--no-caps", "-f", at("ng.conf"), "-p", at("pid"), "-c",
                           at("ctl"), "-R", at("persist"), "--module-path", modules.string()});
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

}  // namespace
}  // namespace mamori::logs
