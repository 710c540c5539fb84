#include "ledger/import.h"

#include <algorithm>
#include <set>

#include "base/crypto.h"
#include "ledger/detail/apply.h"
#include "ledger/detail/rows.h"
#include "ledger/field_value.h"

namespace mamori::ledger {
namespace {

constexpr std::size_t kHeadingSearch = 30;
constexpr std::size_t kSamples = 3;

using HeadingIndex = std::map<std::string, std::string, std::less<>>;  // folded heading → field

HeadingIndex heading_index(const Register& reg) {
  HeadingIndex index;
  const auto add = [&](std::string_view heading, const std::string& field) {
    if (const auto folded = fold_heading(heading); !folded.empty()) index.emplace(folded, field);
  };
  for (const auto& field : reg.fields) {
    add(field.label.ja, field.name);
    add(field.label.en, field.name);
    add(field.name, field.name);
  }
  for (const auto& field : reg.fields)
    for (const auto& heading : field.headings) add(heading, field.name);
  if (reg.numbering || reg.find("number") == nullptr)
    for (const auto* heading : {"管理番号", "番号", "No.", "No", "control number", "number", "資産番号",
                                "機器番号", "台帳番号", "管理No", "ID番号"})
      add(heading, "number");
  return index;
}

bool is_filler(const std::vector<std::string>& row) {
  return std::all_of(row.begin(), row.end(), [](const std::string& cell) {
    const auto text = trim(cell);
    return text.empty() || text == ":" || text == "：" || text == "…" || text == "・・・" || text == "〃";
  });
}

std::size_t recognised(const std::vector<std::string>& row, const HeadingIndex& index,
                       const ImportOptions& options) {
  std::set<std::string> fields;
  for (const auto& cell : row) {
    const auto found = index.find(fold_heading(cell));
    if (found != index.end())
      fields.insert(found->second);
    else if (options.mapping.contains(std::string(trim(cell))))
      fields.insert(cell);
  }
  return fields.size();
}

// A line in the middle that says the headings again: at least `most` of its cells are headings. Of most lines
// the first cell decides.
bool repeats_headings(const std::vector<std::string>& row, std::size_t most, const HeadingIndex& index,
                      const ImportOptions& options) {
  auto left = row.size();
  std::size_t known = 0;
  for (const auto& cell : row) {
    if (known + left < most) return false;
    --left;
    const bool heading =
        index.contains(fold_heading(cell)) || options.mapping.contains(std::string(trim(cell)));
    known += heading ? 1 : 0;
  }
  return known >= most && recognised(row, index, options) >= most;
}

struct Found {
  const sheet::Table* table = nullptr;
  std::size_t row = 0;
};

Result<Found> find_heading(const Register& reg, const std::vector<sheet::Table>& tables,
                           const HeadingIndex& index, const ImportOptions& options) {
  Found best;
  std::size_t most = 0;
  for (const auto& table : tables) {
    if (!options.sheet.empty() && table.name != options.sheet) continue;
    if (options.heading_line > 0) {
      if (options.heading_line > table.rows.size()) break;
      return Found{&table, options.heading_line - 1};
    }
    for (std::size_t i = 0; i < std::min(kHeadingSearch, table.rows.size()); ++i) {
      const auto count = recognised(table.rows[i], index, options);
      if (count > most) {
        most = count;
        best = {&table, i};
      }
    }
  }
  if (most >= std::min<std::size_t>(2, reg.fields.size())) return best;
  std::string known;
  for (const auto& field : reg.fields)
    if (field.in_list || field.required) known += (known.empty() ? "" : "・") + field.label.ja;
  return Error{ErrorKind::invalid,
               "ledger.import.no-heading",
               {{"register", reg.label.ja}, {"register_en", reg.label.en}, {"headings", known}}};
}

// The headings of one line, or of two: where cells are merged downwards, the line below repeats them. `first`
// becomes the first line below them.
std::vector<std::string> joined_headings(const sheet::Table& table, std::size_t row,
                                         const HeadingIndex& index, std::size_t& first) {
  auto headings = table.rows[row];
  first = row + 1;
  if (!table.padded || first >= table.rows.size()) return headings;
  const auto& below = table.rows[first];
  bool repeated = false;
  for (std::size_t c = 0; c < std::min(headings.size(), below.size()); ++c)
    repeated = repeated || (!trim(below[c]).empty() && fold_heading(below[c]) == fold_heading(headings[c]));
  if (!repeated) return headings;
  headings.resize(std::max(headings.size(), below.size()));
  for (std::size_t c = 0; c < below.size(); ++c) {
    const std::string upper(trim(headings[c])), lower(trim(below[c]));
    if (lower.empty() || fold_heading(upper) == fold_heading(lower)) continue;
    const bool joined = index.contains(fold_heading(upper + lower));
    headings[c] = joined || !index.contains(fold_heading(lower)) ? upper + lower : lower;
  }
  ++first;
  return headings;
}

// In a suite's export the words about its own inventory name no field by themselves; a person may still map
// them.
void leave_to_suite(const Register& reg, const std::vector<std::string>& headings, HeadingIndex& index) {
  const bool from_suite = std::any_of(headings.begin(), headings.end(), [&](const std::string& heading) {
    return std::any_of(reg.suite_marks.begin(), reg.suite_marks.end(),
                       [&](const std::string& mark) { return fold_heading(mark) == fold_heading(heading); });
  });
  if (!from_suite) return;
  for (const auto& own : reg.suite_own) index.erase(fold_heading(own));
}

// What the sheet itself has lost in the columns that are read. `flaw` goes on from line to line.
std::vector<Problem> flaws_of(const Register& reg, const std::vector<ImportColumn>& columns,
                              const sheet::Table& table, std::vector<sheet::Flaw>::const_iterator& flaw,
                              std::size_t row) {
  std::vector<Problem> problems;
  while (flaw != table.flaws.end() && flaw->row < row) ++flaw;
  for (; flaw != table.flaws.end() && flaw->row == row; ++flaw) {
    if (flaw->column >= columns.size() || columns[flaw->column].field.empty()) continue;
    const auto& column = columns[flaw->column];
    const auto* field = reg.find(column.field);
    problems.push_back({column.field,
                        flaw->code,
                        {{"field", field ? field->label.ja : column.heading},
                         {"field_en", field ? field->label.en : column.heading},
                         {"value", flaw->shown}}});
  }
  return problems;
}

std::map<std::string, std::string> remembered(store::Connection& connection, const Register& reg,
                                              const std::string& facility) {
  std::map<std::string, std::string> mapping;
  static_cast<void>(
      connection
          .each("SELECT heading, field FROM import_mapping WHERE facility = ? AND register = ?",
                {facility, reg.name},
                [&](store::Row& row) { mapping[store::as_text(row[0])] = store::as_text(row[1]); })
          .has_value());
  return mapping;
}

Result<std::vector<ImportColumn>> map_columns(const Register& reg, const std::vector<std::string>& headings,
                                              const HeadingIndex& index,
                                              const std::map<std::string, std::string>& before,
                                              const ImportOptions& options) {
  std::vector<ImportColumn> columns;
  std::set<std::string> used;
  for (const auto& cell : headings) {
    ImportColumn column;
    column.heading = std::string(trim(cell));
    const auto folded = fold_heading(cell);
    if (const auto given = options.mapping.find(column.heading); given != options.mapping.end()) {
      column.field = given->second;
      column.by_hand = true;
    } else if (const auto known = before.find(folded); known != before.end()) {
      column.field = known->second;
      column.by_hand = true;
    } else if (const auto found = index.find(folded); found != index.end()) {
      column.field = found->second;
    }
    if (!column.field.empty() && column.field != "number" && !reg.find(column.field))
      return Error{
          ErrorKind::invalid, "ledger.field.unknown", {{"field", column.field}, {"field_en", column.field}}};
    if (!column.field.empty() && !used.insert(column.field).second)
      column.field.clear();  // the first column of a field counts
    columns.push_back(std::move(column));
  }
  return columns;
}

// What the records already there are found by.
struct Existing {
  std::map<std::string, Record, std::less<>> by_number;
  std::map<std::string, std::vector<std::string>, std::less<>> written_as;  // folded number → as it is kept
  std::map<std::string, Record, std::less<>> by_key;
  std::map<std::string, std::vector<Record>, std::less<>> by_content;  // each is met by one line
};

std::string key_of(const Register& reg, const json::object& fields) {
  std::string key;
  for (const auto& name : reg.key) {
    const auto* value = fields.if_contains(name);
    if (!value || value->is_null()) return "";
    key += value->is_string() ? fold_name(std::string_view(value->get_string())) : json::serialize(*value);
    key += '\n';
  }
  return key;
}

bool is_initial(const Field& field, const json::value& value) {
  if (field.initial.empty()) return false;
  const auto initial = normalise(field, json::value(field.initial));
  return initial && *initial == value;
}

// All that a record says. A field that is empty and one that has the value every new record gets are the
// same.
std::string content_of(const Register& reg, const json::object& fields) {
  std::string content;
  for (const auto& field : reg.fields) {
    const auto* value = fields.if_contains(field.name);
    if (!value || value->is_null() || is_initial(field, *value)) continue;
    content += field.name + "=" + json::serialize(*value) + "\n";
  }
  return content;
}

constexpr std::string_view kUndoReason = "undo import: ";

Result<Existing> read_existing(store::Connection& connection, const Register& reg,
                               const std::string& facility) {
  Existing existing;
  MAMORI_TRY(connection.each("SELECT " + detail::columns(reg) + " FROM " + reg.table() +
                                 " WHERE facility = ? ORDER BY retired_at IS NULL",
                             {facility}, [&](store::Row& row) {
                               auto record = detail::record_of(reg, row);
                               if (!record.retired_at && !reg.key.empty())
                                 if (auto key = key_of(reg, record.fields); !key.empty())
                                   existing.by_key[std::move(key)] = record;
                               if (!record.retired_at)
                                 existing.by_content[content_of(reg, record.fields)].push_back(record);
                               if (!record.number.empty())
                                 existing.written_as[fold_name(record.number)].push_back(record.number);
                               if (!record.number.empty())
                                 existing.by_number[record.number] = std::move(record);
                             }));
  return existing;
}

// References are looked up once per text.
class CachedResolver {
 public:
  CachedResolver(Ledger& ledger, store::Connection& connection, const std::string& facility,
                 const std::set<std::string>& make_in)
      : ledger_(ledger), connection_(connection), facility_(facility), make_in_(make_in) {}
  Result<std::string> operator()(const Field& field, const std::string& text) {
    const auto key = field.to + "\n" + fold_name(text);
    if (const auto found = ids_.find(key); found != ids_.end()) return found->second;
    auto id = ledger_.resolve(connection_, facility_, field, text, &names_);
    if (!id) {
      const auto& problems = id.error().problems;
      const bool none =
          problems.size() == 1 && problems[0].code == "ledger.field.ref";  // not: one of several
      if (!make_in_.contains(field.to) || !none) return id;
      const auto* target = MAMORI_TRY(ledger_.find_register(field.to));
      const auto& name = target->label_fields.front();
      if (!target->named_only || !normalise(*target->find(name), json::value(text))) return id;
      made_.push_back({target, new_id(to_millis(ledger_.database().clock().now())), text});
      id = made_.back().id;
    }
    ids_[key] = *id;
    return id;
  }
  // Those that are used.
  std::vector<ImportMade> made_for(const std::vector<ImportLine>& lines) const {
    if (made_.empty()) return {};
    std::set<std::string_view> used;
    for (const auto& line : lines)
      if (line.outcome != LineOutcome::rejected)
        for (const auto& [field, value] : line.fields)
          if (value.is_string()) used.insert(std::string_view(value.get_string()));
    auto out = made_;
    std::erase_if(out, [&](const ImportMade& one) { return !used.contains(one.id); });
    return out;
  }

 private:
  Ledger& ledger_;
  store::Connection& connection_;
  const std::string& facility_;
  const std::set<std::string>& make_in_;
  std::map<std::string, std::string> ids_;
  Ledger::FoldedNames names_;
  std::vector<ImportMade> made_;
};

// What a new record has where nothing is given.
void put_initials(const Register& reg, json::object& given) {
  for (const auto& field : reg.fields)
    if (!field.initial.empty() && !given.contains(field.name)) given[field.name] = field.initial;
}

// A choice that is spelt in no known way goes to the field's fallback, its spelling is kept in another field.
void apply_fallbacks(const Register& reg, json::object& given) {
  for (const auto& field : reg.fields) {
    if (field.fallback.empty()) continue;
    const auto* value = given.if_contains(field.name);
    if (!value || normalise(field, *value)) continue;
    if (!field.keep_in.empty()) {
      const auto kept = text_of(given, field.keep_in);
      given[field.keep_in] = text_of(given, field.name) + (kept.empty() ? "" : " " + kept);
    }
    given[field.name] = field.fallback;
  }
}

// What people write where there is nothing to write.
bool is_placeholder(const Field& field, std::string_view text) {
  static const std::set<std::string, std::less<>> kNothing = {
      "-",          "--",         "---",          fold("ー"),     fold("なし"),     fold("無し"), fold("無"),
      fold("未定"), fold("不明"), fold("未設定"), fold("未記入"), fold("該当なし"), "n/a",        "?"};
  static const std::set<std::string, std::less<>> kAutomatic = {"dhcp", fold("自動"), fold("自動取得"),
                                                                fold("自動割当")};
  const auto folded = fold(text);
  switch (field.type) {
    case FieldType::ip:
    case FieldType::cidr:
    case FieldType::mac: return kNothing.contains(folded) || kAutomatic.contains(folded);
    case FieldType::date:
    case FieldType::datetime:
    case FieldType::integer:
    case FieldType::number:
    case FieldType::email:
    case FieldType::phone:
    case FieldType::url:
    case FieldType::ref: return kNothing.contains(folded);
    case FieldType::choice:
      return kNothing.contains(folded) && field.fallback.empty() && !normalise(field, json::value(text));
    case FieldType::text:
    case FieldType::long_text:
    case FieldType::boolean:
    case FieldType::file: return false;
  }
  MAMORI_UNREACHABLE();
}

bool is_ditto(std::string_view text) {
  return text == "〃" || text == "同上" || text == "仝" || text == "々" || text == "”";
}

bool is_total(const std::vector<std::string>& row) {
  static const std::set<std::string, std::less<>> kTotals = {fold_heading("合計"), fold_heading("小計"),
                                                             fold_heading("総計"), fold_heading("総合計"),
                                                             fold_heading("計"),   "total",
                                                             "subtotal",           "grandtotal"};
  std::size_t cells = 0;
  bool first = false;
  for (const auto& cell : row) {
    if (trim(cell).empty()) continue;
    if (++cells == 1) first = kTotals.contains(fold_heading(cell));
  }
  return first && cells * 2 <= row.size() + 1;
}

// The record with this number, however its width and dashes are written; `problem` where several may be
// meant.
const Record* with_number(const Register& reg, const Existing& existing, const std::string& number,
                          std::optional<Problem>& problem) {
  if (const auto found = existing.by_number.find(number); found != existing.by_number.end())
    return &found->second;
  const auto alike = existing.written_as.find(fold_name(number));
  if (alike == existing.written_as.end()) return nullptr;
  if (alike->second.size() == 1) return &existing.by_number.find(alike->second[0])->second;
  std::string choices;
  for (const auto& one : alike->second) choices += (choices.empty() ? "" : "、") + one;
  problem = Problem{"number",
                    "ledger.field.ambiguous",
                    {{"field", "管理番号"},
                     {"field_en", "control number"},
                     {"value", number},
                     {"register", reg.label.ja},
                     {"register_en", reg.label.en},
                     {"count", std::to_string(alike->second.size())},
                     {"choices", choices}}};
  return nullptr;
}

void plan_line(const Register& reg, ImportLine& line, json::object given,
               const std::vector<std::string>& emptied, Existing& existing, const Ledger::Resolver& resolve,
               std::map<std::string, std::size_t>& numbers_seen) {
  const auto notes = std::move(line.problems);
  line.problems.clear();
  apply_fallbacks(reg, given);
  const auto number = std::string(trim(text_of(given, "number")));
  const Record* before = nullptr;
  if (!number.empty()) {
    if (auto wrong = Ledger::check_number(number)) {
      line.problems.push_back(std::move(*wrong));
      return;
    }
    if (const auto [seen, fresh] = numbers_seen.emplace(fold_name(number), line.line); !fresh) {
      line.problems.push_back(
          {"number", "ledger.import.twice", {{"number", number}, {"line", std::to_string(seen->second)}}});
      return;
    }
    std::optional<Problem> several;
    before = with_number(reg, existing, number, several);
    if (several) {
      line.problems.push_back(std::move(*several));
      return;
    }
  }
  // A cell that is empty now, where the record has something, takes it away; not what every new record gets.
  const auto take_away = [&](const Record& from) {
    for (const auto& name : emptied) {
      const auto* value = from.fields.if_contains(name);
      if (value && !given.contains(name) && !is_initial(*reg.find(name), *value)) given[name] = nullptr;
    }
  };
  if (before) take_away(*before);
  json::object base;
  if (before)
    base = before->fields;
  else
    put_initials(reg, given);
  auto checked = Ledger::check(reg, given, base, resolve);
  if (!checked) {
    line.problems = checked.error().problems;
    if (line.problems.empty()) line.problems.push_back({"", checked.error().code, checked.error().facts});
    return;
  }
  if (!before && number.empty() && !reg.key.empty()) {
    const auto key = key_of(reg, *checked);
    if (const auto found = existing.by_key.find(key); found != existing.by_key.end()) {
      before = &found->second;
      take_away(*before);
      // once more over what is there, so that columns which the file lacks stay
      checked = Ledger::check(reg, given, before->fields, resolve);
      if (!checked) {
        line.problems = checked.error().problems;
        return;
      }
    } else if (!key.empty()) {
      if (const auto [seen, fresh] = numbers_seen.emplace("\n" + key, line.line); !fresh) {
        line.problems.push_back({"", "ledger.import.same", {{"line", std::to_string(seen->second)}}});
        return;
      }
    }
  }
  line.problems = notes;
  if (!before && number.empty() && key_of(reg, *checked).empty()) {
    // Nothing names the record: one that says the same in everything is the same, once for each line.
    const auto found = existing.by_content.find(content_of(reg, *checked));
    if (found != existing.by_content.end() && !found->second.empty()) {
      line.id = found->second.back().id;
      line.version = found->second.back().version;
      line.fields = found->second.back().fields;
      found->second.pop_back();
      line.outcome = LineOutcome::unchanged;
      return;
    }
  }
  line.fields = std::move(checked).take();
  if (!number.empty()) line.fields["number"] = before ? before->number : number;
  if (!before) {
    line.outcome = LineOutcome::created;
    return;
  }
  line.id = before->id;
  line.version = before->version;
  for (const auto& field : reg.fields) {
    const auto* then = before->fields.if_contains(field.name);
    const auto* now = line.fields.if_contains(field.name);
    if ((then && now && *then != *now) || (then == nullptr) != (now == nullptr))
      line.changed_fields.push_back(field.name);
  }
  if (before->retired_at && before->retired_reason.starts_with(kUndoReason)) {
    line.outcome = LineOutcome::created;  // again: the corrected file after its import was taken back
    return;
  }
  if (before->retired_at) {
    line.problems.push_back(
        {"number", "ledger.import.retired", {{"number", number}, {"reason", before->retired_reason}}});
    line.outcome = LineOutcome::rejected;
    return;
  }
  for (const auto& name : line.changed_fields) {
    const auto* field = reg.find(name);
    const auto* then = before->fields.if_contains(name);
    if (line.fields.contains(name) || !field || !then) continue;
    const auto label = before->ref_labels.find(name);
    line.problems.push_back(
        {name,
         "ledger.import.cleared",
         {{"field", field->label.ja},
          {"field_en", field->label.en},
          {"value", label != before->ref_labels.end() ? label->second
                    : field->type == FieldType::ref   ? std::string("…")
                                                    : std::string(head(display(*field, *then, "ja"), 60))}}});
  }
  line.outcome = line.changed_fields.empty() ? LineOutcome::unchanged : LineOutcome::changed;
}

}  // namespace

std::string_view name_of(LineOutcome outcome) {
  switch (outcome) {
    case LineOutcome::created: return "new";
    case LineOutcome::changed: return "changed";
    case LineOutcome::unchanged: return "unchanged";
    case LineOutcome::rejected: return "rejected";
  }
  MAMORI_UNREACHABLE();
}

std::optional<std::size_t> column_of(const std::vector<ImportColumn>& columns, std::string_view field) {
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (!field.empty() && columns[i].field == field) return i + 1;
  return std::nullopt;
}

std::size_t ImportPlan::count(LineOutcome outcome) const {
  return static_cast<std::size_t>(std::count_if(
      lines.begin(), lines.end(), [&](const ImportLine& line) { return line.outcome == outcome; }));
}

Result<ImportPlan> plan_import(Ledger& ledger, const Register& reg, const std::string& facility,
                               const std::vector<sheet::Table>& tables, const ImportOptions& options) {
  if (!options.sheet.empty() && std::none_of(tables.begin(), tables.end(), [&](const sheet::Table& table) {
        return table.name == options.sheet;
      }))
    return Error{ErrorKind::not_found, "ledger.import.sheet", {{"sheet", options.sheet}}};
  auto lease = MAMORI_TRY(ledger.database().read());
  auto index = heading_index(reg);
  const auto before = remembered(*lease, reg, facility);
  for (const auto& [heading, field] : before) index.insert_or_assign(heading, field);
  const auto found = MAMORI_TRY(find_heading(reg, tables, index, options));

  ImportPlan plan;
  plan.sheet = found.table->name;
  for (const auto& table : tables) plan.sheets.push_back(table.name);
  for (const auto& table : tables)
    if (&table != found.table) {
      auto only = options;
      only.sheet = table.name;
      only.heading_line = 0;
      if (find_heading(reg, {table}, index, only)) plan.others.push_back(table.name);
    }
  plan.heading_line = found.row + 1;
  std::size_t first = found.row + 1;
  const auto headings = joined_headings(*found.table, found.row, index, first);
  leave_to_suite(reg, headings, index);
  plan.columns = MAMORI_TRY(map_columns(reg, headings, index, before, options));
  plan.skipped = first - 1;

  auto existing = MAMORI_TRY(read_existing(*lease, reg, facility));
  CachedResolver cached(ledger, *lease, facility, options.make_in);
  const Ledger::Resolver resolve = [&](const Field& field, const std::string& text) {
    return cached(field, text);
  };
  const auto most = std::max<std::size_t>(2, recognised(headings, index, options));
  std::map<std::string, std::size_t> numbers_seen;
  std::vector<std::string> above(plan.columns.size());
  auto flaw = found.table->flaws.begin();
  for (std::size_t i = first; i < found.table->rows.size(); ++i) {
    const auto& row = found.table->rows[i];
    if (is_filler(row) || is_total(row) || repeats_headings(row, most, index, options)) {
      ++plan.skipped;
      continue;
    }
    ImportLine line;
    line.line = i + 1;
    line.cells = row;
    json::object given;
    std::vector<std::string> emptied;
    for (std::size_t c = 0; c < plan.columns.size(); ++c) {
      auto& column = plan.columns[c];
      auto text = c < row.size() ? trim(row[c]) : std::string_view();
      if (is_ditto(text) && !above[c].empty() && column.field != "number")
        text = above[c];
      else
        above[c] = text;
      if (!text.empty() && column.samples.size() < kSamples) column.samples.emplace_back(head(text, 40));
      if (column.field.empty()) continue;
      const auto* field = reg.find(column.field);
      const bool placeholder = field && !field->required && !text.empty() && is_placeholder(*field, text);
      if (placeholder)
        line.problems.push_back({field->name,
                                 "ledger.import.placeholder",
                                 {{"field", field->label.ja},
                                  {"field_en", field->label.en},
                                  {"value", std::string(head(text, 60))}}});
      if (!text.empty() && !placeholder)
        given[column.field] = text;
      else if (field && (c < row.size() || found.table->padded))
        emptied.push_back(column.field);
    }
    auto problems = flaws_of(reg, plan.columns, *found.table, flaw, i);
    const auto filled =
        std::find_if(row.rbegin(), row.rend(), [](const std::string& cell) { return !trim(cell).empty(); });
    if (const auto cells = static_cast<std::size_t>(row.rend() - filled);
        !found.table->padded && cells > plan.columns.size())
      problems.push_back(
          {"",
           "ledger.import.ragged",
           {{"headings", std::to_string(plan.columns.size())}, {"cells", std::to_string(cells)}}});
    if (!problems.empty())
      line.problems = std::move(problems);
    else
      plan_line(reg, line, std::move(given), emptied, existing, resolve, numbers_seen);
    plan.lines.push_back(std::move(line));
  }
  plan.made = cached.made_for(plan.lines);
  return plan;
}

Result<ImportResult> detail::write_plan(Ledger& ledger, store::Transaction& transaction,
                                        const store::Actor& actor, const Register& reg,
                                        const std::string& facility, const ImportPlan& plan,
                                        const std::string& file_name) {
  const auto reason = "import: " + file_name;
  std::vector<json::object> fresh;
  ImportResult result;
  result.made = plan.made;
  for (const auto& [target, id, name] : plan.made) {
    json::object given = {{target->label_fields.front(), name}};
    put_initials(*target, given);
    auto fields =
        MAMORI_TRY(Ledger::check(*target, given, {}, [&](const Field& field, const std::string& text) {
          return ledger.resolve(*transaction, facility, field, text);
        }));
    std::vector<std::string> ids = {id};
    std::vector<json::object> records;
    records.push_back(std::move(fields));
    MAMORI_TRY(ledger.create_many(transaction, actor, *target, facility, std::move(records), reason, &ids));
  }
  for (const auto& line : plan.lines) {
    if (line.outcome == LineOutcome::created && line.id.empty()) fresh.push_back(line.fields);
    const bool again = line.outcome == LineOutcome::created && !line.id.empty();
    if (line.outcome != LineOutcome::changed && !again) continue;
    auto before = MAMORI_TRY(ledger.get_in(*transaction, reg, store::Scope::job(facility), line.id));
    if (before.version != line.version)
      return Error{ErrorKind::conflict, "ledger.import.moved", {{"lines", std::to_string(line.line)}}};
    if (again) {
      before = MAMORI_TRY(ledger.bring_back_in(transaction, actor, reg, before, reason));
      ++result.created;
      result.brought_back.push_back(before.id);
      if (line.changed_fields.empty()) {
        result.records.emplace_back(before.id, before.version);
        continue;
      }
    }
    Write write{{}, reason};
    for (const auto& name : line.changed_fields) {
      const auto* value = line.fields.if_contains(name);
      write.fields[name] = value ? *value : json::value(nullptr);
    }
    const auto after = MAMORI_TRY(ledger.update_in(transaction, actor, reg, before, write));
    result.records.emplace_back(after.id, after.version);
    if (!again) ++result.changed;
  }
  result.created += fresh.size();
  std::vector<std::string> ids;
  MAMORI_TRY(ledger.create_many(transaction, actor, reg, facility, std::move(fresh), reason, &ids));
  for (auto& id : ids) result.records.emplace_back(std::move(id), 1);
  for (const auto& column : plan.columns) {
    if (!column.by_hand) continue;
    MAMORI_TRY(
        transaction->execute("INSERT INTO import_mapping VALUES (?,?,?,?) ON CONFLICT (facility, register, "
                             "heading) DO UPDATE SET field = excluded.field",
                             {facility, reg.name, fold_heading(column.heading), column.field}));
  }
  return result;
}

std::vector<std::vector<std::string>> rejected_rows(
    const ImportPlan& plan, const Words& reason_heading, std::string_view language,
    const std::function<std::string(const Problem&)>& sentence) {
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> headings;
  for (const auto& column : plan.columns) headings.push_back(column.heading);
  headings.push_back(reason_heading.in(language));
  rows.push_back(headings);
  for (const auto& line : plan.lines) {
    if (line.outcome != LineOutcome::rejected) continue;
    auto cells = line.cells;
    cells.resize(plan.columns.size());
    std::string reasons = std::to_string(line.line) + (language == "en" ? ": " : "行目: ");
    for (const auto& problem : line.problems) reasons += sentence(problem) + " ";
    cells.push_back(reasons);
    rows.push_back(std::move(cells));
  }
  return rows;
}

}  // namespace mamori::ledger
