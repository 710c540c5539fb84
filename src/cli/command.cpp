#include "cli/command.h"

#include <unistd.h>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/crypto.h"
#include "base/log.h"
#include "os/disk.h"

namespace mamori::cli {

int exit_code_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid: return 2;
    case ErrorKind::not_found: return 3;
    case ErrorKind::unauthenticated:
    case ErrorKind::forbidden:
    case ErrorKind::conflict: return 4;
    case ErrorKind::exhausted:
    case ErrorKind::unavailable: return 5;
    case ErrorKind::corrupt:
    case ErrorKind::internal: return 6;
  }
  MAMORI_UNREACHABLE();
}

Result<Session> Session::open(const Common& common) {
  os::raise_limits();  // streams, connections and databases together are more than the usual 1024
  const auto home = MAMORI_TRY(server::find_home(common.home));
  Session session;
  session.clock = std::make_unique<SystemClock>();
  session.installation = MAMORI_TRY(
      server::Installation::open(common.data, common.database, common.archive, home, *session.clock));
  return session;
}

Result<std::string> Session::facility(const Common& common) {
  const auto* reg = MAMORI_TRY(services().ledger.find_register("facility"));
  auto lease = MAMORI_TRY(services().database.read());
  const auto rows = MAMORI_TRY(
      lease->query("SELECT id, label FROM " + reg->table() + " WHERE retired_at IS NULL ORDER BY label"));
  if (rows.rows.empty()) return Error{ErrorKind::not_found, "cli.facility.none"};
  if (common.facility.empty()) {
    if (rows.rows.size() == 1) return store::as_text(rows.rows[0][0]);
    return Error{ErrorKind::invalid, "api.facility.needed"};
  }
  for (const auto& row : rows.rows)
    if (store::as_text(row[0]) == common.facility || store::as_text(row[1]) == common.facility)
      return store::as_text(row[0]);
  return Error{ErrorKind::not_found, "cli.facility.unknown", {{"facility", common.facility}}};
}

Result<std::string> Session::vendor(const std::string& facility, const std::string& number) {
  if (number.empty()) return std::string();
  const auto* reg = MAMORI_TRY(services().ledger.find_register("vendor"));
  const auto page =
      MAMORI_TRY(services().ledger.list(*reg, {.scope = store::Scope::door(facility),
                                               .conditions = {{"number", ledger::Comparison::equal, number}},
                                               .limit = 1}));
  if (page.items.empty()) return Error{ErrorKind::not_found, "ledger.record.missing"};
  return page.items[0].id;
}

store::Actor Session::actor() const {
  const char* name = std::getenv("SUDO_USER");
  if (!name) name = std::getenv("USER");
  return {"", name ? name : "command line", "command line"};
}

Status write_output(const std::filesystem::path& file, std::string_view bytes, os::Visibility visibility) {
  std::error_code none;
  const auto target =
      std::filesystem::is_symlink(file, none) ? std::filesystem::weakly_canonical(file, none) : file;
  if (!std::filesystem::exists(target, none) || std::filesystem::is_regular_file(target, none))
    return os::write_file(target, bytes, visibility);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::fopen(target.c_str(), "wbe"), std::fclose);
  const bool written = out && std::fwrite(bytes.data(), 1, bytes.size(), out.get()) == bytes.size() &&
                       std::fflush(out.get()) == 0;
  if (written) return {};
  return Error{
      ErrorKind::unavailable, "os.disk.failed", {{"file", file.string()}, {"reason", std::strerror(errno)}}};
}

int fail(const Error& error, const Common& common) {
  std::string sentence = describe(error);
  if (const auto home = server::find_home(common.home))
    if (const auto texts = Texts::load(home->data / "texts"))
      sentence = texts->sentence(error, common.language);
  std::fprintf(stderr, "mamori: %s\n", sentence.c_str());
  return exit_code_of(error.kind);
}

void progress(std::string_view text, std::size_t done, std::size_t all) {
  if (!::isatty(2)) return;
  const auto percent = all == 0 ? 100 : done * 100 / all;
  std::fprintf(stderr, "\r[%3zu%%] %.*s%s", percent, static_cast<int>(text.size()), text.data(),
               done >= all ? "\n" : "");
  std::fflush(stderr);
}

int run_mamori(int argc, char** argv) {
  CLI::App app{
      "Mamori (守り): information-security safety management of medical institutions, from measured evidence",
      "mamori"};
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("mamori ") + server::kVersion);
  app.footer(
      "Exit codes: 0 done; 1 the answer is bad; 2 wrong use; 3 not found; 4 not allowed or conflict; 5 "
      "unreachable or no space; 6 damaged.");
  app.fallthrough();
  Common common;
  app.add_option("--data", common.data, "directory that holds everything (default: mamori-data)")
      ->type_name("DIR");
  app.add_option("--database", common.database, "postgresql://… instead of the embedded database")
      ->type_name("URL")
      ->envname("MAMORI_DATABASE");
  app.add_option("--archive", common.archive, "clickhouse://… for the logs instead of files")
      ->type_name("URL")
      ->envname("MAMORI_ARCHIVE");
  app.add_option("--home", common.home, "where registers, controls and web pages are")->type_name("DIR");
  app.add_option("--language", common.language, "ja or en")
      ->check(CLI::IsMember({"ja", "en"}))
      ->envname("MAMORI_LANGUAGE");
  app.add_option("--facility", common.facility, "id or name, where there are several")->type_name("NAME");
  Runner run;
  add_init(app, common, run);
  add_serve(app, common, run);
  add_demo(app, common, run);
  add_import(app, common, run);
  add_export(app, common, run);
  add_collect(app, common, run);
  add_jobs(app, common, run);
  add_assess(app, common, run);
  add_document(app, common, run);
  add_logs(app, common, run);
  add_verify(app, common, run);
  add_user(app, common, run);
  add_openapi(app, common, run);
  add_completion(app, common, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  crypto_ready();
  const int code = run();
  // An answer that did not reach whoever asked was none.
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  return fail({ErrorKind::unavailable, "cli.output.lost", {{"reason", std::strerror(errno)}}}, common);
}

}  // namespace mamori::cli
