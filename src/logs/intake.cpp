// From messages to kept events.
#include <algorithm>

#include "logs/logs.h"

namespace mamori::logs {
Result<Logs::Accepted> Logs::accept(const LogSource& source, std::string_view address,
                                    const formats::Bodies& bodies) {
  return accept(source, address, bodies, ledger_.database().clock().now());
}

Result<Logs::Accepted> Logs::accept(const LogSource& source, std::string_view address,
                                    const formats::Bodies& bodies, Instant received) {
  auto* stream = MAMORI_TRY(archive_.stream({source.facility, source.stream}));
  Accepted out;
  const formats::Context context{received, source.number, address, source.zone, source.mapping.get()};
  const auto keep = [&](std::span<const archive::Event> events, std::size_t refused) -> Status {
    MAMORI_TRY(keeping_.append(*stream, events));
    out.events += events.size() - refused;
    counting_.count(source, events, refused);
    return {};
  };
  const std::span<const formats::Found> found = bodies.events;
  for (std::size_t start = 0; start < found.size(); start += kAppendedAtOnce) {
    archive::Arena arena;
    std::vector<archive::Event> events;
    const auto some = found.subspan(start, std::min(kAppendedAtOnce, found.size() - start));
    events.reserve(some.size());
    for (const auto& one : some) {
      if (one.raw.size() > archive::kLongestRaw) {
        out.notes.push_back({one.line, "archive.event.cut"});
        counting_.count_cut(1);
      }
      auto& event = events.emplace_back();
      event.raw = one.raw.substr(0, archive::kLongestRaw);
      formats::normalise(event, context, arena);
      if (source.shared) event[archive::Field::host] = address;
    }
    MAMORI_TRY(keep(events, 0));
  }
  const std::span<const formats::Refused> refused = bodies.refused;
  for (std::size_t start = 0; start < refused.size(); start += kAppendedAtOnce) {
    std::vector<archive::Event> events;
    for (const auto& one : refused.subspan(start, std::min(kAppendedAtOnce, refused.size() - start))) {
      auto& event = events.emplace_back();
      event.raw = one.raw.substr(0, archive::kLongestRaw);
      event.time = event.received = received;
      event[archive::Field::source] = source.number;
      event[archive::Field::kind] = "refused";
      event[archive::Field::action] = one.code;
      event[archive::Field::address] = address;
    }
    MAMORI_TRY(keep(events, events.size()));
  }
  out.notes.insert(out.notes.end(), bodies.refused.begin(), bodies.refused.end());
  return out;
}

}  // namespace mamori::logs
