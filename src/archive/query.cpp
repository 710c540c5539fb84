#include "archive/query.h"

#include <algorithm>

#include "base/text.h"

namespace mamori::archive {
namespace {

constexpr std::size_t kLongest = 2000, kMostTerms = 100, kDeepest = 20;
constexpr std::size_t kLongestPhrase = 4096;  // bytes that a phrase with stars matches at most

bool is_word(char c) { return (class_of(c) & (kLetter | kDigit)) != 0; }
bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Whether a star may stand for it: word characters in a single word, anything but white space elsewhere.
bool in_star(char c, bool one_word) { return one_word ? is_word(c) : !is_space(c); }

// No word goes on over the end of the match, which has at most `most` bytes.
std::size_t match_at(std::string_view pattern, std::string_view text, std::size_t at, bool one_word,
                     std::size_t most) {
  std::size_t p = 0, t = at, star = pattern.npos, mark = 0;
  while (t - at <= most) {
    if (p == pattern.size() &&
        (pattern.back() == '*' || t == text.size() || t == 0 || !is_word(text[t - 1]) || !is_word(text[t]))) {
      auto best = t;
      // A pattern that ends in a star has taken as little as it may: the rest of the word belongs to it.
      if (!pattern.empty() && pattern.back() == '*')
        while (best < text.size() && in_star(text[best], one_word)) ++best;
      return best;
    }
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
      continue;
    }
    if (p < pattern.size() && t < text.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
      continue;
    }
    if (star == pattern.npos || mark >= text.size() || !in_star(text[mark], one_word)) return text.npos;
    p = star + 1;
    t = ++mark;
  }
  return text.npos;
}

// Whether [from, to) of `text` stands alone: no word goes on over its ends. `whole`: neither does a run of
// joined words.
bool stands_alone(std::string_view text, std::size_t from, std::size_t to, bool whole) {
  if (from > 0 && is_word(text[from]) && is_word(text[from - 1])) return false;
  if (to < text.size() && to > from && is_word(text[to - 1]) && is_word(text[to])) return false;
  if (!whole) return true;
  if (from > 1 && is_word(text[from]) && joins_words(text[from - 1]) && is_word(text[from - 2])) return false;
  return !(to + 1 < text.size() && to > from && is_word(text[to - 1]) && joins_words(text[to]) &&
           is_word(text[to + 1]));
}

std::size_t find_value(const Term& term, std::string_view text, std::size_t from) {
  const auto& value = term.value;
  if (!term.stars) {
    const bool joined = !term.phrase && std::any_of(value.begin(), value.end(), joins_words);
    for (auto at = text.find(value, from); at != text.npos; at = text.find(value, at + 1))
      if (stands_alone(text, at, at + value.size(), joined)) return at;
    return text.npos;
  }
  // All its stars end where the run of characters ends that the first of them begins in; else, of a phrase,
  // they stand for little, so that no line of a stranger makes a search endless.
  const bool one_run =
      std::all_of(value.begin(), value.end(), [&](char c) { return c == '*' || in_star(c, term.one_word); });
  const auto most = one_run ? text.npos : kLongestPhrase;
  const auto lead = value.substr(0, value.find('*'));
  const auto next = [&](std::size_t at) { return lead.empty() ? at : text.find(lead, at); };
  for (auto at = next(from); at <= text.size();) {
    const bool starts_well =
        value.front() == '*' || at == 0 || at == text.size() || !is_word(text[at]) || !is_word(text[at - 1]);
    auto further = at + 1;
    if (starts_well) {
      if (match_at(value, text, at, term.one_word, most) != text.npos) return at;
      if (one_run) {  // then nothing matches that has its first star in the same run
        auto end = at + lead.size();
        while (end < text.size() && in_star(text[end], term.one_word)) ++end;
        further = std::max(further, end + 1 - lead.size());
      }
    }
    if (further > text.size()) break;
    at = next(further);
  }
  return text.npos;
}

// What an event must have in the index for the term to be in it.
void find_needed(Term& term) {
  const auto& value = term.value;
  const auto add_word = [&](std::string_view word) {
    term.needed.push_back(hash_word(word));
    term.words.emplace_back(word);
  };
  std::size_t i = 0;
  while (i < value.size()) {
    if (!is_ascii(value[i])) {
      // Pairs of neighbouring characters.
      std::vector<char32_t> points;
      while (i < value.size() && !is_ascii(value[i])) {
        const auto c = static_cast<unsigned char>(value[i]);
        const std::size_t length = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
        char32_t point = c & (0xFF >> (length + 1));
        for (std::size_t k = 1; k < length && i + k < value.size(); ++k)
          point = point << 6 | (static_cast<unsigned char>(value[i + k]) & 0x3Fu);
        points.push_back(point);
        i += length;
      }
      for (std::size_t k = 1; k < points.size(); ++k)
        term.needed.push_back(hash_pair(points[k - 1], points[k]));
      continue;
    }
    if (!is_word(value[i])) {
      ++i;
      continue;
    }
    const auto start = i;
    while (i < value.size() && is_word(value[i])) ++i;
    const auto word = std::string_view(value).substr(start, i - start);
    const bool open_before = term.stars && start > 0 && value[start - 1] == '*',
               open_after = term.stars && i < value.size() && value[i] == '*';
    // Beside a letter that is not ASCII, folding may have made the word longer in the event.
    const bool beside_high =
        (start > 0 && !is_ascii(value[start - 1])) || (i < value.size() && !is_ascii(value[i]));
    if (beside_high || open_before) continue;
    if (!open_after)
      add_word(word);
    else if (word.size() > kPrefix)
      term.needed.push_back(hash_prefix(word));
  }
  const bool joined = !term.phrase && !term.stars && std::any_of(value.begin(), value.end(), joins_words);
  if (!joined) return;
  std::vector<WordHash> all;
  index_folded(value, all);
  for (const auto hash :
       all)  // the joined run is among them; the words and prefixes are true of the event too
    if (std::find(term.needed.begin(), term.needed.end(), hash) == term.needed.end())
      term.needed.push_back(hash);
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Query> parse() {
    if (text_.size() > kLongest) return bad("archive.query.long");
    if (!is_utf8(text_)) return bad("archive.query.encoding");
    skip();
    if (at_ == text_.size()) return Query{};
    auto query = MAMORI_TRY(any_of(0));
    if (at_ != text_.size()) return bad("archive.query.close");
    return query;
  }

 private:
  Error bad(std::string reason) const {
    const auto shown = length(text_.substr(0, std::min(at_, text_.size())));
    return {ErrorKind::invalid,
            "archive.query.bad",
            {{"position", std::to_string(shown + 1)}, {"reason", std::move(reason)}}};
  }
  void skip() {
    while (at_ < text_.size()) {
      if (is_space(text_[at_]))
        ++at_;
      else if (text_.substr(at_).starts_with("\xE3\x80\x80"))
        at_ += 3;  // ideographic space
      else
        break;
    }
  }
  bool take_operator(std::string_view name) {
    if (!text_.substr(at_).starts_with(name)) return false;
    const auto end = at_ + name.size();
    if (end < text_.size() && !is_space(text_[end]) && text_[end] != '(' &&
        !text_.substr(end).starts_with("\xE3\x80\x80"))
      return false;
    at_ = end;
    skip();
    return true;
  }

  Result<Query> any_of(std::size_t depth) {
    if (depth > kDeepest) return bad("archive.query.deep");
    auto first = MAMORI_TRY(all_of(depth));
    Query query{Query::Kind::or_, {}, {}};
    while (take_operator("OR")) {
      if (query.parts.empty()) query.parts.push_back(std::move(first));
      query.parts.push_back(MAMORI_TRY(all_of(depth)));
    }
    if (query.parts.empty()) return first;
    return query;
  }

  Result<Query> all_of(std::size_t depth) {
    Query query{Query::Kind::and_, {}, {}};
    while (true) {
      query.parts.push_back(MAMORI_TRY(one(depth)));
      skip();
      if (take_operator("AND")) continue;
      if (at_ == text_.size() || text_[at_] == ')') break;
      const auto before = at_;
      if (take_operator("OR")) {
        at_ = before;
        break;
      }
    }
    if (query.parts.size() == 1) return std::move(query.parts[0]);
    return query;
  }

  Result<Query> one(std::size_t depth) {
    skip();
    if (at_ == text_.size()) return bad("archive.query.missing");
    if (take_operator("NOT") ||
        (text_[at_] == '-' && at_ + 1 < text_.size() && !is_space(text_[at_ + 1]) && (++at_, true))) {
      if (depth >= kDeepest) return bad("archive.query.deep");
      Query query{Query::Kind::not_, {}, {}};
      query.parts.push_back(MAMORI_TRY(one(depth + 1)));
      return query;
    }
    if (text_[at_] == '(') {
      ++at_;
      skip();
      auto query = MAMORI_TRY(any_of(depth + 1));
      if (at_ == text_.size() || text_[at_] != ')') return bad("archive.query.open");
      ++at_;
      skip();
      return query;
    }
    if (text_[at_] == ')') return bad("archive.query.close");
    for (const auto* name : {"AND", "OR"}) {
      const auto before = at_;
      if (take_operator(name)) {
        at_ = before;
        return bad("archive.query.missing");
      }
    }
    return term();
  }

  // "…" with \" and \\ inside, or everything up to white space or a bracket.
  Result<std::string> value(bool& quoted) {
    std::string out;
    if (at_ < text_.size() && text_[at_] == '"') {
      quoted = true;
      for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
        if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
        out += text_[at_];
      }
      if (at_ == text_.size()) return bad("archive.query.quote");
      ++at_;
      return out;
    }
    while (at_ < text_.size() && !is_space(text_[at_]) && text_[at_] != '(' && text_[at_] != ')' &&
           !text_.substr(at_).starts_with("\xE3\x80\x80"))
      out += text_[at_++];
    return out;
  }

  Result<Query> term() {
    if (++terms_ > kMostTerms) return bad("archive.query.many");
    Query query{Query::Kind::term, {}, {}};
    auto& term = query.term;
    // name:value; a name is letters, digits and _ (or not ASCII), and the colon is followed by something.
    const auto start = at_;
    auto colon = at_;
    while (colon < text_.size() && (is_word(text_[colon]) || !is_ascii(text_[colon])) &&
           !text_.substr(colon).starts_with("\xE3\x80\x80"))
      ++colon;
    const bool named = colon > start && colon + 1 < text_.size() && text_[colon] == ':' &&
                       !is_space(text_[colon + 1]) && text_[colon + 1] != '/' && text_[colon + 1] != ')';
    if (named) {
      const auto name = fold(text_.substr(start, colon - start));
      at_ = colon + 1;
      if (const auto field = parse_field(name)) {
        term.kind = Term::Kind::field;
        term.field = *field;
      } else {
        term.kind = Term::Kind::other_field;
        term.name = name;
      }
    }
    bool quoted = false;
    const auto given = MAMORI_TRY(value(quoted));
    term.phrase = quoted;
    term.value = fold(given);
    term.stars = !quoted && term.value.find('*') != term.value.npos;
    if (!quoted && term.kind != Term::Kind::field &&
        std::all_of(term.value.begin(), term.value.end(), [](char c) { return c == '*'; })) {
      if (term.kind == Term::Kind::text) return Query{};  // "*" alone is everything
    }
    if (term.value.empty() && term.kind == Term::Kind::text) return bad("archive.query.missing");
    term.one_word = !quoted && std::all_of(term.value.begin(), term.value.end(),
                                           [](char c) { return is_word(c) || c == '*'; });
    if (term.kind == Term::Kind::field) {
      if (!term.stars && !term.value.empty()) term.needed.push_back(hash_field(term.field, term.value));
    } else {
      find_needed(term);
      if (term.kind == Term::Kind::other_field) {
        Term name{.value = term.name};
        find_needed(name);
        term.needed.insert(term.needed.end(), name.needed.begin(), name.needed.end());
        term.words.insert(term.words.end(), name.words.begin(), name.words.end());
      }
    }
    skip();
    return query;
  }

  std::string_view text_;
  std::size_t at_ = 0, terms_ = 0;
};

}  // namespace

bool Term::is(std::string_view folded) const {
  if (!stars) return folded == value;
  std::size_t p = 0, t = 0, star = value.npos, mark = 0;
  while (t < folded.size()) {
    if (p < value.size() && value[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < value.size() && value[p] == folded[t]) {
      ++p;
      ++t;
    } else if (star != value.npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < value.size() && value[p] == '*') ++p;
  return p == value.size();
}

bool Term::in(std::string_view folded) const {
  if (kind != Kind::other_field) return find_value(*this, folded, 0) != folded.npos;
  // name="value", name=value, "name":"value", <name>value, Name="name">value: the value begins behind at most
  // a few signs.
  for (auto at = folded.find(name); at != folded.npos; at = folded.find(name, at + 1)) {
    if (!stands_alone(folded, at, at + name.size(), false)) continue;
    auto start = at + name.size();
    for (int signs = 0; signs < 4 && start < folded.size() &&
                        std::string_view("\"'=:>< \\[").find(folded[start]) != std::string_view::npos;
         ++signs)
      ++start;
    if (start == at + name.size()) continue;
    if (value == "*") return true;
    if (find_value(*this, folded.substr(0, std::min(folded.size(), start + value.size() + 512)), start) ==
        start)
      return true;
  }
  return false;
}

std::vector<const Term*> Query::terms() const {
  std::vector<const Term*> out;
  if (kind == Kind::term) out.push_back(&term);
  for (const auto& part : parts)
    for (const auto* one : part.terms()) out.push_back(one);
  return out;
}

std::vector<std::string> Query::values_of(Field field) const {
  std::vector<std::string> out;
  for (const auto* one : terms())
    if (one->kind == Term::Kind::field && one->field == field) out.push_back(one->value);
  return out;
}

Result<Query> parse_query(std::string_view text) { return Parser(text).parse(); }

}  // namespace mamori::archive
