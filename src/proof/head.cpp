#include "proof/head.h"

#include <fmt/format.h>

#include <charconv>
#include <iterator>

#include "base/json.h"
#include "base/text.h"

namespace mamori::proof {
namespace {

constexpr std::string_view kDash = "\xE2\x80\x94 ";  // "— "
constexpr std::size_t kLongestNote = 64u << 10;

bool is_base64_line(std::string_view line) {
  return !line.empty() && line.size() <= 76 &&
         line.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") ==
             line.npos;
}

// signed-note: the first four bytes of SHA-256(name, newline, algorithm 1 = Ed25519, key).
std::string key_id(std::string_view name, std::string_view public_key) {
  const auto hex = sha256_hex(std::string(name) + "\n\x01" + std::string(public_key));
  return *from_hex(std::string_view(hex).substr(0, 8));
}

}  // namespace

std::string Head::text() const {
  return fmt::format("{}\n{}\n{}\ntime {}\n", origin, size, proof::to_base64(root), to_millis(at));
}

std::string key_name(std::string_view public_key) { return "mamori+" + sha256_hex(public_key).substr(0, 8); }

Head sign_head(std::string origin, TreeSize size, const Hash& root, Instant at, const SigningKey& key) {
  Head head{std::move(origin), size, root, at, {}};
  const auto name = key_name(key.public_key());
  head.note = head.text() + "\n" + std::string(kDash) + name + " " +
              mamori::to_base64(key_id(name, key.public_key()) + key.sign(head.text())) + "\n";
  return head;
}

Result<Head> parse_head(std::string_view note) {
  const Error bad{ErrorKind::invalid, "archive.head.bad"};
  if (note.size() > kLongestNote) return bad;
  const auto lines = split(note, '\n');
  if (lines.size() < 6 || lines[0].empty() || !lines[3].starts_with("time ") || !lines[4].empty()) return bad;
  Head head;
  head.origin = lines[0];
  const auto number = [&](std::string_view text, auto& out) {
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), out);
    return failure == std::errc{} && end == text.data() + text.size();
  };
  std::int64_t millis = 0;
  if (!number(lines[1], head.size) || !number(lines[3].substr(5), millis)) return bad;
  head.root = MAMORI_TRY(parse_hash(lines[2]));
  head.at = from_millis(millis);
  head.note = note;
  if (!note.starts_with(head.text() + "\n")) return bad;
  return head;
}

FoundHeads find_heads(std::string_view text) {
  FoundHeads out;
  const auto add = [&](std::string_view inside) {
    auto some = find_heads(inside);
    std::move(some.heads.begin(), some.heads.end(), std::back_inserter(out.heads));
    out.broken += some.broken;
  };
  std::string clean;
  for (const char c : text)
    if (c != '\r') clean += c;
  const auto lines = split(clean, '\n');
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].starts_with('{')) {
      const auto object = parse_json_object(lines[i]);
      if (!object && lines[i].find("mamori") != lines[i].npos) ++out.broken;
      if (!object) continue;
      for (const auto* name : {"note", "raw"}) {
        const auto inside = text_of(*object, name);
        if (!inside.empty() && inside.size() < lines[i].size()) add(inside);
      }
      continue;
    }
    if (lines[i].size() == 76 && is_base64_line(lines[i])) {  // the first full line of a mail's body
      std::string body;
      for (; i < lines.size() && is_base64_line(lines[i]); ++i) body += lines[i];
      if (const auto inside = from_base64(body))
        add(*inside);
      else
        ++out.broken;
      --i;
      continue;
    }
    if (lines[i].starts_with(std::string(kDash) +
                             "mamori+")) {  // every whole note's signatures are taken with it, below
      ++out.broken;
      continue;
    }
    if (i + 5 >= lines.size() || !lines[i + 3].starts_with("time ") || !lines[i + 4].empty()) continue;
    std::string note;
    auto next = i;
    for (; next < i + 5; ++next) note.append(lines[next]) += '\n';
    for (; next < lines.size() && lines[next].starts_with(kDash); ++next) note.append(lines[next]) += '\n';
    auto head = parse_head(note);
    if (!head) continue;
    out.heads.push_back(std::move(*head));
    i = next - 1;
  }
  return out;
}

bool head_is_signed_by(const Head& head, std::string_view public_key) {
  const auto name = key_name(public_key);
  for (const auto line : split(head.note, '\n')) {
    if (!line.starts_with(std::string(kDash) + name + " ")) continue;
    const auto bytes = from_base64(line.substr(kDash.size() + name.size() + 1));
    if (!bytes || bytes->size() != 68 || !bytes->starts_with(key_id(name, public_key))) continue;
    if (verify_signature(head.text(), std::string_view(*bytes).substr(4), public_key)) return true;
  }
  return false;
}

}  // namespace mamori::proof
