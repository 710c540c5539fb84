#include "identity/password.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"

namespace mamori::identity {
namespace {

// The stems that leaked lists and factory settings are full of, in folded form (see undo_substitution).
constexpr std::array kKnown = {
    "password", "passwd",   "administrator", "admin",    "welcome",  "letmein",  "iloveyou",  "monkey",
    "dragon",   "master",   "sunshine",      "princess", "football", "baseball", "hospital",  "clinic",
    "mamori",   "secret",   "default",       "guest",    "changeme", "manager",  "sakura",    "doctor",
    "nurse",    "karte",    "byouin",        "kanri",    "security", "test",     "user",      "root",
    "cisco",    "fortinet", "spring",        "summer",   "autumn",   "winter",   "tokyo",     "osaka",
    "kyoto",    "nagoya",   "yokohama",      "sapporo",  "sendai",   "fukuoka",  "hiroshima", "nippon",
    "japan",    "corona",   "qazwsx"};
// Rows and columns of keyboard and number pad, read in both directions.
constexpr std::array kRows = {"1234567890",
                              "qwertyuiop",
                              "asdfghjkl",
                              "zxcvbnm",
                              "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
                              "7410",
                              "8520",
                              "9630",
                              "147",
                              "258",
                              "369",
                              "789456123",
                              "741852963",
                              "abcdefghijklmnopqrstuvwxyz"};
constexpr std::size_t kRunLength = 4;  // from here on a piece of a row counts
constexpr double kMostFromRuns = 0.5;  // of the whole password

// pa$$w0rd → password, i234567&9 → 123456789
std::string undo_substitution(std::string text, bool digits) {
  for (char& c : text) {
    switch (c) {
      case '$': c = digits ? '4' : 's'; break;
      case '@': c = digits ? '2' : 'a'; break;
      case '0':
        if (!digits) c = 'o';
        break;
      case '1':
        if (!digits) c = 'l';
        break;
      case '!': c = digits ? '1' : 'i'; break;
      case '3':
        if (!digits) c = 'e';
        break;
      case '4':
        if (!digits) c = 'a';
        break;
      case '5':
        if (!digits) c = 's';
        break;
      case '7':
        if (!digits) c = 't';
        break;
      case 'i':
      case 'l':
      case '|':
        if (digits) c = '1';
        break;
      case 'o':
        if (digits) c = '0';
        break;
      case '"':
        if (digits) c = '2';
        break;
      case '#':
        if (digits) c = '3';
        break;
      case '%':
        if (digits) c = '5';
        break;
      case '&':
      case '^':
        if (digits) c = c == '^' ? '6' : '8';
        break;  // shifted digits
      case '\'':
        if (digits) c = '7';
        break;
      case '(':
        if (digits) c = '8';
        break;
      case ')':
        if (digits) c = '9';
        break;
      default: break;
    }
  }
  return text;
}

// Whether half of it or more is one piece that stands there twice.
bool repeats_itself(const std::string& text) {
  for (std::size_t size = text.size() / 2; size >= kRunLength && size * 4 >= text.size(); --size)
    for (std::size_t at = 0; at + 2 * size <= text.size(); ++at)
      if (text.find(text.substr(at, size), at + size) != text.npos) return true;
  return false;
}

// How many characters stand in pieces of keyboard rows or sequences.
std::size_t characters_in_runs(const std::string& text) {
  std::vector<bool> covered(text.size(), false);
  for (const std::string row : kRows) {
    const std::string backwards(row.rbegin(), row.rend());
    for (const auto& line : {row, backwards}) {
      const auto least = std::min(kRunLength, line.size());
      for (std::size_t at = 0; at + least <= text.size(); ++at) {
        std::size_t run = 0;
        while (at + run < text.size() && line.find(text.substr(at, run + 1)) != std::string::npos) ++run;
        if (run >= least)
          for (std::size_t i = at; i < at + run; ++i) covered[i] = true;
      }
    }
  }
  return static_cast<std::size_t>(std::count(covered.begin(), covered.end(), true));
}

}  // namespace

Status check_password(const Secret& password, const PasswordContext& context) {
  const auto& text = password.reveal();
  Error error{ErrorKind::invalid, "identity.password.weak"};
  const auto complain = [&](std::string reason, Facts facts = {}) {
    error.problems.push_back({"password", "identity.password." + std::move(reason), std::move(facts)});
  };

  if (!is_utf8(text) || length(text) < kShortestPassword)
    complain("short", {{"least", std::to_string(kShortestPassword)}});
  if (length(text) > kLongestPassword) complain("long", {{"most", std::to_string(kLongestPassword)}});
  int kinds = 0;
  const auto any = [&](auto test) { kinds += std::any_of(text.begin(), text.end(), test) ? 1 : 0; };
  any([](char c) { return c >= 'a' && c <= 'z'; });
  any([](char c) { return c >= 'A' && c <= 'Z'; });
  any([](char c) { return c >= '0' && c <= '9'; });
  any([](char c) { return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')); });
  if (kinds < 3) complain("kinds");
  const auto folded = fold(head(text, kLongestPassword));  // a longer one is refused, and costs no more
  if (std::set<char>(text.begin(), text.end()).size() < 7 || repeats_itself(folded)) complain("repeated");

  const auto letters = undo_substitution(folded, false);
  const auto digits = undo_substitution(folded, true);
  const auto runs =
      std::max({characters_in_runs(folded), characters_in_runs(digits), characters_in_runs(letters)});
  if (!text.empty() && static_cast<double>(runs) >= kMostFromRuns * static_cast<double>(folded.size()))
    complain("sequence");
  for (const std::string_view known : kKnown) {
    if (known.size() < 4) continue;
    if (letters.find(known) != letters.npos || folded.find(known) != folded.npos) {
      complain("known");
      break;
    }
  }
  for (const auto& name : context.names) {
    bool found = false;
    const auto folded_name = fold(name);
    for (const auto& kana : romanised(name))
      if (kana.size() >= kRunLength) found = found || folded.find(kana) != folded.npos;
    for (const auto part : split(folded_name, ' ')) {
      if (length(part) < 3 && is_utf8(part) && part.size() == length(part)) continue;  // "of", "st"
      if (part.empty()) continue;
      found = found || folded.find(part) != folded.npos || letters.find(part) != letters.npos;
    }
    if (found) {
      complain("name");
      break;
    }
  }
  if (!error.problems.empty()) return error;
  return {};
}

Result<std::string> hash_password(const Secret& password) {
  char hash[crypto_pwhash_STRBYTES];
  if (crypto_pwhash_str(hash, password.reveal().data(), password.reveal().size(), 3, 64u << 20) != 0)
    return Error{ErrorKind::exhausted, "identity.password.memory"};
  return std::string(hash);
}

bool password_matches(const std::string& hash, const Secret& password) {
  return hash.size() < crypto_pwhash_STRBYTES &&
         crypto_pwhash_str_verify(hash.c_str(), password.reveal().data(), password.reveal().size()) == 0;
}

}  // namespace mamori::identity
