#include "report/log_export.h"

#include <algorithm>
#include <set>

#include "base/json.h"
#include "base/text.h"
#include "document/pdf.h"
#include "document/zip.h"
#include "ledger/export.h"
#include "ledger/field_value.h"
#include "sheet/table.h"

namespace mamori::report {
namespace {

using archive::Field;
using proof::Hash;

constexpr std::size_t kLargestExport = std::size_t{2} << 30;
constexpr std::string_view kEvents = "events.jsonl", kProof = "proof.json";
constexpr std::string_view kFormat = "mamori-log-export 1";

std::string line_of(proof::LeafIndex index, const archive::Event& event) {
  json::object line = {
      {"index", index}, {"received", to_millis(event.received)}, {"time", iso_instant(event.time)}};
  for (const auto field : archive::kFields)
    if (!event[field].empty())
      line[archive::name_of(field)] = json::string(archive::decode_text(event[field]));
  // The source is part of the leaf: always there, exactly.
  line["source"] = json::string(event[Field::source]);
  if (is_utf8(event.raw))
    line["raw"] = json::string(event.raw);
  else
    line["raw_base64"] = to_base64(event.raw);
  return json::serialize(line);
}

// What the signature over the lines is made of: the head they belong to and their hashes in order.
std::string lines_text(std::string_view note, const std::vector<Hash>& lines,
                       const std::vector<LostEvents>& lost) {
  std::string out = "mamori log export lines\n" + std::string(note);
  for (const auto& hash : lines) out += proof::to_base64(hash) + "\n";
  for (const auto& [first, last] : lost) out += fmt::format("lost {} {}\n", first, last);
  return out;
}

std::vector<std::string> headings(const Texts& texts, const std::string& language) {
  std::vector<std::string> out = {texts.get("report.logs.index", language),
                                  texts.get("report.logs.time", language),
                                  texts.get("report.logs.received", language)};
  for (const auto field : archive::kFields)
    out.push_back(texts.get("report.logs." + std::string(archive::name_of(field)), language));
  out.push_back(texts.get("report.logs.raw", language));
  return out;
}

std::vector<std::string> cells(proof::LeafIndex index, const archive::Event& event) {
  std::vector<std::string> out = {std::to_string(index),
                                  local_minute(event.time) + iso_instant(event.time).substr(16, 3),
                                  iso_instant(event.received)};
  for (const auto field : archive::kFields) out.push_back(archive::decode_text(event[field]));
  out.push_back(std::string(head(archive::decode_text(event.raw), 32'000)));  // what a cell of a sheet holds
  return out;
}

// null: without limit.
json::value limit(Instant time) {
  return time == archive::SearchOptions().from || time == archive::SearchOptions().to
             ? json::value(nullptr)
             : json::value(iso_instant(time));
}

Error broken(std::string code, std::size_t line = 0, std::uint64_t index = 0) {
  return {ErrorKind::corrupt,
          std::move(code),
          {{"line", std::to_string(line)}, {"index", std::to_string(index)}}};
}

}  // namespace

std::optional<LogFormat> parse_log_format(std::string_view name) {
  if (name == "jsonl") return LogFormat::jsonl;
  if (name == "csv") return LogFormat::csv;
  if (name == "xlsx") return LogFormat::xlsx;
  return std::nullopt;
}

Result<std::string> export_logs(archive::Stream& stream, const LogExport& request, const SigningKey& key,
                                const Texts& texts, Instant now) {
  // Beside the process that writes no head can be made: the newest one counts, and events after it cannot be
  // proven yet.
  auto head = stream.publish_head();
  if (!head && head.error().code == "archive.busy") {
    const auto heads = stream.heads();
    if (heads.empty()) return head.error();
    head = heads.back();
  }
  if (!head) return std::move(head).take_error();
  std::string lines;
  std::vector<proof::LeafIndex> indices;
  json::array listed, leaves, nodes, line_hashes;
  std::vector<Hash> of_lines;
  std::vector<std::vector<std::string>> rows;
  MAMORI_TRY(stream.each_match(
      request.query, request.from, request.to, 0,
      [&](proof::LeafIndex index, const archive::Event& event) -> Result<bool> {
        if (index >= head->size) return true;
        if (indices.size() == kMostExported)
          return Error{
              ErrorKind::exhausted, "report.logs.too-many", {{"most", std::to_string(kMostExported)}}};
        indices.push_back(index);
        listed.emplace_back(index);
        leaves.emplace_back(proof::to_base64(proof::hash_leaf(archive::leaf_of(event))));
        const auto text = line_of(index, event);
        of_lines.push_back(proof::hash_leaf(text));
        line_hashes.emplace_back(proof::to_base64(of_lines.back()));
        lines += text + "\n";
        if (request.format != LogFormat::jsonl) rows.push_back(cells(index, event));
        return true;
      }));
  // What cannot be in it though it was recorded is said in it, under the same signature.
  std::vector<LostEvents> lost;
  json::array lost_json;
  for (const auto& hole : archive::holes(stream)) {
    if (hole.first >= head->size) continue;
    lost.push_back({hole.first, hole.last});
    lost_json.push_back(json::object{{"first", hole.first}, {"last", hole.last}});
  }
  for (const auto& hash : MAMORI_TRY(stream.inclusion_of_all(indices, head->size)))
    nodes.emplace_back(proof::to_base64(hash));
  json::object proof = {{"format", kFormat},
                        {"facility", request.facility},
                        {"stream", request.stream},
                        {"question", request.question},
                        {"from", limit(request.from)},
                        {"to", limit(request.to)},
                        {"made_at", iso_instant(now)},
                        {"made_by", request.made_by},
                        {"public_key", to_hex(key.public_key())},
                        {"head", head->note},
                        {"indices", std::move(listed)},
                        {"leaves", std::move(leaves)},
                        {"nodes", std::move(nodes)},
                        {"lines", std::move(line_hashes)},
                        {"lines_signature", to_base64(key.sign(lines_text(head->note, of_lines, lost)))}};
  if (!lost.empty()) proof["lost"] = std::move(lost_json);
  if (const auto stamp = MAMORI_TRY(request.stamp(*head))) proof["stamp"] = to_base64(stamp->token);
  document::ZipFiles files;
  files.emplace_back("README.txt",
                     texts.get("report.logs.readme", request.language, {{"key", to_hex(key.public_key())}}));
  files.emplace_back(std::string(kEvents), std::move(lines));
  if (request.format == LogFormat::csv) {
    rows.insert(rows.begin(), headings(texts, request.language));
    files.emplace_back("events.csv", sheet::write_csv(rows));
  } else if (request.format == LogFormat::xlsx) {
    sheet::Page page{texts.get("report.logs.title", request.language), {}, {}, std::move(rows)};
    for (auto& heading : headings(texts, request.language)) page.columns.push_back({std::move(heading)});
    files.emplace_back("events.xlsx", MAMORI_TRY(sheet::write_xlsx({page})));
  }
  files.emplace_back(std::string(kProof), pretty(proof));
  return document::write_zip(files);
}

Result<std::string> log_heads(const Context& context, const Request& request, const DayOfLogs& logs,
                              const SigningKey& key) {
  const auto& language = request.language;
  const auto say = [&](std::string_view name, const Facts& facts = {}) {
    return context.texts.get("report.heads." + std::string(name), language, facts);
  };
  document::PdfDocument pdf;
  pdf.facility = MAMORI_TRY(facility_name(context, request));
  pdf.title = say("title");
  pdf.subtitle = {say("lead"), say("key", {{"key", to_hex(key.public_key())}})};
  pdf.footer = printed_line(context, request);
  const auto* reception = MAMORI_TRY(context.ledger.find_register("observed_log"));
  auto day =
      MAMORI_TRY(ledger::export_table(context.ledger, *reception, {.scope = request.scope, .sort = "label"},
                                      ledger::ExportColumns::printed, language));
  // A yes that is bad news is no circle.
  for (const auto* name : {"silent", "volume_odd"}) {
    const auto column = static_cast<std::size_t>(
        std::find(day.headings.begin(), day.headings.end(), reception->find(name)->label.in(language)) -
        day.headings.begin());
    for (auto& row : day.rows)
      if (column < row.size() && row[column] == ledger::display(*reception->find(name), true, language))
        row[column] = "×";
  }
  document::PdfSection of_day{
      .heading = say("day"),
      .paragraphs = {day.rows.empty() ? say("day.none")
                                      : say("day.sources", {{"count", std::to_string(day.rows.size())}})}};
  if (!day.rows.empty())
    for (auto& heading : day.headings)
      of_day.table.columns.push_back({std::move(heading), of_day.table.columns.size() < 3 ? 1.6 : 1.0});
  of_day.table.rows = std::move(day.rows);
  pdf.sections.push_back(std::move(of_day));
  if (!logs.damage.empty()) {
    document::PdfSection damaged{.heading = say("damage"), .paragraphs = {say("damage.lead")}};
    for (const auto& [stream, damage] : logs.damage) {
      const Facts facts = {{"file", std::filesystem::path(damage.file).filename().string()},
                           {"first", std::to_string(damage.first)},
                           {"last", std::to_string(damage.last)},
                           {"name", stream}};
      damaged.paragraphs.push_back(
          "× " + say("damage.of", {{"stream", stream},
                                   {"first", std::to_string(damage.first)},
                                   {"last", std::to_string(damage.last)},
                                   {"what", context.texts.get(damage.what, language, facts)}}));
    }
    pdf.sections.push_back(std::move(damaged));
  }
  const auto minute = [&](Instant at) {
    return (language == "en" ? iso_date(date_of(at)) : japanese_date(date_of(at))) +
           local_minute(at).substr(10);
  };
  for (const auto& [stream, head, stamp] : logs.heads) {
    document::PdfSection section;
    section.heading = say("stream", {{"stream", stream}, {"events", std::to_string(head.size)}});
    section.paragraphs = {say("at", {{"at", minute(head.at)}}), head.note};
    if (stamp)
      section.paragraphs.push_back(
          say("stamp", {{"at", minute(stamp->at)}, {"authority", stamp->authority}}));
    section.qr = head.note;
    pdf.sections.push_back(std::move(section));
  }
  if (logs.heads.empty()) pdf.sections.push_back({.heading = {}, .paragraphs = {say("none")}});
  return document::draw_pdf(pdf);
}

bool is_log_export(std::string_view bytes) {
  const auto files = document::read_zip(bytes, kLargestExport);
  return files &&
         std::any_of(files->begin(), files->end(), [](const auto& file) { return file.first == kProof; });
}

Result<VerifiedLogs> verify_logs(std::string_view bytes, const std::string& expected_key,
                                 const std::string& stamp_authority) {
  const auto files = MAMORI_TRY(document::read_zip(bytes, kLargestExport));
  const auto find = [&](std::string_view name) -> const std::string* {
    for (const auto& [file, content] : files)
      if (file == name) return &content;
    return nullptr;
  };
  const auto *events = find(kEvents), *proof_text = find(kProof);
  if (!events || !proof_text) return broken("report.logs.proof");
  const auto proof = parse_json_object(*proof_text);
  if (!proof) return broken("report.logs.proof");
  const auto key = from_hex(text_of(*proof, "public_key"));
  const auto head = proof::parse_head(text_of(*proof, "head"));
  if (!key || !head || !proof::head_is_signed_by(*head, *key)) return broken("report.logs.proof");
  const auto fingerprint = sha256_hex(*key).substr(0, 16);
  if (!expected_key.empty() && expected_key != to_hex(*key))
    return Error{ErrorKind::corrupt, "report.verify.key", {{"fingerprint", fingerprint}}};

  std::optional<proof::TimeStamp> stamp;
  if (proof->contains("stamp")) {
    const auto token = from_base64(text_of(*proof, "stamp"));
    if (!token) return broken("report.logs.proof");
    stamp = MAMORI_TRY(proof::check_stamp(*token, head->note, stamp_authority));
  }

  // First the list of leaves against the signed head; then every line against the list.
  std::vector<proof::LeafIndex> indices;
  std::vector<Hash> leaves, nodes, lines;
  const auto take = [&](const char* name, std::vector<Hash>& out) {
    const auto* list = proof->if_contains(name);
    if (!list || !list->is_array()) return false;
    for (const auto& item : list->get_array()) {
      if (!item.is_string()) return false;
      const auto hash = proof::parse_hash(std::string_view(item.get_string()));
      if (!hash) return false;
      out.push_back(*hash);
    }
    return true;
  };
  const auto* listed = proof->if_contains("indices");
  if (!listed || !listed->is_array() || !take("leaves", leaves) || !take("nodes", nodes) ||
      !take("lines", lines))
    return broken("report.logs.proof");
  for (const auto& item : listed->get_array()) {
    if (!item.is_int64() && !item.is_uint64()) return broken("report.logs.proof");
    indices.push_back(item.is_uint64() ? item.get_uint64() : static_cast<std::uint64_t>(item.get_int64()));
  }
  if (!proof::verify_inclusion_of_all(indices, leaves, head->size, nodes, head->root))
    return broken("report.logs.proof");
  std::vector<LostEvents> lost;
  if (const auto* list = proof->if_contains("lost"); list && list->is_array())
    for (const auto& item : list->get_array()) {
      if (!item.is_object()) return broken("report.logs.proof");
      const auto number = [&](const char* name) {
        return static_cast<proof::LeafIndex>(integer_of(item.get_object(), name));
      };
      lost.push_back({number("first"), number("last")});
    }
  const auto signature = from_base64(text_of(*proof, "lines_signature"));
  if (!signature || lines.size() != indices.size() ||
      !verify_signature(lines_text(head->note, lines, lost), *signature, *key))
    return broken("report.logs.proof");

  std::set<proof::LeafIndex> seen;
  std::size_t number = 0;
  std::string_view rest = *events;
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    const auto text = rest.substr(0, end);
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
    const auto line = ++number;
    const auto event = parse_json_object(text);
    if (!event) return broken("report.logs.altered", line, line <= indices.size() ? indices[line - 1] : 0);
    const auto index = static_cast<proof::LeafIndex>(integer_of(*event, "index", -1));
    const auto place = std::lower_bound(indices.begin(), indices.end(), index);
    if (place == indices.end() || *place != index || !seen.insert(index).second)
      return broken("report.logs.added", line, index);
    auto raw = text_of(*event, "raw");
    if (event->contains("raw_base64")) {
      auto decoded = from_base64(text_of(*event, "raw_base64"));
      if (!decoded) return broken("report.logs.altered", line, index);
      raw = std::move(*decoded);
    }
    const auto leaf = proof::hash_leaf(
        archive::leaf_of(from_millis(integer_of(*event, "received")), text_of(*event, "source"), raw));
    const auto position = static_cast<std::size_t>(place - indices.begin());
    if (leaf != leaves[position] || proof::hash_leaf(text) != lines[position])
      return broken("report.logs.altered", line, index);
    if (position + 1 < line) return broken("report.logs.reordered", line, index);
    if (position + 1 > line) {
      // Either what should stand here comes later, or it is gone.
      const auto expected = indices[line - 1];
      const bool later = rest.find("\"index\":" + std::to_string(expected) + ",") != rest.npos;
      return broken(later ? "report.logs.reordered" : "report.logs.missing", line, expected);
    }
  }
  if (number < indices.size()) return broken("report.logs.missing", number + 1, indices[number]);
  return VerifiedLogs{head->origin,
                      text_of(*proof, "question"),
                      text_of(*proof, "made_at"),
                      fingerprint,
                      head->size,
                      number,
                      stamp,
                      std::move(lost)};
}

}  // namespace mamori::report
