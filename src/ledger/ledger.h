// The ledger: records of all registers, with their history. Nothing is deleted: a record is retired with a
// reason and can come back.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/mutex.h"
#include "ledger/register.h"
#include "store/database.h"

namespace mamori::ledger {

struct Record {
  std::string id;
  std::string facility;
  std::string number;  // control number, "" where the register issues none
  std::string label;
  std::int64_t version = 0;
  Instant created_at, updated_at;
  std::optional<Instant> retired_at;
  std::string retired_reason;
  json::object fields;                            // kept form (field_value.h); absent = null
  std::map<std::string, std::string> ref_labels;  // field → label of the record it points to
};

enum class Comparison { equal, not_equal, less, greater, contains, empty, present };
struct Condition {
  std::string field;  // a field, or number, label, updated_at
  Comparison comparison = Comparison::equal;
  std::string value;
};

enum class Retired { hidden, included, only };

// One page of a list. The scope is a parameter, never a default: an empty one finds nothing.
struct ListQuery {
  store::Scope scope;
  std::string text;  // every word of it must stand in the record (folded)
  std::vector<Condition> conditions;
  std::string sort = "number";
  bool descending = false;
  Retired retired = Retired::hidden;
  std::string cursor;  // of the page before; "" for the first
  std::size_t limit = 50;
};
struct RecordPage {
  std::vector<Record> items;
  std::int64_t total = 0;
  std::string next;  // cursor of the next page, "" at the end
};

// What a caller gives for a new or changed record: field → value as normalise() takes it; "number" may be
// given too.
struct Write {
  json::object fields;
  std::string reason;
};

// The change that brings a record back to `state` ("before" or "after" of a journal entry): every field as it
// was then.
Write write_of_state(const Register& reg, const json::object& state, std::string reason);

// Threads: all calls may come from several. `database` and `registers` outlive the Ledger.
class Ledger {
 public:
  // Makes or extends the tables of all registers.
  static Result<std::unique_ptr<Ledger>> open(store::Database& database, const Registers& registers);

  const Registers& registers() const { return registers_; }
  store::Database& database() const { return database_; }
  // Error: ledger.register.unknown.
  Result<const Register*> find_register(std::string_view name) const;

  // Errors of the writing calls: ledger.record.invalid with one problem per field, ledger.record.missing
  // (also where the record is of another facility), ledger.record.changed (someone else was faster: `version`
  // is not the current one), ledger.number.taken, and as problems of `number` and `reason` those of
  // check_number(), ledger.reason.*, and ledger.field.elsewhere (conflict: see Alone).
  Result<Record> create(const store::Actor& actor, const Register& reg, const std::string& facility,
                        const Write& write);
  // Fields that are absent stay as they are.
  Result<Record> update(const store::Actor& actor, const Register& reg, const store::Scope& scope,
                        const std::string& id, std::int64_t version, const Write& write);
  Result<Record> retire(const store::Actor& actor, const Register& reg, const store::Scope& scope,
                        const std::string& id, std::int64_t version, const std::string& reason);
  Result<Record> bring_back(const store::Actor& actor, const Register& reg, const store::Scope& scope,
                            const std::string& id, std::int64_t version, const std::string& reason);
  // To the state after journal entry `sequence`, as a new change.
  Result<Record> revert(const store::Actor& actor, const Register& reg, const store::Scope& scope,
                        const std::string& id, std::int64_t version, std::int64_t sequence,
                        const std::string& reason);

  Result<Record> get(const Register& reg, const store::Scope& scope, const std::string& id) const;
  Result<RecordPage> list(const Register& reg, const ListQuery& query) const;
  // All matching records in order, without paging; for exports. `take` returns false to stop. Always ends:
  // where a page did not lead on, the error is ledger.list.stuck.
  Status each(const Register& reg, ListQuery query, const std::function<bool(const Record&)>& take) const;
  Result<std::vector<store::JournalEntry>> history(const Register& reg, const store::Scope& scope,
                                                   const std::string& id) const;

  // Inside a transaction that the caller commits: for imports, collectors and the demonstration.
  Result<Record> create_in(store::Transaction& transaction, const store::Actor& actor, const Register& reg,
                           const std::string& facility, const Write& write);
  Result<Record> update_in(store::Transaction& transaction, const store::Actor& actor, const Register& reg,
                           const Record& before, const Write& write);
  Result<Record> retire_in(store::Transaction& transaction, const store::Actor& actor, const Register& reg,
                           const Record& before, const std::string& reason);
  Result<Record> bring_back_in(store::Transaction& transaction, const store::Actor& actor,
                               const Register& reg, const Record& before, const std::string& reason);
  Result<Record> get_in(store::Connection& connection, const Register& reg, const store::Scope& scope,
                        const std::string& id) const;

  // All of a new record that can be checked without the database; references are looked up through `resolve`.
  // Error: ledger.record.invalid with all problems at once.
  using Resolver = std::function<Result<std::string>(const Field&, const std::string& text)>;
  static Result<json::object> check(const Register& reg, const json::object& given, const json::object& base,
                                    const Resolver& resolve);
  // What is wrong with a control number that somebody chose, if anything: ledger.number.bad,
  // ledger.number.too-long.
  static std::optional<Problem> check_number(std::string_view number);
  // The record that `text` means in the register a reference points to: id, control number, label, what
  // identifies it beside its label (a staff number), or both as distinct_names() writes them. Errors, each as
  // a problem of the field: ledger.field.ref (there is none), ledger.field.ambiguous (several have this
  // label: none of them is taken silently; its sentence tells how to tell them apart). Where nothing is
  // written exactly so, what folds to the same (fold_name) is meant; `names` keeps these from call to call.
  using FoldedNames = std::map<std::string, std::map<std::string, std::vector<std::string>>>;
  Result<std::string> resolve(store::Connection& connection, const std::string& facility, const Field& field,
                              const std::string& text, FoldedNames* names = nullptr) const;

  // Of the records whose label another one has too: the text that means this one alone, "佐藤 ゆう [10231]",
  // by id.
  Result<std::map<std::string, std::string>> distinct_names(const Register& reg,
                                                            const store::Scope& scope) const;

  // A file that somebody of this facility has handed in: its records may hold it, and give it out. Whoever
  // learns of the hash of another's file has nothing by it.
  Status keep_attachment(const store::Actor& actor, const std::string& facility, const std::string& hash);
  Result<bool> has_attachment(const std::string& facility, const std::string& hash) const;

  // Whether a record that is not retired points to this one.
  Result<bool> is_named(store::Connection& connection, const Register& reg, const std::string& facility,
                        const std::string& id) const;

  // Many new records at once (imports, collectors, the demonstration): fields already checked. Numbers are
  // issued where `number` is absent. `ids` receives the new ids; where it already holds as many as there are
  // records, those are taken instead.
  Status create_many(store::Transaction& transaction, const store::Actor& actor, const Register& reg,
                     const std::string& facility, std::vector<json::object> records,
                     const std::string& reason, std::vector<std::string>* ids);

 private:
  Ledger(store::Database& database, const Registers& registers)
      : database_(database), registers_(registers) {}
  Status make_tables();
  Status know_attachments();
  Result<RecordPage> page_of(const Register& reg, const ListQuery& query, bool counted) const;
  // How many records in use a facility has in a register: counted again when one of them has changed.
  Result<std::int64_t> live_count(store::Connection& connection, const Register& reg,
                                  const std::string& facility) const;
  Status add_ref_labels(store::Connection& connection, const Register& reg,
                        std::vector<Record>& records) const;
  // The record as the transaction leaves it, which then is committed.
  Result<Record> committed(store::Transaction& transaction, const Register& reg, const store::Scope& scope,
                           const std::string& id) const;
  static Status check_alone(store::Connection& connection, const Register& reg, const Record& record);
  Status write_row(store::Connection& connection, const Register& reg, const Record& record, bool fresh);

  store::Database& database_;
  const Registers& registers_;
  struct Counted {
    std::int64_t version, count;  // of `touched`, before it was counted
  };
  mutable Mutex counting_;
  mutable std::map<std::pair<std::string, std::string>, Counted> counted_
      GUARDED_BY(counting_);  // by register and facility
};

json::object to_json(const Register& reg, const Record& record);

}  // namespace mamori::ledger
