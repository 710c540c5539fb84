#include "corpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>

namespace mamori::bench {
namespace {

constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr const char* kOwn[] = {
    "Jun 14 15:16:01 gw sshd[19939]: Failed password for root from 198.51.100.4 port 3322 ssh2",
    "Jun 14 15:16:02 gw sshd[19937]: Accepted password for user admin from 192.0.2.17 port 51022 ssh2",
    "Jun 14 15:16:02 ns dhcpd: DHCPACK on 192.0.2.143 to 02:4d:00:11:22:33 via eth0",
    ("2016-09-28 04:30:30, Info                  CBS    Loaded Servicing Stack v6.1.7601.23505 with Core: "
     "C:\\Windows\\winsxs\\cbscore.dll"),
    "[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok /etc/httpd/conf/workers2.properties",
};
enum Form { kSyslog = 0, kWindows = 1, kApache = 2, kNone = 3 };

}  // namespace

std::string user_name(std::uint64_t number) { return fmt::format("s{:05}", 10001 + number); }
std::string patient_id(std::uint64_t number) { return fmt::format("{:08}", 10000000 + number * 37); }

Corpus::Corpus(const std::string& samples, std::int64_t start, std::int64_t step_micros, std::uint64_t seed)
    : state_(seed), micros_(start * 1000), step_(step_micros) {
  std::vector<std::filesystem::path> files;
  std::error_code absent;
  for (const auto& entry : std::filesystem::directory_iterator(samples, absent))
    if (entry.path().extension() == ".log") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
      if (!line.empty() && line.back() == '\r') line.pop_back();
      if (!line.empty()) add(line);
    }
  }
  from_samples_ = !lines_.empty();
  if (!from_samples_)
    for (const auto* line : kOwn) add(line);
}

void Corpus::add(const std::string& line) {
  Line out;
  std::string rest = line;
  if (line.size() > 19 && line[4] == '-' && line[13] == ':') {
    out.time_form = kWindows;
    rest = line.substr(19);
  } else if (line.size() > 26 && line[0] == '[' && line[25] == ']') {
    out.time_form = kApache;
    rest = line.substr(26);
  } else if (line.size() > 15 && line[6] == ' ' && line[9] == ':') {
    out.time_form = kSyslog;
    rest = line.substr(15);
  } else {
    out.time_form = kNone;
  }
  for (const auto* mark : {" user ", "user=", "for root", "for "}) {
    const auto at = rest.find(mark);
    if (at == rest.npos || std::string(mark) == "for ") continue;
    const auto start = at + std::string(mark).size() - (std::string(mark) == "for root" ? 4 : 0);
    const auto end = rest.find_first_of(" ;,", start);
    out.has_user = true;
    out.before = rest.substr(0, start);
    out.after = end == rest.npos ? "" : rest.substr(end);
    break;
  }
  if (!out.has_user) out.before = rest;
  lines_.push_back(std::move(out));
}

std::uint64_t Corpus::random() {
  std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

const std::string& Corpus::next() {
  micros_ += static_cast<std::int64_t>(random(static_cast<std::uint64_t>(step_) * 2 + 1));
  const auto seconds = static_cast<std::time_t>(micros_ / 1000000);
  const auto millis = micros_ / 1000 % 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  out_.clear();
  const auto to = std::back_inserter(out_);
  const auto kind = number_++ % 8;
  if (kind == 6) {
    const auto stamp = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                                   utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, millis);
    // A patient is looked at several times within a visit: the same id comes back among the events of some
    // minutes.
    const auto visit = number_ / 4096 * 97 + random(64);
    const auto patient = patient_id(visit * 2654435761u % 200000);
    fmt::format_to(
        to,
        "<85>1 {0} pacs1 dcm4chee {1} IHE+RFC-3881 - <?xml version=\"1.0\" "
        "encoding=\"UTF-8\"?><AuditMessage><EventIdentification EventActionCode=\"R\" EventDateTime=\"{0}\" "
        "EventOutcomeIndicator=\"{2}\"><EventID csd-code=\"110103\" codeSystemName=\"DCM\" "
        "originalText=\"DICOM Instances Accessed\"/></EventIdentification><ActiveParticipant UserID=\"{3}\" "
        "UserIsRequestor=\"true\" UserTypeCode=\"1\" NetworkAccessPointID=\"10.1.{4}.{5}\" "
        "NetworkAccessPointTypeCode=\"2\"/><ActiveParticipant UserID=\"PACS1\" AlternativeUserID=\"{1}\" "
        "UserIsRequestor=\"false\" UserTypeCode=\"2\" NetworkAccessPointID=\"pacs1\" "
        "NetworkAccessPointTypeCode=\"1\"/><AuditSourceIdentification "
        "AuditSourceID=\"PACS1\"><AuditSourceTypeCode csd-code=\"4\"/>"
        "</AuditSourceIdentification><ParticipantObjectIdentification "
        "ParticipantObjectID=\"1.2.392.200036.9116.{6}\" ParticipantObjectTypeCode=\"2\" "
        "ParticipantObjectTypeCodeRole=\"3\">"
        "<ParticipantObjectIDTypeCode csd-code=\"110180\" originalText=\"Study Instance UID\" "
        "codeSystemName=\"DCM\"/></ParticipantObjectIdentification><ParticipantObjectIdentification "
        "ParticipantObjectID=\"{7}\" "
        "ParticipantObjectTypeCode=\"1\" ParticipantObjectTypeCodeRole=\"1\"><ParticipantObjectIDTypeCode "
        "csd-code=\"2\" originalText=\"Patient Number\" "
        "codeSystemName=\"RFC-3881\"/></ParticipantObjectIdentification></AuditMessage>",
        stamp, 40000 + number_ / 100000 % 100, random(50) == 0 ? 4 : 0, user_name(random(650)), random(8),
        1 + random(250), visit * 131 + random(3), patient);
    return out_;
  }
  if (kind == 7) {
    const bool failed = random(20) == 0;
    fmt::format_to(
        to,
        "<Event xmlns=\"http://schemas.microsoft.com/win/2004/08/events/event\"><System><Provider "
        "Name=\"Microsoft-Windows-Security-Auditing\" "
        "Guid=\"{{54849625-5478-4994-A5BA-3E3B0328C30D}}\"/><EventID>{}</EventID>"
        "<Version>2</Version><Level>0</Level><Task>12544</Task><Opcode>0</"
        "Opcode><Keywords>0x80{}0000000000000</Keywords><TimeCreated "
        "SystemTime=\"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}{:04}00Z\"/><EventRecordID>{}</EventRecordID>"
        "<Correlation/><Execution ProcessID=\"{}\" "
        "ThreadID=\"{}\"/><Channel>Security</Channel><Computer>dc1.minato.example</Computer></"
        "System><EventData><Data Name=\"SubjectUserSid\">S-1-5-18</Data>"
        "<Data Name=\"TargetUserName\">{}</Data><Data Name=\"TargetDomainName\">MINATO</Data><Data "
        "Name=\"TargetLogonId\">0x{:x}</Data><Data Name=\"LogonType\">{}</Data><Data "
        "Name=\"WorkstationName\">PC-{:04}</Data>"
        "<Data Name=\"IpAddress\">10.1.{}.{}</Data><Data Name=\"IpPort\">{}</Data></EventData></Event>",
        failed ? 4625 : 4624, failed ? 1 : 2, utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
        utc.tm_min, utc.tm_sec, millis, random(10000), 900000 + number_ / 8, 600 + random(8) * 4,
        600 + random(300) * 4, user_name(random(650)), 0x100000 + number_ * 7 + random(5),
        random(4) == 0 ? 10 : 3, random(640), random(8), 1 + random(250), 49152 + random(16384));
    return out_;
  }
  const auto& line = lines_[static_cast<std::size_t>(random(lines_.size()))];
  switch (line.time_form) {
    case kSyslog:
      fmt::format_to(to, "{} {:2} {:02}:{:02}:{:02}", kMonths[utc.tm_mon], utc.tm_mday, utc.tm_hour,
                     utc.tm_min, utc.tm_sec);
      break;
    case kWindows:
      fmt::format_to(to, "{:04}-{:02}-{:02} {:02}:{:02}:{:02}", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
      break;
    case kApache:
      fmt::format_to(to, "[{} {} {:02} {:02}:{:02}:{:02} {:04}]", kDays[utc.tm_wday], kMonths[utc.tm_mon],
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, utc.tm_year + 1900);
      break;
    default: break;
  }
  out_ += line.before;
  if (line.has_user) {
    out_ += user_name(random(650));
    out_ += line.after;
  }
  return out_;
}

}  // namespace mamori::bench
