#include "formats/mapping.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "archive/words.h"
#include "base/text.h"
#include "formats/normalise.h"

namespace mamori::formats {
namespace {

constexpr std::size_t kMostEntries = 30;

std::size_t number_of(std::string_view text) {
  std::size_t out = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), out);
  return failure == std::errc{} && end == text.data() + text.size() ? out : 0;
}

}  // namespace

Result<Mapping> parse_mapping(std::string_view text) {
  Mapping out;
  std::string commas(text);
  std::replace(commas.begin(), commas.end(), '\n', ',');
  for (const auto part : split(commas, ',')) {
    const auto entry = trim(part);
    if (entry.empty()) continue;
    const auto equals = entry.find('=');
    const auto name = equals == entry.npos ? std::string_view() : trim(entry.substr(equals + 1));
    const auto what = to_lower_ascii(trim(entry.substr(0, equals)));
    const auto field = archive::parse_field(what);
    if (name.empty() || (!field && what != "time") || out.entries.size() == kMostEntries)
      return Error{ErrorKind::invalid, "collect.log.mapping", {{"entry", std::string(head(entry, 100))}}};
    out.entries.push_back({field, std::string(name), number_of(name)});
  }
  if (is_numbered(out)) out.separator = ',';
  return out;
}

bool is_numbered(const Mapping& mapping) {
  return !mapping.empty() && std::all_of(mapping.entries.begin(), mapping.entries.end(),
                                         [](const Mapping::Entry& entry) { return entry.column != 0; });
}

Result<Mapping> with_heading(Mapping mapping, std::string_view heading) {
  const auto text = archive::decode_text(heading);
  std::string missing;
  std::size_t fewest = mapping.entries.size() + 1;
  for (const char separator : {',', '\t', ';'}) {
    archive::Arena arena;
    const auto cells = csv_cells(text, separator, arena);
    std::vector<std::string> absent;
    for (auto& entry : mapping.entries) {
      const auto found = std::find_if(cells.begin(), cells.end(), [&](std::string_view cell) {
        return fold(trim(cell)) == fold(entry.name);
      });
      if (found == cells.end())
        absent.push_back(entry.name);
      else
        entry.column = static_cast<std::size_t>(found - cells.begin()) + 1;
    }
    if (absent.empty()) {
      mapping.separator = separator;
      return mapping;
    }
    if (absent.size() < fewest) {  // of the separator that fits best
      fewest = absent.size();
      missing = absent.front();
    }
  }
  return Error{ErrorKind::invalid, "collect.log.column", {{"column", missing}}};
}

std::vector<std::string_view> csv_cells(std::string_view text, char separator, archive::Arena& arena) {
  std::vector<std::string_view> out;
  while (true) {
    if (!text.starts_with('"')) {
      const auto end = text.find(separator);
      out.push_back(text.substr(0, end));
      if (end == text.npos) return out;
      text.remove_prefix(end + 1);
      continue;
    }
    std::string cell;
    text.remove_prefix(1);
    while (!text.empty()) {
      const auto quote = text.find('"');
      cell += text.substr(0, quote);
      text.remove_prefix(quote == text.npos ? text.size() : quote + 1);
      if (!text.starts_with('"')) break;
      cell += '"';
      text.remove_prefix(1);
    }
    out.push_back(arena.keep(cell));
    const auto end = text.find(separator);
    if (end == text.npos) return out;
    text.remove_prefix(end + 1);
  }
}

std::size_t csv_record(std::string_view text, std::size_t longest) {
  bool quoted = false;
  for (std::size_t i = 0; i < text.size() && i < longest; ++i) {
    if (text[i] == '"')
      quoted = !quoted;
    else if (text[i] == '\n' && !quoted)
      return i + 1;
  }
  // A quote that never ends is a letter: the record is the line.
  const auto end = text.find('\n');
  return end == text.npos ? text.size() : end + 1;
}

std::optional<Instant> parse_loose_time(std::string_view text, std::chrono::minutes zone) {
  text = trim(text);
  if (const auto exact = parse_time(text, zone)) return exact;
  std::array<int, 6> parts{};
  std::size_t count = 0;
  while (!text.empty() && count < parts.size()) {
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), parts[count]);
    if (failure != std::errc{}) return std::nullopt;
    ++count;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (!text.empty()) text.remove_prefix(1);
  }
  const std::chrono::year_month_day date{std::chrono::year(parts[0]),
                                         std::chrono::month(static_cast<unsigned>(parts[1])),
                                         std::chrono::day(static_cast<unsigned>(parts[2]))};
  if (count < 3 || count == 4 || parts[0] < 1900 || parts[0] > 9999 || !date.ok() || parts[3] < 0 ||
      parts[3] > 23 || parts[4] < 0 || parts[4] > 59 || parts[5] < 0 || parts[5] > 60)
    return std::nullopt;
  return Instant{std::chrono::sys_days(date)} + std::chrono::hours(parts[3]) +
         std::chrono::minutes(parts[4]) + std::chrono::seconds(parts[5]) - zone;
}

}  // namespace mamori::formats
