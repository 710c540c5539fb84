// Syslog headers: RFC 5424, RFC 3164, and what devices make of it: no priority (files), no time (YAMAHA), a
// year behind the day, ISO times (rsyslog's forward format), Cisco's sequence numbers, clock marks and zones,
// FortiGate's key=value right behind the priority.
#include <cstring>

#include "formats/detail.h"

namespace mamori::formats::detail {
namespace {

constexpr std::string_view kDigits[] = {"0", "1", "2", "3", "4", "5", "6", "7"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The text up to the next blank, which is taken too.
std::string_view word(std::string_view& text) {
  const auto end = text.find(' ');
  const auto out = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  return out;
}

int month_of(std::string_view text) {
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() < 3) return 0;
  for (int i = 0; i < 12; ++i)
    if (std::memcmp(kMonths.data() + 3 * i, text.data(), 3) == 0) return i + 1;
  return 0;
}

// "Nov 21 04:31:54", "Nov  1 2026 04:31:54.123": taken from the front with the blank behind it. Without a
// year, the one that puts the time nearest to its receipt.
bool take_bsd_time(std::string_view& text, const Context& context, Instant& out) {
  const auto month = month_of(text);
  if (month == 0 || text.size() < 15 || text[3] != ' ') return false;
  auto rest = text.substr(4);
  if (rest[0] == ' ') rest.remove_prefix(1);
  int day = 0;
  std::size_t used = 0;
  while (used < 2 && used < rest.size() && is_digit(rest[used])) day = day * 10 + (rest[used++] - '0');
  if (used == 0 || used == rest.size() || rest[used] != ' ') return false;
  rest.remove_prefix(used + 1);
  int year = 0;
  if (rest.size() > 5 && is_digit(rest[0]) && is_digit(rest[1]) && is_digit(rest[2]) && is_digit(rest[3]) &&
      rest[4] == ' ') {
    year = (rest[0] - '0') * 1000 + (rest[1] - '0') * 100 + (rest[2] - '0') * 10 + (rest[3] - '0');
    rest.remove_prefix(5);
  }
  if (rest.size() < 8 || rest[2] != ':' || rest[5] != ':') return false;
  const auto two = [&](std::size_t at) {
    return is_digit(rest[at]) && is_digit(rest[at + 1]) ? (rest[at] - '0') * 10 + (rest[at + 1] - '0') : 99;
  };
  const int hour = two(0), minute = two(3), second = two(6);
  if (hour > 23 || minute > 59 || second > 60 || day < 1 || day > 31) return false;
  rest.remove_prefix(8);
  int millis = 0;
  if (rest.size() > 1 && rest[0] == '.' && is_digit(rest[1])) {
    rest.remove_prefix(1);
    for (int scale = 100; !rest.empty() && is_digit(rest[0]); rest.remove_prefix(1), scale /= 10)
      millis += scale * (rest[0] - '0');
  }
  const auto at = [&](int in_year) -> std::optional<Instant> {
    const std::chrono::year_month_day date{std::chrono::year(in_year),
                                           std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    if (!date.ok()) return std::nullopt;
    return Instant{std::chrono::sys_days(date)} + std::chrono::hours(hour) + std::chrono::minutes(minute) +
           std::chrono::seconds(second) + std::chrono::milliseconds(millis) - context.zone;
  };
  std::optional<Instant> best;
  if (year != 0) {
    best = at(year);
  } else {
    const auto now = std::chrono::floor<std::chrono::days>(context.received + context.zone);
    const auto this_year = static_cast<int>(std::chrono::year_month_day(now).year());
    for (const int candidate : {this_year, this_year - 1, this_year + 1}) {
      const auto found = at(candidate);
      // A log is older than its receipt: half a day ahead at most is taken for a wrong clock or zone.
      if (found && *found <= context.received + std::chrono::hours(14)) {
        best = found;
        break;
      }
    }
  }
  if (!best) return false;
  out = *best;
  if (!rest.empty() && rest[0] == ' ') rest.remove_prefix(1);
  text = rest;
  return true;
}

// Cisco: "123: ", "*", ".", a zone such as "JST" and a colon around the time. What is left begins with
// %FACILITY-…
bool take_cisco(std::string_view& text, Event& event, const Context& context) {
  auto rest = text;
  std::size_t digits = 0;
  while (digits < rest.size() && is_digit(rest[digits])) ++digits;
  if (digits > 0 && digits < 12 && rest.substr(digits).starts_with(": ")) rest.remove_prefix(digits + 2);
  std::string_view host;
  // "host: Nov 21 …" where `logging origin-id` is set.
  if (const auto colon = rest.find(": ");
      colon != rest.npos && colon < 64 && rest.substr(0, colon).find(' ') == rest.npos) {
    auto stamp = rest.substr(colon + 2);
    if (stamp.starts_with('*') || stamp.starts_with('.')) stamp.remove_prefix(1);
    if (month_of(stamp) != 0) {
      host = rest.substr(0, colon);
      rest.remove_prefix(colon + 2);
    }
  }
  if (!rest.empty() && (rest[0] == '*' || rest[0] == '.')) rest.remove_prefix(1);
  Instant time;
  if (!take_bsd_time(rest, context, time)) return false;
  const auto mnemonic = rest.find('%');
  if (mnemonic == rest.npos || mnemonic > 16) return false;
  event.time = time;
  // ASA: "asa1 : %ASA-6-…"; a zone would be followed by the colon at once.
  if (const auto blank = rest.substr(0, mnemonic).find(" :"); blank != rest.npos && blank > 0)
    host = rest.substr(0, blank);
  offer(event, Field::host, host);
  rest.remove_prefix(mnemonic);
  const auto end = rest.find(':');
  offer(event, Field::action, rest.substr(0, std::min<std::size_t>(end, 64)));
  text = rest;
  return true;
}

}  // namespace

std::string_view read_syslog(std::string_view raw, Event& event, const Context& context) {
  auto text = raw;
  bool header = false;
  if (text.size() > 2 && text[0] == '<' && is_digit(text[1])) {
    const auto close = text.substr(0, 5).find('>');
    if (close != text.npos) {
      int priority = 0;
      bool good = true;
      for (std::size_t i = 1; i < close; ++i) {
        good = good && is_digit(text[i]);
        priority = priority * 10 + (text[i] - '0');
      }
      if (good && priority <= 191) {
        event[Field::severity] = kDigits[priority % 8];
        text.remove_prefix(close + 1);
        header = true;
      }
    }
  }
  // RFC 5424: version 1, then six words.
  if (header && text.starts_with("1 ")) {
    auto rest = text.substr(2);
    const auto stamp = word(rest);
    const auto time = parse_time(stamp, context.zone);
    if (time || stamp == "-") {
      if (time) event.time = *time;
      offer(event, Field::host, word(rest));
      word(rest);  // application
      word(rest);  // process
      word(rest);  // message id
      if (rest.starts_with("-")) {
        rest.remove_prefix(1);
      } else {
        // Structured data: [id name="value" …]…, where \" \\ and \] are escaped.
        while (rest.starts_with("[")) {
          bool quoted = false;
          std::size_t i = 1;
          for (; i < rest.size() && (quoted || rest[i] != ']'); ++i) {
            if (rest[i] == '\\' && quoted)
              ++i;
            else if (rest[i] == '"')
              quoted = !quoted;
          }
          rest.remove_prefix(std::min(rest.size(), i + 1));
        }
      }
      if (rest.starts_with(" ")) rest.remove_prefix(1);
      offer(event, Field::kind, "syslog");
      return rest;
    }
  }
  if (header && take_cisco(text, event, context)) {
    offer(event, Field::kind, "syslog");
    return text;
  }
  auto rest = text;
  Instant time;
  bool timed = take_bsd_time(rest, context, time);
  if (!timed) {
    // ISO times where RFC 3164 has its own.
    auto probe = text;
    const auto stamp = word(probe);
    if (const auto parsed = stamp.size() >= 16 ? parse_time(stamp, context.zone) : std::nullopt) {
      time = *parsed;
      rest = probe;
      timed = true;
    }
  }
  if (!timed) {
    if (header) offer(event, Field::kind, "syslog");
    // Program logs in files: "2016-09-28 04:30:30, …", "[Sun Dec 04 04:47:44 2005] …"
    if (text.size() > 19 && text[0] == '2' && text[4] == '-') {
      if (const auto parsed = parse_time(text.substr(0, 19), context.zone)) event.time = *parsed;
    } else if (text.size() > 26 && text[0] == '[' && text[25] == ']' && month_of(text.substr(5)) != 0) {
      // The year stands behind the time.
      char line[21];
      std::memcpy(line, text.data() + 5, 7);
      std::memcpy(line + 7, text.data() + 21, 4);
      line[11] = ' ';
      std::memcpy(line + 12, text.data() + 12, 8);
      line[20] = ' ';
      std::string_view probe_text(line, sizeof line);
      if (take_bsd_time(probe_text, context, time)) event.time = time;
    }
    return text;
  }
  event.time = time;
  offer(event, Field::kind, "syslog");
  // Host, unless the next word is already the tag ("sshd[12]:").
  auto probe = rest;
  const auto host = word(probe);
  if (!host.empty() && host.find_first_of("[]:=") == host.npos) {
    offer(event, Field::host, host);
    rest = probe;
  } else if (!host.empty() && host.find_first_of("[]=") == host.npos && host.find(':') != host.size() - 1) {
    offer(event, Field::host, host);  // an IPv6 address
    rest = probe;
  }
  // The tag stays in the message: "sshd[12]: Failed …" reads better whole, but the body of a structured
  // message begins behind it.
  const auto colon = rest.find(": ");
  if (colon != rest.npos && colon < 64 && rest.substr(0, colon).find(' ') == rest.npos &&
      colon + 2 < rest.size() &&
      (rest[colon + 2] == '<' || rest[colon + 2] == '{' || rest.substr(colon + 2).starts_with("CEF:")))
    rest.remove_prefix(colon + 2);
  return rest;
}

}  // namespace mamori::formats::detail
