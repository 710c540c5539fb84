// Registers (機器台帳, アカウント, 委託先 …) are data: one YAML file each, from which come table, validation,
// API, list, form, import, export and print. What a file may say: docs/howto/add-a-register.md.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/text.h"
#include "base/time.h"
#include "base/yaml.h"

namespace mamori::ledger {

enum class FieldType {
  text,
  long_text,
  integer,
  number,
  boolean,
  date,
  datetime,
  choice,
  ref,
  mac,
  ip,
  cidr,
  email,
  phone,
  url,
  file
};
std::string_view name_of(FieldType type);

struct Choice {
  std::string value;
  Words label;
  std::vector<std::string> also;    // other spellings met in people's spreadsheets
  std::vector<std::string> folded;  // fold_heading() of the labels and these
};

struct Field {
  std::string name;
  FieldType type = FieldType::text;
  Words label;
  Words help;
  std::string to;  // ref: the register it points to
  std::vector<Choice> choices;
  std::string fallback;               // choice: the value an unknown spelling is imported as …
  std::string keep_in;                // … and the text field that then keeps the spelling
  std::vector<std::string> headings;  // other people's column headings
  std::string initial;                // value of a new record, as text
  bool required = false;
  bool in_list = false;  // a column of the list as first shown
  bool in_print = false;
  std::size_t longest = 500;  // characters
  std::optional<double> least, most;
};

// Control numbers such as PC-001: the prefix may depend on a choice field.
struct Numbering {
  std::string by;
  std::map<std::string, std::string> prefixes;
  std::string otherwise;
  int width = 3;
};

// How a measured fact finds the record that it is about. The clues are tried in order; the first that finds
// one counts.
struct Clue {
  std::string name;          // what `matched_by` says of it
  std::string fact;          // field of the fact …
  std::string reg, by;       // … and the register and field where the same stands
  std::string gives;         // the field with the record; "" = the record itself
  bool spaces = true;        // false: written with or without
  bool first_label = false;  // of host names, what stands before the first dot
};
struct Finds {
  std::string field;  // filled with the record's id
  std::vector<Clue> clues;
  bool retired = false;    // retired records are found too; where one in use has the same, it wins
  bool unique = false;     // what several records have tells nothing; else the newest has it
  std::string matched_by;  // field that says which clue it was
  std::map<std::string, std::string> otherwise;  // fields of a fact that finds none
};

// What is printed of a register under a title of its own: its list, or a matrix of two fields.
struct Printed {
  enum class As { list, matrix } as = As::list;
  Words title;
  std::string file;                       // what it is called in the inspection package
  std::string rows, columns, cell, note;  // of a matrix: fields; `columns` is a reference
};

// What one facility has no other can have, as the address of a sender; `but`: records that hold nothing yet,
// by the value of a field.
struct Alone {
  std::vector<std::string> fields;
  std::string but_field, but_value;
};

struct Register {
  std::string name;
  Words label;
  Words description;
  std::string group;  // where it stands in the ledgers' menu
  std::vector<std::string> requirements;
  std::vector<Field> fields;
  std::vector<std::string> label_fields;  // what a record is called, joined by a space
  std::vector<std::string> key;           // fields that identify a record in an import without control number
  std::optional<Numbering> numbering;
  bool named_only =
      false;  // a record may be made of its name alone, where an import names one that is not there
  // Exports of asset-management suites: the headings they are known by, and those which there are about the
  // suite's own inventory (最終更新日, バージョン) and mean no field of the register.
  std::vector<std::string> suite_marks, suite_own;
  bool observed = false;                         // filled by collectors; people read it
  Duration life{};                               // observed: older facts are stale
  std::optional<Finds> finds;                    // observed: the record a fact is about
  std::vector<std::string> keeps;                // observed: fields that outlive a new reading
  std::map<std::string, std::string> remembers;  // observed: field → the field whose value before it keeps
  std::vector<std::string> writers;              // roles that may change records; see identity/permission.h
  std::vector<std::string> readers;
  Alone alone;
  std::vector<std::string> places;  // fields that put a facility below others in the tree of grants
  std::vector<Printed> printed;
  Words hint;  // for the empty list: what belongs here
  std::map<std::string, std::string> example;

  const Field* find(std::string_view field) const;
  // Null: nothing of the kind is declared.
  const Printed* printed_as(Printed::As as) const;
  std::string table() const { return "r_" + name; }
  // Where its rows say whose of several vendors they are; "": they do not.
  std::string vendor_column() const;
};

class Registers {
 public:
  // Every *.yaml under `directory`. Errors: base.yaml.bad with file and line: unknown key or type, duplicate,
  // reference to an unknown register, a name that is an SQL word.
  static Result<Registers> load(const std::filesystem::path& directory);

  const Register* find(std::string_view name) const;
  const std::vector<Register>& all() const { return registers_; }

 private:
  Status check() const;
  std::vector<Register> registers_;
  std::map<std::string, std::size_t, std::less<>> index_;
};

// `fields:` of a register's file, and of whatever else declares fields as it does. Errors: base.yaml.bad.
Result<std::vector<Field>> parse_fields(const Yaml& fields);

// As the API serves it to the browser: labels in both languages, fields in order.
json::object to_json(const Register& reg);
json::array to_json(const std::vector<Field>& fields);

}  // namespace mamori::ledger
