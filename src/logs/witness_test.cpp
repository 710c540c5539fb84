// Signed heads on their way out: stamped, copied, mailed.
#include "logs/witness.h"

#include <fstream>

#include "logs/intake_test.h"
#include "os/process.h"
#include "testing/child.h"

namespace mamori::logs {
namespace {

// RFC 3161 with OpenSSL's own authority behind a small server of Python's, mail with Python's mail server:
// both real, both on loopback.
class Witnessing : public Intake {
 protected:
  void SetUp() override {
    Intake::SetUp();
    const auto dir = folder_.path() / "tsa";
    std::filesystem::create_directory(dir);
    std::ofstream(dir / "ts.cnf") << "[tsa]\ndefault_tsa=d\n[d]\nserial=" << dir.string()
                                  << "/serial\nsigner_digest=sha256\ndefault_policy=1.2.3.4.1\ndigests="
                                     "sha256\naccuracy=secs:1\ntsa_name=yes\ness_cert_id_chain=no\n"
                                     "[req]\ndistinguished_name=dn\n[dn]\n[ts]\nextendedKeyUsage=critical,"
                                     "timeStamping\nkeyUsage=digitalSignature\n";
    std::ofstream(dir / "serial") << "01\n";
    const auto run = [](std::vector<std::string> words) {
      const auto done = os::run_process(words);
      ASSERT_TRUE(done);
      ASSERT_EQ(done->exit_code, 0) << done->err;
    };
    for (const auto* name : {"tsa", "other"})
      run({"openssl",
           "req",
           "-x509",
           "-newkey",
           "ec",
           "-pkeyopt",
           "ec_paramgen_curve:prime256v1",
           "-nodes",
           "-days",
           "2",
           "-subj",
           "/CN=" + std::string(name),
           "-config",
           (dir / "ts.cnf").string(),
           "-extensions",
           "ts",
           "-keyout",
           (dir / (std::string(name) + ".key")).string(),
           "-out",
           (dir / (std::string(name) + ".pem")).string()});
    std::ofstream(dir / "serve.py")
        << R"(import http.server, subprocess, sys, smtpd, asyncore, threading, os, warnings
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
    server_.emplace(std::vector<std::string>{"/usr/bin/python3", "-W", "ignore", (dir / "serve.py").string(),
                                             dir.string()},
                    dir / "log");
    for (int i = 0; i < 200 && !std::filesystem::exists(dir / "ports"); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
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
  std::filesystem::create_directory(options.folder);
  options.mail_server.url = "smtp://127.0.0.1:" + std::to_string(mail_port_);
  options.mail_from = "mamori@example.jp";
  options.mail_to = {"director@example.jp", "safety@example.jp"};
  options.stamp_url = url;
  options.stamp_authority = tsa("tsa.pem").string();
  logs_->keeping().witness(options, texts, "ja");
  const auto source = *logs_->source_of({.address = "192.0.2.9"});
  const std::vector<formats::Found> found = {{"<34>1 2026-11-20T22:14:15Z h a - - - one", 1}};
  ASSERT_TRUE(logs_->accept(source, "192.0.2.9", {found, {}}));
  const auto published = logs_->keeping().publish_heads();
  ASSERT_TRUE(published) << describe(published.error());
  const auto head = events().heads().back();
  const auto stamp = logs_->keeping().stamp_kept({facility_, "events"}, head);
  ASSERT_TRUE(stamp && *stamp);
  EXPECT_EQ((*stamp)->authority, "tsa");
  EXPECT_LT(std::chrono::abs((*stamp)->at - clock_.now()), std::chrono::minutes(1));
  EXPECT_TRUE(proof::check_stamp((*stamp)->token, head.note, tsa("tsa.pem").string()));
  // From the other side: another note, another authority, an altered token, an old answer played again,
  // nobody there.
  EXPECT_EQ(proof::check_stamp((*stamp)->token, head.note + "x", "").error().code, "archive.stamp.bad");
  EXPECT_EQ(proof::check_stamp((*stamp)->token, head.note, tsa("other.pem").string()).error().code,
            "archive.stamp.bad");
  auto altered = (*stamp)->token;
  altered[altered.size() - 10] = static_cast<char>(altered[altered.size() - 10] ^ 1);
  EXPECT_EQ(proof::check_stamp(altered, head.note, tsa("tsa.pem").string()).error().code,
            "archive.stamp.bad");
  for (std::size_t cut = 0; cut < altered.size(); cut += 37)
    EXPECT_FALSE(proof::check_stamp(altered.substr(0, cut), head.note, ""));
  std::filesystem::copy_file(tsa("a"), tsa("old"));
  EXPECT_EQ(proof::ask_for_stamp(url + "replay", head.note, "").error().facts.front().second, "nonce");
  EXPECT_EQ(proof::ask_for_stamp("http://127.0.0.1:1/", head.note, "").error().code,
            "archive.stamp.unreachable");
  // The folder has note and stamp; OpenSSL's own check agrees.
  const auto place = folder_.path() / "elsewhere" / facility_ / "events";
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(place)) {
    ++files;
    if (entry.path().extension() != ".tsr") continue;
    auto note = entry.path();
    note.replace_extension(".note");
    const auto checked = os::run_process({"openssl", "ts", "-verify", "-in", entry.path().string(), "-data",
                                          note.string(), "-CAfile", tsa("tsa.pem").string()});
    EXPECT_EQ(checked->exit_code, 0) << checked->err;
  }
  EXPECT_EQ(files, 2u);
  ASSERT_TRUE(logs_->keeping().mail_heads());
  const auto mail = read_file(tsa("mail"), 1 << 20);
  ASSERT_TRUE(mail);
  EXPECT_NE(mail->find("mamori@example.jp ['director@example.jp', 'safety@example.jp']"), std::string::npos)
      << *mail;
  // The mail as it was saved serves `verify --heads`.
  const auto mailed = proof::heads_in(*mail);
  ASSERT_EQ(mailed.size(), 1u) << *mail;
  EXPECT_EQ(mailed[0].note, head.note);
  auto body = mail->substr(mail->find("\n\n") + 2);
  std::erase_if(body, [](char c) { return c == '\n' || c == '\r'; });
  const auto text = from_base64(body);
  ASSERT_TRUE(text) << *mail;
  EXPECT_NE(text->find(proof::to_base64(head.root)), std::string::npos);
  options.mail_to = {"refused@example.jp"};
  logs_->keeping().witness(options, texts, "ja");
  EXPECT_EQ(logs_->keeping().mail_heads().error().code, "base.mail.refused");
  options.mail_server.url = "smtp://127.0.0.1:1";
  logs_->keeping().witness(options, texts, "ja");
  EXPECT_EQ(logs_->keeping().mail_heads().error().code, "base.web.unreachable");
}

TEST_F(Witnessing, ACopyIsNeverReplacedAndAMissingShareIsNotMadeHere) {
  const auto texts = *Texts::load(kSource / "data/texts");
  const WitnessOptions options{.folder = folder_.path() / "share"};
  logs_->keeping().witness(options, texts, "ja");
  const auto source = *logs_->source_of({.address = "192.0.2.9"});
  const auto add = [&](const char* text) {
    const std::vector<formats::Found> found = {{text, 1}};
    ASSERT_TRUE(logs_->accept(source, "192.0.2.9", {found, {}}));
  };
  add("<34>1 2026-11-20T22:14:15Z h a - - - one");
  EXPECT_EQ(logs_->keeping().publish_heads().error().code, "logs.copy.folder");
  EXPECT_FALSE(std::filesystem::exists(options.folder));
  std::filesystem::create_directory(options.folder);
  ASSERT_TRUE(logs_->keeping().publish_heads());
  const auto notes = [&] {
    std::map<std::string, std::string> out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(options.folder))
      if (entry.is_regular_file()) out[entry.path().filename()] = *read_file(entry.path(), 1 << 20);
    return out;
  };
  const auto before = notes();
  ASSERT_EQ(before.size(), 1u);
  // Somebody puts another history of as many events in its place.
  logs_.reset();
  archive_.reset();
  std::filesystem::remove_all(folder_.path() / "archive");
  archive_ = *archive::EmbeddedArchive::open(folder_.path() / "archive", *key_, clock_);
  logs_ = *Logs::open(*ledger_, *archive_);
  logs_->keeping().witness(options, texts, "ja");
  add("<34>1 2026-11-20T22:14:15Z h a - - - another");
  for (int i = 0; i < 2; ++i) (void)logs_->keeping().publish_heads().has_value();
  const auto after = notes();
  EXPECT_EQ(after.size(), 2u);
  EXPECT_EQ(after.at(before.begin()->first), before.begin()->second);
}

}  // namespace
}  // namespace mamori::logs
