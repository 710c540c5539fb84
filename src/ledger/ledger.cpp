#include "ledger/ledger.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/crypto.h"
#include "base/texts.h"
#include "ledger/detail/numbering.h"
#include "ledger/detail/rows.h"
#include "ledger/field_value.h"
#include "ledger/observed.h"
#include "ledger/pending_import.h"

namespace mamori::ledger {
namespace {

constexpr std::size_t kLongestNumber = 60, kLongestReason = 1000;  // characters
constexpr std::size_t kHashLength = 64;                            // of an attachment: SHA-256, hex

Error missing() { return {ErrorKind::not_found, "ledger.record.missing"}; }

// The groups that a facility says it belongs to, as grants name them.
std::vector<std::string> places_of(const Register& reg, const Record& record) {
  std::vector<std::string> out;
  for (const auto& name : reg.places)
    if (const auto value = fold(text_of(record.fields, name)); !value.empty())
      out.push_back(name + ":" + value);
  return out;
}

Error number_taken(const std::string& number) {
  Error error{ErrorKind::conflict, "ledger.record.invalid"};
  error.problems.push_back({"number", "ledger.number.taken", {{"number", number}}});
  return error;
}

json::object journal_form(const Record& record) {
  json::object out = record.fields;
  if (!record.number.empty()) out["number"] = record.number;
  if (record.retired_at) out["retired_reason"] = record.retired_reason;
  return out;
}

// Control characters make a number that looks like another one, and break what it is printed on.
bool has_control_character(std::string_view text, std::string_view allowed = "") {
  return std::any_of(text.begin(), text.end(), [&](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0x7F || (byte < 0x20 && allowed.find(c) == allowed.npos);
  });
}

// The number that is given, "" for none.
Result<std::string> number_of(const json::object& fields) {
  const auto* given = fields.if_contains("number");
  if (!given || given->is_null()) return std::string();
  Error error{ErrorKind::invalid, "ledger.record.invalid"};
  const auto number = std::string(trim(text_of(fields, "number")));
  auto wrong = given->is_string() ? Ledger::check_number(number)
                                  : std::optional(Problem{"number", "ledger.number.bad"});
  if (!wrong) return number;
  error.problems.push_back(std::move(*wrong));
  return error;
}

Status check_reason(const std::string& reason) {
  const auto wrong = [](const char* code, Facts facts) {
    Error error{ErrorKind::invalid, "ledger.record.invalid"};
    error.problems.push_back({"reason", code, std::move(facts)});
    return error;
  };
  if (!is_utf8(reason) || has_control_character(reason, "\n\r\t"))
    return wrong("ledger.reason.characters", {});
  if (length(reason) > kLongestReason)
    return wrong("ledger.reason.too-long", {{"limit", std::to_string(kLongestReason)}});
  return {};
}

}  // namespace

Result<std::unique_ptr<Ledger>> Ledger::open(store::Database& database, const Registers& registers) {
  std::unique_ptr<Ledger> ledger(new Ledger(database, registers));
  std::vector<store::Migration> schema = {import_schema(), shown_schema()};
  for (auto& step : observed_schema()) schema.push_back(std::move(step));
  MAMORI_TRY(database.migrate(schema));
  MAMORI_TRY(ledger->make_tables());
  MAMORI_TRY(ledger->know_attachments());
  return ledger;
}

Status Ledger::make_tables() {
  const bool sqlite = database_.engine() == store::Engine::sqlite;
  const Facts types = {{"text", std::string(store::text_type(database_.engine()))}};
  auto transaction = MAMORI_TRY(database_.begin());
  if (!sqlite) MAMORI_TRY(transaction->script("SELECT pg_advisory_xact_lock(8270642)"));
  MAMORI_TRY(transaction->script(
      fill("CREATE TABLE IF NOT EXISTS import_mapping (facility {text} NOT NULL, register {text} NOT NULL, "
           "heading {text} NOT NULL, field {text} NOT NULL, PRIMARY KEY (facility, register, heading))",
           types)));
  for (const auto& reg : registers_.all()) {
    const auto table = reg.table();
    MAMORI_TRY(transaction->script(
        fill(fmt::format("CREATE TABLE IF NOT EXISTS {} (id {{text}} PRIMARY KEY, facility {{text}} NOT "
                         "NULL, number {{text}} NOT NULL, label {{text}} NOT NULL, version BIGINT NOT NULL, "
                         "created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, retired_at BIGINT, "
                         "retired_reason {{text}} NOT NULL, search {{text}} NOT NULL)",
                         table),
             types)));
    const auto existing = MAMORI_TRY(
        transaction->query(sqlite ? fmt::format("SELECT name FROM pragma_table_info('{}')", table)
                                  : fmt::format("SELECT column_name FROM information_schema.columns WHERE "
                                                "table_schema = current_schema() AND table_name = '{}'",
                                                table)));
    const auto has = [&](const std::string& column) {
      return std::any_of(existing.rows.begin(), existing.rows.end(),
                         [&](const store::Row& row) { return store::as_text(row[0]) == column; });
    };
    for (const auto& field : reg.fields)
      if (!has(field.name))
        MAMORI_TRY(transaction->script(
            fill(fmt::format("ALTER TABLE {} ADD COLUMN {} {}", table, field.name, column_type(field.type)),
                 types)));
    if (reg.observed && !has("observer")) MAMORI_TRY(detail::add_observer(*transaction, reg, types));
    MAMORI_TRY(transaction->script(fmt::format(
        // What lists show and count: it holds all they need to know of a record to do so.
        "CREATE INDEX IF NOT EXISTS {0}_live ON {0} (facility, number, id) WHERE retired_at IS NULL;"
        "DROP INDEX IF EXISTS {0}_list;"
        "CREATE UNIQUE INDEX IF NOT EXISTS {0}_number ON {0} (facility, number) WHERE number <> '';",
        table)));
    if (!reg.places.empty())  // of facilities that were there before there was a tree
      MAMORI_TRY(transaction->execute(
          fmt::format(
              "INSERT INTO facility_tree SELECT ?, facility FROM {} WHERE facility NOT IN (SELECT facility "
              "FROM facility_tree)",
              table),
          {std::string(store::kEverywhere)}));
    for (const auto& field : reg.fields)
      if (field.type == FieldType::ref)
        MAMORI_TRY(transaction->script(fmt::format(
            "CREATE INDEX IF NOT EXISTS {0}_{1} ON {0} ({1}) WHERE {1} IS NOT NULL", table, field.name)));
  }
  return transaction.commit();
}

// What records held before it was asked whose a file is, theirs it is.
Status Ledger::know_attachments() {
  std::string sql =
      "CREATE TABLE attachment (facility {text} NOT NULL, hash {text} NOT NULL, PRIMARY KEY (facility, "
      "hash));";
  for (const auto& reg : registers_.all())
    for (const auto& field : reg.fields)
      if (field.type == FieldType::file)
        sql += fmt::format(
            "INSERT INTO attachment SELECT DISTINCT facility, SUBSTR({0}, 1, {2}) FROM {1} WHERE {0} IS NOT "
            "NULL ON CONFLICT (facility, hash) DO NOTHING;",
            field.name, reg.table(), kHashLength);
  const store::Migration schema[] = {{"ledger.attachment.1", sql}};
  return database_.migrate(schema);
}

Status Ledger::keep_attachment(const store::Actor& actor, const std::string& facility,
                               const std::string& hash) {
  auto transaction = MAMORI_TRY(database_.begin());
  const auto fresh = MAMORI_TRY(transaction->execute(
      "INSERT INTO attachment VALUES (?,?) ON CONFLICT (facility, hash) DO NOTHING", {facility, hash}));
  if (fresh > 0) transaction.journal(actor, {facility, "attachment", hash, "uploaded", "", "", ""});
  return transaction.commit();
}

Result<bool> Ledger::has_attachment(const std::string& facility, const std::string& hash) const {
  auto lease = MAMORI_TRY(database_.read());
  const auto found = MAMORI_TRY(
      lease->query("SELECT hash FROM attachment WHERE facility = ? AND hash = ?", {facility, hash}));
  return !found.rows.empty();
}

Result<const Register*> Ledger::find_register(std::string_view name) const {
  const auto* found = registers_.find(name);
  if (!found)
    return Error{ErrorKind::not_found, "ledger.register.unknown", {{"register", std::string(name)}}};
  return found;
}

std::optional<Problem> Ledger::check_number(std::string_view number) {
  if (!is_utf8(number) || has_control_character(number)) return Problem{"number", "ledger.number.bad"};
  if (length(number) > kLongestNumber)
    return Problem{"number", "ledger.number.too-long", {{"limit", std::to_string(kLongestNumber)}}};
  return std::nullopt;
}

Result<json::object> Ledger::check(const Register& reg, const json::object& given, const json::object& base,
                                   const Resolver& resolve) {
  json::object fields = base;
  Error error{ErrorKind::invalid, "ledger.record.invalid"};
  for (const auto& [key, value] : given) {
    if (key == "number") continue;
    const auto* field = reg.find(key);
    if (!field) {
      error.problems.push_back({std::string(key),
                                "ledger.field.unknown",
                                {{"field", std::string(key)}, {"field_en", std::string(key)}}});
      continue;
    }
    auto kept = normalise(*field, value);
    if (kept && field->type == FieldType::ref && kept->is_string()) {
      auto id = resolve(*field, std::string(kept->get_string()));
      if (id)
        kept = json::value(*id);
      else
        kept = std::move(id).take_error();
    }
    if (!kept) {
      for (auto& problem : kept.error().problems) error.problems.push_back(std::move(problem));
      if (kept.error().problems.empty()) return std::move(kept).take_error();
      continue;
    }
    if (kept->is_null())
      fields.erase(key);
    else
      fields[key] = std::move(kept).take();
  }
  for (const auto& field : reg.fields)
    if (field.required && !fields.contains(field.name) &&
        std::none_of(error.problems.begin(), error.problems.end(),
                     [&](const Problem& problem) { return problem.field == field.name; }))
      error.problems.push_back(
          {field.name, "ledger.field.required", {{"field", field.label.ja}, {"field_en", field.label.en}}});
  if (!error.problems.empty()) return error;
  return fields;
}

Status Ledger::check_alone(store::Connection& connection, const Register& reg, const Record& record) {
  const auto& alone = reg.alone;
  if (alone.fields.empty() || record.retired_at) return {};
  const bool bounded = !alone.but_field.empty();
  if (bounded && text_of(record.fields, alone.but_field) == alone.but_value) return {};
  Error error{ErrorKind::conflict, "ledger.record.invalid"};
  for (const auto& name : alone.fields) {
    const auto value = text_of(record.fields, name);
    if (value.empty()) continue;
    store::Row parameters = {to_lower_ascii(value), record.facility};
    if (bounded) parameters.emplace_back(alone.but_value);
    const auto others = MAMORI_TRY(connection.query(
        fmt::format("SELECT 1 FROM {} WHERE LOWER({}) = ? AND facility <> ? AND retired_at IS NULL{} LIMIT 1",
                    reg.table(), name,
                    bounded ? " AND COALESCE(" + alone.but_field + ", '') <> ?" : std::string()),
        parameters));
    if (others.rows.empty()) continue;
    const auto& label = reg.find(name)->label;
    error.problems.push_back(
        {name, "ledger.field.elsewhere", {{"field", label.ja}, {"field_en", label.en}, {"value", value}}});
  }
  if (error.problems.empty()) return {};
  return error;
}

Status Ledger::write_row(store::Connection& connection, const Register& reg, const Record& record,
                         bool fresh) {
  MAMORI_TRY(check_alone(connection, reg, record));
  auto row = detail::row_of(reg, record);
  row.emplace_back(detail::search_text(reg, record));
  Status written;
  if (fresh) {
    auto outcome = connection.execute(detail::insert_sql(reg), row);
    if (!outcome) written = std::move(outcome).take_error();
  } else {
    row.emplace_back(record.id);
    row.emplace_back(record.version - 1);
    auto outcome = connection.execute(detail::update_sql(reg), row);
    if (!outcome)
      written = std::move(outcome).take_error();
    else if (*outcome != 1)
      written = Error{ErrorKind::conflict, "ledger.record.changed"};
  }
  if (!written && written.error().code == "store.duplicate") return number_taken(record.number);
  if (written && !reg.places.empty())
    return store::set_place(connection, record.facility, places_of(reg, record));
  return written;
}

Result<Record> Ledger::create_in(store::Transaction& transaction, const store::Actor& actor,
                                 const Register& reg, const std::string& facility, const Write& write) {
  MAMORI_TRY(check_reason(write.reason));
  const auto now = database_.clock().now();
  Record record;
  record.id = new_id(to_millis(now));
  record.facility = reg.name == "facility" ? record.id : facility;
  json::object initial;
  for (const auto& field : reg.fields)
    if (!field.initial.empty() && !write.fields.contains(field.name))
      initial[field.name] = MAMORI_TRY(normalise(field, json::value(field.initial)));
  record.fields =
      MAMORI_TRY(check(reg, write.fields, initial, [&](const Field& field, const std::string& text) {
        return resolve(*transaction, record.facility, field, text);
      }));
  record.number = MAMORI_TRY(number_of(write.fields));
  if (reg.numbering) {
    auto issuer = MAMORI_TRY(detail::NumberIssuer::open(*transaction, reg, record.facility));
    if (record.number.empty()) record.number = MAMORI_TRY(issuer.next(record.fields));
  }
  record.label = detail::label_of(reg, record.number, record.fields);
  record.version = 1;
  record.created_at = record.updated_at = now;
  MAMORI_TRY(write_row(*transaction, reg, record, true));
  transaction.journal(actor, {record.facility, reg.name, record.id, "created", "",
                              json::serialize(journal_form(record)), write.reason});
  return record;
}

Status Ledger::create_many(store::Transaction& transaction, const store::Actor& actor, const Register& reg,
                           const std::string& facility, std::vector<json::object> records,
                           const std::string& reason, std::vector<std::string>* ids) {
  const auto now = database_.clock().now();
  std::optional<detail::NumberIssuer> issuer;
  if (reg.numbering && !records.empty()) {
    issuer = MAMORI_TRY(detail::NumberIssuer::open(*transaction, reg, facility));
    for (const auto& fields : records)
      if (const auto number = MAMORI_TRY(number_of(fields)); !number.empty()) issuer->taken(number);
  }
  const bool given_ids = ids && ids->size() == records.size();
  std::vector<store::Row> rows;
  rows.reserve(records.size());
  for (auto& fields : records) {
    Record record;
    record.id = given_ids ? (*ids)[rows.size()] : new_id(to_millis(now));
    record.facility = reg.name == "facility" ? record.id : facility;
    record.number = MAMORI_TRY(number_of(fields));
    fields.erase("number");
    record.fields = std::move(fields);
    if (record.number.empty() && issuer) record.number = MAMORI_TRY(issuer->next(record.fields));
    record.label = detail::label_of(reg, record.number, record.fields);
    record.version = 1;
    record.created_at = record.updated_at = now;
    MAMORI_TRY(check_alone(*transaction, reg, record));
    auto row = detail::row_of(reg, record);
    row.emplace_back(detail::search_text(reg, record));
    rows.push_back(std::move(row));
    if (!reg.places.empty())
      MAMORI_TRY(store::set_place(*transaction, record.facility, places_of(reg, record)));
    if (!reg.observed)
      transaction.journal(actor, {record.facility, reg.name, record.id, "created", "",
                                  json::serialize(journal_form(record)), reason});
    if (ids && !given_ids) ids->push_back(record.id);
  }
  return transaction->execute_many(detail::insert_sql(reg), rows);
}

Result<Record> Ledger::update_in(store::Transaction& transaction, const store::Actor& actor,
                                 const Register& reg, const Record& before, const Write& write) {
  MAMORI_TRY(check_reason(write.reason));
  Record record = before;
  record.ref_labels.clear();
  record.fields =
      MAMORI_TRY(check(reg, write.fields, before.fields, [&](const Field& field, const std::string& text) {
        return resolve(*transaction, record.facility, field, text);
      }));
  if (const auto number = MAMORI_TRY(number_of(write.fields)); !number.empty() && number != before.number) {
    // Nobody may be issued the same number meanwhile.
    if (reg.numbering) MAMORI_TRY(detail::NumberIssuer::open(*transaction, reg, record.facility));
    record.number = number;
  }
  if (record.fields == before.fields && record.number == before.number)
    return before;  // nothing changed: no history of nothing
  record.label = detail::label_of(reg, record.number, record.fields);
  ++record.version;
  record.updated_at = database_.clock().now();
  MAMORI_TRY(write_row(*transaction, reg, record, false));
  transaction.journal(actor,
                      {record.facility, reg.name, record.id, "updated", json::serialize(journal_form(before)),
                       json::serialize(journal_form(record)), write.reason});
  return record;
}

Result<Record> Ledger::retire_in(store::Transaction& transaction, const store::Actor& actor,
                                 const Register& reg, const Record& before, const std::string& reason) {
  if (trim(reason).empty()) {
    Error error{ErrorKind::invalid, "ledger.record.invalid"};
    error.problems.push_back({"reason", "ledger.retire.reason", {}});
    return error;
  }
  MAMORI_TRY(check_reason(reason));
  Record record = before;
  ++record.version;
  record.updated_at = database_.clock().now();
  record.retired_at = record.updated_at;
  record.retired_reason = reason;
  MAMORI_TRY(write_row(*transaction, reg, record, false));
  transaction.journal(actor,
                      {record.facility, reg.name, record.id, "retired", json::serialize(journal_form(before)),
                       json::serialize(journal_form(record)), reason});
  return record;
}

Result<Record> Ledger::get_in(store::Connection& connection, const Register& reg, const store::Scope& scope,
                              const std::string& id) const {
  store::Row parameters = {id};
  const auto where = detail::where_of(reg, scope, parameters);
  const auto rows = MAMORI_TRY(connection.query(
      fmt::format("SELECT {} FROM {} WHERE id = ? AND {}", detail::selection(reg), reg.table(), where),
      parameters));
  if (rows.rows.empty()) return missing();
  std::vector<Record> records = {detail::record_of(reg, rows.rows[0])};
  MAMORI_TRY(add_ref_labels(connection, reg, records));
  return std::move(records[0]);
}

Result<Record> Ledger::get(const Register& reg, const store::Scope& scope, const std::string& id) const {
  auto lease = MAMORI_TRY(database_.read());
  return get_in(*lease, reg, scope, id);
}

Status Ledger::add_ref_labels(store::Connection& connection, const Register& reg,
                              std::vector<Record>& records) const {
  for (const auto& field : reg.fields) {
    if (field.type != FieldType::ref) continue;
    std::map<std::string, std::string> labels;
    for (const auto& record : records)
      if (const auto id = text_of(record.fields, field.name); !id.empty()) labels.emplace(id, "");
    if (labels.empty()) continue;
    const auto* target = registers_.find(field.to);
    store::Row ids;
    std::string marks;
    const auto look_up = [&]() -> Status {
      if (ids.empty()) return {};
      auto status = connection.each(
          fmt::format("SELECT id, label, number FROM {} WHERE id IN ({})", target->table(), marks), ids,
          [&](store::Row& row) { labels[store::as_text(row[0])] = store::as_text(row[1]); });
      ids.clear();
      marks.clear();
      return status;
    };
    for (const auto& [id, label] : labels) {
      marks += marks.empty() ? "?" : ",?";
      ids.emplace_back(id);
      if (ids.size() == 500) MAMORI_TRY(look_up());
    }
    MAMORI_TRY(look_up());
    for (auto& record : records)
      if (const auto id = text_of(record.fields, field.name); !id.empty())
        record.ref_labels[field.name] = labels[id];
  }
  return {};
}

// What can fail comes before the commit: whoever is told of an error can do it again, and it is not done
// twice.
Result<Record> Ledger::committed(store::Transaction& transaction, const Register& reg,
                                 const store::Scope& scope, const std::string& id) const {
  auto record = MAMORI_TRY(get_in(*transaction, reg, scope, id));
  MAMORI_TRY(transaction.commit());
  return record;
}

Result<Record> Ledger::create(const store::Actor& actor, const Register& reg, const std::string& facility,
                              const Write& write) {
  auto transaction = MAMORI_TRY(database_.begin());
  const auto record = MAMORI_TRY(create_in(transaction, actor, reg, facility, write));
  return committed(transaction, reg, store::Scope::job(record.facility), record.id);
}

namespace {

Status expect_version(const Record& record, std::int64_t version) {
  if (record.version == version) return {};
  return Error{ErrorKind::conflict,
               "ledger.record.changed",
               {{"label", record.label}, {"version", std::to_string(record.version)}}};
}

}  // namespace

Result<Record> Ledger::update(const store::Actor& actor, const Register& reg, const store::Scope& scope,
                              const std::string& id, std::int64_t version, const Write& write) {
  auto transaction = MAMORI_TRY(database_.begin());
  const auto before = MAMORI_TRY(get_in(*transaction, reg, scope, id));
  MAMORI_TRY(expect_version(before, version));
  MAMORI_TRY(update_in(transaction, actor, reg, before, write));
  return committed(transaction, reg, scope, id);
}

Result<Record> Ledger::retire(const store::Actor& actor, const Register& reg, const store::Scope& scope,
                              const std::string& id, std::int64_t version, const std::string& reason) {
  auto transaction = MAMORI_TRY(database_.begin());
  const auto before = MAMORI_TRY(get_in(*transaction, reg, scope, id));
  MAMORI_TRY(expect_version(before, version));
  MAMORI_TRY(retire_in(transaction, actor, reg, before, reason));
  return committed(transaction, reg, scope, id);
}

Result<Record> Ledger::bring_back(const store::Actor& actor, const Register& reg, const store::Scope& scope,
                                  const std::string& id, std::int64_t version, const std::string& reason) {
  auto transaction = MAMORI_TRY(database_.begin());
  const auto before = MAMORI_TRY(get_in(*transaction, reg, scope, id));
  MAMORI_TRY(expect_version(before, version));
  MAMORI_TRY(bring_back_in(transaction, actor, reg, before, reason));
  return committed(transaction, reg, scope, id);
}

Result<Record> Ledger::bring_back_in(store::Transaction& transaction, const store::Actor& actor,
                                     const Register& reg, const Record& before, const std::string& reason) {
  MAMORI_TRY(check_reason(reason));
  Record record = before;
  ++record.version;
  record.updated_at = database_.clock().now();
  record.retired_at.reset();
  record.retired_reason.clear();
  MAMORI_TRY(write_row(*transaction, reg, record, false));
  transaction.journal(
      actor, {record.facility, reg.name, record.id, "restored", json::serialize(journal_form(before)),
              json::serialize(journal_form(record)), reason});
  return record;
}

Write write_of_state(const Register& reg, const json::object& state, std::string reason) {
  Write write{{}, std::move(reason)};
  for (const auto& field : reg.fields) {
    const auto* then = state.if_contains(field.name);
    write.fields[field.name] = then ? *then : json::value(nullptr);
  }
  if (const auto number = text_of(state, "number"); !number.empty()) write.fields["number"] = number;
  return write;
}

Result<Record> Ledger::revert(const store::Actor& actor, const Register& reg, const store::Scope& scope,
                              const std::string& id, std::int64_t version, std::int64_t sequence,
                              const std::string& reason) {
  auto transaction = MAMORI_TRY(database_.begin());
  const auto before = MAMORI_TRY(get_in(*transaction, reg, scope, id));
  MAMORI_TRY(expect_version(before, version));
  const auto entry = MAMORI_TRY(store::read_journal_entry(*transaction, sequence));
  if (entry.change.subject != reg.name || entry.change.record != id) return missing();
  MAMORI_TRY(update_in(transaction, actor, reg, before,
                       write_of_state(reg, MAMORI_TRY(parse_json_object(entry.change.after)), reason)));
  return committed(transaction, reg, scope, id);
}

Result<std::vector<store::JournalEntry>> Ledger::history(const Register& reg, const store::Scope& scope,
                                                         const std::string& id) const {
  auto lease = MAMORI_TRY(database_.read());
  const auto record = MAMORI_TRY(get_in(*lease, reg, scope, id));
  return store::read_journal(
      *lease, {.scope = scope.in(record.facility), .subject = reg.name, .record = id, .limit = 500});
}

json::object to_json(const Register& reg, const Record& record) {
  json::object labels;
  for (const auto& [field, label] : record.ref_labels) labels[field] = label;
  json::object out = {{"id", record.id},
                      {"register", reg.name},
                      {"facility", record.facility},
                      {"number", record.number},
                      {"label", record.label},
                      {"version", record.version},
                      {"created_at", iso_instant(record.created_at)},
                      {"updated_at", iso_instant(record.updated_at)},
                      {"fields", record.fields},
                      {"refs", std::move(labels)}};
  if (record.retired_at) {
    out["retired_at"] = iso_instant(*record.retired_at);
    out["retired_reason"] = record.retired_reason;
  }
  return out;
}

}  // namespace mamori::ledger
