#include "readers/reader.h"

#include <algorithm>

#include "base/text.h"

namespace mamori::readers {

namespace {

const std::vector<std::unique_ptr<Reader>>& readers() {
  static const auto kReaders = [] {
    std::vector<std::unique_ptr<Reader>> all;
    all.push_back(ldap::make_reader());
    all.push_back(nmap::make_reader());
    all.push_back(backup::make_reader());
    return all;
  }();
  return kReaders;
}

}  // namespace

const Reader* find_reader(std::string_view kind) {
  const auto found = std::find_if(readers().begin(), readers().end(),
                                  [&](const auto& reader) { return reader->kind() == kind; });
  return found == readers().end() ? nullptr : found->get();
}

std::vector<std::string_view> reader_names() {
  std::vector<std::string_view> out;
  for (const auto& reader : readers()) out.push_back(reader->kind());
  return out;
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
