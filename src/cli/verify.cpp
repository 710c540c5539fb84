#include <algorithm>
#include <cstdio>
#include <map>

#include "cli/command.h"
#include "report/log_export.h"
#include "report/report.h"

namespace mamori::cli {
namespace {

struct Given {
  std::string file, key, stamp_authority, heads, format = "text";
};

int print_failure(const Error& error, const Common& common, const Given& given) {
  if (given.format == "json") {
    json::object facts;
    for (const auto& [key, value] : error.facts) facts[key] = value;
    std::printf("%s", pretty(json::object{{"valid", false}, {"reason", error.code}, {"facts", std::move(facts)}}).c_str());
  }
  fail(error, common);
  return 1;
}

// Heads that were kept elsewhere (a file, or all files of a folder) against the logs as they are now. How many fit; the first that does not
// is named.
Result<std::size_t> check_heads(collect::events::Logs& logs, const SigningKey& key, const std::filesystem::path& place, const Texts& texts, const std::string& language) {
  std::vector<std::filesystem::path> files;
  std::error_code failure;
  if (std::filesystem::is_directory(place, failure)) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(place, failure))
      if (entry.is_regular_file(failure)) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
  } else {
    files.push_back(place);
  }
  std::map<std::string, const archive::Stream*> streams;
  for (const auto& name : MAMORI_TRY(logs.archive().names())) {
    const auto* stream = MAMORI_TRY(logs.archive().stream(name));
    streams[stream->origin()] = stream;
  }
  std::size_t fit = 0;
  for (const auto& file : files) {
    const auto bytes = MAMORI_TRY(read_file(file, std::size_t{1} << 30));
    for (const auto& head : archive::heads_in(bytes)) {
      const auto stream = streams.find(head.origin);
      const auto broken = [&](const char* what) { return Error{ErrorKind::corrupt, "cli.verify.head", {{"file", file.string()}, {"origin", head.origin}, {"events", std::to_string(head.size)}, {"what", what}, {"reason", texts.get(what, language)}}}; };
      if (!archive::head_is_signed_by(head, key.public_key())) return broken("archive.damage.signer");
      if (stream == streams.end() || stream->second->size() < head.size) return broken("archive.damage.cut");
      if (MAMORI_TRY(stream->second->root_at(head.size)) != head.root) return broken("archive.damage.root");
      ++fit;
    }
  }
  if (fit == 0) return Error{ErrorKind::not_found, "cli.verify.no-heads", {{"file", place.string()}}};
  return fit;
}

// A package file, or the data directory (its change journal) where no file is given.
int verify(const Common& common, const Given& given) {
  const auto home = server::find_home(common.home);
  if (!home) return fail(home.error(), common);
  const auto texts = Texts::load(home->data / "texts");
  if (!texts) return fail(texts.error(), common);
  if (given.file.empty()) {
    auto session = Session::open(common);
    if (!session) return fail(session.error(), common);
    auto lease = session->services().database.read();
    if (!lease) return fail(lease.error(), common);
    const auto state = store::verify_journal(**lease);
    if (!state) return print_failure(state.error(), common, given);
    if (given.format != "json") std::printf("%s\n", texts->get("cli.verify.journal", common.language, {{"entries", std::to_string(state->entries)}, {"head", state->head}}).c_str());
    // Then every stream of logs, whole.
    json::array streams;
    int code = 0;
    auto& logs = session->services().logs;
    const auto names = logs.archive().names();
    if (!names) return fail(names.error(), common);
    for (const auto& name : *names) {
      const auto opened = logs.archive().stream(name);
      if (!opened) return fail(opened.error(), common);
      const auto* stream = *opened;
      const auto all = stream->size();
      const auto verified = stream->verify([&](const archive::Damage& damage) { std::fprintf(stderr, "%s/%s: %s (%s, %llu–%llu)\n", name.facility.c_str(), name.name.c_str(), texts->get(damage.what, common.language).c_str(), damage.file.c_str(), static_cast<unsigned long long>(damage.first), static_cast<unsigned long long>(damage.last)); },
                                           [&](std::uint64_t done) { progress(name.name, done, all); });
      streams.push_back(json::object{{"facility", name.facility}, {"stream", name.name}, {"valid", verified.has_value()}, {"events", all}});
      if (!verified) code = print_failure(verified.error(), common, Given{});
      else if (given.format != "json") std::printf("%s\n", texts->get("cli.verify.stream", common.language, {{"stream", name.name}, {"events", std::to_string(verified->events)}, {"heads", std::to_string(verified->heads)}, {"root", archive::to_base64(verified->root)}}).c_str());
    }
    std::size_t fit = 0;
    if (!given.heads.empty()) {
      const auto checked = check_heads(logs, session->services().signing_key, given.heads, *texts, common.language);
      if (!checked) code = print_failure(checked.error(), common, Given{});
      else fit = *checked;
      if (checked && given.format != "json") std::printf("%s\n", texts->get("cli.verify.heads", common.language, {{"heads", std::to_string(fit)}}).c_str());
    }
    if (given.format == "json") std::printf("%s", pretty(json::object{{"valid", code == 0}, {"entries", state->entries}, {"head", state->head}, {"streams", std::move(streams)}, {"heads_elsewhere", fit}}).c_str());
    return code;
  }
  const auto bytes = read_file(given.file, std::size_t{2} << 30);
  if (!bytes) return fail(bytes.error(), common);
  if (report::is_log_export(*bytes)) {
    const auto verified = report::verify_logs(*bytes, given.key, given.stamp_authority);
    if (!verified) return print_failure(verified.error(), common, given);
    if (given.format == "json") std::printf("%s", pretty(json::object{{"valid", true}, {"origin", verified->origin}, {"question", verified->question}, {"made_at", verified->made_at}, {"fingerprint", verified->fingerprint}, {"events", verified->events}, {"size", verified->size}, {"stamped_at", verified->stamp ? json::value(iso_instant(verified->stamp->at)) : json::value(nullptr)}}).c_str());
    else std::printf("%s\n", texts->get("cli.verify.logs", common.language, {{"origin", verified->origin}, {"made_at", verified->made_at}, {"fingerprint", verified->fingerprint}, {"events", std::to_string(verified->events)}, {"size", std::to_string(verified->size)}}).c_str());
    if (verified->stamp && given.format != "json") std::printf("%s\n", texts->get(given.stamp_authority.empty() ? "cli.verify.stamp-unchecked" : "cli.verify.stamp", common.language, {{"at", iso_instant(verified->stamp->at)}, {"authority", verified->stamp->authority}}).c_str());
    return 0;
  }
  const auto verified = report::verify_package(*bytes, given.key);
  if (!verified) return print_failure(verified.error(), common, given);
  if (given.format == "json") std::printf("%s", pretty(json::object{{"valid", true}, {"facility", verified->facility}, {"made_at", verified->made_at}, {"fingerprint", verified->fingerprint}, {"files", verified->files}}).c_str());
  else std::printf("%s\n", texts->get("cli.verify.package", common.language, {{"facility", verified->facility}, {"made_at", verified->made_at}, {"fingerprint", verified->fingerprint}, {"files", std::to_string(verified->files)}}).c_str());
  return 0;
}

}  // namespace

void add_verify(CLI::App& app, Common& common, Runner& run) {
  auto* command = app.add_subcommand("verify", "check an inspection package or a log export (needs no database), or the journal and all logs of --data");
  auto given = std::make_shared<Given>();
  command->add_option("file", given->file, "the package or export; without it the journal and the logs of --data are checked");
  command->add_option("--key", given->key, "public key (hex) that must have signed it");
  command->add_option("--stamp-ca", given->stamp_authority, "who vouches for the time stamp authority (PEM)")->check(CLI::ExistingFile);
  command->add_option("--heads", given->heads, "signed heads kept elsewhere (a file, a mail, a hub's export, or a folder of them): the logs of --data must still lead to each")->check(CLI::ExistingPath);
  command->add_option("--format", given->format, "text or json")->check(CLI::IsMember({"text", "json"}));
  command->footer("Exit codes: 0 whole; 1 altered, with the first place named; others as `mamori --help`.");
  command->callback([&common, &run, given] { run = [&common, given] { return verify(common, *given); }; });
}

}  // namespace mamori::cli
