#include "base/texts.h"

#include "base/yaml.h"

namespace mamori {
namespace {

void flatten(const Yaml& node, const std::string& prefix,
             const std::function<void(const std::string&, const std::string&)>& take) {
  for (const auto& [key, child] : node.members()) {
    const auto name = prefix.empty() ? key : prefix + "." + key;
    if (child.is_map())
      flatten(child, name, take);
    else
      take(name, child.text());
  }
}

}  // namespace

Result<Texts> Texts::load(const std::filesystem::path& directory) {
  Texts texts;
  const auto ja = MAMORI_TRY(Yaml::load(directory / "ja.yaml"));
  const auto en = MAMORI_TRY(Yaml::load(directory / "en.yaml"));
  flatten(ja, "", [&](const std::string& key, const std::string& text) { texts.words_[key].ja = text; });
  flatten(en, "", [&](const std::string& key, const std::string& text) { texts.words_[key].en = text; });
  MAMORI_TRY(ja.all_read());
  MAMORI_TRY(en.all_read());
  return texts;
}

bool Texts::has(std::string_view key) const { return words_.find(key) != words_.end(); }

std::string Texts::get(std::string_view key, std::string_view language, const Facts& facts) const {
  const auto found = words_.find(key);
  return fill(found == words_.end() ? key : std::string_view(found->second.in(language)), facts);
}

Words Texts::both(std::string_view key, const Facts& facts) const {
  return {get(key, "ja", facts), get(key, "en", facts)};
}

std::string Texts::sentence(const Error& error, std::string_view language) const {
  std::string text = get(error.code, language, error.facts);
  for (const auto& problem : error.problems) text += "\n" + get(problem.code, language, problem.facts);
  return text;
}

std::string fill(std::string_view pattern, const Facts& facts) {
  std::string out;
  while (!pattern.empty()) {
    const auto open = pattern.find('{');
    out += pattern.substr(0, open);
    if (open == pattern.npos) break;
    const auto close = pattern.find('}', open);
    if (close == pattern.npos) {
      out += pattern.substr(open);
      break;
    }
    const auto name = pattern.substr(open + 1, close - open - 1);
    bool known = false;
    for (const auto& [key, value] : facts) {
      if (key != name) continue;
      out += value;
      known = true;
      break;
    }
    if (!known) out += pattern.substr(open, close - open + 1);
    pattern.remove_prefix(close + 1);
  }
  return out;
}

}  // namespace mamori
