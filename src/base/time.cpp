#include "base/time.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "base/text.h"

namespace mamori {
namespace {

using namespace std::chrono;

constexpr hours kJapan{9};

struct Era {
  std::string_view kanji;
  char letter;
  int first_year;  // year 1 of the era
  sys_days begins;
  sys_days ends;  // last day
};

constexpr std::array<Era, 5> kEras = {{
    {"令和", 'R', 2019, sys_days{2019y / 5 / 1}, sys_days{2999y / 12 / 31}},
    {"平成", 'H', 1989, sys_days{1989y / 1 / 8}, sys_days{2019y / 4 / 30}},
    {"昭和", 'S', 1926, sys_days{1926y / 12 / 25}, sys_days{1989y / 1 / 7}},
    {"大正", 'T', 1912, sys_days{1912y / 7 / 30}, sys_days{1926y / 12 / 24}},
    {"明治", 'M', 1868, sys_days{1873y / 1 / 1}, sys_days{1912y / 7 / 29}},
}};

std::optional<int> take_number(std::string_view& text, std::size_t longest) {
  std::size_t length = 0;
  while (length < text.size() && length < longest && text[length] >= '0' && text[length] <= '9') ++length;
  if (length == 0) return std::nullopt;
  int value = 0;
  std::from_chars(text.data(), text.data() + length, value);
  text.remove_prefix(length);
  return value;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool take_separator(std::string_view& text, std::string_view kanji) {
  return take(text, kanji) || take(text, "/") || take(text, "-") || take(text, ".");
}

std::optional<Date> make_date(int y, int m, int d) {
  const Date date{year{y}, month{static_cast<unsigned>(m)}, day{static_cast<unsigned>(d)}};
  if (!date.ok() || y < 1868 || y > 2999) return std::nullopt;
  return date;
}

}  // namespace

Instant SystemClock::now() const { return floor<milliseconds>(system_clock::now()); }

Date date_of(Instant instant) { return Date{floor<days>(instant + kJapan)}; }
Instant start_of(Date date) { return Instant{sys_days{date}} - kJapan; }
Date add_days(Date date, int count) { return Date{sys_days{date} + days{count}}; }
int days_between(Date from, Date to) { return static_cast<int>((sys_days{to} - sys_days{from}).count()); }
int fiscal_year(Date date) {
  return static_cast<int>(date.year()) - (static_cast<unsigned>(date.month()) < 4 ? 1 : 0);
}

std::string iso_date(Date date) {
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

std::string iso_instant(Instant instant) {
  const auto day = floor<days>(instant);
  const hh_mm_ss<milliseconds> clock{instant - day};
  return fmt::format("{}T{:02}:{:02}:{:02}Z", iso_date(Date{day}), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count());
}

std::string local_minute(Instant instant) {
  const auto local = instant + kJapan;
  const auto day = floor<days>(local);
  const hh_mm_ss<milliseconds> clock{local - day};
  return fmt::format("{} {:02}:{:02}", iso_date(Date{day}), clock.hours().count(), clock.minutes().count());
}

std::string japanese_date(Date date) {
  std::string text = fmt::format("{}年{}月{}日", static_cast<int>(date.year()),
                                 static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  for (const auto& era : kEras) {
    if (sys_days{date} < era.begins || sys_days{date} > era.ends) continue;
    const int number = static_cast<int>(date.year()) - era.first_year + 1;
    text += fmt::format("（{}{}年）", era.kanji, number == 1 ? std::string("元") : std::to_string(number));
  }
  return text;
}

std::optional<Date> parse_iso_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto y = take_number(text, 4);
  text.remove_prefix(1);
  const auto m = take_number(text, 2);
  if (text.empty()) return std::nullopt;
  text.remove_prefix(1);
  const auto d = take_number(text, 2);
  if (!y || !m || !d || !text.empty()) return std::nullopt;
  return make_date(*y, *m, *d);
}

namespace {

void skip_spaces(std::string_view& text) {
  while (text.starts_with(" ")) text.remove_prefix(1);
}

const Era* take_era(std::string_view& text) {
  for (const auto& era : kEras) {
    if (take(text, era.kanji)) return &era;
    if (text.empty() || text[0] != era.letter + 32) continue;
    auto rest = text.substr(1);
    take(rest, ".");
    skip_spaces(rest);
    if (rest.empty() || !((rest[0] >= '0' && rest[0] <= '9') || rest.starts_with("元"))) continue;
    text = rest;
    return &era;
  }
  return nullptr;
}

// The date at the beginning of a folded text; `text` is then what follows it.
std::optional<Date> take_loose_date(std::string_view& text) {
  const Era* era = take_era(text);
  skip_spaces(text);
  const auto y = take(text, "元") ? std::optional<int>(1) : take_number(text, 4);
  skip_spaces(text);
  if (!y || !take_separator(text, "年")) return std::nullopt;
  if (!era && *y < 1000)
    return std::nullopt;  // a two-digit year could be an era year or a western one: ask instead of guessing
  skip_spaces(text);
  const auto m = take_number(text, 2);
  skip_spaces(text);
  if (!m || !take_separator(text, "月")) return std::nullopt;
  skip_spaces(text);
  const auto d = take_number(text, 2);
  if (!d) return std::nullopt;
  take(text, "日");
  const auto date = make_date(era ? era->first_year + *y - 1 : *y, *m, *d);
  if (!date || !era) return date;
  // Contracts of before 2019 run until 平成32年, which everybody reads as 令和2年; other eras ended
  // unforeseen.
  const bool goes_on = era->letter == 'H' && sys_days{*date} <= sys_days{2030y / 12 / 31};
  if (sys_days{*date} < era->begins || (sys_days{*date} > era->ends && !goes_on)) return std::nullopt;
  return date;
}

// What follows a date: "(月)", "9:00", "T09:00:00", "午後5時30分". The time of day, zero where none is named;
// none where something else stands there.
std::optional<seconds> clock_of(std::string_view text) {
  skip_spaces(text);
  if (take(text, "(")) {  // the weekday
    const auto end = text.find(')');
    if (end == text.npos || end > 12) return std::nullopt;
    text.remove_prefix(end + 1);
    skip_spaces(text);
  }
  if (text.empty()) return seconds{0};
  take(text, "t");
  const bool before_noon = take(text, "午前"), after_noon = !before_noon && take(text, "午後");
  skip_spaces(text);
  const auto h = take_number(text, 2);
  if (!h) return std::nullopt;
  const bool kanji = take(text, "時");
  if (!kanji && !take(text, ":")) return std::nullopt;
  int minute = 0, second = 0;
  skip_spaces(text);
  if (!text.empty() || !kanji) {
    const auto m = take_number(text, 2);
    if (!m || (kanji && !take(text, "分"))) return std::nullopt;
    minute = *m;
    if (kanji ? !text.empty() : take(text, ":")) {
      const auto s = take_number(text, 2);
      if (!s || (kanji && !take(text, "秒"))) return std::nullopt;
      second = *s;
      if (!kanji && take(text, ".")) take_number(text, 9);
    }
  }
  skip_spaces(text);
  const bool am = before_noon || take(text, "am"), pm = after_noon || take(text, "pm");
  int hour = *h;
  if ((am || pm) && hour > 12) return std::nullopt;
  if (am && hour == 12) hour = 0;
  if (pm && hour < 12) hour += 12;
  if (!text.empty() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  return hours{hour} + minutes{minute} + seconds{second};
}

}  // namespace

std::optional<Date> parse_loose_date(std::string_view raw) {
  const std::string folded = fold(trim(raw));
  std::string_view text = folded;

  // Plain digits: 20230508, or an Excel day number.
  if (!text.empty() && text.find_first_not_of("0123456789") == text.npos) {
    if (text.size() == 8) {
      const auto y = take_number(text, 4), m = take_number(text, 2), d = take_number(text, 2);
      return make_date(*y, *m, *d);
    }
    if (text.size() > 5) return std::nullopt;
    const auto serial = *take_number(text, 5);
    // Excel counts days from 1899-12-30; four digits are rather a year than a day of before 1927.
    if (serial < 10000 || serial > 80000) return std::nullopt;
    return Date{sys_days{1899y / 12 / 30} + days{serial}};
  }
  const auto date = take_loose_date(text);
  if (!date || (!clock_of(text) && !parse_instant(raw))) return std::nullopt;
  return date;
}

std::optional<Instant> parse_loose_instant(std::string_view raw) {
  if (const auto instant = parse_instant(raw)) return instant;
  const std::string folded = fold(trim(raw));
  std::string_view text = folded;
  if (const auto date = take_loose_date(text)) {
    const auto clock = clock_of(text);
    if (!clock) return std::nullopt;  // a time that cannot be read is not midnight
    return start_of(*date) + *clock;
  }
  if (const auto date = parse_loose_date(raw)) return start_of(*date);
  return std::nullopt;
}

std::optional<Instant> parse_instant(std::string_view raw) {
  std::string_view text = trim(raw);
  if (text.size() < 10) return std::nullopt;
  const auto date = parse_iso_date(text.substr(0, 10));
  if (!date) return std::nullopt;
  text.remove_prefix(10);
  if (text.empty()) return start_of(*date);
  if (text[0] != 'T' && text[0] != ' ' && text[0] != 't') return std::nullopt;
  text.remove_prefix(1);
  const auto h = take_number(text, 2);
  if (!h || !take(text, ":")) return std::nullopt;
  const auto m = take_number(text, 2);
  if (!m) return std::nullopt;
  int s = 0, ms = 0;
  if (take(text, ":")) {
    const auto seconds_read = take_number(text, 2);
    if (!seconds_read) return std::nullopt;
    s = *seconds_read;
    if (take(text, ".")) {
      int scale = 100;
      bool any = false;
      while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
        ms += (text[0] - '0') * scale;
        scale /= 10;
        any = true;
        text.remove_prefix(1);
      }
      if (!any) return std::nullopt;
    }
  }
  if (*h > 23 || *m > 59 || s > 60) return std::nullopt;
  const Instant as_utc = Instant{sys_days{*date}} + hours{*h} + minutes{*m} + seconds{s} + milliseconds{ms};
  if (text.empty()) return as_utc - kJapan;
  if (text == "Z" || text == "z") return as_utc;
  const bool east = text[0] == '+';
  if (!east && text[0] != '-') return std::nullopt;
  text.remove_prefix(1);
  const auto zone_hours = take_number(text, 2);
  take(text, ":");
  const auto zone_minutes = take_number(text, 2);
  if (!zone_hours || !zone_minutes || !text.empty() || *zone_hours > 14 || *zone_minutes > 59)
    return std::nullopt;
  const auto offset = hours{*zone_hours} + minutes{*zone_minutes};
  return east ? as_utc - offset : as_utc + offset;
}

std::optional<Duration> parse_duration(std::string_view text) {
  if (!take(text, "P") || text.empty()) return std::nullopt;
  Duration total{0};
  bool in_time = false;
  while (!text.empty()) {
    if (take(text, "T")) {
      if (in_time || text.empty()) return std::nullopt;
      in_time = true;
    }
    const auto count = take_number(text, 6);
    if (!count || text.empty()) return std::nullopt;
    const char unit = text[0];
    text.remove_prefix(1);
    if (!in_time && unit == 'D')
      total += days{*count};
    else if (!in_time && unit == 'W')
      total += days{*count * 7};
    else if (!in_time && unit == 'M')
      total += days{*count * 30};
    else if (!in_time && unit == 'Y')
      total += days{*count * 365};
    else if (in_time && unit == 'H')
      total += hours{*count};
    else if (in_time && unit == 'M')
      total += minutes{*count};
    else if (in_time && unit == 'S')
      total += seconds{*count};
    else
      return std::nullopt;
  }
  return total;
}

}  // namespace mamori
