#include "logs/reread.h"

#include <set>

#include "base/json.h"
#include "formats/normalise.h"

namespace mamori::logs {
namespace {

using archive::Field;

// What a source has said of itself at some time.
struct Declared {
  std::chrono::minutes zone{540};
  std::optional<formats::Mapping> mapping;
  bool by_heading = false;  // its columns are named by the heading of each file, which no event holds
};
struct Source {
  std::vector<Declared> declared;
  std::set<std::pair<std::int64_t, std::string>> known;
  bool shared = false;
};

void add(Source& source, std::int64_t zone, const std::string& mapping) {
  if (!source.known.emplace(zone, mapping).second) return;
  Declared declared;
  declared.zone = std::chrono::minutes(zone);
  if (!mapping.empty())
    if (auto parsed = formats::parse_mapping(mapping)) {
      declared.by_heading = !formats::is_numbered(*parsed);
      declared.mapping = std::move(parsed).take();
    }
  source.declared.insert(source.declared.begin(), std::move(declared));  // the newest is tried first
}

// By number, as the journal tells: what was declared when an event came may have changed since.
Result<std::map<std::string, Source, std::less<>>> sources_of(store::Connection& connection,
                                                              const std::string& facility) {
  std::map<std::string, Source, std::less<>> out;
  std::map<std::string, std::string> numbers;  // by record
  MAMORI_TRY(connection.each(
      "SELECT record, after_json FROM journal WHERE facility = ? AND subject = 'log_source' AND after_json "
      "<> '' "
      "ORDER BY sequence",
      {facility}, [&](store::Row& row) {
        const auto state = parse_json_object(store::as_text(row[1]));
        if (!state) return;
        const auto number = text_of(*state, "number");
        if (number.empty()) return;
        numbers[store::as_text(row[0])] = number;
        const auto zone =
            state->contains("utc_offset_minutes") ? integer_of(*state, "utc_offset_minutes") : 540;
        add(out[number], zone, text_of(*state, "mapping"));
      }));
  MAMORI_TRY(connection.each("SELECT source FROM log_collecting WHERE facility = ?", {facility},
                             [&](store::Row& row) {
                               const auto found = numbers.find(store::as_text(row[0]));
                               if (found != numbers.end()) out[found->second].shared = true;
                             }));
  auto& nobody = out[""];  // kept before its sender could be taken in
  add(nobody, 540, "");
  nobody.shared = true;
  return out;
}

struct Reader {
  std::string version;
  Instant since;
};
Result<std::vector<Reader>> readers_of(store::Connection& connection, const std::string& facility) {
  std::vector<Reader> out;
  MAMORI_TRY(connection.each(
      "SELECT after_json FROM journal WHERE facility = ? AND subject = 'logs' AND action = 'reader' ORDER BY "
      "sequence",
      {facility}, [&](store::Row& row) {
        if (const auto note = parse_json_object(store::as_text(row[0])))
          out.push_back({text_of(*note, "reader"), from_millis(integer_of(*note, "since"))});
      }));
  return out;
}

std::string differences(const archive::Event& kept, const archive::Event& made, bool shared) {
  std::string out;
  const auto name = [&](std::string_view field) { out.append(out.empty() ? "" : ", ").append(field); };
  for (const auto field : archive::kFields)
    if (kept[field] != made[field] && !(shared && field == Field::host)) name(archive::name_of(field));
  if (kept.time != made.time) name("time");
  return out;
}

std::string journal_differences(const archive::Event& kept) {
  archive::Event made;
  made.time = kept.received;
  const auto entry = parse_json_object(kept.raw);
  std::string user, action, object;
  if (entry) {
    user = text_of(*entry, "actor").substr(0, archive::kLongestField);
    action = text_of(*entry, "action");
    object = text_of(*entry, "subject");
    if (const auto record = text_of(*entry, "record"); !record.empty()) object += "/" + record;
  }
  made[Field::source] = made[Field::kind] = "journal";
  made[Field::user] = user;
  made[Field::action] = action;
  made[Field::object] = object;
  return differences(kept, made, false);
}

}  // namespace

Status note_reader(store::Transaction& transaction, const std::string& facility, Instant since) {
  const auto rows = MAMORI_TRY(transaction->query(
      "SELECT action, after_json FROM journal WHERE facility = ? AND subject = 'logs' AND action IN "
      "('reader','heads') ORDER BY CASE WHEN action = 'reader' THEN 0 ELSE 1 END, sequence DESC LIMIT 1",
      {facility}));
  const bool first = rows.rows.empty();
  if (!first && store::as_text(rows.rows[0][0]) == "reader")
    if (const auto note = parse_json_object(store::as_text(rows.rows[0][1]));
        note && text_of(*note, "reader") == formats::reader_version())
      return {};
  const json::object note = {{"reader", formats::reader_version()}, {"since", first ? 0 : to_millis(since)}};
  transaction.journal({"", "log archive", "logs"},
                      {facility, "logs", "", "reader", "", json::serialize(note), ""});
  return {};
}

Result<Reread> reread(store::Connection& connection, const archive::StreamName& name,
                      const archive::Stream& stream,
                      const std::function<void(proof::LeafIndex, const std::string& fields)>& report) {
  const auto sources = MAMORI_TRY(sources_of(connection, name.facility));
  const auto readers = MAMORI_TRY(readers_of(connection, name.facility));
  const auto by_this_version = [&](Instant received) {
    const Reader* at = nullptr;
    for (const auto& reader : readers)
      if (reader.since <= received) at = &reader;
    return at && at->version == formats::reader_version();
  };
  const bool journal = name.base() == "journal";
  Reread out;
  const archive::SearchOptions all;
  MAMORI_TRY(stream.each_match(
      {}, all.from, all.to, stream.first(),
      [&](proof::LeafIndex index, const archive::Event& kept) -> Result<bool> {
        std::string wrong;
        bool provable = true;
        if (journal) {
          wrong = journal_differences(kept);
        } else {
          const auto source = sources.find(kept[Field::source]);
          const bool refused = kept[Field::kind] == "refused";
          provable = source != sources.end();
          std::optional<std::string> least;
          bool by_heading = false;
          for (std::size_t i = 0; provable && i < source->second.declared.size(); ++i) {
            const auto& declared = source->second.declared[i];
            for (const auto address : {std::string_view(), kept[Field::host], kept[Field::address]}) {
              if (least && least->empty()) break;
              archive::Arena arena;
              archive::Event made;
              made.raw = kept.raw;
              formats::normalise(made,
                                 {kept.received, kept[Field::source], address, declared.zone,
                                  declared.mapping ? &*declared.mapping : nullptr},
                                 arena);
              if (refused) {
                // What a reader understands was not refused.
                const auto kind = made[Field::kind];
                least = kind == "text" || kind == "json" || kind == "csv" ? std::string() : "kind";
                break;
              }
              auto found = differences(kept, made, source->second.shared);
              if (!least || found.size() < least->size()) least = std::move(found);
            }
            by_heading = by_heading || (declared.by_heading && !kept.raw.starts_with('{'));
          }
          wrong = least.value_or("");
          if (wrong.empty() ? refused : by_heading) provable = false;
        }
        if (!wrong.empty() && provable && by_this_version(kept.received))
          report(index, wrong);
        else if (!wrong.empty() || !provable)
          ++out.unproven;
        else
          ++out.agree;
        return true;
      }));
  return out;
}

}  // namespace mamori::logs
