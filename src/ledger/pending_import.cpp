#include "ledger/pending_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/crypto.h"
#include "ledger/detail/apply.h"

namespace mamori::ledger {
namespace {

constexpr std::size_t kPart = std::size_t{1} << 20;  // bytes of a file in one row
constexpr std::chrono::hours kForgotten{24 * 30};    // never applied: nobody will ask for it any more
constexpr std::string_view kColumns =
    "id, user_id, facility, register, file_name, options, state, at, created, changed";

json::object options_json(const ImportOptions& options) {
  json::object mapping;
  for (const auto& [heading, field] : options.mapping) mapping[heading] = field;
  return {{"sheet", options.sheet},
          {"heading_line", options.heading_line},
          {"mapping", std::move(mapping)},
          {"make_in", json::array(options.make_in.begin(), options.make_in.end())}};
}

ImportOptions options_of(const json::object& kept) {
  ImportOptions options;
  options.sheet = text_of(kept, "sheet");
  options.heading_line = static_cast<std::size_t>(integer_of(kept, "heading_line"));
  if (const auto* mapping = kept.if_contains("mapping"); mapping && mapping->is_object())
    for (const auto& [heading, field] : mapping->get_object())
      options.mapping[heading] = std::string(field.is_string() ? field.get_string() : "");
  if (const auto* make_in = kept.if_contains("make_in"); make_in && make_in->is_array())
    for (const auto& name : make_in->get_array())
      if (name.is_string()) options.make_in.emplace(name.get_string());
  return options;
}

json::object result_json(const ImportResult& result) {
  json::array records, made;
  for (const auto& [id, version] : result.records) records.push_back(json::array{id, version});
  for (const auto& one : result.made) made.push_back(json::array{one.reg->name, one.id, one.name});
  return {{"records", std::move(records)},
          {"brought_back", json::array(result.brought_back.begin(), result.brought_back.end())},
          {"made", std::move(made)}};
}

PendingImport import_of(const store::Row& row) {
  PendingImport import{store::as_text(row[0]), store::as_text(row[1]), store::as_text(row[2]),
                       store::as_text(row[3]), store::as_text(row[4])};
  if (const auto options = parse_json_object(store::as_text(row[5]))) import.options = options_of(*options);
  const auto state = store::as_text(row[6]);
  for (const auto one : {ImportState::pending, ImportState::applied, ImportState::undone})
    if (name_of(one) == state) import.state = one;
  import.at = from_millis(store::as_integer(row[7]));
  import.created = static_cast<std::size_t>(store::as_integer(row[8]));
  import.changed = static_cast<std::size_t>(store::as_integer(row[9]));
  return import;
}

Result<PendingImport> read(store::Connection& connection, const std::string& id) {
  const auto rows = MAMORI_TRY(
      connection.query("SELECT " + std::string(kColumns) + " FROM ledger_import WHERE id = ?", {id}));
  if (rows.rows.empty()) return Error{ErrorKind::not_found, "ledger.import.gone"};
  return import_of(rows.rows[0]);
}

Error expired() {
  return {ErrorKind::not_found, "ledger.import.expired", {{"hours", std::to_string(kPendingLife.count())}}};
}

// Why an import is not in the state that was wanted.
Error not_as_wanted(const Result<PendingImport>& found) {
  if (!found) return found.error();
  switch (found->state) {
    case ImportState::pending: return {ErrorKind::conflict, "ledger.import.not-applied"};
    case ImportState::applied: return {ErrorKind::conflict, "ledger.import.applied"};
    case ImportState::undone: return {ErrorKind::conflict, "ledger.import.undone"};
  }
  MAMORI_UNREACHABLE();
}

// From `before` to `after` for whoever comes first: the row stays locked until its transaction ends, and the
// others find it changed.
Status claim(store::Connection& connection, const std::string& id, ImportState before, ImportState after) {
  const auto changed =
      MAMORI_TRY(connection.execute("UPDATE ledger_import SET state = ? WHERE id = ? AND state = ?",
                                    {std::string(name_of(after)), id, std::string(name_of(before))}));
  if (changed == 1) return {};
  return not_as_wanted(read(connection, id));
}

Status keep_row(store::Connection& connection, const PendingImport& import, const ImportResult* result) {
  MAMORI_TRY(connection.execute(
      "INSERT INTO ledger_import (" + std::string(kColumns) + ", result) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
      {import.id, import.user, import.facility, import.reg, import.file_name,
       json::serialize(options_json(import.options)), std::string(name_of(import.state)),
       to_millis(import.at), static_cast<std::int64_t>(import.created),
       static_cast<std::int64_t>(import.changed), result ? json::serialize(result_json(*result)) : ""}));
  return {};
}

// Of what is not asked for any more: files after kPendingLife, imports that were never applied after a month.
Status forget(store::Connection& connection, Instant now) {
  MAMORI_TRY(connection.execute(
      "DELETE FROM ledger_import_part WHERE import IN (SELECT id FROM ledger_import WHERE at < ?)",
      {to_millis(now - kPendingLife)}));
  MAMORI_TRY(connection.execute("DELETE FROM ledger_import WHERE state = 'pending' AND at < ?",
                                {to_millis(now - kForgotten)}));
  MAMORI_TRY(connection.execute(
      "DELETE FROM ledger_import_shown WHERE import NOT IN (SELECT id FROM ledger_import WHERE state = "
      "'pending')"));
  return {};
}

// What a person saw of a plan, line by line: its outcome, and the record it meets, at which version.
std::string shown_of(const ImportPlan& plan) {
  std::string out;
  for (const auto& line : plan.lines)
    out += fmt::format("{} {} {} {}\n", line.line, name_of(line.outcome), line.id, line.version);
  return out;
}

// "3、8": the numbers of the first lines that differ; "" where none does.
std::string different_lines(std::string_view before, std::string_view now) {
  constexpr std::size_t kNamed = 10;
  if (before == now) return "";
  const auto old_lines = split(before, '\n'), new_lines = split(now, '\n');
  std::string out;
  std::size_t named = 0;
  for (std::size_t i = 0; i < std::max(old_lines.size(), new_lines.size()); ++i) {
    const auto was = i < old_lines.size() ? old_lines[i] : "", is = i < new_lines.size() ? new_lines[i] : "";
    if (was == is) continue;
    if (++named > kNamed) return out + "…";
    const auto& line = is.empty() ? was : is;
    out += (out.empty() ? "" : "、") + std::string(line.substr(0, line.find(' ')));
  }
  return out;
}

}  // namespace

store::Migration shown_schema() {
  return {"ledger.import-shown",
          "CREATE TABLE ledger_import_shown (import {text} PRIMARY KEY, content {text} NOT NULL);"};
}

std::string_view name_of(ImportState state) {
  switch (state) {
    case ImportState::pending: return "pending";
    case ImportState::applied: return "applied";
    case ImportState::undone: return "undone";
  }
  MAMORI_UNREACHABLE();
}

store::Migration import_schema() {
  return {
      "ledger.1",
      "CREATE TABLE ledger_import (id {text} PRIMARY KEY, user_id {text} NOT NULL, facility {text} NOT NULL, "
      "register {text} NOT NULL, file_name {text} NOT NULL, options {text} NOT NULL, state {text} NOT NULL, "
      "at BIGINT NOT NULL, created BIGINT NOT NULL, changed BIGINT NOT NULL, result {text} NOT NULL);"
      "CREATE INDEX ledger_import_user ON ledger_import (user_id, at);"
      "CREATE TABLE ledger_import_part (import {text} NOT NULL, part BIGINT NOT NULL, content {text} NOT "
      "NULL, PRIMARY KEY (import, part));"};
}

Result<std::string> keep_import(Ledger& ledger, const PendingImport& given, std::string_view file) {
  auto import = given;
  import.at = ledger.database().clock().now();
  import.id = new_id(to_millis(import.at));
  import.file_name = printable(import.file_name, 200);
  std::vector<store::Row> parts;
  for (std::size_t at = 0; at < file.size(); at += kPart)
    parts.push_back({import.id, static_cast<std::int64_t>(parts.size()), to_base64(file.substr(at, kPart))});

  auto transaction = MAMORI_TRY(ledger.database().begin());
  MAMORI_TRY(forget(*transaction, import.at));
  const auto own = MAMORI_TRY(transaction->query(
      "SELECT id FROM ledger_import WHERE user_id = ? AND state = 'pending' ORDER BY at DESC, id DESC",
      {import.user}));
  for (std::size_t i = kMostPendingOfUser - 1; i < own.rows.size(); ++i) {
    MAMORI_TRY(transaction->execute("DELETE FROM ledger_import_part WHERE import = ?", {own.rows[i][0]}));
    MAMORI_TRY(transaction->execute("DELETE FROM ledger_import WHERE id = ?", {own.rows[i][0]}));
  }
  MAMORI_TRY(keep_row(*transaction, import, nullptr));
  MAMORI_TRY(transaction->execute_many("INSERT INTO ledger_import_part VALUES (?,?,?)", parts));
  MAMORI_TRY(transaction.commit());
  return import.id;
}

Result<PendingImport> find_import(Ledger& ledger, const std::string& id) {
  auto lease = MAMORI_TRY(ledger.database().read());
  auto import = MAMORI_TRY(read(*lease, id));
  if (import.state == ImportState::pending && ledger.database().clock().now() - import.at > kPendingLife)
    return expired();
  return import;
}

Result<std::vector<sheet::Table>> import_tables(Ledger& ledger, const std::string& id) {
  std::string file;
  bool damaged = false;
  {
    auto lease = MAMORI_TRY(ledger.database().read());
    MAMORI_TRY(lease->each("SELECT content FROM ledger_import_part WHERE import = ? ORDER BY part", {id},
                           [&](store::Row& row) {
                             const auto part = from_base64(store::as_text(row[0]));
                             damaged = damaged || !part;
                             if (part) file += *part;
                           }));
  }
  if (damaged || file.empty()) return expired();
  return sheet::read_tables(file);
}

Status set_import_options(Ledger& ledger, const std::string& id, const ImportOptions& options) {
  auto transaction = MAMORI_TRY(ledger.database().begin());
  const auto changed = MAMORI_TRY(
      transaction->execute("UPDATE ledger_import SET options = ? WHERE id = ? AND state = 'pending'",
                           {json::serialize(options_json(options)), id}));
  if (changed != 1) return not_as_wanted(read(*transaction, id));
  return transaction.commit();
}

Result<std::vector<PendingImport>> list_imports(Ledger& ledger, const store::Scope& scope,
                                                const std::string& user, std::size_t limit) {
  std::vector<PendingImport> out;
  store::Row parameters;
  const auto where = scope.where("facility", parameters);
  parameters.insert(parameters.end(), {user, user, static_cast<std::int64_t>(limit)});
  auto lease = MAMORI_TRY(ledger.database().read());
  MAMORI_TRY(lease->each(
      fmt::format("SELECT {} FROM ledger_import WHERE {} AND (? = '' OR user_id = ?) AND state <> "
                  "'pending' ORDER BY at DESC, id DESC LIMIT ?",
                  kColumns, where),
      parameters, [&](store::Row& row) { out.push_back(import_of(row)); }));
  return out;
}

Status keep_shown(Ledger& ledger, const std::string& id, const ImportPlan& plan) {
  auto transaction = MAMORI_TRY(ledger.database().begin());
  MAMORI_TRY(transaction->execute("DELETE FROM ledger_import_shown WHERE import = ?", {id}));
  MAMORI_TRY(transaction->execute("INSERT INTO ledger_import_shown VALUES (?,?)", {id, shown_of(plan)}));
  return transaction.commit();
}

Result<ImportResult> apply_kept_import(Ledger& ledger, const store::Actor& actor, const Register& reg,
                                       const PendingImport& import, const ImportPlan& plan) {
  auto transaction = MAMORI_TRY(ledger.database().begin());
  MAMORI_TRY(claim(*transaction, import.id, ImportState::pending, ImportState::applied));
  const auto shown =
      MAMORI_TRY(transaction->query("SELECT content FROM ledger_import_shown WHERE import = ?", {import.id}));
  if (!shown.rows.empty())
    if (const auto lines = different_lines(store::as_text(shown.rows[0][0]), shown_of(plan)); !lines.empty())
      return Error{ErrorKind::conflict, "ledger.import.moved", {{"lines", lines}}};
  auto result = MAMORI_TRY(
      detail::write_plan(ledger, transaction, actor, reg, import.facility, plan, import.file_name));
  result.id = import.id;
  MAMORI_TRY(transaction->execute(
      "UPDATE ledger_import SET created = ?, changed = ?, result = ? WHERE id = ?",
      {static_cast<std::int64_t>(result.created), static_cast<std::int64_t>(result.changed),
       json::serialize(result_json(result)), import.id}));
  MAMORI_TRY(transaction.commit());
  return result;
}

Result<ImportResult> apply_import(Ledger& ledger, const store::Actor& actor, const Register& reg,
                                  const std::string& facility, const ImportPlan& plan,
                                  const std::string& file_name) {
  const auto now = ledger.database().clock().now();
  const auto name = printable(file_name, 200);
  auto transaction = MAMORI_TRY(ledger.database().begin());
  auto result = MAMORI_TRY(detail::write_plan(ledger, transaction, actor, reg, facility, plan, name));
  result.id = new_id(to_millis(now));
  MAMORI_TRY(keep_row(*transaction,
                      {result.id,
                       actor.id,
                       facility,
                       reg.name,
                       name,
                       {},
                       ImportState::applied,
                       now,
                       result.created,
                       result.changed},
                      &result));
  MAMORI_TRY(transaction.commit());
  return result;
}

Result<Undone> undo_import(Ledger& ledger, const store::Actor& actor, const std::string& id) {
  auto transaction = MAMORI_TRY(ledger.database().begin());
  MAMORI_TRY(claim(*transaction, id, ImportState::applied, ImportState::undone));
  const auto import = MAMORI_TRY(read(*transaction, id));
  const auto& reg = *MAMORI_TRY(ledger.find_register(import.reg));
  const auto rows = MAMORI_TRY(transaction->query("SELECT result FROM ledger_import WHERE id = ?", {id}));
  const auto kept_result = MAMORI_TRY(parse_json_object(store::as_text(rows.rows.at(0).at(0))));
  const auto reason = "undo import: " + import.file_name;
  const auto list = [&](const char* name) {
    const auto* found = kept_result.if_contains(name);
    return found && found->is_array() ? found->get_array() : json::array();
  };

  std::set<std::string, std::less<>> brought_back;
  for (const auto& id_again : list("brought_back"))
    brought_back.emplace(std::string_view(id_again.as_string()));

  Undone undone;
  const auto stays = [&](const Register& of, const Record& record) {
    undone.kept.push_back({of.name, record.id, record.number, record.label});
  };
  for (const auto& entry : list("records")) {
    const std::string record_id(entry.at(0).as_string());
    const auto version = entry.at(1).to_number<std::int64_t>();
    const auto record = ledger.get_in(*transaction, reg, store::Scope::job(import.facility), record_id);
    if (!record) {
      if (record.error().code != "ledger.record.missing") return record.error();
      continue;
    }
    if (record->version != version || record->retired_at) {
      stays(reg, *record);
      continue;
    }
    if (version == 1 || brought_back.contains(record_id)) {
      MAMORI_TRY(ledger.retire_in(transaction, actor, reg, *record, reason));
    } else {
      const auto entries =
          MAMORI_TRY(store::read_journal(*transaction, {.scope = store::Scope::job(import.facility),
                                                        .subject = reg.name,
                                                        .record = record_id,
                                                        .limit = 1}));
      if (entries.empty()) {
        stays(reg, *record);
        continue;
      }
      MAMORI_TRY(ledger.update_in(
          transaction, actor, reg, *record,
          write_of_state(reg, MAMORI_TRY(parse_json_object(entries[0].change.before)), reason)));
    }
    ++undone.records;
  }
  for (const auto& entry : list("made")) {
    const auto& target = *MAMORI_TRY(ledger.find_register(std::string_view(entry.at(0).as_string())));
    const auto record = ledger.get_in(*transaction, target, store::Scope::job(import.facility),
                                      std::string(entry.at(1).as_string()));
    if (!record) continue;
    if (record->version != 1 || record->retired_at ||
        MAMORI_TRY(ledger.is_named(*transaction, target, import.facility, record->id))) {
      stays(target, *record);
      continue;
    }
    MAMORI_TRY(ledger.retire_in(transaction, actor, target, *record, reason));
  }
  MAMORI_TRY(transaction.commit());
  return undone;
}

}  // namespace mamori::ledger
