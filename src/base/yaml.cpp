#include "base/yaml.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "base/file.h"

namespace mamori {
namespace {
constexpr std::size_t kLargestFile = 4u << 20;
}

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
  return yaml;
}

bool Yaml::present() const { return node_ && node_->IsDefined() && !node_->IsNull(); }
bool Yaml::is_map() const { return present() && node_->IsMap(); }
bool Yaml::is_sequence() const { return present() && node_->IsSequence(); }

Yaml Yaml::operator[](std::string_view key) const {
  Yaml child;
  child.file_ = file_;
  if (is_map()) {
    const YAML::Node found = static_cast<const YAML::Node&>(*node_)[std::string(key)];
    if (found.IsDefined()) child.node_ = std::make_shared<YAML::Node>(found);
  }
  return child;
}

std::vector<Yaml> Yaml::items() const {
  std::vector<Yaml> out;
  if (!is_sequence()) return out;
  for (const auto& item : *node_) {
    Yaml child;
    child.file_ = file_;
    child.node_ = std::make_shared<YAML::Node>(item);
    out.push_back(std::move(child));
  }
  return out;
}

std::vector<std::pair<std::string, Yaml>> Yaml::members() const {
  std::vector<std::pair<std::string, Yaml>> out;
  if (!is_map()) return out;
  for (const auto& member : *node_) {
    Yaml child;
    child.file_ = file_;
    child.node_ = std::make_shared<YAML::Node>(member.second);
    out.emplace_back(member.first.Scalar(), std::move(child));
  }
  return out;
}

std::string Yaml::text(std::string_view otherwise) const {
  return present() && node_->IsScalar() ? node_->Scalar() : std::string(otherwise);
}

long long Yaml::integer(long long otherwise) const {
  if (!present() || !node_->IsScalar()) return otherwise;
  return node_->as<long long>(otherwise);
}

double Yaml::number(double otherwise) const {
  if (!present() || !node_->IsScalar()) return otherwise;
  return node_->as<double>(otherwise);
}

bool Yaml::boolean(bool otherwise) const {
  if (!present() || !node_->IsScalar()) return otherwise;
  return node_->as<bool>(otherwise);
}

std::vector<std::string> Yaml::texts() const {
  std::vector<std::string> out;
  if (is_sequence()) {
    for (const auto& item : *node_)
      if (item.IsScalar()) out.push_back(item.Scalar());
  } else if (present() && node_->IsScalar()) {
    out.push_back(node_->Scalar());
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
