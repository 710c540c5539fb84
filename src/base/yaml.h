// Declarations in YAML files (registers, controls, frameworks, texts). An error names file and line.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/text.h"

namespace YAML {
class Node;
}

namespace mamori {

// A place in a loaded YAML file. Cheap to copy; keeps the file's tree alive.
class Yaml {
 public:
  // Errors: base.yaml.bad (facts: file, line, reason; also for a key that stands twice), base.file.*.
  static Result<Yaml> load(const std::filesystem::path& file);
  static Result<Yaml> parse(std::string_view text, std::string name);

  bool present() const;
  bool is_map() const;
  bool is_sequence() const;
  Yaml operator[](std::string_view key) const;                // absent where there is no such key
  std::vector<Yaml> items() const;                            // of a sequence
  std::vector<std::pair<std::string, Yaml>> members() const;  // of a map, in file order

  std::string text(std::string_view otherwise = "") const;
  long long integer(long long otherwise) const;
  double number(double otherwise) const;
  bool boolean(bool otherwise) const;
  std::vector<std::string> texts() const;  // a sequence of scalars, or one scalar
  Words words() const;                     // {ja: …, en: …}, or one scalar for both

  // Where something else stands than what is asked for, these give `otherwise` or nothing, and all_read()
  // says so once everything has been asked.
  Result<std::string> required_text(std::string_view key) const;
  // base.yaml.bad at this place with `reason`.
  Error error(std::string reason) const;
  // An error where the map has a key not in `known`: a misspelt key must not be silently ignored.
  Status only(std::initializer_list<std::string_view> known) const;
  // base.yaml.bad where anything of the file was read as what it is not: "ture" as a boolean, a list as a
  // text.
  Status all_read() const { return *misread_ ? Status(**misread_) : Status(); }
  const std::string& file() const { return file_; }

 private:
  Yaml child(const YAML::Node& node) const;
  template <typename T>
  T scalar(T otherwise, std::string_view wanted) const;
  void misread(std::string_view wanted) const;

  std::shared_ptr<YAML::Node> node_;
  std::string file_;
  std::shared_ptr<std::optional<Error>> misread_ =
      std::make_shared<std::optional<Error>>();  // of the whole file
};

// All *.yaml files under `directory`, sorted by path.
Result<std::vector<Yaml>> load_yaml_folder(const std::filesystem::path& directory);

}  // namespace mamori
