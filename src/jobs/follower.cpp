#include "jobs/follower.h"

#include <charconv>

namespace mamori::jobs {
namespace {

std::int64_t mark_of(const std::string& cursor) {
  std::int64_t mark = 0;
  std::from_chars(cursor.data(), cursor.data() + cursor.size(), mark);
  return mark;
}

}  // namespace

std::function<Result<Done>(Turn&)> following(Take take) {
  return [take = std::move(take)](Turn& turn) -> Result<Done> {
    auto mark = mark_of(turn.cursor());
    while (!turn.stopped()) {
      const auto next = MAMORI_TRY(take(turn.job().task, mark, turn.stop()));
      if (next == mark) break;
      mark = next;
      MAMORI_TRY(turn.keep_cursor(std::to_string(mark)));
    }
    return Done{.result = {{"until", mark}}};
  };
}

Result<std::vector<std::string>> JournalTail::facilities() {
  std::vector<std::string> out;
  auto lease = MAMORI_TRY(database_.read());
  const auto head = MAMORI_TRY(lease->query("SELECT sequence FROM journal_head"));
  const auto newest = head.rows.empty() ? 0 : store::as_integer(head.rows[0][0]);
  if (last_ >= 0 && newest > last_)
    MAMORI_TRY(lease->each("SELECT DISTINCT facility FROM journal WHERE sequence > ?", {last_},
                           [&](store::Row& row) { out.push_back(store::as_text(row[0])); }));
  last_ = newest;
  return out;
}

}  // namespace mamori::jobs
