#include "base/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/file.h"

namespace mamori {
namespace {
constexpr std::size_t kLargestFile = 4u << 20;

// The key that stands twice in a map, anywhere below; yaml-cpp would take the first in silence.
std::optional<YAML::Node> doubled(const YAML::Node& node) {
  std::set<std::string> seen;
  if (node.IsMap())
    for (const auto& member : node) {
      if (!member.first.IsScalar() || !seen.insert(member.first.Scalar()).second) return member.first;
      if (auto below = doubled(member.second)) return below;
    }
  if (node.IsSequence())
    for (const auto& item : node)
      if (auto below = doubled(item)) return below;
  return std::nullopt;
}

}  // namespace

Result<Yaml> Yaml::load(const std::filesystem::path& file) {
  const auto text = MAMORI_TRY(read_file(file, kLargestFile));
  return parse(text, file.string());
}

Result<Yaml> Yaml::parse(std::string_view text, std::string name) {
  Yaml yaml;
  yaml.file_ = std::move(name);
  try {
    yaml.node_ = std::make_shared<YAML::Node>(YAML::Load(std::string(text)));
  } catch (const YAML::Exception& exception) {
    return Error{
        ErrorKind::invalid,
        "base.yaml.bad",
        {{"file", yaml.file_}, {"line", std::to_string(exception.mark.line + 1)}, {"reason", exception.msg}}};
  }
  if (const auto twice = doubled(*yaml.node_))
    return yaml.child(*twice).error(twice->IsScalar() ? "stands twice: " + twice->Scalar()
                                                      : "a key is a word");
  return yaml;
}

Yaml Yaml::child(const YAML::Node& node) const {
  Yaml out;
  out.file_ = file_;
  out.misread_ = misread_;
  out.node_ = std::make_shared<YAML::Node>(node);
  return out;
}

void Yaml::misread(std::string_view wanted) const {
  if (*misread_) return;
  *misread_ = error(fmt::format("{} expected{}", wanted, node_->IsScalar() ? ": " + node_->Scalar() : ""));
}

bool Yaml::present() const { return node_ && node_->IsDefined() && !node_->IsNull(); }
bool Yaml::is_map() const { return present() && node_->IsMap(); }
bool Yaml::is_sequence() const { return present() && node_->IsSequence(); }

Yaml Yaml::operator[](std::string_view key) const {
  if (is_map()) {
    const YAML::Node found = static_cast<const YAML::Node&>(*node_)[std::string(key)];
    if (found.IsDefined()) return child(found);
  }
  Yaml absent;
  absent.file_ = file_;
  absent.misread_ = misread_;
  return absent;
}

std::vector<Yaml> Yaml::items() const {
  std::vector<Yaml> out;
  if (is_sequence())
    for (const auto& item : *node_) out.push_back(child(item));
  else if (present())
    misread("a list");
  return out;
}

std::vector<std::pair<std::string, Yaml>> Yaml::members() const {
  std::vector<std::pair<std::string, Yaml>> out;
  if (is_map())
    for (const auto& member : *node_) out.emplace_back(member.first.Scalar(), child(member.second));
  else if (present())
    misread("names with values");
  return out;
}

std::string Yaml::text(std::string_view otherwise) const {
  if (!present()) return std::string(otherwise);
  if (node_->IsScalar()) return node_->Scalar();
  misread("a text");
  return std::string(otherwise);
}

template <typename T>
T Yaml::scalar(T otherwise, std::string_view wanted) const {
  if (!present()) return otherwise;
  T value{};
  if (node_->IsScalar() && YAML::convert<T>::decode(*node_, value)) return value;
  misread(wanted);
  return otherwise;
}

long long Yaml::integer(long long otherwise) const { return scalar(otherwise, "a whole number"); }
double Yaml::number(double otherwise) const { return scalar(otherwise, "a number"); }
bool Yaml::boolean(bool otherwise) const { return scalar(otherwise, "true or false"); }

std::vector<std::string> Yaml::texts() const {
  std::vector<std::string> out;
  if (is_sequence()) {
    for (const auto& item : *node_)
      if (item.IsScalar())
        out.push_back(item.Scalar());
      else
        child(item).misread("a text");
  } else if (present() && node_->IsScalar()) {
    out.push_back(node_->Scalar());
  } else if (present()) {
    misread("a text or a list of them");
  }
  return out;
}

Words Yaml::words() const {
  if (is_map()) return {(*this)["ja"].text(), (*this)["en"].text()};
  return {text(), text()};
}

Result<std::string> Yaml::required_text(std::string_view key) const {
  const auto child = (*this)[key];
  if (!child.present() || child.text().empty()) return error("missing: " + std::string(key));
  return child.text();
}

Error Yaml::error(std::string reason) const {
  const int line = node_ && node_->IsDefined() ? node_->Mark().line + 1 : 0;
  return {ErrorKind::invalid,
          "base.yaml.bad",
          {{"file", file_}, {"line", std::to_string(line)}, {"reason", std::move(reason)}}};
}

Status Yaml::only(std::initializer_list<std::string_view> known) const {
  for (const auto& [key, child] : members())
    if (std::find(known.begin(), known.end(), key) == known.end()) return child.error("unknown key: " + key);
  return {};
}

Result<std::vector<Yaml>> load_yaml_folder(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  std::error_code failure;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, failure))
    if (entry.is_regular_file() && entry.path().extension() == ".yaml") files.push_back(entry.path());
  if (failure) return Error{ErrorKind::not_found, "base.file.missing", {{"file", directory.string()}}};
  std::sort(files.begin(), files.end());
  std::vector<Yaml> out;
  for (const auto& file : files) out.push_back(MAMORI_TRY(Yaml::load(file)));
  return out;
}

}  // namespace mamori
