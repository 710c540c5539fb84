#include "base/time.h"

#include <gtest/gtest.h>

namespace mamori {
namespace {

std::string read(std::string_view text) {
  const auto date = parse_loose_date(text);
  return date ? iso_date(*date) : "-";
}

TEST(LooseDate, ReadsTheWaysPeopleWriteDates) {
  for (const std::string_view text : {"2023/5/8",
                                      "2023-05-08",
                                      "2023.5.8",
                                      "2023年5月8日",
                                      "令和5年5月8日",
                                      "R5.5.8",
                                      "r5/05/08",
                                      "20230508",
                                      "45054",
                                      "２０２３／５／８",
                                      "令和５年５月８日",
                                      " 2023/5/8 ",
                                      "2023/5/8 9:30",
                                      "2023-05-08T09:30:00",
                                      "2023/5/8(月)",
                                      "令和 5年 5月 8日",
                                      "㋿5年5月8日",
                                      "R.5.5.8",
                                      "2023‐05‐08",
                                      "2023−5−8",
                                      "2023年05月08日 09時00分",
                                      "2023/5/8㈪",
                                      "令和5年5月8日 午後3時"})
    EXPECT_EQ(read(text), "2023-05-08") << text;
  EXPECT_EQ(read("令和元年5月1日"), "2019-05-01");
  EXPECT_EQ(read("R元.5.1"), "2019-05-01");
  EXPECT_EQ(read("㍻30年4月1日"), "2018-04-01");
  EXPECT_EQ(read("平成32年3月31日"), "2020-03-31");
  EXPECT_EQ(read("H31.4.30"), "2019-04-30");
  EXPECT_EQ(read("昭和64年1月7日"), "1989-01-07");
}

TEST(LooseDate, RefusesWhatIsNoDayInsteadOfGuessing) {
  for (const std::string_view text :
       {"", "5/32", "2023/5/32", "2023/2/29", "令和5年", "令和5年5月", "H61.5.1", "2023/5/8 25:00",
        "2023年5月8日頃", "昭和64年1月8日", "23/5/8", "abc", "12", "2023/5/8x", "123456", "2023"})
    EXPECT_EQ(read(text), "-") << text;
}

TEST(LooseInstant, KeepsTheClockOrReadsNothing) {
  const auto read = [](std::string_view text) {
    const auto instant = parse_loose_instant(text);
    return instant ? local_minute(*instant) : "-";
  };
  EXPECT_EQ(read("2026/11/20 9:05"), "2026-11-20 09:05");
  EXPECT_EQ(read("令和8年11月20日 9時05分"), "2026-11-20 09:05");
  EXPECT_EQ(read("2026/11/20(金) 午後5時45分"), "2026-11-20 17:45");
  EXPECT_EQ(read("2026-11-20 5:45 PM"), "2026-11-20 17:45");
  EXPECT_EQ(read("2026/11/20"), "2026-11-20 00:00");
  for (const std::string_view text : {"2026/11/20 夕方", "2026/11/20 9", "2026/11/20 24:30", "17:45"})
    EXPECT_EQ(read(text), "-") << text;
}

TEST(JapaneseDate, ShowsTheEraBesideTheWesternYear) {
  EXPECT_EQ(japanese_date(*parse_iso_date("2026-11-21")), "2026年11月21日（令和8年）");
  EXPECT_EQ(japanese_date(*parse_iso_date("2019-05-01")), "2019年5月1日（令和元年）");
  EXPECT_EQ(japanese_date(*parse_iso_date("2019-04-30")), "2019年4月30日（平成31年）");
}

TEST(Days, ChangeAtMidnightInJapan) {
  EXPECT_EQ(iso_date(date_of(*parse_instant("2026-11-20T14:59:59Z"))), "2026-11-20");
  EXPECT_EQ(iso_date(date_of(*parse_instant("2026-11-20T15:00:00Z"))), "2026-11-21");
  EXPECT_EQ(fiscal_year(*parse_iso_date("2026-03-31")), 2025);
  EXPECT_EQ(fiscal_year(*parse_iso_date("2026-04-01")), 2026);
}

TEST(Instants, AreReadWithAndWithoutZone) {
  EXPECT_EQ(iso_instant(*parse_instant("2026-11-21T13:31:54.5+09:00")), "2026-11-21T04:31:54Z");
  EXPECT_EQ(iso_instant(*parse_instant("2026-11-21 13:31")), "2026-11-21T04:31:00Z");
  EXPECT_FALSE(parse_instant("2026-11-21T25:00:00Z"));
  EXPECT_FALSE(parse_instant("2026-11-21Tx"));
}

TEST(Durations, FollowIso8601) {
  EXPECT_EQ(parse_duration("P7D"), Duration(std::chrono::days(7)));
  EXPECT_EQ(parse_duration("P1DT12H"), Duration(std::chrono::hours(36)));
  for (const std::string_view bad : {"", "P", "7D", "PT", "P7X", "P1H"})
    EXPECT_FALSE(parse_duration(bad)) << bad;
}

}  // namespace
}  // namespace mamori
