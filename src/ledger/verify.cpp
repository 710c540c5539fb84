#include "ledger/verify.h"

#include <fmt/format.h>

#include "ledger/detail/rows.h"

namespace mamori::ledger {
namespace {

constexpr std::size_t kPage = 500;

// What the entries say of a record.
struct Told {
  std::string facility;
  json::object state;  // after the last one
  std::int64_t entries = 0;
};

constexpr std::string_view kWrites = "action IN ('created', 'updated', 'retired', 'restored')";

// As the journal's text was read: a number that went through text twice is compared with one that did so too.
json::value as_read(const json::value& value) {
  auto again = parse_json(json::serialize(value));
  return again ? std::move(again).take() : value;
}

class Check {
 public:
  Check(store::Connection& connection, const std::function<void(const Deviation&)>& report,
        const std::function<bool(std::string_view)>& is_whole)
      : connection_(connection), report_(report), is_whole_(is_whole) {}

  Status of(const Register& reg) {
    reg_ = &reg;
    std::string after;
    while (true) {
      std::vector<Record> records;
      MAMORI_TRY(connection_.each(fmt::format("SELECT {} FROM {} WHERE id > ? ORDER BY id LIMIT {}",
                                              detail::columns(reg), reg.table(), kPage),
                                  {after},
                                  [&](store::Row& row) { records.push_back(detail::record_of(reg, row)); }));
      if (records.empty()) break;
      after = records.back().id;
      const auto told = MAMORI_TRY(told_of(records));
      for (const auto& record : records) {
        compare(record, told);
        look_at_attachments(record);
      }
      counts_.records += records.size();
    }
    return missing();
  }

  VerifiedRecords counts() const { return counts_; }

 private:
  Result<std::map<std::string, Told>> told_of(const std::vector<Record>& records) {
    std::string marks;
    store::Row parameters = {reg_->name};
    for (const auto& record : records) {
      marks += marks.empty() ? "?" : ",?";
      parameters.emplace_back(record.id);
    }
    std::map<std::string, Told> told;
    bool unreadable = false;
    MAMORI_TRY(connection_.each(fmt::format("SELECT record, facility, after_json FROM journal WHERE subject "
                                            "= ? AND {} AND record IN ({}) ORDER BY sequence",
                                            kWrites, marks),
                                parameters, [&](store::Row& row) {
                                  auto& one = told[store::as_text(row[0])];
                                  one.facility = store::as_text(row[1]);
                                  ++one.entries;
                                  auto state = parse_json_object(store::as_text(row[2]));
                                  unreadable = unreadable || !state;
                                  if (state) one.state = std::move(state).take();
                                }));
    if (unreadable)
      return Error{ErrorKind::corrupt, "ledger.verify.unreadable", {{"register", reg_->label.ja}}};
    return told;
  }

  void compare(const Record& record, const std::map<std::string, Told>& all) {
    const auto found = all.find(record.id);
    if (found == all.end()) return deviates(record, "", "ledger.verify.slipped-in");
    const auto& told = found->second;
    if (told.facility != record.facility) deviates(record, "", "ledger.verify.facility");
    const auto then = text_of(told.state, "number");
    if (then != record.number) deviates(record, "number", "ledger.verify.renumbered");
    if (told.state.contains("retired_reason") != record.retired_at.has_value() ||
        text_of(told.state, "retired_reason") != record.retired_reason)
      deviates(record, "", "ledger.verify.retired");
    bool edited = false;
    for (const auto& field : reg_->fields) {
      const auto* now = record.fields.if_contains(field.name);
      const auto* before = told.state.if_contains(field.name);
      if (!now && !before) continue;
      if (now && before && as_read(*now) == *before) continue;
      edited = true;
      deviates(record, field.name, "ledger.verify.edited");
    }
    // Put back to what it was, but not by way of the ledger.
    if (!edited && told.entries != record.version) deviates(record, "", "ledger.verify.version");
  }

  void look_at_attachments(const Record& record) {
    for (const auto& field : reg_->fields) {
      if (field.type != FieldType::file) continue;
      const auto value = text_of(record.fields, field.name);  // "SHA-256:name"
      if (value.empty()) continue;
      ++counts_.attachments;
      if (!is_whole_(std::string_view(value).substr(0, value.find(':'))))
        deviates(record, field.name, "ledger.verify.attachment");
    }
  }

  Status missing() {
    return connection_.each(fmt::format("SELECT j.record, j.after_json FROM journal j JOIN (SELECT record, "
                                        "MAX(sequence) AS newest FROM journal WHERE subject = ? AND {}"
                                        " AND record NOT IN (SELECT id FROM {}) GROUP BY record) m ON "
                                        "j.sequence = m.newest ORDER BY j.record",
                                        kWrites, reg_->table()),
                            {reg_->name}, [&](store::Row& row) {
                              Record record;
                              record.id = store::as_text(row[0]);
                              if (const auto state = parse_json_object(store::as_text(row[1]))) {
                                record.number = text_of(*state, "number");
                                for (const auto& name : reg_->label_fields)
                                  if (const auto part = text_of(*state, name);
                                      !part.empty() && name != "number")
                                    record.label += (record.label.empty() ? "" : " ") + part;
                              }
                              deviates(record, "", "ledger.verify.missing");
                            });
  }

  void deviates(const Record& record, const std::string& field, const char* what) {
    ++counts_.deviations;
    report_({reg_, record.id, record.number, record.label, field, what});
  }

  store::Connection& connection_;
  const std::function<void(const Deviation&)>& report_;
  const std::function<bool(std::string_view)>& is_whole_;
  const Register* reg_ = nullptr;
  VerifiedRecords counts_;
};

}  // namespace

Result<VerifiedRecords> verify_records(store::Connection& connection, const Registers& registers,
                                       const std::function<void(const Deviation&)>& report,
                                       const std::function<bool(std::string_view)>& is_whole) {
  Check check(connection, report, is_whole);
  for (const auto& reg : registers.all())
    if (!reg.observed) MAMORI_TRY(check.of(reg));
  return check.counts();
}

}  // namespace mamori::ledger
