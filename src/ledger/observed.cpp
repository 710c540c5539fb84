#include "ledger/observed.h"

#include <fmt/format.h>

#include <set>

#include "base/texts.h"
#include "ledger/detail/rows.h"
#include "ledger/field_value.h"

namespace mamori::ledger {
namespace {

constexpr const char* kUnreported = "no longer reported by its source";
constexpr const char* kEnded = "its source is no longer read";

// Within what one observer says, so that its name does not matter.
std::string key_of(const Register& reg, const json::object& fields) {
  std::string key;
  for (const auto& name : reg.key) {
    if (name == "source") continue;
    const auto* value = fields.if_contains(name);
    key += (value && value->is_string() ? std::string(value->get_string()) : "") + "\n";
  }
  return key;
}

// Rows that a former version wrote have the name of their source for its id.
Status each_of(store::Connection& connection, const Register& reg, const std::string& facility,
               const Observer& observer, const std::function<void(Record&&)>& take) {
  return connection.each(fmt::format("SELECT {} FROM {} WHERE facility = ? AND observer IN (?, ?)",
                                     detail::columns(reg), reg.table()),
                         {facility, observer.id, observer.name},
                         [&](store::Row& row) { take(detail::record_of(reg, row)); });
}

Status forget_readings(store::Transaction& transaction, const std::string& facility,
                       const std::string& observer) {
  MAMORI_TRY(transaction->each(
      "SELECT register FROM reading WHERE facility = ? AND observer = ?", {facility, observer},
      [&](store::Row& row) { transaction.touch(facility, store::as_text(row[0])); }));
  MAMORI_TRY(
      transaction->execute("DELETE FROM reading WHERE facility = ? AND observer = ?", {facility, observer}));
  return {};
}

// Changed rows, written together.
class Updates {
 public:
  Updates(const Register& reg, Instant at) : reg_(reg), at_(at) {}

  void add(Record record) {
    record.label = detail::label_of(reg_, record.number, record.fields);
    ++record.version;
    record.updated_at = at_;
    auto row = detail::row_of(reg_, record);
    row.emplace_back(detail::search_text(reg_, record));
    row.emplace_back(record.id);
    row.emplace_back(record.version - 1);
    rows_.push_back(std::move(row));
  }
  bool any() const { return !rows_.empty(); }
  Status write(store::Transaction& transaction, const std::string& facility) const {
    if (rows_.empty()) return {};
    transaction.touch(facility, reg_.name);
    return transaction->execute_many(detail::update_sql(reg_), rows_);
  }

 private:
  const Register& reg_;
  Instant at_;
  std::vector<store::Row> rows_;
};

// But for when it was observed: is there anything to write? As columns, which have one form for one value.
bool says_the_same(const Register& reg, const Record& record, const json::object& fields) {
  if (record.retired_at) return false;
  const auto column = [](const Field& field, const json::object& of) {
    const auto* value = of.if_contains(field.name);
    return value ? to_column(field, *value) : store::Value();
  };
  return std::all_of(reg.fields.begin(), reg.fields.end(), [&](const Field& field) {
    return field.name == "observed_at" || column(field, record.fields) == column(field, fields);
  });
}

}  // namespace

namespace detail {

Status add_observer(store::Connection& connection, const Register& reg, const Facts& types) {
  MAMORI_TRY(connection.script(
      fill(fmt::format("ALTER TABLE {} ADD COLUMN observer {{text}}", reg.table()), types)));
  MAMORI_TRY(connection.script(
      fmt::format("CREATE INDEX IF NOT EXISTS {0}_observer ON {0} (facility, observer);", reg.table())));
  if (!reg.find("source") || !reg.find("observed_at")) return {};
  return connection.script(
      fmt::format("UPDATE {0} SET observer = source;"
                  "INSERT INTO reading (facility, register, observer, name, at, facts) SELECT facility, "
                  "'{1}', source, source, MAX(observed_at), COUNT(*) FROM {0} "
                  "WHERE retired_at IS "
                  "NULL AND source IS NOT NULL AND observed_at IS NOT NULL GROUP BY facility, source;",
                  reg.table(), reg.name));
}

}  // namespace detail

std::vector<store::Migration> observed_schema() {
  return {{"ledger.observed.1",
           "CREATE TABLE reading (facility {text} NOT NULL, register {text} NOT NULL, observer {text} NOT "
           "NULL, name "
           "{text} NOT NULL, at BIGINT NOT NULL, facts BIGINT NOT NULL, PRIMARY KEY (facility, register, "
           "observer));"},
          {"ledger.observed.2", "ALTER TABLE reading ADD COLUMN from_file BOOLEAN NOT NULL DEFAULT FALSE;"}};
}

Status note_reading(store::Connection& connection, const Register& reg, const std::string& facility,
                    const ReadingAt& reading) {
  const auto& [id, name] = reading.observer;
  if (name != id)
    MAMORI_TRY(connection.execute("DELETE FROM reading WHERE facility = ? AND register = ? AND observer = ?",
                                  {facility, reg.name, name}));
  MAMORI_TRY(connection.execute(
      "INSERT INTO reading VALUES (?,?,?,?,?,?,?) ON CONFLICT (facility, register, "
      "observer) DO UPDATE SET name = "
      "excluded.name, at = excluded.at, facts = excluded.facts, from_file = excluded.from_file",
      {facility, reg.name, id, name, to_millis(reading.at), reading.facts, reading.from_file}));
  return {};
}

Result<std::map<std::string, std::vector<ReadingAt>>> read_readings(store::Connection& connection,
                                                                    const std::string& facility) {
  std::map<std::string, std::vector<ReadingAt>> out;
  MAMORI_TRY(connection.each(
      "SELECT register, observer, name, at, facts, from_file FROM reading WHERE facility = ? ORDER BY "
      "register, name, "
      "observer",
      {facility}, [&](store::Row& row) {
        out[store::as_text(row[0])].push_back({{store::as_text(row[1]), store::as_text(row[2])},
                                               from_millis(store::as_integer(row[3])),
                                               store::as_integer(row[4]),
                                               store::as_integer(row[5]) != 0});
      }));
  return out;
}

Result<ObservedCounts> write_observed(Ledger& ledger, store::Transaction& transaction, const Register& reg,
                                      const std::string& facility, const Observer& observer,
                                      std::vector<json::object> facts, Instant at, Manner manner) {
  MAMORI_ASSERT(reg.observed);
  std::map<std::string, Record> before;
  MAMORI_TRY(each_of(*transaction, reg, facility, observer, [&](Record&& record) {
    auto key = key_of(reg, record.fields);
    before[std::move(key)] = std::move(record);
  }));

  ObservedCounts counts;
  std::vector<json::object> fresh;
  std::set<std::string> said;
  Updates changed(reg, at);
  for (auto& fields : facts) {
    // One odd byte in what a device calls itself must not cost the whole reading.
    for (auto& [name, value] : fields)
      if (const auto* text = value.if_string(); text && (text->find('\0') != text->npos || !is_utf8(*text)))
        value = printable(*text, text->size());
    fields["source"] = observer.name;
    fields["observed_at"] = iso_instant(at);
    if (reg.find("present")) fields["present"] = true;
    const auto key = key_of(reg, fields);
    if (!said.insert(key).second) continue;  // twice in one reading
    const auto found = before.find(key);
    if (found == before.end()) {
      if (reg.find("first_seen_at")) fields["first_seen_at"] = iso_instant(at);
      fresh.push_back(std::move(fields));
      ++counts.fresh;
      continue;
    }
    auto record = std::move(found->second);
    before.erase(found);
    for (const auto& name : reg.keeps)
      if (const auto* value = record.fields.if_contains(name)) fields[name] = *value;
    for (const auto& [name, from] : reg.remembers)
      if (const auto* value = record.fields.if_contains(from)) fields[name] = *value;
    ++counts.known;
    if (says_the_same(reg, record, fields)) continue;
    record.fields = std::move(fields);
    record.retired_at.reset();
    record.retired_reason.clear();
    changed.add(std::move(record));
  }
  for (auto& [key, record] : before) {
    if (record.retired_at || manner.partial) continue;
    if (reg.find("present")) {
      if (!boolean_of(record.fields, "present")) continue;
      record.fields["present"] = false;
      record.fields["observed_at"] = iso_instant(at);
    } else {
      record.retired_at = at;
      record.retired_reason = kUnreported;
    }
    changed.add(std::move(record));
    ++counts.gone;
  }
  MAMORI_TRY(changed.write(transaction, facility));
  if (!fresh.empty()) transaction.touch(facility, reg.name);
  MAMORI_TRY(ledger.create_many(transaction, {}, reg, facility, std::move(fresh), "", nullptr));
  const auto own = [&](std::string_view which) -> Status {
    MAMORI_TRY(transaction->execute(
        fmt::format("UPDATE {} SET observer = ? WHERE facility = ? AND {}", reg.table(), which),
        {observer.id, facility, observer.name}));
    return {};
  };
  if (counts.fresh > 0) MAMORI_TRY(own("observer IS NULL AND source = ?"));
  if (observer.id != observer.name) MAMORI_TRY(own("observer = ?"));
  if (manner.partial) {
    const auto noted = MAMORI_TRY(
        transaction->query("SELECT 1 FROM reading WHERE facility = ? AND register = ? AND observer IN (?, ?)",
                           {facility, reg.name, observer.id, observer.name}));
    if (!noted.rows.empty()) return counts;
  }
  MAMORI_TRY(
      note_reading(*transaction, reg, facility,
                   {observer, at, static_cast<std::int64_t>(counts.fresh + counts.known), manner.from_file}));
  return counts;
}

Status rename_observer(Ledger& ledger, store::Transaction& transaction, const std::string& facility,
                       const Observer& observer) {
  for (const auto& reg : ledger.registers().all()) {
    if (!reg.observed || !reg.find("source")) continue;
    Updates changed(reg, ledger.database().clock().now());
    MAMORI_TRY(each_of(*transaction, reg, facility, {observer.id, observer.id}, [&](Record&& record) {
      record.fields["source"] = observer.name;
      changed.add(std::move(record));
    }));
    MAMORI_TRY(changed.write(transaction, facility));
  }
  MAMORI_TRY(transaction->execute("UPDATE reading SET name = ? WHERE facility = ? AND observer = ?",
                                  {observer.name, facility, observer.id}));
  return {};
}

Status end_observer(Ledger& ledger, store::Transaction& transaction, const std::string& facility,
                    const std::string& id, Instant at) {
  for (const auto& reg : ledger.registers().all()) {
    if (!reg.observed) continue;
    Updates changed(reg, at);
    MAMORI_TRY(each_of(*transaction, reg, facility, {id, id}, [&](Record&& record) {
      if (record.retired_at) return;
      record.retired_at = at;
      record.retired_reason = kEnded;
      changed.add(std::move(record));
    }));
    MAMORI_TRY(changed.write(transaction, facility));
  }
  return forget_readings(transaction, facility, id);
}

}  // namespace mamori::ledger
