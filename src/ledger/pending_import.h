// Imports between preview and undo. They live in the database: after a restart, and on another server with
// the same database, each goes on where it was, and is applied once however many ask for it at once.
#pragma once

#include "ledger/import.h"

namespace mamori::ledger {

enum class ImportState { pending, applied, undone };
std::string_view name_of(ImportState state);

struct PendingImport {
  std::string id, user, facility, reg, file_name;
  ImportOptions options;
  ImportState state = ImportState::pending;
  Instant at;
  std::size_t created = 0, changed = 0;  // of an applied one
};

constexpr std::size_t kMostPendingOfUser = 5;
constexpr std::chrono::hours kPendingLife{24};

store::Migration import_schema();  // of the tables behind these calls; Ledger::open runs them
store::Migration shown_schema();

// Keeps an uploaded file until it is applied, at most for kPendingLife; the id under which it is found.
// Beyond kMostPendingOfUser the oldest of the same user goes, never another's.
Result<std::string> keep_import(Ledger& ledger, const PendingImport& import, std::string_view file);
// Errors: ledger.import.gone, ledger.import.expired.
Result<PendingImport> find_import(Ledger& ledger, const std::string& id);
// What the file holds. Errors: ledger.import.expired, sheet.*.
Result<std::vector<sheet::Table>> import_tables(Ledger& ledger, const std::string& id);
// Errors: ledger.import.applied, ledger.import.undone, ledger.import.gone.
Status set_import_options(Ledger& ledger, const std::string& id, const ImportOptions& options);
// Those of a facility that can be or were taken back, newest first; `user` "" = of everyone.
Result<std::vector<PendingImport>> list_imports(Ledger& ledger, const store::Scope& scope,
                                                const std::string& user, std::size_t limit);

// Remembers that a person has been shown this plan. Applied is then only what was shown.
Status keep_shown(Ledger& ledger, const std::string& id, const ImportPlan& plan);

// Writes the created and changed lines of a kept import, once. Errors: ledger.import.moved (conflict; fact:
// lines), where the plan is no longer the one that keep_shown() was told, ledger.import.applied and .undone
// (conflict: it was done already, or is being done by someone else), and those of writing records.
Result<ImportResult> apply_kept_import(Ledger& ledger, const store::Actor& actor, const Register& reg,
                                       const PendingImport& import, const ImportPlan& plan);

// A record that an import wrote and that stays as it is, since someone has changed it after that.
struct KeptRecord {
  std::string reg, id, number, label;
};
struct Undone {
  std::size_t records = 0;  // taken back
  std::vector<KeptRecord> kept;
};
// Takes an applied import back, once: what it created is retired (made records too, where nothing else names
// them yet), what it changed gets its former state. Errors: ledger.import.gone, ledger.import.undone,
// ledger.import.not-applied.
Result<Undone> undo_import(Ledger& ledger, const store::Actor& actor, const std::string& id);

}  // namespace mamori::ledger
