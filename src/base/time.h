// Time. Instants are UTC milliseconds since 1970; a Date is a civil day in Japan (UTC+9 all year, no daylight
// saving).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mamori {

using Instant = std::chrono::sys_time<std::chrono::milliseconds>;
using Date = std::chrono::year_month_day;
using Duration = std::chrono::milliseconds;

// The world's time as seen by the program. Implementations may be called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
};

class SystemClock final : public Clock {
 public:
  Instant now() const override;
};

inline std::int64_t to_millis(Instant instant) { return instant.time_since_epoch().count(); }
inline Instant from_millis(std::int64_t millis) { return Instant{Duration{millis}}; }

Date date_of(Instant instant);  // the day in Japan
Instant start_of(Date date);    // midnight in Japan
Date add_days(Date date, int days);
int days_between(Date from, Date to);  // to - from
// The Japanese fiscal year (1 April to 31 March) a day belongs to.
int fiscal_year(Date date);

std::string iso_date(Date date);            // 2026-11-21
std::string iso_instant(Instant instant);   // 2026-11-21T04:31:54Z
std::string local_minute(Instant instant);  // 2026-11-21 13:31, Japan
// 2026年11月21日（令和8年）; before Meiji 6 (1873, the Gregorian reform) the western date alone.
std::string japanese_date(Date date);

// Strict ISO 8601 day "2026-11-21".
std::optional<Date> parse_iso_date(std::string_view text);
// What people write: 2023/5/8, 2023-05-08, 2023.5.8, 2023年5月8日, 令和5年5月8日, 令和元年…, R5.5.8,
// H31/4/30, H.28.4.1, R元.5.1, ㍻30年…, 20230508, Excel day numbers 10000…80000 (1927 to 2119, 1900 system),
// with a weekday or a time after it, which is dropped. Every width of digits and every dash is accepted. An
// era day outside its era is refused; only 平成 goes on until 2030, as contracts of before 2019 write it.
std::optional<Date> parse_loose_date(std::string_view text);
// A day as above with the time after it, in Japan: 9:30, 9時30分, 午後5時; without one, the day's start. ISO
// 8601 with an offset as in parse_instant(). None where what follows the day cannot be read.
std::optional<Instant> parse_loose_instant(std::string_view text);
// RFC 3339 instant with zone, or "YYYY-MM-DD HH:MM[:SS]" and "YYYY-MM-DDTHH:MM" taken as Japan time, or a day
// (its midnight).
std::optional<Instant> parse_instant(std::string_view text);
// ISO 8601 durations of days, hours, minutes and weeks: P7D, PT30M, P1DT12H, P2W; P1M and P1Y count 30 and
// 365 days.
std::optional<Duration> parse_duration(std::string_view text);

}  // namespace mamori
