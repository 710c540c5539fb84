// Import of the sheets that people really have. First a plan, in which nothing is written; then all of its
// good lines or none.
#pragma once

#include <set>

#include "ledger/ledger.h"
#include "sheet/table.h"

namespace mamori::ledger {

enum class LineOutcome { created, changed, unchanged, rejected };
std::string_view name_of(LineOutcome outcome);

struct ImportLine {
  std::size_t line = 0;  // in the file, from 1
  LineOutcome outcome = LineOutcome::rejected;
  std::vector<std::string> cells;  // as read
  json::object fields;             // checked, with "number" where given
  std::string id;                  // changed, unchanged: of the record it meets; created: one to bring back,
                                   // which an import made that was taken back
  std::int64_t version = 0;        // of that record, as it was looked at
  std::vector<std::string> changed_fields;
  std::vector<Problem> problems;  // of a line that is not rejected: what was left out of it
};

struct ImportColumn {
  std::string heading;
  std::string field;     // "" = not imported
  bool by_hand = false;  // from a remembered or given mapping, not recognised by itself
  std::vector<std::string> samples;
};

// The number of the column that gives `field`, from 1; none where the sheet has no such column.
std::optional<std::size_t> column_of(const std::vector<ImportColumn>& columns, std::string_view field);

// A record that lines of the sheet name and that is not there: it is made with them, of its name alone
// (Register::named_only).
struct ImportMade {
  const Register* reg = nullptr;
  std::string id, name;
};

struct ImportPlan {
  std::string sheet;
  std::vector<std::string> sheets;  // all that the file has
  std::vector<std::string> others;  // those of them that have headings of this register too and are not read
  std::size_t heading_line = 0;     // from 1
  std::vector<ImportColumn> columns;
  std::vector<ImportLine> lines;
  std::vector<ImportMade> made;  // those that good lines name, in the order of the sheet
  std::size_t skipped = 0;       // title lines, empty lines, repeated headings, rows of ":"
  std::size_t count(LineOutcome outcome) const;
};

struct ImportOptions {
  std::string sheet;                           // "" = the first with a heading line
  std::map<std::string, std::string> mapping;  // heading → field, "" to leave it out; wins over recognition
  std::size_t heading_line = 0;                // 0 = find it
  std::set<std::string>
      make_in;  // named_only registers in which records may be made; elsewhere such lines are rejected
};

// Errors: ledger.import.no-heading (nothing in the first 30 lines looks like this register's headings),
// ledger.import.sheet.
Result<ImportPlan> plan_import(Ledger& ledger, const Register& reg, const std::string& facility,
                               const std::vector<sheet::Table>& tables, const ImportOptions& options);

struct ImportResult {
  std::string id;  // under which undo_import() finds it
  std::size_t created = 0, changed = 0;
  std::vector<std::pair<std::string, std::int64_t>> records;  // id and version now, for undo
  std::vector<std::string> brought_back;  // of the created: ids of those an import made that was taken back
  std::vector<ImportMade> made;
};
// Writes the created and changed lines in one transaction, remembers the mapping, and keeps what
// undo_import() (pending_import.h) needs. Error: ledger.import.moved (conflict; fact: lines), where a record
// that a line changes is not as it was when the plan was made.
Result<ImportResult> apply_import(Ledger& ledger, const store::Actor& actor, const Register& reg,
                                  const std::string& facility, const ImportPlan& plan,
                                  const std::string& file_name);

// The rejected lines with their line number and reasons, to be mended and imported again. `sentence` turns a
// problem into words.
std::vector<std::vector<std::string>> rejected_rows(
    const ImportPlan& plan, const Words& reason_heading, std::string_view language,
    const std::function<std::string(const Problem&)>& sentence);

}  // namespace mamori::ledger
