#include "readers/reader.h"

#include <algorithm>

#include "base/text.h"

namespace mamori::readers {

const Reader* find_reader(std::string_view kind) {
  static const std::unique_ptr<Reader> kReaders[] = {
      ldap::make_reader(),
      nmap::make_reader(),
      backup::make_reader(),
  };
  const auto* const found = std::find_if(std::begin(kReaders), std::end(kReaders),
                                         [&](const auto& reader) { return reader->kind() == kind; });
  return found == std::end(kReaders) ? nullptr : found->get();
}

std::vector<std::string> words_of(const json::object& settings, std::string_view key, bool spaces) {
  std::vector<std::string> out;
  std::string text = text_of(settings, key);
  for (char& c : text)
    if (c == ',' || c == '\t' || (c == ' ' && spaces)) c = '\n';
  for (const auto part : split(text, '\n'))
    if (!trim(part).empty()) out.emplace_back(trim(part));
  return out;
}

}  // namespace mamori::readers
