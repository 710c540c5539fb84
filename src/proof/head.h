// A signed tree head: "this stream had so many events, and this is their root", as a checkpoint in
// signed-note form (C2SP tlog-checkpoint and signed-note): three lines of text, an empty line, the signature.
// Whoever kept an old head can prove that nothing before it changed.
#pragma once

#include <vector>

#include "base/crypto.h"
#include "base/time.h"
#include "proof/merkle.h"

namespace mamori::proof {

struct Head {
  std::string origin;  // "mamori/FACILITY/STREAM"
  TreeSize size = 0;
  Hash root{};
  Instant at;
  std::string note;  // what was signed and the signature

  std::string text() const;  // what is signed: origin, size, root in base64, time
};

// The name of a signing key in notes: "mamori+" and the first 8 hex digits of its public key's SHA-256.
std::string key_name(std::string_view public_key);
Head sign_head(std::string origin, TreeSize size, const Hash& root, Instant at, const SigningKey& key);
// What a note says. Error: archive.head.bad.
Result<Head> parse_head(std::string_view note);
struct FoundHeads {
  std::vector<Head> heads;
  std::size_t broken = 0;  // what was one once: a signature without the lines it signs, a line that should
                           // hold one and cannot be read
};
// Every head in a text: notes as they are in files and mails (also where a mail's body is base64), and in
// lines of JSON that hold one as "note" (what a hub keeps of them) or hold such a line as "raw" (what its
// export gives). What is none and never was is passed over.
FoundHeads find_heads(std::string_view text);
inline std::vector<Head> heads_in(std::string_view text) { return find_heads(text).heads; }
// Whether one of its signatures is by `public_key`.
bool head_is_signed_by(const Head& head, std::string_view public_key);

}  // namespace mamori::proof
