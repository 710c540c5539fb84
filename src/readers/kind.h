// What a reader needs to be told, as data: one file each under data/readers, with fields as registers declare
// them.
#pragma once

#include <filesystem>

#include "ledger/register.h"

namespace mamori::readers {

struct Kind {
  std::string name;  // of its reader
  Words label, description;
  Words file;    // what may be brought as a file
  Words secret;  // how its secret is called; empty: it has none
  std::vector<std::string>
      secret_for;  // settings that say to whom its secret goes: changed, it is given anew
  std::vector<ledger::Field> fields;
};

// Every *.yaml under `directory`, in the order of reader.cpp's list. Errors: base.yaml.bad; a file without a
// reader, a reader without a file.
Result<std::vector<Kind>> load_kinds(const std::filesystem::path& directory);

// Settings as they are kept: fields that the kind declares, in their form. Errors: collect.source.invalid,
// with a problem for each field.
Result<json::object> check_settings(const Kind& kind, const json::object& given);

json::object to_json(const Kind& kind);

}  // namespace mamori::readers
