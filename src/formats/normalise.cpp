#include "formats/normalise.h"

#include <algorithm>

#include "base/text.h"
#include "formats/detail.h"

namespace mamori::formats {
namespace {

using namespace detail;

bool take_digits(std::string_view& text, std::size_t count, int& value) {
  if (text.size() < count) return false;
  value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto digit = static_cast<unsigned char>(text[i] - '0');
    if (digit > 9) return false;
    value = value * 10 + digit;
  }
  text.remove_prefix(count);
  return true;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

// A record of a file whose columns the source has declared: nothing is guessed.
void read_csv(archive::Event& event, const Context& context, archive::Arena& arena) {
  const auto cells = csv_cells(event.raw, context.mapping->separator, arena);
  for (const auto& entry : context.mapping->entries) {
    const auto cell = entry.column != 0 && entry.column <= cells.size() ? trim(cells[entry.column - 1])
                                                                        : std::string_view();
    set_mapped(event, entry, cell, context);
  }
  offer(event, Field::kind, "csv");
  offer(event, Field::host, context.address);
}

}  // namespace

std::string_view reader_version() { return MAMORI_READER_VERSION; }

std::optional<Instant> parse_time(std::string_view text, std::chrono::minutes zone) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, millis = 0;
  if (!take_digits(text, 4, year) || !take(text, '-') || !take_digits(text, 2, month) || !take(text, '-') ||
      !take_digits(text, 2, day))
    return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  if (!text.empty()) {
    if (!(take(text, 'T') || take(text, 't') || take(text, ' '))) return std::nullopt;
    if (!take_digits(text, 2, hour) || !take(text, ':') || !take_digits(text, 2, minute)) return std::nullopt;
    if (take(text, ':') && !take_digits(text, 2, second)) return std::nullopt;
    if (take(text, '.') || take(text, ',')) {
      int scale = 100;
      if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
      for (; !text.empty() && text[0] >= '0' && text[0] <= '9'; text.remove_prefix(1), scale /= 10)
        millis += scale * (text[0] - '0');
    }
    if (hour > 23 || minute > 59 || second > 60) return std::nullopt;
  }
  if (take(text, 'Z') || take(text, 'z')) {
    zone = std::chrono::minutes(0);
  } else if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    const bool west = text[0] == '-';
    text.remove_prefix(1);
    int hours = 0, minutes = 0;
    if (!take_digits(text, 2, hours)) return std::nullopt;
    take(text, ':');
    if (!text.empty() && !take_digits(text, 2, minutes)) return std::nullopt;
    if (hours > 18 || minutes > 59) return std::nullopt;
    zone = std::chrono::minutes((hours * 60 + minutes) * (west ? -1 : 1));
  }
  if (!text.empty()) return std::nullopt;
  return Instant{std::chrono::sys_days(date)} + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second) + std::chrono::milliseconds(millis) - zone;
}

namespace detail {

void understand(Event& event, const Context& context, Arena& arena) {
  if (context.mapping && context.mapping->separator != 0) {
    read_csv(event, context, arena);
    return;
  }
  auto body = read_syslog(event.raw, event, context);
  if (body.starts_with("\xEF\xBB\xBF")) body.remove_prefix(3);
  const auto start = body.find_first_not_of(" \t\r\n");
  if (start != body.npos) body.remove_prefix(start);
  // A relay may have put its own header and tag before an audit message.
  if (!body.starts_with('<') && !body.starts_with('{'))
    if (const auto xml = body.substr(0, 512).find("<AuditMessage"); xml != body.npos) body.remove_prefix(xml);
  const bool marked = !body.empty() && (body.front() == '<' || body.front() == '{');
  const bool understood =
      marked && (body.front() == '{' ? read_json(body, event, context, arena)
                                     : read_audit_message(body, event, context, arena) ||
                                           read_windows_event(body, event, context, arena) ||
                                           read_fhir_xml(body, event, context, arena));
  if (!understood) read_pairs(body, event, context, arena);
  offer(event, Field::kind, "text");
  offer(event, Field::host, context.address);
}

void set_mapped(Event& event, const Mapping::Entry& entry, std::string_view value, const Context& context) {
  if (value.empty()) return;
  if (!entry.field) {
    if (const auto time = parse_loose_time(value, context.zone)) event.time = *time;
    return;
  }
  if (*entry.field == Field::source) return;  // who sent it is not the sender's to say
  if (*entry.field == Field::patient) value = patient_number(value);
  const auto outcome = *entry.field == Field::outcome ? outcome_word(value) : std::string_view();
  event[*entry.field] = (outcome.empty() ? value : outcome).substr(0, archive::kLongestField);
}

std::string_view outcome_word(std::string_view text) {
  // DICOM and FHIR: 0 success, 4, 8, 12 failures of growing weight.
  if (text == "0") return "success";
  if (text == "4" || text == "8" || text == "12") return "failure";
  if (text.size() > 24) return {};
  const auto word = to_lower_ascii(text);
  for (const auto* yes : {"success", "successful", "succeeded", "succeed", "ok", "accept", "accepted",
                          "allow", "allowed", "permit", "permitted", "pass", "passed", "true"})
    if (word == yes) return "success";
  for (const auto* no : {"failure", "failed", "fail", "error", "deny", "denied", "block", "blocked", "reject",
                         "rejected", "drop", "dropped", "refused", "false", "no"})
    if (word == no) return "failure";
  return {};
}

std::string_view patient_number(std::string_view text) {
  if (text.starts_with("Patient/"))
    text.remove_prefix(8);
  else if (const auto at = text.rfind("/Patient/"); at != text.npos)
    text.remove_prefix(at + 9);
  if (const auto history = text.find("/_history"); history != text.npos) text = text.substr(0, history);
  return text.substr(0, text.find('^'));
}

std::string_view unescape_xml(std::string_view text, Arena& arena) {
  auto amp = text.find('&');
  if (amp == text.npos) return text;
  std::string out;
  std::size_t from = 0;
  for (; amp != text.npos; amp = text.find('&', from)) {
    out += text.substr(from, amp - from);
    const auto end = text.find(';', amp);
    const auto name =
        end == text.npos || end - amp > 10 ? std::string_view() : text.substr(amp + 1, end - amp - 1);
    char32_t point = 0;
    if (name == "amp")
      point = '&';
    else if (name == "lt")
      point = '<';
    else if (name == "gt")
      point = '>';
    else if (name == "quot")
      point = '"';
    else if (name == "apos")
      point = '\'';
    else if (name.size() > 1 && name[0] == '#') {
      const bool hex = name[1] == 'x' || name[1] == 'X';
      for (const char c : name.substr(hex ? 2 : 1)) {
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : 99;
        if (digit >= (hex ? 16 : 10) || point > 0x10FFFF) {
          point = 0;
          break;
        }
        point = point * (hex ? 16 : 10) + static_cast<char32_t>(digit);
      }
    }
    if (point == 0 || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) {
      out += '&';
      from = amp + 1;
      continue;
    }
    if (point < 0x80) {
      out += static_cast<char>(point);
    } else if (point < 0x800) {
      out += static_cast<char>(0xC0 | point >> 6);
      out += static_cast<char>(0x80 | (point & 0x3F));
    } else if (point < 0x10000) {
      out += static_cast<char>(0xE0 | point >> 12);
      out += static_cast<char>(0x80 | (point >> 6 & 0x3F));
      out += static_cast<char>(0x80 | (point & 0x3F));
    } else {
      out += static_cast<char>(0xF0 | point >> 18);
      out += static_cast<char>(0x80 | (point >> 12 & 0x3F));
      out += static_cast<char>(0x80 | (point >> 6 & 0x3F));
      out += static_cast<char>(0x80 | (point & 0x3F));
    }
    from = end + 1;
  }
  out += text.substr(from);
  return arena.keep(out);
}

}  // namespace detail

void normalise(archive::Event& event, const Context& context, archive::Arena& arena) {
  const auto start = [&] {
    event.fields = {};
    event.received = event.time = context.received;
    event[Field::source] = context.source;
  };
  start();
  try {
    detail::understand(event, context, arena);
  } catch (const std::exception&) {
    // A mistake of ours in a reader (the fuzzer looks for them) must not stop the intake of everybody: the
    // bytes are kept.
    start();
    offer(event, Field::kind, "text");
    offer(event, Field::host, context.address);
  }
}

}  // namespace mamori::formats
