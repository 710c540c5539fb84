#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include "base/file.h"
#include "ledger/observed.h"
#include "os/file.h"
#include "os/keys.h"
#include "os/process.h"
#include "readers/backup/backup.h"
#include "readers/ldap/entry.h"
#include "readers/nmap/candidates.h"
#include "readers/nmap/nmap.h"
#include "readers/sources.h"
#include "testing/child.h"
#include "testing/clock.h"
#include "testing/postgres.h"

namespace mamori::readers {
namespace {

using testing::Child;

const store::Actor kActor{"u1", "試験", "test"};
const std::filesystem::path kSource = MAMORI_SOURCE_DIR;

std::string shell(const std::string& command, std::chrono::seconds limit = std::chrono::seconds(120)) {
  const auto run = os::run_process({"sh", "-c", command}, {.limit = limit});
  EXPECT_TRUE(run && run->exit_code == 0) << command << "\n"
                                          << (run ? run->err + run->out : describe(run.error()));
  return run ? run->out : "";
}

// Hash of every name and byte below a folder: proof that nothing was written.
std::string fingerprint(const std::filesystem::path& folder) {
  return shell("cd '" + folder.string() +
               "' && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum");
}

void make_ca(const std::filesystem::path& folder) {
  shell("cd '" + folder.string() +
        "' && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out "
        "cert.pem -days 2 -subj /CN=localhost"
        " -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null && chmod 644 key.pem");
}

// A real OpenLDAP server with TLS, the memberof of a groupOfNames, and the ppolicy overlay.
class Slapd {
 public:
  Slapd() {
    const auto dir = folder_.path();
    make_ca(dir);
    std::filesystem::create_directory(dir / "db");
    std::ofstream(dir / "slapd.conf")
        << "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\ninclude "
           "/etc/ldap/schema/inetorgperson.schema\n"
        << "modulepath /usr/lib/ldap\nmoduleload back_mdb\nmoduleload ppolicy\nTLSCertificateFile "
        << (dir / "cert.pem").string() << "\nTLSCertificateKeyFile " << (dir / "key.pem").string()
        << "\nsizelimit 5\ndatabase mdb\nsuffix dc=h,dc=example\nrootdn cn=admin,dc=h,dc=example\nrootpw "
           "adminpw\ndirectory "
        << (dir / "db").string()
        << "\nlimits dn.exact=\"cn=reader,dc=h,dc=example\" size.soft=unlimited size.hard=unlimited "
           "size.pr=unlimited\n"
        << "access to attrs=userPassword by anonymous auth by * none\naccess to * by "
           "dn.exact=\"cn=reader,dc=h,dc=example\" read by * none\n"
        << "overlay ppolicy\nppolicy_default cn=default,dc=h,dc=example\n";
    std::ofstream ldif(dir / "data.ldif");
    ldif << "dn: dc=h,dc=example\nobjectClass: dcObject\nobjectClass: organization\no: h\ndc: h\n\ndn: "
            "cn=reader,dc=h,dc=example\nobjectClass: organizationalRole\nobjectClass: "
            "simpleSecurityObject\ncn: reader\nuserPassword: readerpw\n\n"
         << "dn: cn=default,dc=h,dc=example\nobjectClass: organizationalRole\nobjectClass: pwdPolicy\ncn: "
            "default\npwdAttribute: userPassword\npwdMinLength: 14\npwdCheckQuality: 2\npwdLockout: "
            "TRUE\npwdMaxFailure: 5\npwdLockoutDuration: 900\npwdMaxAge: 0\n\n";
    for (int i = 0; i < 1203; ++i)
      ldif << "dn: uid=u" << i << ",dc=h,dc=example\nobjectClass: inetOrgPerson\nuid: u" << i
           << "\ncn:: " << to_base64("職員" + std::to_string(i)) << "\nsn: x\nemployeeNumber: " << 1000 + i
           << "\nuserPassword: secret-hash\n"
           << (i == 7 ? "pwdAccountLockedTime: 000001010000Z\n" : "") << "\n";
    ldif << "dn: cn=admins,dc=h,dc=example\nobjectClass: groupOfNames\ncn: admins\nmember: "
            "uid=u3,dc=h,dc=example\nmember: cn=team,dc=h,dc=example\n\ndn: "
            "cn=team,dc=h,dc=example\nobjectClass: "
            "groupOfNames\ncn: team\nmember: uid=u5,dc=h,dc=example\n";
    ldif.close();
    shell("slapadd -q -f '" + (dir / "slapd.conf").string() + "' -l '" + (dir / "data.ldif").string() + "'");
    process_ = std::make_unique<Child>(std::vector<std::string>{
        "slapd", "-d", "0", "-f", dir / "slapd.conf", "-h",
        "ldap://127.0.0.1:" + std::to_string(plain_) + " ldaps://127.0.0.1:" + std::to_string(tls_)});
    for (int i = 0; i < 100; ++i) {
      const auto up = os::run_process(
          {"ldapsearch", "-x", "-H", "ldap://127.0.0.1:" + std::to_string(plain_), "-b", "", "-s", "base"});
      if (up && up->exit_code == 0) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
  ldap::Settings settings(bool tls) const {
    return {tls ? "ldaps://127.0.0.1:" + std::to_string(tls_) : "ldap://127.0.0.1:" + std::to_string(plain_),
            "dc=h,dc=example",
            "cn=reader,dc=h,dc=example",
            Secret("readerpw"),
            *read_file(folder_.path() / "cert.pem", 1 << 20),
            {}};
  }

 private:
  TemporaryFolder folder_;
  int plain_ = testing::free_port(), tls_ = testing::free_port();
  std::unique_ptr<Child> process_;
};

std::string code_of(const auto& result) { return result ? "ok" : result.error().code; }

TEST(OpenLdap, IsReadOverLdapsAndStartTls) {
  crypto_ready();
  const Slapd server;
  for (const bool tls : {true, false}) {
    const auto directory = ldap::read_directory(server.settings(tls));
    ASSERT_TRUE(directory) << describe(directory.error());
    const auto sets = ldap::interpret(*directory, {}, SystemClock().now());
    ASSERT_EQ(sets[0].facts.size(), 1203u) << "paged past the server's size limit";
    std::map<std::string, json::object> by_login;
    for (const auto& fact : sets[0].facts) by_login[text_of(fact, "login")] = fact;
    EXPECT_EQ(text_of(by_login["u12"], "display_name"), "職員12");
    EXPECT_TRUE(boolean_of(by_login["u3"], "privileged"));
    EXPECT_TRUE(boolean_of(by_login["u5"], "privileged")) << "by a group in the group";
    EXPECT_FALSE(boolean_of(by_login["u4"], "privileged", true));
    EXPECT_FALSE(boolean_of(by_login["u7"], "enabled"));
    ASSERT_EQ(sets[1].facts.size(), 1u);
    EXPECT_EQ(integer_of(sets[1].facts[0], "min_length"), 14);
    EXPECT_EQ(integer_of(sets[1].facts[0], "lockout_threshold"), 5);
    EXPECT_EQ(ldap::write_ldif(*directory).find("secret-hash"), std::string::npos)
        << "no password leaves the directory";
    const auto again = ldap::parse_ldif(ldap::write_ldif(*directory));
    ASSERT_TRUE(again);
    EXPECT_EQ(again->entries.size(), directory->entries.size());
  }
  auto wrong = server.settings(true);
  wrong.password = Secret("nope");
  EXPECT_EQ(code_of(ldap::read_directory(wrong)), "collect.ldap.credentials");
  auto unknown_ca = server.settings(true);
  unknown_ca.ca = "";
  EXPECT_NE(code_of(ldap::read_directory(unknown_ca)), "ok") << "an unknown certificate is refused";
  auto nowhere = server.settings(true);
  nowhere.base = "dc=other,dc=example";
  EXPECT_EQ(code_of(ldap::read_directory(nowhere)), "collect.ldap.base");
}

TEST(Ldap, AServerThatHangsOrIsAbsentEndsWithAnError) {
  ldap::Settings settings{
      "ldap://127.0.0.1:" + std::to_string(testing::free_port()), "dc=h", "", Secret(), "", {}};
  EXPECT_EQ(code_of(ldap::read_directory(settings)), "collect.ldap.unreachable");
  const int port = testing::free_port();
  const Child silent({"python3", "-c",
                      "import "
                      "socket,time\ns=socket.socket()\ns.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)"
                      "\ns.bind(('127.0.0.1'," +
                          std::to_string(port) + "))\ns.listen()\nc=s.accept()\ntime.sleep(60)"});
  std::this_thread::sleep_for(std::chrono::milliseconds(800));
  settings.url = "ldap://127.0.0.1:" + std::to_string(port);
  const auto started = std::chrono::steady_clock::now();
  EXPECT_NE(code_of(ldap::read_directory(settings)), "ok");
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(30));
}

// It has a good certificate and lets us in, and then: bytes that are no LDAP; a message of two gigabytes;
// pages without end.
TEST(Ldap, AServerThatLiesEndsWithAnError) {
  const TemporaryFolder folder;
  make_ca(folder.path());
  const int port = testing::free_port();
  std::ofstream(folder.path() / "liar.py") << R"(import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + "/cert.pem", sys.argv[1] + "/key.pem")
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[2])))
listener.listen()
def part(tag, *inside):
    body = b"".join(inside)
    return bytes([tag, 0x82]) + len(body).to_bytes(2, "big") + body
def number(value): return part(2, value.to_bytes(4, "big"))
def answer(message, tag, *more): return part(0x30, number(message), part(tag, part(10, b"\x00"), part(4), part(4)), *more)
endless = part(0xa0, part(0x30, part(4, b"1.2.840.113556.1.4.319"), part(4, part(0x30, number(0), part(4, b"again")))))
lies = [lambda message: b"\x30\x03HTTP/1.1 418 \xff\xff" * 50, lambda message: b"\x30\x84\x7f\xff\xff\xff\x02\x01\x02" + b"x" * 100000, lambda message: answer(message, 0x65, endless)]
for lie in lies:
    raw, _ = listener.accept()
    try:
        with context.wrap_socket(raw, server_side=True) as connection:
            message = 1
            while connection.recv(65536):
                connection.sendall(answer(message, 0x61) if message == 1 else lie(message))
                message += 1
    except OSError: pass
)";
  const Child liar(
      {"python3", (folder.path() / "liar.py").string(), folder.path().string(), std::to_string(port)});
  std::this_thread::sleep_for(std::chrono::milliseconds(800));
  ldap::Settings settings{"ldaps://127.0.0.1:" + std::to_string(port),     "dc=h", "cn=reader", Secret("x"),
                          *read_file(folder.path() / "cert.pem", 1 << 20), {}};
  settings.limit = std::chrono::seconds(2);
  for (const auto* lie : {"no LDAP", "two gigabytes", "pages without end"}) {
    const auto started = std::chrono::steady_clock::now();
    const auto read = ldap::read_directory(settings);
    ASSERT_FALSE(read) << lie;
    EXPECT_EQ(read.error().code,
              std::string(lie) == "no LDAP" ? "collect.ldap.unreachable" : "collect.ldap.timeout")
        << lie;
    EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(20)) << lie;
  }
}

// A real Samba AD domain controller. Where it cannot be started, the reason is said.
TEST(ActiveDirectory, ASambaDomainIsRead) {
  const TemporaryFolder folder;
  const auto dir = folder.path().string();
  if (!std::filesystem::exists("/usr/sbin/samba") && !std::filesystem::exists("/usr/sbin/samba-ad-dc"))
    GTEST_SKIP() << "Samba's AD DC is not installed";
  const auto provisioned = os::run_process(
      {"samba-tool", "domain", "provision", "--targetdir=" + dir, "--realm=MINATO.EXAMPLE", "--domain=MINATO",
       "--adminpass=Start-Pass-2026!", "--server-role=dc", "--dns-backend=NONE", "--host-name=dc1",
       "--host-ip=127.0.0.1", "--option=interfaces=lo", "--option=bind interfaces only=yes"},
      {.limit = std::chrono::seconds(180)});
  if (!provisioned || provisioned->exit_code != 0)
    GTEST_SKIP() << "samba-tool domain provision: "
                 << (provisioned ? provisioned->err.substr(
                                       provisioned->err.size() > 600 ? provisioned->err.size() - 600 : 0)
                                 : describe(provisioned.error()));
  const auto conf = dir + "/etc/smb.conf";
  shell("samba-tool user create tanaka 'Mizu-Umi7-kaze' --configfile=" + conf + " -H " + dir +
        "/private/sam.ldb --employee-number=10231 2>&1 || samba-tool user create tanaka 'Mizu-Umi7-kaze' "
        "--configfile=" +
        conf + " -H " + dir + "/private/sam.ldb");
  shell("samba-tool user create leaver 'Mizu-Umi7-kaze' --configfile=" + conf + " -H " + dir +
        "/private/sam.ldb && samba-tool user disable leaver --configfile=" + conf + " -H " + dir +
        "/private/sam.ldb");
  // One by a group in a group, one by its primary group alone.
  shell(
      "T='--configfile=" + conf + " -H " + dir +
      "/private/sam.ldb'; samba-tool user create nested 'Mizu-Umi7-kaze' $T && samba-tool group add Team $T "
      "&& "
      "samba-tool group addmembers Team nested $T && samba-tool group addmembers 'Domain Admins' Team $T && "
      "samba-tool user create primary 'Mizu-Umi7-kaze' $T && samba-tool group addmembers 'Domain Admins' "
      "primary "
      "$T && samba-tool user setprimarygroup primary 'Domain Admins' $T");
  shell(
      "samba-tool domain passwordsettings set --min-pwd-length=13 --account-lockout-threshold=6 "
      "--configfile=" +
      conf + " -H " + dir + "/private/sam.ldb");
  make_ca(folder.path());
  shell("chmod 600 " + dir + "/key.pem");
  const Child server({"/usr/sbin/samba", "--interactive", "--configfile=" + conf,
                      "--option=server services=ldap", "--option=tls enabled=yes",
                      "--option=tls certfile=" + dir + "/cert.pem",
                      "--option=tls keyfile=" + dir + "/key.pem", "--option=tls cafile=" + dir + "/cert.pem",
                      "--option=tls dh params file="});
  Result<ldap::Directory> directory = Error{ErrorKind::unavailable, "not tried"};
  for (int i = 0; i < 100 && !directory; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    directory = ldap::read_directory({"ldaps://127.0.0.1",
                                      "DC=minato,DC=example",
                                      "tanaka@MINATO.EXAMPLE",
                                      Secret("Mizu-Umi7-kaze"),
                                      *read_file(dir + "/cert.pem", 1 << 20),
                                      {}});
  }
  if (!directory) GTEST_SKIP() << "Samba's LDAP server did not answer here: " << describe(directory.error());
  const auto sets = ldap::interpret(*directory, {}, SystemClock().now());
  std::map<std::string, json::object> by_login;
  for (const auto& fact : sets[0].facts) by_login[text_of(fact, "login")] = fact;
  ASSERT_TRUE(by_login.contains("tanaka"));
  EXPECT_TRUE(boolean_of(by_login["tanaka"], "enabled"));
  EXPECT_FALSE(boolean_of(by_login["leaver"], "enabled"));
  EXPECT_TRUE(boolean_of(by_login["Administrator"], "privileged"));
  EXPECT_TRUE(boolean_of(by_login["nested"], "privileged"));
  EXPECT_TRUE(boolean_of(by_login["primary"], "privileged"));
  EXPECT_FALSE(boolean_of(by_login["tanaka"], "privileged", true));
  EXPECT_FALSE(by_login.contains("DC1$")) << "machines are no accounts of people";
  ASSERT_FALSE(sets[1].facts.empty());
  EXPECT_EQ(integer_of(sets[1].facts[0], "min_length"), 13);
  EXPECT_EQ(integer_of(sets[1].facts[0], "lockout_threshold"), 6);
  EXPECT_EQ(integer_of(sets[1].facts[0], "max_age_days"), 42) << "Samba's default";
}

TEST(Ldif, NamesTheLineThatCannotBeRead) {
  const auto bad = ldap::parse_ldif("dn: a=b\ncn: x\nnonsense\n");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().facts[0].second, "3");
  EXPECT_FALSE(ldap::parse_ldif("dn: a=b\njpegPhoto:< file:///etc/passwd\n")) << "nothing is fetched";
  EXPECT_FALSE(ldap::parse_ldif("dn: a=b\n;objectClass: t\n")) << "an attribute needs a name";
  EXPECT_FALSE(ldap::parse_ldif(""));
}

// What the directory of this text says of a login.
json::object account_in(const std::string& text, const std::string& login,
                        const char* now = "2026-11-20T12:00:00Z") {
  const auto directory = ldap::parse_ldif(text);
  EXPECT_TRUE(directory) << describe(directory.error());
  if (!directory) return {};
  const auto sets = ldap::interpret(*directory, {}, *parse_instant(now));
  for (const auto& fact : sets[0].facts)
    if (text_of(fact, "login") == login) return fact;
  return {};
}

std::string ad_user(const std::string& login, const std::string& more = "") {
  return "dn: CN=" + login +
         ",OU=Staff,DC=h,DC=example\nobjectClass: user\nobjectClass: person\nsAMAccountName: " + login +
         "\nuserAccountControl: 512\n" + more + "\n";
}
std::string ad_group(const std::string& name, const std::string& more) {
  return "dn: CN=" + name + ",CN=Users,DC=h,DC=example\nobjectClass: group\ncn: " + name + "\n" + more + "\n";
}
std::string sid_of(std::uint32_t last) {
  std::string out = {1, 2, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0};
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(last >> shift & 0xFF);
  return "objectSid:: " + to_base64(out) + "\n";
}

TEST(Ldif, WhoIsInAGroupThatIsInAnotherIsInBoth) {
  const auto text =
      ad_user("a") + ad_user("b") + ad_user("c", "memberOf: CN=Team,CN=Users,DC=h,DC=example\n") +
      ad_group("Team",
               "member: CN=a,OU=Staff,DC=h,DC=example\nmember: CN=Circle,CN=Users,DC=h,DC=example\n") +
      ad_group("Circle",
               "member: cn=team,cn=users,dc=h,dc=example\nmember: CN=b,OU=Staff,DC=h,DC=example\n") +
      ad_group("Operators",
               "member: CN=Team,CN=Users,DC=h,DC=example\nmemberOf: CN=Backup "
               "Operators,CN=Builtin,DC=h,DC=example\n") +
      ad_user("d");
  for (const auto* login : {"a", "b", "c"})
    EXPECT_TRUE(boolean_of(account_in(text, login), "privileged")) << login;
  EXPECT_EQ(text_of(account_in(text, "b"), "member_of"), "Backup Operators, Circle, Operators, Team");
  EXPECT_FALSE(boolean_of(account_in(text, "d"), "privileged", true));
}

TEST(Ldif, APrimaryGroupIsAGroup) {
  EXPECT_EQ(ldap::sid_text(std::string("\x01\x02\0\0\0\0\0\x05\x20\0\0\0\x20\x02\0\0", 16)), "S-1-5-32-544");
  EXPECT_EQ(ldap::sid_text("S-1-5-32-544"), "S-1-5-32-544");
  EXPECT_EQ(ldap::sid_text(std::string("\x01\xFF", 2)), (std::string("\x01\xFF", 2)));
  const auto text =
      ad_user("a", "primaryGroupID: 1107\n" + sid_of(1200)) + ad_user("b", "primaryGroupID: 518\n") +
      ad_user("c", "primaryGroupID: 513\n" + sid_of(1201)) + ad_group("情報係", sid_of(1107)) +
      ad_group("管理者", sid_of(512) + "member: CN=d,OU=Staff,DC=h,DC=example\n") + ad_user("d");
  EXPECT_EQ(text_of(account_in(text, "a"), "member_of"), "情報係");
  EXPECT_FALSE(boolean_of(account_in(text, "a"), "privileged", true));
  EXPECT_TRUE(boolean_of(account_in(text, "b"), "privileged"));
  EXPECT_FALSE(boolean_of(account_in(text, "c"), "privileged", true));
  EXPECT_TRUE(boolean_of(account_in(text, "d"), "privileged")) << "by its number, whatever it is called";
  const std::string posix =
      "dn: uid=p,dc=h\nobjectClass: posixAccount\nuid: p\ngidNumber: 27\n\n"
      "dn: cn=sudo,dc=h\nobjectClass: posixGroup\ncn: sudo\ngidNumber: 27\n";
  EXPECT_TRUE(boolean_of(account_in(posix, "p"), "privileged"));
}

TEST(Ldif, ALockOutEnds) {
  const auto filetime = [](const char* at) {
    return std::to_string(to_millis(*parse_instant(at)) * 10000 + 116444736000000000);
  };
  const std::string domain =
      "dn: DC=h,DC=example\nobjectClass: domainDNS\nminPwdLength: 13\nlockoutDuration: ";
  const auto users = ad_user("past", "lockoutTime: " + filetime("2026-11-20T11:00:00Z") + "\n") +
                     ad_user("now", "lockoutTime: " + filetime("2026-11-20T11:45:00Z") + "\n") +
                     ad_user("counted", "lockoutTime: " + filetime("2026-11-20T11:45:00Z") +
                                            "\nmsDS-User-Account-Control-Computed: 0\n") +
                     ad_user("never", "lockoutTime: 0\n");
  const auto locked = [&](const std::string& length, const char* login) {
    return boolean_of(account_in(domain + length + "\n\n" + users, login), "locked");
  };
  EXPECT_FALSE(locked("-18000000000", "past"));
  EXPECT_TRUE(locked("-18000000000", "now"));
  EXPECT_FALSE(locked("-18000000000", "counted"));
  EXPECT_FALSE(locked("-18000000000", "never"));
  EXPECT_TRUE(locked("0", "past")) << "until somebody lifts it";
  EXPECT_TRUE(locked("-9223372036854775808", "past"));
  EXPECT_TRUE(boolean_of(account_in(users, "past"), "locked")) << "nothing says for how long";
  const auto ppolicy = [](const std::string& at, const std::string& seconds) {
    return boolean_of(
        account_in("dn: cn=default,dc=h\nobjectClass: pwdPolicy\npwdLockoutDuration: " + seconds +
                       "\n\ndn: uid=u,dc=h\nobjectClass: inetOrgPerson\nobjectClass: person\nuid: u\n"
                       "pwdAccountLockedTime: " +
                       at + "\n",
                   "u"),
        "locked");
  };
  EXPECT_FALSE(ppolicy("20261120110000Z", "900"));
  EXPECT_TRUE(ppolicy("20261120115500Z", "900"));
  EXPECT_TRUE(ppolicy("20261120110000Z", "0"));
  EXPECT_TRUE(ppolicy("000001010000Z", "900"));
}

TEST(Ldif, IsReadAsPeopleBringIt) {
  const auto plain = "# extended LDIF\n\n" + ad_user("a") +
                     "# search reference\nref: ldap://x.example/DC=x\n\n" + ad_user("b");
  const auto ended = [&](const std::string& result) {
    return code_of(
        ldap::parse_ldif(plain + "# search result\nsearch: 3\nresult: " + result +
                         "\ncontrol: 1.2.840.113556.1.4.319 false MAUCAQAEAA==\npagedresults: cookie=\n\n"
                         "# numResponses: 3\n# numEntries: 2\n"));
  };
  EXPECT_EQ(ended("0 Success"), "ok");
  EXPECT_EQ(ended("4 Size limit exceeded"), "collect.ldif.result");
  EXPECT_EQ(ended("01 Operations error"), "collect.ldif.result");
  EXPECT_EQ(code_of(ldap::parse_ldif("result: 0 Success\n")), "collect.ldif.bad") << "nothing was found";
  EXPECT_EQ(code_of(ldap::parse_ldif("cn: x\n\n" + plain)), "collect.ldif.bad");
  const auto count = [](const std::string& text) {
    const auto read = ldap::parse_ldif(text);
    return read ? read->entries.size() : 0;
  };
  EXPECT_EQ(count(plain), 2u);
  EXPECT_EQ(count("\xEF\xBB\xBF" + plain), 2u);
  std::string little = "\xFF\xFE", big = "\xFE\xFF";
  for (const char c : plain) {
    little += std::string{c, '\0'};
    big += std::string{'\0', c};
  }
  EXPECT_EQ(count(little), 2u);
  EXPECT_EQ(count(big), 2u);
  const std::string twice =
      "dn: uid=t,ou=a,dc=h\nobjectClass: account\nuid: t\n\ndn: uid=t,ou=b,dc=h\nobjectClass: account\nuid: "
      "t\n";
  const auto directory = ldap::parse_ldif(twice);
  ASSERT_TRUE(directory);
  EXPECT_EQ(ldap::interpret(*directory, {}, {})[0].facts.size(), 2u) << "one login in two units";
}

TEST(Nmap, ARealScanOfHostsInNetworkNamespacesIsRead) {
  if (::geteuid() != 0) GTEST_SKIP() << "network namespaces need root";
  const auto made =
      os::run_process({"sh", "-c",
                       "ip netns add mamori-a && ip netns add mamori-b && ip link add mva type veth peer "
                       "name mvb && ip link set mva netns mamori-a && ip link set mvb netns mamori-b"
                       " && ip -n mamori-a addr add 10.77.0.1/24 dev mva && ip -n mamori-b addr add "
                       "10.77.0.2/24 dev mvb && ip -n mamori-a link set mva up && ip -n mamori-b link set "
                       "mvb address 02:00:00:aa:bb:cc && ip -n mamori-b link set mvb up"});
  struct Away {
    ~Away() {
      static_cast<void>(
          os::run_process({"sh", "-c", "ip netns del mamori-a; ip netns del mamori-b"}).has_value());
    }
  } away;
  if (!made || made->exit_code != 0)
    GTEST_SKIP() << "no network namespaces here: " << (made ? made->err : describe(made.error()));
  const Child listener(
      {"ip", "netns", "exec", "mamori-b", "python3", "-c",
       "import socket,time\ns=socket.socket()\ns.bind(('10.77.0.2',23))\ns.listen()\ntime.sleep(60)"});
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const auto run = os::run_process(
      {"ip", "netns", "exec", "mamori-a", "nmap", "-oX", "-", "-n", "--top-ports", "100", "10.77.0.2"},
      {.limit = std::chrono::seconds(120)});
  ASSERT_TRUE(run && run->exit_code == 0) << (run ? run->err : "");
  const auto reading = nmap::parse_xml(run->out);
  ASSERT_TRUE(reading) << describe(reading.error()) << run->out;
  ASSERT_EQ(reading->sets[0].facts.size(), 1u);
  const auto& host = reading->sets[0].facts[0];
  EXPECT_EQ(text_of(host, "ip"), "10.77.0.2");
  EXPECT_EQ(text_of(host, "mac"), "02:00:00:AA:BB:CC");
  EXPECT_EQ(text_of(host, "risky_ports"), "23/telnet");
}

TEST(Nmap, ScansLoopbackItselfAndRefusesWhatIsNoTarget) {
  const auto reading = nmap::scan({{"127.0.0.1"}, false});
  ASSERT_TRUE(reading) << describe(reading.error());
  EXPECT_EQ(reading->sets[0].facts.size(), 1u);
  for (const auto* bad : {"-oN/tmp/x", "example.com", "127.0.0.1;id", "", "10.0.0.0/x"})
    EXPECT_EQ(code_of(nmap::scan({{bad}, false})), "collect.nmap.target") << bad;
}

TEST(Nmap, RefusesEntitiesAndCutOffFiles) {
  EXPECT_EQ(code_of(nmap::parse_xml("<!DOCTYPE a [<!ENTITY x \"y\">]><nmaprun/>")), "collect.nmap.entities");
  EXPECT_EQ(code_of(nmap::parse_xml("<nmaprun><host/>")), "collect.nmap.unfinished");
  EXPECT_EQ(code_of(nmap::parse_xml("<nmaprun></nmaprun>")), "collect.nmap.unfinished");
  EXPECT_EQ(code_of(nmap::parse_xml("hello")), "collect.nmap.bad");
}

std::string nmap_run(const std::string& hosts, const std::string& finish = "<finished exit=\"success\"/>") {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE nmaprun>\n<nmaprun scanner=\"nmap\">" +
         hosts + "<runstats>" + finish + "</runstats></nmaprun>\n";
}

std::string nmap_host(const std::string& ip, const std::string& inside,
                      const std::string& status = "<status state=\"up\" reason=\"echo-reply\"/>") {
  return "<host>" + status + "<address addr=\"" + ip + "\" addrtype=\"ipv4\"/>" + inside + "</host>";
}

std::string nmap_port(const std::string& number, const std::string& protocol, const std::string& service,
                      const std::string& state = "open") {
  return "<ports><port protocol=\"" + protocol + "\" portid=\"" + number + "\"><state state=\"" + state +
         "\"/><service name=\"" + service + "\"/></port></ports>";
}

// "address ports|risky;" of each.
std::string hosts_of(const std::string& xml) {
  const auto reading = nmap::parse_xml(xml);
  if (!reading) return reading.error().code;
  std::string out = reading->partial ? "partial " : "";
  for (const auto& fact : reading->sets[0].facts)
    out += text_of(fact, "ip") + " " + text_of(fact, "open_ports") + "|" + text_of(fact, "risky_ports") + ";";
  return out;
}

TEST(Nmap, SeveralRunsInOneFileAreAllRead) {
  const auto first = nmap_run(nmap_host("10.1.0.1", nmap_port("22", "tcp", "ssh"))),
             second = nmap_run(nmap_host("10.1.0.2", nmap_port("80", "tcp", "http")) +
                               nmap_host("10.1.0.1", nmap_port("443", "tcp", "https")));
  EXPECT_EQ(hosts_of(first + second), "10.1.0.1 22/ssh, 443/https|;10.1.0.2 80/http|;");
  EXPECT_EQ(hosts_of(first + nmap_run(nmap_host("10.1.0.2", ""), "")), "collect.nmap.unfinished");
}

TEST(Nmap, HostsOfMasscanWhichGivesNoStatusAreRead) {
  EXPECT_EQ(hosts_of(nmap_run(nmap_host("10.1.0.1", nmap_port("8080", "tcp", "?"), "") +
                                  nmap_host("10.1.0.1", nmap_port("23", "tcp", "?"), "") +
                                  nmap_host("10.1.0.3", nmap_port("53", "udp", "?"), ""),
                              "<finished time=\"2\"/>")),
            "10.1.0.1 23/?, 8080/?|23/?;10.1.0.3 53/udp/?|;");
}

TEST(Nmap, ARunThatEndedByAnErrorIsPartial) {
  EXPECT_EQ(
      hosts_of(nmap_run(nmap_host("10.1.0.1", ""), "<finished exit=\"error\" errormsg=\"out of memory\"/>")),
      "partial 10.1.0.1 |;");
}

TEST(Nmap, WhatOnlyTheUserTookForPresentIsNoDevice) {
  const std::string by_word = "<status state=\"up\" reason=\"user-set\"/>";
  EXPECT_EQ(
      hosts_of(nmap_run(
          nmap_host("10.1.0.1", "<ports><extraports state=\"filtered\" count=\"100\"/></ports>", by_word) +
          nmap_host("10.1.0.2", nmap_port("161", "udp", "snmp", "open|filtered"), by_word) +
          nmap_host("10.1.0.3", nmap_port("22", "tcp", "ssh"), by_word) +
          nmap_host("10.1.0.4", nmap_port("22", "tcp", "ssh", "closed"), by_word) +
          nmap_host("10.1.0.5", "<ports><extraports state=\"closed\" count=\"99\"/></ports>", by_word) +
          nmap_host("10.1.0.6", "<address addr=\"02:00:00:00:00:09\" addrtype=\"mac\"/>", by_word))),
      "10.1.0.3 22/ssh|;10.1.0.4 |;10.1.0.5 |;10.1.0.6 |;");
}

TEST(Nmap, APortIsRiskyByItsProtocol) {
  EXPECT_EQ(hosts_of(nmap_run(nmap_host("10.1.0.1", nmap_port("513", "udp", "who")) +
                              nmap_host("10.1.0.2", nmap_port("513", "tcp", "login")) +
                              nmap_host("10.1.0.3", nmap_port("69", "tcp", "?")) +
                              nmap_host("10.1.0.4", nmap_port("69", "udp", "tftp")))),
            "10.1.0.1 513/udp/who|;10.1.0.2 513/login|513/login;10.1.0.3 69/?|;10.1.0.4 "
            "69/udp/tftp|69/udp/tftp;");
}

TEST(Nmap, WhatPowerShellMadeUtf16OfIsRead) {
  std::string wide = "\xFF\xFE";
  for (const char c : nmap_run(nmap_host("10.1.0.1", ""))) wide += std::string{c, '\0'};
  EXPECT_EQ(hosts_of(wide), "10.1.0.1 |;");
}

backup::Settings repository(backup::Kind kind, const std::filesystem::path& path) {
  backup::Settings settings;
  settings.kind = kind;
  settings.repository = path;
  settings.name = "repo";
  settings.password = Secret("pw");
  settings.places = {*backup::parse_place(path.parent_path().string())};
  settings.now = SystemClock().now();
  return settings;
}

TEST(Restic, ARealRepositoryIsReadAndNotWritten) {
  const TemporaryFolder folder;
  const auto repo = folder.path() / "repo", data = folder.path() / "data";
  std::filesystem::create_directory(data);
  std::ofstream(data / "a") << std::string(100'000, 'x');
  shell("export RESTIC_PASSWORD=pw; restic -q init -r '" + repo.string() + "' && restic -q --no-cache -r '" +
        repo.string() + "' backup '" + data.string() + "' && restic -q --no-cache -r '" + repo.string() +
        "' backup '" + data.string() + "'");
  const auto before = fingerprint(repo);
  const auto reading = backup::read_repository(repository(backup::Kind::restic, repo));
  ASSERT_TRUE(reading) << describe(reading.error());
  const auto& fact = reading->sets[0].facts[0];
  EXPECT_EQ(integer_of(fact, "generations"), 2);
  EXPECT_GT(integer_of(fact, "size_bytes"), 0);
  EXPECT_TRUE(fact.contains("last_success_at"));
  EXPECT_EQ(fingerprint(repo), before);
  auto wrong = repository(backup::Kind::restic, repo);
  wrong.password = Secret("no");
  EXPECT_EQ(code_of(backup::read_repository(wrong)), "collect.backup.password");
  EXPECT_EQ(code_of(backup::read_repository(repository(backup::Kind::restic, folder.path() / "none"))),
            "collect.backup.not-found");
  shell("for f in '" + repo.string() + "'/snapshots/*; do chmod u+w $f; printf broken > $f; done");
  EXPECT_NE(code_of(backup::read_repository(repository(backup::Kind::restic, repo))), "ok")
      << "a damaged repository is no success";
}

TEST(Borg, ARealRepositoryIsReadAndNotWrittenAlsoWhileLocked) {
  const TemporaryFolder folder;
  const auto repo = folder.path() / "repo", data = folder.path() / "data";
  std::filesystem::create_directory(data);
  std::ofstream(data / "a") << std::string(100'000, 'x');
  shell("export BORG_PASSPHRASE=pw BORG_BASE_DIR='" + folder.path().string() +
        "/base'; borg init -e repokey '" + repo.string() + "' && borg create '" + repo.string() + "::one' '" +
        data.string() + "' && borg create '" + repo.string() + "::two' '" + data.string() + "'");
  std::filesystem::create_directory(repo / "lock.exclusive");  // as a crashed or running backup leaves it
  const auto before = fingerprint(repo);
  const auto reading = backup::read_repository(repository(backup::Kind::borg, repo));
  ASSERT_TRUE(reading) << describe(reading.error());
  EXPECT_EQ(integer_of(reading->sets[0].facts[0], "generations"), 2);
  EXPECT_TRUE(boolean_of(reading->sets[0].facts[0], "encrypted"));
  EXPECT_EQ(fingerprint(repo), before);
  auto wrong = repository(backup::Kind::borg, repo);
  wrong.password = Secret("no");
  EXPECT_EQ(code_of(backup::read_repository(wrong)), "collect.backup.password");
  EXPECT_EQ(code_of(backup::read_repository(repository(backup::Kind::borg, folder.path() / "none"))),
            "collect.backup.not-found");
}

// Of a listing that was carried here.
json::object listed(std::string_view text, const char* now = "2026-11-20T12:00:00Z") {
  const auto reading = backup::parse_listing(text, "repo", *parse_instant(now));
  EXPECT_TRUE(reading) << text << describe(reading.error());
  return reading ? reading->sets[0].facts[0] : json::object{};
}

TEST(Places, AreReadInANarrowGrammarOnly) {
  using backup::Kind;
  for (const auto* good : {"/srv/backup", "/srv/バックアップ/日次 1", "ssh://borg@nas-1.example/srv/b",
                           "ssh://nas:2222/b", "sftp://b@nas//srv/b", "rest:https://u:p4ss@nas:8000/b"}) {
    const auto place = backup::parse_place(good);
    ASSERT_TRUE(place) << good;
    EXPECT_EQ(place->text(), good);
  }
  for (const auto* bad : {"",
                          "backup",
                          "./b",
                          "../b",
                          "-oProxyCommand=id",
                          "ssh://-oProxyCommand=id/x",
                          "ssh://-lroot@h/x",
                          "ssh://a b/x",
                          "ssh://h;id/x",
                          "ssh://$(id)/x",
                          "ssh://h`id`/x",
                          "ssh://h:0/x",
                          "ssh://h:22x/x",
                          "ssh://h:-1/x",
                          "ssh://h",
                          "ssh:///x",
                          "ssh://u:p@h/x",
                          "ssh://h/../etc",
                          "ssh://h/a//b",
                          "ssh://h/~/x",
                          "ssh://h/a?b",
                          "ssh://h/a%2e",
                          "user@host:/x",
                          "host:/x",
                          "sftp:h:/x",
                          "sftp://h/a b",
                          "rclone:x:y",
                          "s3:https://h/x",
                          "rest:file:///x",
                          "rest:h/x",
                          "file:///x",
                          "/srv/../etc",
                          "/srv/./x",
                          "/srv//x",
                          "/srv/x::archive",
                          "/srv/{now}",
                          "/a\nb",
                          "\n/a",
                          "/a\\b",
                          "/\xff"})
    EXPECT_FALSE(backup::parse_place(bad)) << bad;
  EXPECT_TRUE(backup::fits(Kind::borg, *backup::parse_place("ssh://h/x")));
  EXPECT_FALSE(backup::fits(Kind::restic, *backup::parse_place("ssh://h/x")));
  EXPECT_FALSE(backup::fits(Kind::folder, *backup::parse_place("sftp://h//x")));
}

TEST(Places, OnlyThoseThatWereNamedAndWhatIsBelowThem) {
  const auto below = [](const char* place, const char* allowed) {
    return backup::is_below(*backup::parse_place(place), *backup::parse_place(allowed));
  };
  EXPECT_TRUE(below("/srv/backup", "/srv/backup/"));
  EXPECT_TRUE(below("/srv/backup/a", "/srv/backup"));
  EXPECT_TRUE(below("/srv", "/"));
  EXPECT_FALSE(below("/srv/backup-other", "/srv/backup"));
  EXPECT_FALSE(below("/srv", "/srv/backup"));
  EXPECT_TRUE(below("ssh://b@NAS/x/y", "ssh://b@nas/x"));
  for (const auto* other : {"ssh://c@nas/x/y", "ssh://nas/x/y", "ssh://b@nas2/x/y", "ssh://b@nas:2222/x/y"})
    EXPECT_FALSE(below(other, "ssh://b@nas/x")) << other;
  EXPECT_FALSE(below("sftp://nas/x", "sftp://nas//"));
  EXPECT_FALSE(below("rest:http://nas/x", "rest:https://nas/x"));

  const TemporaryFolder folder;
  const auto inside = folder.path() / "inside", outside = folder.path() / "outside";
  std::filesystem::create_directory(inside);
  std::filesystem::create_directory(outside);
  std::filesystem::create_directory_symlink(outside, inside / "way-out");
  std::ofstream(outside / "secret.dump") << "x";
  std::filesystem::create_symlink(outside / "secret.dump", inside / "link.dump");
  const auto file = folder.path() / "places";
  EXPECT_TRUE(backup::load_places(file)->empty()) << "no file: nothing";
  std::ofstream(file) << "# what may be read\n\n" << inside.string() << "  # dumps\nssh://b@nas/x\n";
  const auto places = *backup::load_places(file);
  ASSERT_EQ(places.size(), 2u);
  auto settings = repository(backup::Kind::folder, inside);
  settings.places = {};
  EXPECT_EQ(code_of(backup::read_repository(settings)), "collect.backup.place");
  settings.places = places;
  auto reading = backup::read_repository(settings);
  ASSERT_TRUE(reading) << describe(reading.error());
  EXPECT_EQ(integer_of(reading->sets[0].facts[0], "generations"), 0) << "a link is no dump";
  settings.repository = inside / "way-out";
  EXPECT_EQ(code_of(backup::read_repository(settings)), "collect.backup.place");
  settings.repository = "ssh://-oProxyCommand=id/x";
  EXPECT_EQ(code_of(backup::read_repository(settings)), "collect.backup.address");
  std::ofstream(file, std::ios::app) << "nas:/x\n";
  const auto bad = backup::load_places(file);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, "collect.backup.places");
  EXPECT_EQ(bad.error().facts[1].second, "5");
}

// borg and ssh are stood in for: what would reach a host, and with what.
TEST(Places, ABorgOfAnotherHostIsReachedWithoutAnythingThatSshCouldStart) {
  const TemporaryFolder folder;
  const auto bin = folder.path() / "bin";
  std::filesystem::create_directory(bin);
  for (const auto* name : {"borg", "restic"}) {
    std::ofstream(bin / name) << "#!/bin/sh\n(for a in \"$BORG_RSH\" \"$@\"; do echo \"$a\"; done) >> '"
                              << folder.path().string() << "/" << name << "'\nexit 3\n";
    std::filesystem::permissions(bin / name, std::filesystem::perms::owner_all);
  }
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", (bin.string() + ":" + path).c_str(), 1);
  auto settings = repository(backup::Kind::borg, "/x");
  settings.repository = "ssh://b@nas:2222/x/y";
  settings.places = {*backup::parse_place("ssh://b@nas:2222/x")};
  EXPECT_EQ(code_of(backup::read_repository(settings)), "collect.backup.failed");
  settings.kind = backup::Kind::restic;
  settings.repository = "sftp://b@nas:2222//x/y";
  settings.places = {*backup::parse_place("sftp://b@nas:2222//x")};
  EXPECT_EQ(code_of(backup::read_repository(settings)), "collect.backup.failed");
  ::setenv("PATH", path.c_str(), 1);
  const auto borg = *read_file(folder.path() / "borg", 1 << 20),
             restic = *read_file(folder.path() / "restic", 1 << 20);
  for (const auto* words : {"-oBatchMode=yes", "-oProxyCommand=none", "-oPermitLocalCommand=no"}) {
    EXPECT_NE(borg.find(words), std::string::npos) << borg;
    EXPECT_NE(restic.find(words), std::string::npos) << restic;
  }
  EXPECT_NE(borg.find("\nssh://b@nas:2222/x/y\n"), std::string::npos) << borg;
  EXPECT_NE(restic.find(" -p 2222 -l b nas -s sftp\n"), std::string::npos) << restic;
}

TEST(Listings, ABackupOfATimeThatHasNotComeIsNoSuccess) {
  const auto fact = listed(R"([{"time":"2026-10-01T03:00:00+09:00"},{"time":"2027-01-01T03:00:00+09:00"}])");
  EXPECT_EQ(text_of(fact, "last_success_at"), "2026-09-30T18:00:00Z");
  EXPECT_EQ(integer_of(fact, "generations"), 1);
  EXPECT_EQ(integer_of(fact, "ahead"), 1);
  const auto only = listed(R"({"archives":[{"name":"a","time":"2027-01-01T03:00:00"}]})");
  EXPECT_FALSE(only.contains("last_success_at"));
  EXPECT_EQ(integer_of(only, "generations"), 0);
}

TEST(Listings, AFreshMachineDoesNotHideOneThatHasStopped) {
  const auto fact = listed(R"([{"time":"2026-11-20T03:00:00Z","hostname":"office"},
    {"time":"2026-11-19T03:00:00Z","hostname":"office"},{"time":"2026-10-01T03:00:00Z","hostname":"chart"}])");
  EXPECT_EQ(text_of(fact, "last_success_at"), "2026-10-01T03:00:00Z");
  EXPECT_EQ(integer_of(fact, "generations"), 1) << "of the one that keeps fewest";
  EXPECT_EQ(text_of(fact, "hosts"), "chart 2026-10-01 12:00, office 2026-11-20 12:00");
}

TEST(Listings, BorgsTimesWithoutAZoneAreJapansAndInterruptedOnesCountForNothing) {
  const auto fact = listed(R"({"archives":[{"name":"a","time":"2026-11-20T03:00:00.000000"},
    {"name":"b.checkpoint","time":"2026-11-20T04:00:00"},{"name":"b.checkpoint.12","time":"2026-11-20T05:00:00"},
    {"name":"checkpoint.1","time":"2026-11-18T03:00:00+09:00"}]})");
  EXPECT_EQ(text_of(fact, "last_success_at"), "2026-11-19T18:00:00Z");
  EXPECT_EQ(integer_of(fact, "generations"), 2);
}

TEST(Listings, OfFormerVersionsGroupedOrInUtf16AreRead) {
  EXPECT_EQ(integer_of(listed("null"), "generations", -1), 0);
  EXPECT_EQ(integer_of(listed("[]"), "generations", -1), 0);
  EXPECT_EQ(integer_of(listed(R"([{"group_key":{},"snapshots":[{"time":"2026-11-20T03:00:00Z"}]}])"),
                       "generations"),
            1);
  const std::string plain = R"([{"time":"2026-11-20T03:00:00Z"}])";
  std::string wide = "\xFF\xFE";
  for (const char c : plain) wide += std::string{c, '\0'};
  EXPECT_EQ(integer_of(listed(wide), "generations"), 1);
  EXPECT_EQ(integer_of(listed("\xEF\xBB\xBF" + plain), "generations"), 1);
}

// Its index is missing, as after a crash: borg makes it anew, but not in the repository.
TEST(Borg, ARepositoryWithoutItsIndexIsReadAndNotWritten) {
  const TemporaryFolder folder;
  const auto repo = folder.path() / "repo";
  std::ofstream(folder.path() / "a") << "x";
  shell("export BORG_BASE_DIR='" + folder.path().string() +
        "/b' BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes && borg init -e none '" + repo.string() +
        "' && borg create '" + repo.string() + "::one' '" + (folder.path() / "a").string() + "' && cd '" +
        repo.string() + "' && rm -f index.* hints.* integrity.*");
  const auto before = fingerprint(repo);
  const auto reading = backup::read_repository(repository(backup::Kind::borg, repo));
  ASSERT_TRUE(reading) << describe(reading.error());
  EXPECT_EQ(integer_of(reading->sets[0].facts[0], "generations"), 1);
  EXPECT_EQ(fingerprint(repo), before);
}

TEST(Folder, CountsDumpsThatHoldSomething) {
  const TemporaryFolder folder;
  for (const auto* name : {"db-1.dump", "db-2.dump"}) std::ofstream(folder.path() / name) << "data";
  std::ofstream(folder.path() / "db-3.dump");  // empty: failed
  std::ofstream(folder.path() / "readme.txt") << "x";
  auto settings = repository(backup::Kind::folder, folder.path());
  settings.pattern = "*.dump";
  const auto reading = backup::read_repository(settings);
  ASSERT_TRUE(reading);
  EXPECT_EQ(integer_of(reading->sets[0].facts[0], "generations"), 2);
  EXPECT_EQ(integer_of(reading->sets[0].facts[0], "size_bytes"), 8);
}

class OnBothEngines : public ::testing::TestWithParam<store::Engine> {
 protected:
  static void SetUpTestSuite() { crypto_ready(); }
  testing::ManualClock clock_;
  testing::FreshDatabase database_{GetParam(), clock_};
  TemporaryFolder folder_;
  ledger::Registers registers_ = std::move(ledger::Registers::load(kSource / "data/registers")).take();
  std::unique_ptr<ledger::Ledger> ledger_ = std::move(ledger::Ledger::open(*database_, registers_)).take();
  Sealer sealer_ = *os::open_or_make_sealer(folder_.path() / "seal");
  os::Blobs blobs_{folder_.path() / "blobs"};
  std::unique_ptr<jobs::Jobs> jobs_ = std::move(jobs::Jobs::open(*database_)).take();
  std::unique_ptr<Sources> sources_ =
      std::move(Sources::open(*ledger_, sealer_, blobs_, *jobs_, kSource / "data/readers",
                              folder_.path() / "places"))
          .take();

  ledger::Record make(std::string_view reg, json::object fields) {
    return *ledger_->create(kActor, **ledger_->find_register(reg), "f1", {std::move(fields), ""});
  }
  ledger::RecordPage hosts() {
    return *ledger_->list(**ledger_->find_register("observed_host"),
                          {.scope = store::Scope::door("f1"), .sort = "ip"});
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, OnBothEngines,
                         ::testing::Values(store::Engine::sqlite, store::Engine::postgresql),
                         [](const auto& chosen) {
                           return chosen.param == store::Engine::sqlite ? "SQLite" : "PostgreSQL";
                         });

std::string scan_of(const std::vector<std::pair<std::string, std::string>>& found) {
  std::string xml = "<nmaprun>";
  for (const auto& [ip, mac] : found)
    xml += "<host><status state=\"up\"/><address addr=\"" + ip + "\" addrtype=\"ipv4\"/><address addr=\"" +
           mac + "\" addrtype=\"mac\"/></host>";
  return xml + "<runstats><finished/></runstats></nmaprun>";
}

TEST_P(OnBothEngines, AScanIsMatchedByMacThenAddressAndUnknownOnesBecomeCandidates) {
  const auto by_mac = make("asset", {{"kind", "pc"}, {"mac", "02:00:00:00:00:01"}, {"ip", "10.0.0.99"}});
  const auto retired = make("asset", {{"kind", "pc"}, {"ip", "10.0.0.2"}});
  ASSERT_TRUE(ledger_->retire(kActor, **ledger_->find_register("asset"), store::Scope::door("f1"), retired.id,
                              1, "廃棄"));
  const auto source = sources_->create(kActor, "f1", {"scan", "network", {}, std::nullopt, 0, true});
  ASSERT_TRUE(source) << describe(source.error());
  const auto run = sources_->run_file(kActor, store::Scope::door("f1"), source->id,
                                      scan_of({{"10.0.0.1", "02:00:00:00:00:01"},
                                               {"10.0.0.2", "02:00:00:00:00:02"},
                                               {"10.0.0.3", "02:00:00:00:00:03"},
                                               {"10.0.0.4", "02:00:00:00:00:04"}}));
  ASSERT_TRUE(run) << describe(run.error());
  auto page = hosts();
  ASSERT_EQ(page.total, 4);
  EXPECT_EQ(text_of(page.items[0].fields, "asset"), by_mac.id);
  EXPECT_EQ(text_of(page.items[1].fields, "asset"), retired.id)
      << "a retired device that answers is recognised";
  EXPECT_EQ(text_of(page.items[2].fields, "decision"), "open");

  const auto accepted =
      nmap::accept_candidate(*ledger_, kActor, store::Scope::door("f1"), page.items[2].id, {{"kind", "iot"}});
  ASSERT_TRUE(accepted) << describe(accepted.error());
  EXPECT_EQ(accepted->number, "IOT-001");
  EXPECT_EQ(text_of(accepted->fields, "mac"), "02:00:00:00:00:03");
  EXPECT_FALSE(nmap::explain_candidate(*ledger_, kActor, store::Scope::door("f1"), page.items[3].id, " "));
  ASSERT_TRUE(
      nmap::explain_candidate(*ledger_, kActor, store::Scope::door("f1"), page.items[3].id, "検証機"));

  clock_.advance(std::chrono::hours(1));
  ASSERT_TRUE(
      sources_->run_file(kActor, store::Scope::door("f1"), source->id,
                         scan_of({{"10.0.0.3", "02:00:00:00:00:03"}, {"10.0.0.4", "02:00:00:00:00:04"}})));
  page = hosts();
  EXPECT_FALSE(boolean_of(page.items[0].fields, "present", true)) << "it no longer answers";
  EXPECT_EQ(text_of(page.items[2].fields, "asset"), accepted->id);
  EXPECT_EQ(text_of(page.items[3].fields, "decision"), "explained") << "what was explained stays explained";
  EXPECT_EQ(
      nmap::explain_candidate(*ledger_, kActor, store::Scope::door("f2"), page.items[3].id, "x").error().code,
      "ledger.record.missing");
}

TEST_P(OnBothEngines, WhatASourceSaysAgainIsNotWrittenAgainAndIsAsFreshAsTheReading) {
  const auto source = sources_->create(kActor, "f1", {"scan", "network", {}, std::nullopt, 0, true});
  ASSERT_TRUE(source) << describe(source.error());
  const auto scan = [&](std::vector<std::pair<std::string, std::string>> found) {
    const auto run =
        sources_->run_file(kActor, store::Scope::door("f1"), source->id, scan_of(std::move(found)));
    ASSERT_TRUE(run) << describe(run.error());
    EXPECT_EQ(run->error, "");
  };
  scan({{"10.0.0.1", "02:00:00:00:00:01"}, {"10.0.0.2", "02:00:00:00:00:02"}});
  const auto first = hosts().items;
  clock_.advance(std::chrono::hours(24));
  scan({{"10.0.0.1", "02:00:00:00:00:01"}, {"10.0.0.2", "02:00:00:00:00:02"}});
  const auto second = hosts().items;
  ASSERT_EQ(second.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(second[i].version, first[i].version);
    EXPECT_EQ(second[i].updated_at, first[i].updated_at);
    EXPECT_EQ(text_of(second[i].fields, "observed_at"), iso_instant(clock_.now()));
  }
  const auto last_seen = clock_.now();
  clock_.advance(std::chrono::hours(24));
  scan({{"10.0.0.1", "02:00:00:00:00:01"}});
  const auto gone_at = clock_.now();
  clock_.advance(std::chrono::hours(24));
  scan({{"10.0.0.1", "02:00:00:00:00:01"}});
  const auto third = hosts().items;
  EXPECT_EQ(third[0].version, first[0].version);
  EXPECT_EQ(text_of(third[1].fields, "observed_at"), iso_instant(gone_at)) << "when it was found gone";
  EXPECT_GT(gone_at, last_seen);
  // By when they were observed, as people sort and filter them.
  const auto* reg = *ledger_->find_register("observed_host");
  const auto latest = *ledger_->list(
      *reg, {.scope = store::Scope::door("f1"), .sort = "observed_at", .descending = true, .limit = 1});
  EXPECT_EQ(latest.items[0].id, third[0].id);
  ASSERT_FALSE(latest.next.empty());
  EXPECT_EQ(ledger_
                ->list(*reg, {.scope = store::Scope::door("f1"),
                              .sort = "observed_at",
                              .descending = true,
                              .cursor = latest.next,
                              .limit = 1})
                ->items.at(0)
                .id,
            third[1].id);
  EXPECT_EQ(
      ledger_
          ->list(*reg, {.scope = store::Scope::door("f1"),
                        .conditions = {{"observed_at", ledger::Comparison::greater, iso_instant(gone_at)}}})
          ->total,
      1);
}

TEST_P(OnBothEngines, APartialReadingTakesNothingAwayAndMakesNothingFresher) {
  const auto source = *sources_->create(kActor, "f1", {"scan", "network", {}, std::nullopt, 0, true});
  const auto bring = [&](const std::string& xml) {
    return *sources_->run_file(kActor, store::Scope::door("f1"), source.id, xml);
  };
  bring(nmap_run(nmap_host("10.0.0.1", "") + nmap_host("10.0.0.2", "")));
  const auto first = clock_.now();
  clock_.advance(std::chrono::hours(1));
  const auto run =
      bring(nmap_run(nmap_host("10.0.0.1", "") + nmap_host("10.0.0.3", ""), "<finished exit=\"error\"/>"));
  EXPECT_TRUE(run.partial);
  EXPECT_EQ(run.counts, (json::object{{"observed_host", {{"fresh", 1}, {"known", 1}, {"gone", 0}}}}));
  EXPECT_TRUE(sources_->runs(store::Scope::door("f1"), source.id)->at(0).partial);
  ASSERT_EQ(hosts().total, 3);
  EXPECT_TRUE(boolean_of(hosts().items[1].fields, "present"));
  {
    auto lease = *database_->read();
    EXPECT_EQ(ledger::read_readings(*lease, "f1")->at("observed_host").at(0).at, first);
  }
  const auto whole =
      bring(nmap_run(nmap_host("10.0.0.1", "") + nmap_host("10.0.0.1", nmap_port("22", "tcp", "ssh"))));
  EXPECT_FALSE(whole.partial);
  EXPECT_EQ(hosts().total, 3) << "one address twice is one row";
  EXPECT_FALSE(boolean_of(hosts().items[1].fields, "present", true));
}

TEST_P(OnBothEngines, WhatCameFromAFileSaysSo) {
  std::ofstream(folder_.path() / "places") << (folder_.path() / "dumps").string() << '\n';
  std::filesystem::create_directory(folder_.path() / "dumps");
  std::ofstream(folder_.path() / "dumps/a.dump") << "x";
  const auto source =
      *sources_->create(kActor, "f1",
                        {"repo",
                         "backup",
                         {{"kind", "folder"}, {"repository", (folder_.path() / "dumps").string()}},
                         std::nullopt,
                         0,
                         true});
  EXPECT_EQ(source.last_origin, "");
  const auto fact = [&] {
    return ledger_->list(**ledger_->find_register("observed_backup"), {.scope = store::Scope::door("f1")})
        ->items.at(0)
        .fields;
  };
  const auto from_file = [&] {
    auto lease = *database_->read();
    return ledger::read_readings(*lease, "f1")->at("observed_backup").at(0).from_file;
  };
  const auto done = [&] {
    auto lease = *database_->read();
    return store::as_text(
        lease->query("SELECT action FROM journal WHERE subject = 'source' ORDER BY sequence DESC LIMIT 1", {})
            ->rows.at(0)[0]);
  };
  const auto brought =
      sources_->run_file(kActor, store::Scope::door("f1"), source.id, R"([{"time":"2026-11-20T03:00:00Z"}])");
  ASSERT_TRUE(brought) << describe(brought.error());
  EXPECT_EQ(brought->origin, "file");
  EXPECT_EQ(text_of(fact(), "origin"), "file");
  EXPECT_TRUE(from_file());
  EXPECT_EQ(done(), "read_file");
  EXPECT_EQ(sources_->get(store::Scope::door("f1"), source.id)->last_origin, "file");
  clock_.advance(std::chrono::hours(1));
  const auto read = sources_->run(kActor, store::Scope::door("f1"), source.id);
  ASSERT_TRUE(read) << describe(read.error());
  EXPECT_EQ(read->error, "");
  EXPECT_EQ(read->origin, "system");
  EXPECT_EQ(text_of(fact(), "origin"), "system");
  EXPECT_FALSE(from_file());
  EXPECT_EQ(done(), "read");
  EXPECT_EQ(sources_->runs(store::Scope::door("f1"), source.id)->at(1).origin, "file");
}

TEST_P(OnBothEngines, SettingsAreCheckedAsTheirFileSays) {
  const auto problems = [&](const char* kind, json::object settings) {
    const auto made = sources_->create(kActor, "f1", {"x", kind, std::move(settings), std::nullopt, 0, true});
    std::string out;
    if (!made)
      for (const auto& problem : made.error().problems) out += problem.field + " " + problem.code + ";";
    return out;
  };
  EXPECT_EQ(problems("backup", {}), "kind ledger.field.required;repository ledger.field.required;");
  EXPECT_EQ(problems("backup", {{"kind", "tar"}, {"repository", "/b"}}), "kind ledger.field.choice;");
  EXPECT_EQ(problems("network", {{"targtes", "10.0.0.0/24"}}), "targtes ledger.field.unknown;");
  EXPECT_EQ(problems("network", {{"ports", "perhaps"}}), "ports ledger.field.boolean;");
  for (const auto* bad : {"http://x", "ldap://", "ldaps://a b", "ldaps://a,ldap://b", "ldaps://a/dc=x?",
                          "ldaps://-x", "ldaps://[::1", "ldaps://a:99999", "ldaps://a ldap://b"})
    EXPECT_EQ(problems("directory", {{"url", bad}, {"base", "dc=x"}}), "url collect.source.url;") << bad;
  for (const auto* bad : {"b", "ssh://-oProxyCommand=id/x", "sftp://h//x"})
    EXPECT_EQ(problems("backup", {{"kind", "borg"}, {"repository", bad}}),
              "repository collect.source.repository;")
        << bad;
  EXPECT_EQ(problems("directory", {{"url", "ldaps://x"}}), "base collect.source.base;");
  EXPECT_EQ(problems("printer", {}), "kind collect.source.kind;");
  const auto made =
      sources_->create(kActor, "f1", {"x", "network", {{"ports", "いいえ"}}, std::nullopt, 0, true});
  ASSERT_TRUE(made) << describe(made.error());
  EXPECT_EQ(made->settings, (json::object{{"ports", false}}));
}

TEST_P(OnBothEngines, AKeptSecretGoesNowhereElse) {
  json::object settings = {{"url", "ldaps://dc1.example"}, {"base", "dc=x"}, {"bind_dn", "cn=reader"}};
  const auto source = sources_->create(kActor, "f1", {"ad", "directory", settings, Secret("old"), 0, true});
  ASSERT_TRUE(source) << describe(source.error());
  const auto change = [&](json::object to, std::optional<Secret> secret, std::string kind = "directory") {
    const auto done = sources_->update(kActor, store::Scope::door("f1"), source->id,
                                       {"ad", std::move(kind), std::move(to), std::move(secret), 0, true});
    std::string out;
    if (!done)
      for (const auto& problem : done.error().problems) out += problem.field + " " + problem.code + ";";
    return out;
  };
  const TemporaryFolder folder;
  make_ca(folder.path());
  const auto pem = *read_file(folder.path() / "cert.pem", 1 << 20);
  const auto with = [&](const char* name, const std::string& value) {
    auto out = settings;
    out[name] = value;
    return out;
  };
  const std::string again = "secret collect.source.secret-again;";
  EXPECT_EQ(change(with("url", "ldaps://127.0.0.1:18636"), std::nullopt), again);
  EXPECT_EQ(change(with("bind_dn", "cn=other"), std::nullopt), again);
  EXPECT_EQ(change(with("ca", pem), std::nullopt), again);
  EXPECT_EQ(change(with("privileged_groups", "管理者"), std::nullopt), "") << "it stays where it was";
  EXPECT_EQ(change(with("ca", pem), Secret("new")), "");
  EXPECT_EQ(change(with("ca", "/etc/ssl/cert.pem"), Secret("new")), "ca collect.source.ca;");
  EXPECT_EQ(change(with("ca", *read_file(folder.path() / "key.pem", 1 << 20)), Secret("new")),
            "ca collect.source.ca;");
  EXPECT_EQ(change(with("ca_file", "/etc/ssl/cert.pem"), Secret("new")), "ca_file ledger.field.unknown;");
  // The kind that is kept decides what is checked, not the one that a change calls itself.
  EXPECT_EQ(
      change({{"targets", "10.0.0.0/24"}}, Secret("new"), "network").find("kind collect.source.kind-stays;"),
      0u);
  EXPECT_EQ(change(with("ca", pem), std::nullopt, ""), "");
  const auto repo = *sources_->create(
      kActor, "f1", {"repo", "backup", {{"kind", "borg"}, {"repository", "/b"}}, Secret("pw"), 0, true});
  EXPECT_EQ(sources_
                ->update(kActor, store::Scope::door("f1"), repo.id,
                         {"repo", "backup", {{"kind", "borg"}, {"repository", "ssh://h/b"}}, {}, 0, true})
                .error()
                .problems.at(0)
                .code,
            "collect.source.secret-again");
}

TEST(Kinds, EveryReaderHasItsFileAndEveryFileItsReader) {
  const TemporaryFolder folder;
  for (const auto& entry : std::filesystem::directory_iterator(kSource / "data/readers"))
    std::filesystem::copy(entry.path(), folder.path() / entry.path().filename());
  ASSERT_TRUE(load_kinds(folder.path()));
  std::ofstream(folder.path() / "printer.yaml") << "reader: printer\nlabel: {ja: 印刷, en: Printer}\n";
  EXPECT_EQ(load_kinds(folder.path()).error().code, "base.yaml.bad");
  std::filesystem::remove(folder.path() / "printer.yaml");
  std::filesystem::remove(folder.path() / "backup.yaml");
  EXPECT_EQ(load_kinds(folder.path()).error().code, "base.yaml.bad");
}

TEST_P(OnBothEngines, ASourceThatIsRenamedKeepsItsFacts) {
  const SourceWrite write{"scan", "network", {}, std::nullopt, 0, true};
  const auto source = sources_->create(kActor, "f1", write);
  ASSERT_TRUE(source) << describe(source.error());
  const auto scan = scan_of({{"10.0.0.1", "02:00:00:00:00:01"}, {"10.0.0.2", "02:00:00:00:00:02"}});
  ASSERT_TRUE(sources_->run_file(kActor, store::Scope::door("f1"), source->id, scan));
  const auto explained = hosts().items[1];
  ASSERT_TRUE(nmap::explain_candidate(*ledger_, kActor, store::Scope::door("f1"), explained.id, "検証機"));
  auto renamed = write;
  renamed.name = "2階のネットワーク";
  ASSERT_TRUE(sources_->update(kActor, store::Scope::door("f1"), source->id, renamed));
  auto found = hosts().items;
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(text_of(found[0].fields, "source"), "2階のネットワーク");
  clock_.advance(std::chrono::hours(1));
  ASSERT_TRUE(sources_->run_file(kActor, store::Scope::door("f1"), source->id, scan));
  found = hosts().items;
  ASSERT_EQ(found.size(), 2u) << "not once under each name";
  EXPECT_EQ(text_of(found[1].fields, "decision"), "explained");
  auto lease = *database_->read();
  const auto readings = *ledger::read_readings(*lease, "f1");
  ASSERT_EQ(readings.at("observed_host").size(), 1u) << "an old name must not grow stale";
  EXPECT_EQ(readings.at("observed_host")[0].observer.name, "2階のネットワーク");
  const auto other = sources_->create(kActor, "f1", write);
  ASSERT_TRUE(other) << "its former name is free";
  EXPECT_EQ(
      sources_->update(kActor, store::Scope::door("f1"), other->id, renamed).error().problems.at(0).code,
      "collect.source.taken");
}

TEST_P(OnBothEngines, ASourceThatIsRemovedTakesItsFactsAlong) {
  const SourceWrite write{"scan", "network", {}, Secret("pw"), 60, true};
  const auto source = sources_->create(kActor, "f1", write);
  ASSERT_TRUE(source) << describe(source.error());
  ASSERT_TRUE(sources_->run_file(kActor, store::Scope::door("f1"), source->id,
                                 scan_of({{"10.0.0.1", "02:00:00:00:00:01"}})));
  sources_->add_duties();
  EXPECT_EQ(sources_->retire(kActor, store::Scope::door("f1"), source->id, " ").error().problems.at(0).code,
            "collect.source.reason");
  EXPECT_EQ(code_of(sources_->retire(kActor, store::Scope::door("f2"), source->id, "x")),
            "collect.source.missing");
  ASSERT_TRUE(sources_->retire(kActor, store::Scope::door("f1"), source->id, "機器を入れ替えた"));
  EXPECT_EQ(hosts().total, 0);
  EXPECT_EQ(sources_->list(store::Scope::door("f1"))->size(), 0u);
  EXPECT_EQ(code_of(sources_->run(kActor, store::Scope::door("f1"), source->id)), "collect.source.missing");
  {
    auto lease = *database_->read();
    EXPECT_TRUE(ledger::read_readings(*lease, "f1")->empty());
  }
  clock_.advance(std::chrono::hours(2));
  EXPECT_TRUE(jobs_->do_due("one")) << "and nothing reads it any more";
  const auto again = sources_->create(kActor, "f1", write);
  ASSERT_TRUE(again) << describe(again.error());
  ASSERT_TRUE(sources_->run_file(kActor, store::Scope::door("f1"), again->id,
                                 scan_of({{"10.0.0.1", "02:00:00:00:00:01"}})));
  EXPECT_EQ(hosts().total, 1);
}

TEST_P(OnBothEngines, ABadFileChangesNothingAndAFailingSourceSaysSinceWhen) {
  const auto source =
      sources_->create(kActor, "f1",
                       {"repo",
                        "backup",
                        {{"kind", "folder"}, {"repository", (folder_.path() / "none").string()}},
                        Secret("pw"),
                        60,
                        true});
  ASSERT_TRUE(source);
  std::ofstream(folder_.path() / "places") << folder_.path().string() << '\n';
  const auto first = sources_->run(kActor, store::Scope::door("f1"), source->id);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->error, "collect.backup.not-found");
  const auto since = clock_.now();
  clock_.advance(std::chrono::hours(2));
  sources_->add_duties();
  EXPECT_EQ(jobs_->do_due("one").error().code, "collect.backup.not-found") << "its time has come";
  EXPECT_EQ(sources_->get(store::Scope::door("f1"), source->id)->failing_since, since);
  EXPECT_EQ(code_of(sources_->run_file(kActor, store::Scope::door("f1"), source->id, "{")),
            "collect.backup.file");
  EXPECT_EQ(sources_->runs(store::Scope::door("f1"), source->id)->size(), 2u)
      << "a bad file is the sender's error, not a run";
  EXPECT_EQ(code_of(sources_->run(kActor, store::Scope::door("f2"), source->id)), "collect.source.missing");
  std::filesystem::create_directory(folder_.path() / "none");
  std::ofstream(folder_.path() / "none/a.dump") << "x";
  ASSERT_TRUE(sources_->run(kActor, store::Scope::door("f1"), source->id));
  EXPECT_FALSE(sources_->get(store::Scope::door("f1"), source->id)->failing_since);
}

TEST_P(OnBothEngines, AScanOfASegmentThatIsNotAllowedIsRefused) {
  make("segment",
       {{"name", "医療機器系"}, {"purpose", "medical"}, {"cidr", "127.0.0.0/30"}, {"scan_allowed", false}});
  const auto source = sources_->create(
      kActor, "f1", {"scan", "network", {{"targets", "127.0.0.0/30"}}, std::nullopt, 0, true});
  EXPECT_EQ(sources_->run(kActor, store::Scope::door("f1"), source->id)->error, "collect.nmap.not-allowed");
}

// nmap may run for a quarter of an hour; the end of the program does not wait for it.
TEST_P(OnBothEngines, AReadingThatRunsEndsWithTheProgramAndIsNoFailureOfItsSource) {
  const auto program = folder_.path() / "bin/nmap", begun = folder_.path() / "begun";
  std::filesystem::create_directory(program.parent_path());
  std::ofstream(program) << "#!/bin/sh\ntouch '" << begun.string() << "'\nexec sleep 600\n";
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", (program.parent_path().string() + ":" + path).c_str(), 1);
  make("segment",
       {{"name", "事務系"}, {"purpose", "business"}, {"cidr", "127.0.0.0/30"}, {"scan_allowed", true}});
  const auto source = *sources_->create(
      kActor, "f1", {"scan", "network", {{"targets", "127.0.0.0/30"}}, std::nullopt, 60, true});
  std::string outcome;
  const auto start = std::chrono::steady_clock::now();
  std::thread reading([&] {
    const auto run = sources_->run(kActor, store::Scope::door("f1"), source.id);
    outcome = run ? "ran: " + run->error : run.error().code;
  });
  for (int i = 0; i < 3000 && !std::filesystem::exists(begun); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const auto again = sources_->run(kActor, store::Scope::door("f1"), source.id);
  EXPECT_EQ(again.error().code, "jobs.busy") << "one reading of one source at a time";
  jobs_->stop();
  reading.join();
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
  EXPECT_EQ(outcome, "jobs.stopping");
  EXPECT_TRUE(sources_->runs(store::Scope::door("f1"), source.id)->empty());
  jobs_->join();
  const auto next = *jobs::Jobs::open(*database_);
  const auto sources = *Sources::open(*ledger_, sealer_, blobs_, *next, kSource / "data/readers", {});
  sources->add_duties();
  (void)next->do_due("one").has_value();
  EXPECT_EQ(sources->runs(store::Scope::door("f1"), source.id)->size(), 1u) << "read after the next start";
}

TEST_P(OnBothEngines, AccountsAreBoundToPersonsByNumberLoginMailAndUniqueName) {
  const auto numbered = make("person", {{"name", "田中 一郎"}, {"staff_number", "77"}});
  make("person", {{"name", "鈴木 花子"}});
  make("person", {{"name", "鈴木 花子"}});
  const auto mail = make("person", {{"name", "佐藤"}, {"email", "s@example.jp"}});
  const auto source = sources_->create(
      kActor, "f1", {"ad", "directory", {{"url", "ldaps://x"}, {"base", "dc=x"}}, std::nullopt, 0, true});
  const auto person = [](const std::string& login, const std::string& more) {
    return "dn: cn=" + login + ",dc=x\nobjectClass: user\nobjectClass: person\nsAMAccountName: " + login +
           "\nuserAccountControl: 512\n" + more + "\n";
  };
  ASSERT_TRUE(sources_->run_file(kActor, store::Scope::door("f1"), source->id,
                                 person("a", "employeeID: 77\n") +
                                     person("b", "displayName:: " + to_base64("鈴木　花子") + "\n") +
                                     person("c", "mail: S@Example.jp\n")));
  const auto page = ledger_->list(**ledger_->find_register("observed_account"),
                                  {.scope = store::Scope::door("f1"), .sort = "login"});
  EXPECT_EQ(text_of(page->items[0].fields, "person"), numbered.id);
  EXPECT_EQ(text_of(page->items[1].fields, "person"), "") << "two of that name: nothing is guessed";
  EXPECT_EQ(text_of(page->items[2].fields, "person"), mail.id);
}

}  // namespace
}  // namespace mamori::readers
