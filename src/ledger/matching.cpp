#include "ledger/matching.h"

#include <fmt/format.h>

#include <algorithm>

#include "store/value.h"

namespace mamori::ledger {
namespace {

std::string as_compared(const Clue& clue, std::string text) {
  if (clue.first_label) text.resize(std::min(text.size(), text.find('.')));
  text = fold(text);
  if (!clue.spaces) std::erase(text, ' ');
  return text;
}

// What a clue says → the record, "" where several have it and that tells nothing.
using Known = std::map<std::string, std::string>;

Result<Known> known_by(store::Connection& connection, const Finds& finds, const Clue& clue,
                       const std::string& facility) {
  Known known;
  const auto gives = clue.gives.empty() ? std::string("id") : clue.gives;
  // Those in use come last, and of them the newest.
  const auto sql = fmt::format("SELECT {}, {} FROM r_{} WHERE facility = ?{} ORDER BY retired_at IS NULL, id",
                               clue.by, gives, clue.reg, finds.retired ? "" : " AND retired_at IS NULL");
  MAMORI_TRY(connection.each(sql, {facility}, [&](store::Row& row) {
    if (store::is_null(row[0]) || store::is_null(row[1])) return;
    const auto text = as_compared(clue, store::as_text(row[0]));
    if (text.empty()) return;
    auto id = store::as_text(row[1]);
    auto [entry, fresh] = known.emplace(text, id);
    if (!fresh && entry->second != id) entry->second = finds.unique ? std::string() : std::move(id);
  }));
  return known;
}

}  // namespace

Status match_facts(store::Connection& connection, const Register& reg, const std::string& facility,
                   std::vector<json::object>& facts) {
  if (!reg.finds) return {};
  const auto& finds = *reg.finds;
  std::vector<Known> known;
  for (const auto& clue : finds.clues)
    known.push_back(MAMORI_TRY(known_by(connection, finds, clue, facility)));
  for (auto& fact : facts) {
    bool found = false;
    for (std::size_t i = 0; i < known.size() && !found; ++i) {
      const auto& clue = finds.clues[i];
      const auto text = as_compared(clue, text_of(fact, clue.fact));
      const auto record = text.empty() ? known[i].end() : known[i].find(text);
      if (record == known[i].end() || record->second.empty()) continue;
      found = true;
      fact[finds.field] = record->second;
      if (!finds.matched_by.empty()) fact[finds.matched_by] = clue.name;
    }
    if (found) continue;
    for (const auto& [name, value] : finds.otherwise) fact[name] = value;
  }
  return {};
}

}  // namespace mamori::ledger
