// The question language of the log search.
//
//   failed password            both words, anywhere in the event (AND is understood)
//   "failed password"          the words beside each other
//   user:tanaka                a field of the normalised view (event.h), compared without regard to case and
//   width EventID:4625               any other name: as it stands in the event (name="…", name=…, <name>…,
//   "name":…) tana*   *.example          * stands for any letters of a word; in words joined by . - @ : / for
//   anything but white space a OR b   NOT c   -c   (…)  as usual; NOT binds tighter than AND, AND tighter
//   than OR
//
// Words are runs of letters, digits and _; text that is not ASCII is found anywhere, from two characters on.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "archive/words.h"

namespace mamori::archive {

struct Term {
  enum class Kind { text, field, other_field };
  Kind kind = Kind::text;
  Field field = Field::source;
  std::string name;     // other_field: folded
  std::string value;    // folded, with * where stars stand
  bool phrase = false;  // quoted: stars are stars, joined words need not stand alone
  bool stars = false;
  bool one_word = false;           // nothing but letters, digits, _ and stars: answered word by word
  std::vector<WordHash> needed;    // an event that matches has all of these
  std::vector<std::string> words;  // whole ASCII words that an event must have

  // Whether the term stands in `folded` (searchable() text of an event). For text and other_field.
  bool in(std::string_view folded) const;
  // Whether a field's value or a single word is what the term says. `folded` as above.
  bool is(std::string_view folded) const;
};

struct Query {
  enum class Kind { everything, term, and_, or_, not_ };
  Kind kind = Kind::everything;
  Term term;
  std::vector<Query> parts;

  // The values asked of a field anywhere in the question, for the journal of who searched for whom.
  std::vector<std::string> values_of(Field field) const;
  // All its terms, those under NOT too.
  std::vector<const Term*> terms() const;
};

// Error: archive.query.bad (facts: position, reason = a code of data/texts).
Result<Query> parse_query(std::string_view text);

}  // namespace mamori::archive
