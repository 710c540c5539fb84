// The message catalogue: every sentence shown to people, in data/texts/ja.yaml and en.yaml, keyed by dotted
// names.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/text.h"

namespace mamori {

class Texts {
 public:
  static Result<Texts> load(const std::filesystem::path& directory);

  bool has(std::string_view key) const;
  // The sentence with its {facts} filled in; the key itself where the catalogue has none.
  std::string get(std::string_view key, std::string_view language, const Facts& facts = {}) const;
  Words both(std::string_view key, const Facts& facts = {}) const;
  // The sentence of an error, and of each of its problems ("field: …").
  std::string sentence(const Error& error, std::string_view language) const;
  const std::map<std::string, Words, std::less<>>& all() const { return words_; }

 private:
  std::map<std::string, Words, std::less<>> words_;
};

// Fills {name} in `pattern` from `facts`; unknown names stay as they are.
std::string fill(std::string_view pattern, const Facts& facts);

}  // namespace mamori
