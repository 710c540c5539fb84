#include "api/journal.h"

#include <charconv>

#include "api/routes.h"
#include "api/shapes.h"

namespace mamori::api {
namespace {

using enum http::Method;
using identity::Permission;

Result<http::Reply> list_journal(const Call& call, Services& services) {
  store::JournalFilter filter;
  filter.scope = MAMORI_TRY(call.here());
  filter.subject = call.request.parameter("subject");
  filter.record = call.request.parameter("record");
  const auto before = call.request.parameter("before");
  std::from_chars(before.data(), before.data() + before.size(), filter.before);
  filter.limit = 100;
  auto lease = MAMORI_TRY(services.database.read());
  json::array items;
  for (const auto& entry : MAMORI_TRY(store::read_journal(*lease, filter))) items.push_back(to_json(entry));
  return http::Reply::json(json::object{{"items", std::move(items)}});
}

}  // namespace

json::object to_json(const store::JournalEntry& entry) {
  const auto parsed = [](const std::string& text) {
    if (text.empty()) return json::value(nullptr);
    auto value = parse_json(text);
    return value ? std::move(value).take() : json::value(nullptr);
  };
  return {{"sequence", entry.sequence},
          {"at", iso_instant(entry.at)},
          {"actor", entry.actor.name},
          {"origin", entry.actor.origin},
          {"subject", entry.change.subject},
          {"record", entry.change.record},
          {"action", entry.change.action},
          {"before", parsed(entry.change.before)},
          {"after", parsed(entry.change.after)},
          {"reason", entry.change.reason},
          {"hash", entry.hash}};
}

std::vector<Route> journal_routes() {
  using namespace shape;
  return {
      Route{get, "/api/v1/journal", Permission::journal_read, list_journal, "The change journal"}
          .asks({{"subject", "a register, or user, source, declaration …"},
                 {"record", "its id"},
                 {"before", "entries older than this one"}})
          .gives(items(journal_entry_shape())),
  };
}

}  // namespace mamori::api
