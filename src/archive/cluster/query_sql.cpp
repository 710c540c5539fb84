#include "archive/cluster/query_sql.h"

#include <algorithm>

#include "archive/cluster/clickhouse.h"

namespace mamori::archive {
namespace {

// Of folded text. What is all ASCII is not kept twice: its lower case is its folded form.
constexpr const char* kText = "if(empty(text), lower(raw), text)";
std::string key_of(Field field) {
  const std::string name(name_of(field));
  return "if(empty(k_" + name + "), lower(f_" + name + "), k_" + name + ")";
}

bool is_word(char c) { return (class_of(c) & (kLetter | kDigit)) != 0; }

constexpr const char* kWord = "[0-9a-z_]";
constexpr const char* kNoWord = "[^0-9a-z_]";

std::string literal(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\0') {
      out += "\\x00";
      continue;
    }
    if (static_cast<unsigned char>(c) < 0x80 && !is_word(c)) out += '\\';
    out += c;
  }
  return out;
}

// What may stand before and after a value that begins or ends with a word character (stands_alone() in
// query.cpp).
std::string before(bool joined) {
  return joined ? R"((?:^|[^0-9a-z_.\-@]|(?:^|[^0-9a-z_])[.\-@]))" : std::string("(?:^|") + kNoWord + ")";
}
std::string after(bool joined) {
  return joined ? R"((?:$|[^0-9a-z_.\-@]|[.\-@](?:$|[^0-9a-z_])))" : std::string("(?:$|") + kNoWord + ")";
}

std::string value_of(const Term& term) {
  const auto& value = term.value;
  std::string out;
  if (!term.stars) {
    const bool joined = !term.phrase && std::any_of(value.begin(), value.end(), joins_words);
    out = literal(value);
    if (!value.empty() && is_word(value.back())) out += after(joined);
    return out;
  }
  std::size_t from = 0;
  while (from <= value.size()) {
    const auto star = std::min(value.find('*', from), value.size());
    out += literal(std::string_view(value).substr(from, star - from));
    if (star == value.size()) break;
    out += term.one_word ? std::string(kWord) + "*" : R"([^ \t\n\r]*)";
    from = star + 1;
  }
  if (is_word(value.back())) out += after(false);
  return out;
}

std::string start_of(const Term& term) {
  const auto& value = term.value;
  if (value.empty() || !is_word(value.front())) return "";
  return before(!term.stars && !term.phrase && std::any_of(value.begin(), value.end(), joins_words));
}

std::string condition_of(const Term& term) {
  if (term.kind == Term::Kind::field) {
    const auto key = key_of(term.field);
    if (term.value == "*") return "notEmpty(f_" + std::string(name_of(term.field)) + ")";
    if (!term.stars) return key + " = " + sql_text(term.value);
    std::string pattern = "(?s)^";
    for (const char c : term.value)
      pattern += c == '*' ? std::string(".*") : literal(std::string_view(&c, 1));
    return "match(" + key + ", " + sql_text(pattern + "$") + ")";
  }
  std::string pattern = "(?s)";
  if (term.kind == Term::Kind::text) {
    pattern += start_of(term) + value_of(term);
  } else {
    const auto& name = term.name;
    pattern += (!name.empty() && is_word(name.front()) ? before(false) : "") + literal(name) +
               R"(["'=:>< \\\[]{1,4})";
    if (term.value != "*") pattern += value_of(term);
  }
  // Plain finding is far faster than matching: it leaves little to match.
  std::string out;
  for (const auto& word : term.words)
    out += "position(" + std::string(kText) + ", " + sql_text(word) + ") > 0 AND ";
  return "(" + out + "match(" + kText + ", " + sql_text(pattern) + "))";
}

}  // namespace

std::string condition_of(const Query& query) {
  switch (query.kind) {
    case Query::Kind::everything: return "1";
    case Query::Kind::term: return condition_of(query.term);
    case Query::Kind::not_: return "NOT (" + condition_of(query.parts[0]) + ")";
    case Query::Kind::and_:
    case Query::Kind::or_: {
      std::string out;
      for (const auto& part : query.parts)
        out += (out.empty() ? "(" : query.kind == Query::Kind::and_ ? " AND " : " OR ") + condition_of(part);
      return out.empty() ? "1" : out + ")";
    }
  }
  MAMORI_UNREACHABLE();
}

}  // namespace mamori::archive
