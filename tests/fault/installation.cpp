#include "installation.h"

#include <fmt/format.h>

#include "base/file.h"
#include "os/file.h"
#include "store/journal.h"

namespace mamori::fault {
namespace {

constexpr const char* kThing =
    "register: thing\nlabel: {ja: もの, en: Thing}\ncalled: [name]\nnumbering: {otherwise: T-}\nfields:\n"
    "  name: {required: true, list: true, label: {ja: 名前, en: Name}}\n"
    "  remark: {type: long_text, label: {ja: 備考, en: Remark}}\n";

// Each record is as its last journal entry says, and has as many as it has versions; each entry has its
// record.
Result<std::string> compare(store::Connection& connection) {
  std::map<std::string, std::pair<std::int64_t, std::string>>
      history;  // by record: entries, name after the last
  MAMORI_TRY(
      connection.each("SELECT record, after_json FROM journal WHERE subject = 'thing' ORDER BY sequence", {},
                      [&](store::Row& row) {
                        auto& [entries, name] = history[store::as_text(row[0])];
                        ++entries;
                        const auto after = parse_json_object(store::as_text(row[1]));
                        name = after ? text_of(*after, "name") : "";
                      }));
  std::string wrong;
  std::size_t records = 0;
  std::set<std::string> names;
  MAMORI_TRY(connection.each("SELECT id, version, name FROM r_thing", {}, [&](store::Row& row) {
    ++records;
    const auto id = store::as_text(row[0]), name = store::as_text(row[2]);
    const auto version = store::as_integer(row[1]);
    const auto found = history.find(id);
    if (found == history.end())
      wrong = "a record without journal entry: " + name;
    else if (found->second != std::pair(version, name))
      wrong = fmt::format("{} is of version {}, its journal says {} of version {}", name, version,
                          found->second.second, found->second.first);
    if (!names.insert(name).second) wrong = "twice: " + name;
  }));
  if (wrong.empty() && records != history.size())
    wrong = fmt::format("{} records, {} in the journal", records, history.size());
  return wrong;
}

}  // namespace

const ledger::Registers& registers() {
  static const ledger::Registers one = [] {
    const TemporaryFolder folder;
    const auto product = std::filesystem::path(MAMORI_SOURCE_DIR) / "data/registers/facility.yaml";
    std::filesystem::copy_file(product, folder.path() / "facility.yaml");
    MAMORI_ASSERT(os::write_file(folder.path() / "thing.yaml", kThing).has_value());
    auto loaded = ledger::Registers::load(folder.path());
    MAMORI_ASSERT(loaded.has_value());
    return std::move(*loaded);
  }();
  return one;
}

Status Installation::open() {
  if (!database_) {
    MAMORI_TRY(os::make_directory(kFolder, os::Visibility::owner_only, disk_));
    database_ = MAMORI_TRY(store::Database::open(vfs_.url(kFile), clock_, disk_));
  }
  if (!ledger_) ledger_ = MAMORI_TRY(ledger::Ledger::open(*database_, registers()));
  return {};
}

Status Installation::make_tight() {
  if (!database_) return {};
  const auto lease = MAMORI_TRY(database_->read());
  return lease->script("PRAGMA cache_size=8; PRAGMA wal_autocheckpoint=6;");
}

void Installation::close() {
  ledger_.reset();
  database_.reset();
}

std::string look_into(store::Database& database) {
  const auto lease = database.read();
  if (!lease) return "cannot be read: " + describe(lease.error());
  const auto whole = (*lease)->query("PRAGMA integrity_check");
  if (!whole) return "cannot be checked: " + describe(whole.error());
  if (store::as_text(whole->rows[0][0]) != "ok")
    return "the file is damaged: " + store::as_text(whole->rows[0][0]);
  if (const auto verified = store::verify_journal(**lease); !verified)
    return "the journal is broken: " + describe(verified.error());
  const auto compared = compare(**lease);
  return compared ? *compared : "cannot be read: " + describe(compared.error());
}

}  // namespace mamori::fault
