#include "ledger/field_value.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace mamori::ledger {
namespace {

Error problem(const Field& field, std::string code, std::string_view value, Facts more = {}) {
  Facts facts = {
      {"field", field.label.ja}, {"field_en", field.label.en}, {"value", std::string(head(value, 60))}};
  facts.insert(facts.end(), more.begin(), more.end());
  Error error{ErrorKind::invalid, "ledger.record.invalid"};
  error.problems.push_back({field.name, std::move(code), std::move(facts)});
  return error;
}

std::string scalar_text(const json::value& given) {
  if (const auto* text = given.if_string()) return std::string(*text);
  if (given.is_int64()) return std::to_string(given.get_int64());
  if (given.is_uint64()) return std::to_string(given.get_uint64());
  if (given.is_double()) return fmt::format("{}", given.get_double());
  if (given.is_bool()) return given.get_bool() ? "true" : "false";
  return "";
}

bool has_control_character(std::string_view text, bool lines_allowed) {
  return std::any_of(text.begin(), text.end(), [&](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0x7F || (byte < 0x20 && !(lines_allowed && (c == '\n' || c == '\t' || c == '\r')));
  });
}

std::optional<std::string> parse_mac(std::string_view text) {
  std::string digits;
  for (const char c : to_half_width(text)) {
    if (c == ':' || c == '-' || c == '.' || c == ' ') continue;
    const char upper = c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c;
    if (!((upper >= '0' && upper <= '9') || (upper >= 'A' && upper <= 'F'))) return std::nullopt;
    digits += upper;
  }
  if (digits.size() != 12) return std::nullopt;
  std::string mac;
  for (std::size_t i = 0; i < 12; i += 2) mac += (i ? ":" : "") + digits.substr(i, 2);
  return mac;
}

bool is_address(const std::string& text) {
  unsigned char buffer[16];
  return inet_pton(AF_INET, text.c_str(), buffer) == 1 || inet_pton(AF_INET6, text.c_str(), buffer) == 1;
}

bool is_network(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == text.npos) return is_address(text);
  int bits = -1;
  const auto* end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data() + slash + 1, end, bits);
  return failure == std::errc{} && stop == end && bits >= 0 &&
         bits <= (text.find(':') == text.npos ? 32 : 128) && is_address(text.substr(0, slash));
}

std::optional<bool> parse_boolean(std::string_view text) {
  static const std::vector<std::string> kYes = {"true", "1",  "yes", "y",  "はい", "有", "あり", "有り", "○",
                                                "◯",    "〇", "済",  "レ", "✓",    "on", "可",   "要"};
  static const std::vector<std::string> kNo = {"false", "0", "no", "n", "いいえ", "無",  "なし", "無し",
                                               "×",     "x", "未", "-", "－",     "off", "否",   "不要"};
  const auto folded = fold(text);
  const auto is = [&](const std::string& candidate) { return fold(candidate) == folded; };
  if (std::any_of(kYes.begin(), kYes.end(), is)) return true;
  if (std::any_of(kNo.begin(), kNo.end(), is)) return false;
  return std::nullopt;
}

const Choice* find_choice(const Field& field, std::string_view text) {
  for (const auto& choice : field.choices)
    if (choice.value == text) return &choice;
  const auto folded = fold_heading(text);
  if (folded.empty()) return nullptr;
  for (const auto& choice : field.choices)
    if (std::find(choice.folded.begin(), choice.folded.end(), folded) != choice.folded.end()) return &choice;
  return nullptr;
}

std::string choice_list(const Field& field) {
  std::string list;
  for (const auto& choice : field.choices) list += (list.empty() ? "" : "・") + choice.label.ja;
  return list;
}

// Commas stand before every third digit of the whole part, or nowhere: "1,5" is half of Europe's one and a
// half and nobody's fifteen.
bool has_thousands(std::string_view digits) {
  if (digits.find(',') == digits.npos) return true;
  if (digits.starts_with('-') || digits.starts_with('+')) digits.remove_prefix(1);
  const auto groups = split(digits.substr(0, digits.find('.')), ',');
  const auto is_group = [](std::string_view group) {
    return group.size() == 3 && group.find_first_not_of("0123456789") == group.npos;
  };
  return !groups[0].empty() && groups[0].size() <= 3 && digits.find(',', digits.find('.')) == digits.npos &&
         std::all_of(groups.begin() + 1, groups.end(), is_group);
}

Result<json::value> normalise_number(const Field& field, const std::string& text) {
  auto digits = fold(text);
  if (!has_thousands(digits)) return problem(field, "ledger.field.number", text);
  digits.erase(std::remove(digits.begin(), digits.end(), ','), digits.end());
  double value = 0;
  const auto* end = digits.data() + digits.size();
  const auto [stop, failure] = std::from_chars(digits.data(), end, value);
  if (failure != std::errc{} || stop != end || !std::isfinite(value))
    return problem(field, "ledger.field.number", text);
  if ((field.least && value < *field.least) || (field.most && value > *field.most))
    return problem(field, "ledger.field.range", text,
                   {{"min", fmt::format("{}", field.least.value_or(0))},
                    {"max", fmt::format("{}", field.most.value_or(1e15))}});
  if (field.type == FieldType::number) return json::value(value);
  if (value != std::floor(value) || std::fabs(value) > 9e15)
    return problem(field, "ledger.field.integer", text);
  return json::value(static_cast<std::int64_t>(value));
}

}  // namespace

Result<json::value> normalise(const Field& field, const json::value& given) {
  if (given.is_null()) return json::value(nullptr);
  if (given.is_object() || given.is_array()) return problem(field, "ledger.field.scalar", "");
  const auto raw = scalar_text(given);
  const std::string text(trim(raw));
  if (text.empty()) return json::value(nullptr);
  if (!is_utf8(text)) return problem(field, "ledger.field.characters", "");
  if (length(text) > field.longest)
    return problem(field, "ledger.field.too-long", text, {{"limit", std::to_string(field.longest)}});
  if (has_control_character(text, field.type == FieldType::long_text || field.type == FieldType::text))
    return problem(field, "ledger.field.characters", "");

  switch (field.type) {
    case FieldType::text: {
      std::string line = text;  // a line break typed into a spreadsheet's cell
      std::replace_if(
          line.begin(), line.end(), [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
      return json::value(line);
    }
    case FieldType::long_text:
    case FieldType::ref:
    case FieldType::file: return json::value(text);
    case FieldType::phone: {
      const auto half = to_half_width(text);
      if (half.find_first_not_of("0123456789+-()# 内線") != half.npos ||
          std::count_if(half.begin(), half.end(), [](char c) { return c >= '0' && c <= '9'; }) < 3)
        return problem(field, "ledger.field.phone", text);
      return json::value(half);
    }
    case FieldType::email: {
      const auto half = to_half_width(text);
      const auto at = half.find('@');
      if (at == half.npos || at == 0 || half.find('@', at + 1) != half.npos ||
          half.find('.', at) == half.npos || half.find_first_of(" ,;<>\"") != half.npos)
        return problem(field, "ledger.field.email", text);
      return json::value(half);
    }
    case FieldType::url:
      if (!text.starts_with("https://") && !text.starts_with("http://"))
        return problem(field, "ledger.field.url", text);
      return json::value(text);
    case FieldType::integer:
    case FieldType::number: return normalise_number(field, text);
    case FieldType::boolean: {
      const auto truth = parse_boolean(text);
      if (!truth) return problem(field, "ledger.field.boolean", text);
      return json::value(*truth);
    }
    case FieldType::date: {
      const auto date = parse_loose_date(text);
      if (!date) return problem(field, "ledger.field.date", text);
      return json::value(iso_date(*date));
    }
    case FieldType::datetime: {
      const auto instant = parse_loose_instant(text);
      if (!instant) return problem(field, "ledger.field.datetime", text);
      return json::value(iso_instant(*instant));
    }
    case FieldType::choice: {
      const auto* choice = find_choice(field, text);
      if (choice) return json::value(choice->value);
      return problem(field, "ledger.field.choice", text, {{"choices", choice_list(field)}});
    }
    case FieldType::mac: {
      const auto mac = parse_mac(text);
      if (!mac) return problem(field, "ledger.field.mac", text);
      return json::value(*mac);
    }
    case FieldType::ip:
      if (!is_address(to_half_width(text))) return problem(field, "ledger.field.ip", text);
      return json::value(to_half_width(text));
    case FieldType::cidr:
      if (!is_network(to_half_width(text))) return problem(field, "ledger.field.cidr", text);
      return json::value(to_half_width(text));
  }
  MAMORI_UNREACHABLE();
}

store::Value to_column(const Field& field, const json::value& kept) {
  if (kept.is_null()) return {};
  if (field.type == FieldType::datetime) {
    const auto instant = kept.is_string() ? parse_instant(std::string_view(kept.get_string())) : std::nullopt;
    return instant ? store::Value(to_millis(*instant)) : store::Value();
  }
  if (kept.is_bool()) return kept.get_bool();
  if (kept.is_int64()) return kept.get_int64();
  if (kept.is_uint64()) return static_cast<std::int64_t>(kept.get_uint64());
  if (kept.is_double()) return kept.get_double();
  if (kept.is_string()) return std::string(kept.get_string());
  return {};
}

json::value from_column(const Field& field, const store::Value& column) {
  if (store::is_null(column)) return nullptr;
  switch (field.type) {
    case FieldType::boolean: return store::as_integer(column) != 0;
    case FieldType::integer: return store::as_integer(column);
    case FieldType::number:
      if (const auto* real = std::get_if<double>(&column)) return *real;
      return static_cast<double>(store::as_integer(column));
    case FieldType::datetime: return json::value(iso_instant(from_millis(store::as_integer(column))));
    case FieldType::text:
    case FieldType::long_text:
    case FieldType::date:
    case FieldType::choice:
    case FieldType::ref:
    case FieldType::mac:
    case FieldType::ip:
    case FieldType::cidr:
    case FieldType::email:
    case FieldType::phone:
    case FieldType::url:
    case FieldType::file: return json::value(store::as_text(column));
  }
  MAMORI_UNREACHABLE();
}

std::string display(const Field& field, const json::value& kept, std::string_view language) {
  if (kept.is_null()) return "";
  if (kept.is_bool()) return kept.get_bool() ? "○" : "－";
  if (field.type == FieldType::choice) {
    for (const auto& choice : field.choices)
      if (kept.is_string() && choice.value == std::string_view(kept.get_string()))
        return choice.label.in(language);
  }
  if (field.type == FieldType::datetime && kept.is_string())
    if (const auto instant = parse_instant(std::string_view(kept.get_string())))
      return local_minute(*instant);
  return scalar_text(kept);
}

std::string_view column_type(FieldType type) {
  switch (type) {
    case FieldType::integer:
    case FieldType::datetime: return "BIGINT";
    case FieldType::number: return "DOUBLE PRECISION";
    case FieldType::boolean: return "BOOLEAN";
    case FieldType::text:
    case FieldType::long_text:
    case FieldType::date:
    case FieldType::choice:
    case FieldType::ref:
    case FieldType::mac:
    case FieldType::ip:
    case FieldType::cidr:
    case FieldType::email:
    case FieldType::phone:
    case FieldType::url:
    case FieldType::file: return "{text}";
  }
  MAMORI_UNREACHABLE();
}

}  // namespace mamori::ledger
