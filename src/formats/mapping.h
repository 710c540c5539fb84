// What a source says of its own fields: "time=日時, user=職員番号, patient=患者ID". For CSV files the names
// are headings (or column numbers from 1), for JSON lines paths (a.b.0.c).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "archive/event.h"
#include "base/result.h"

namespace mamori::formats {

struct Mapping {
  struct Entry {
    std::optional<archive::Field> field;  // none: the time of the event
    std::string name;
    std::size_t column = 0;  // of CSV, from 1; 0: not known
  };
  std::vector<Entry> entries;
  char separator = 0;  // 0: not CSV

  bool empty() const { return entries.empty(); }
};

// Error: collect.log.mapping (fact: entry).
Result<Mapping> parse_mapping(std::string_view text);
// Whether all names are column numbers: the lines are CSV without a heading.
bool is_numbered(const Mapping& mapping);
// Finds the columns by the heading of a file. Error: collect.log.column (fact: column).
Result<Mapping> with_heading(Mapping mapping, std::string_view heading);

// One record of CSV (RFC 4180) in `text`: its cells, without quotes. Cells view into `text` or `arena`.
std::vector<std::string_view> csv_cells(std::string_view text, char separator, archive::Arena& arena);
// The length of the first record of `text`, its line end included: a quoted cell may go over lines. At most
// `longest`.
std::size_t csv_record(std::string_view text, std::size_t longest);

// 2026-11-20T18:00:00+09:00 and everything like 2026/5/8 9:05.
std::optional<Instant> parse_loose_time(std::string_view text, std::chrono::minutes zone);

}  // namespace mamori::formats
