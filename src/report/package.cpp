#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "document/zip.h"
#include "report/report.h"

namespace mamori::report {
namespace {

constexpr std::size_t kLargestPackage = std::size_t{2} << 30;
constexpr std::string_view kManifest = "manifest.json", kSignature = "manifest.sig";

std::string fingerprint_of(std::string_view public_key) { return sha256_hex(public_key).substr(0, 16); }

Status add_documents(const Context& context, const PackageRequest& request, document::ZipFiles& files) {
  auto frameworks = request.frameworks;
  std::vector<std::pair<std::string, std::string>> vendors;
  const auto* vendor_register = MAMORI_TRY(context.ledger.find_register("vendor"));
  MAMORI_TRY(context.ledger.each(*vendor_register, {.scope = request.request.scope},
                                 [&](const ledger::Record& record) {
                                   vendors.emplace_back(record.number, record.id);
                                   return true;
                                 }));
  if (frameworks.empty()) {
    for (const auto& framework : context.assessor.catalog().frameworks()) {
      if (framework.per_vendor) {
        frameworks.push_back(framework.id);
        continue;
      }
      const auto result =
          MAMORI_TRY(context.assessor.frameworks().state(request.request.facility, framework.id));
      if (std::any_of(result.items.begin(), result.items.end(), [](const assess::ItemResult& item) {
            return item.verdict != assess::Verdict::not_applicable;
          }))
        frameworks.push_back(framework.id);
    }
  }
  const int all = static_cast<int>(frameworks.size()) + 3;
  int done = 0;
  for (const auto& id : frameworks) {
    const auto* framework = context.assessor.catalog().find_framework(id);
    if (!framework) return Error{ErrorKind::not_found, "assess.framework.unknown", {{"framework", id}}};
    const std::vector<std::pair<std::string, std::string>> nobody = {{"", ""}};
    for (const auto& [number, vendor] : framework->per_vendor ? vendors : nobody) {
      // Of vendor forms those that have been answered; all of them where the form was asked for by name.
      if (framework->per_vendor && request.frameworks.empty() &&
          MAMORI_TRY(context.assessor.declarations().list(request.request.facility, id, vendor)).empty())
        continue;
      const auto base = "checklists/" + id + (number.empty() ? "" : "-" + number);
      auto one = request.request;
      one.format = Format::pdf;
      files.emplace_back(base + ".pdf", MAMORI_TRY(checklist(context, one, id, vendor)));
      one.format = Format::xlsx;
      files.emplace_back(base + ".xlsx", MAMORI_TRY(checklist(context, one, id, vendor)));
      const auto result =
          MAMORI_TRY(context.assessor.frameworks().state(request.request.facility, id, vendor));
      json::array items;
      for (const auto& item : result.items) items.push_back(assess::to_json(item));
      files.emplace_back(base + ".json", pretty(json::object{{"framework", id},
                                                             {"at", iso_instant(result.at)},
                                                             {"items", std::move(items)}}));
    }
    request.progress(++done, all);
  }
  for (const auto format : {Format::pdf, Format::xlsx}) {
    auto one = request.request;
    one.format = format;
    const std::string ending = format == Format::pdf ? ".pdf" : ".xlsx";
    for (const auto& reg : context.ledger.registers().all())
      for (const auto& printed : reg.printed)
        if (!printed.file.empty())
          files.emplace_back("ledgers/" + printed.file + ending,
                             MAMORI_TRY(register_document(context, one, reg, printed.as)));
  }
  request.progress(done + 3, all);
  return {};
}

// By what it is, so that whoever opens the package knows with what.
std::string_view ending_of(std::string_view bytes) {
  const auto first = bytes.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  if (first == bytes.npos) return "txt";
  if (bytes[first] == '<') return "xml";
  if (bytes[first] == '{' || bytes[first] == '[') return "json";
  for (const std::string_view ldif : {"dn:", "version:", "#"})
    if (bytes.substr(first).starts_with(ldif)) return "ldif";
  return "txt";
}

// The newest raw reading of each source.
Status add_evidence(const Context& context, const PackageRequest& request, document::ZipFiles& files) {
  if (!request.blobs) return {};
  auto lease = MAMORI_TRY(context.ledger.database().read());
  const auto rows = MAMORI_TRY(
      lease->query("SELECT s.name, s.kind, r.evidence, r.started_at, r.origin, r.partial, r.run_by FROM "
                   "source s JOIN source_run r ON r.source = s.id "
                   "WHERE s.facility = ? AND r.error = '' AND r.evidence <> '' ORDER BY r.started_at DESC",
                   {request.request.facility}));
  std::set<std::string> seen, written;
  json::array index;
  for (const auto& row : rows.rows) {
    const auto name = store::as_text(row[0]);
    if (!seen.insert(name).second) continue;
    const auto hash = store::as_text(row[2]);
    const auto kind = store::as_text(row[1]);
    auto bytes = MAMORI_TRY(request.blobs->get(hash));
    const auto file = fmt::format("evidence/{}-{}.{}", kind, hash.substr(0, 12), ending_of(bytes));
    index.push_back(json::object{{"source", name},
                                 {"kind", kind},
                                 {"file", file},
                                 {"read_at", iso_instant(from_millis(store::as_integer(row[3])))},
                                 {"origin", store::as_text(row[4])},
                                 {"partial", store::as_integer(row[5]) != 0},
                                 {"by", store::as_text(row[6])}});
    if (!written.insert(file).second) continue;  // two sources may say the same, byte for byte
    files.emplace_back(file, std::move(bytes));
  }
  files.emplace_back("evidence/index.json", pretty(index));
  return {};
}

}  // namespace

Result<std::string> inspection_package(const Context& context, const PackageRequest& request) {
  MAMORI_ASSERT(request.key != nullptr);
  document::ZipFiles files;
  MAMORI_TRY(add_documents(context, request, files));
  MAMORI_TRY(add_evidence(context, request, files));
  const auto& language = request.request.language;
  files.emplace_back("README.txt",
                     context.texts.get("report.package.readme", language,
                                       {{"fingerprint", fingerprint_of(request.key->public_key())}}));

  const auto* reg = MAMORI_TRY(context.ledger.find_register("facility"));
  const auto facility = MAMORI_TRY(context.ledger.get(*reg, request.request.scope, request.request.facility));
  json::array listed;
  for (const auto& [name, content] : files)
    listed.push_back(json::object{{"name", name}, {"size", content.size()}, {"sha256", sha256_hex(content)}});
  const auto manifest = pretty(json::object{{"format", "mamori-inspection-package 1"},
                                            {"facility", facility.label},
                                            {"made_at", iso_instant(context.ledger.database().clock().now())},
                                            {"made_by", request.request.printed_by},
                                            {"public_key", to_hex(request.key->public_key())},
                                            {"files", std::move(listed)}});
  files.emplace_back(kManifest, manifest);
  files.emplace_back(kSignature, to_base64(request.key->sign(manifest)) + "\n");
  return document::write_zip(files);
}

Result<Verified> verify_package(std::string_view bytes, const std::string& expected_key) {
  const auto files = MAMORI_TRY(document::read_zip(bytes, kLargestPackage));
  const auto find = [&](std::string_view name) -> const std::string* {
    for (const auto& [file, content] : files)
      if (file == name) return &content;
    return nullptr;
  };
  const auto* manifest_text = find(kManifest);
  const auto* signature_text = find(kSignature);
  if (!manifest_text || !signature_text) return Error{ErrorKind::corrupt, "report.verify.no-manifest"};
  const auto manifest = parse_json_object(*manifest_text);
  if (!manifest) return Error{ErrorKind::corrupt, "report.verify.signature"};
  const auto key = from_hex(text_of(*manifest, "public_key"));
  const auto signature = from_base64(std::string_view(*signature_text).substr(0, signature_text->find('\n')));
  if (!key || !signature || !verify_signature(*manifest_text, *signature, *key))
    return Error{ErrorKind::corrupt, "report.verify.signature"};
  if (!expected_key.empty() && expected_key != to_hex(*key))
    return Error{ErrorKind::corrupt, "report.verify.key", {{"fingerprint", fingerprint_of(*key)}}};

  std::set<std::string> listed = {std::string(kManifest), std::string(kSignature)};
  const auto* list = manifest->if_contains("files");
  if (!list || !list->is_array()) return Error{ErrorKind::corrupt, "report.verify.signature"};
  for (const auto& entry : list->get_array()) {
    if (!entry.is_object()) return Error{ErrorKind::corrupt, "report.verify.signature"};
    const auto name = text_of(entry.get_object(), "name");
    const auto* content = find(name);
    if (!content) return Error{ErrorKind::corrupt, "report.verify.missing", {{"file", name}}};
    if (sha256_hex(*content) != text_of(entry.get_object(), "sha256"))
      return Error{ErrorKind::corrupt, "report.verify.altered", {{"file", name}}};
    listed.insert(name);
  }
  std::set<std::string> seen;
  for (const auto& [name, content] : files)
    if (!listed.contains(name) || !seen.insert(name).second)
      return Error{ErrorKind::corrupt, "report.verify.added", {{"file", name}}};
  return Verified{text_of(*manifest, "facility"), text_of(*manifest, "made_at"), fingerprint_of(*key),
                  list->get_array().size()};
}

}  // namespace mamori::report
