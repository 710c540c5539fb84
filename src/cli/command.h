// The `mamori` command. One file per command; each calls the same domain functions as the API.
#pragma once

#include <CLI/App.hpp>

#include "os/file.h"
#include "server/wiring.h"

namespace mamori::cli {

// 0 done · 1 the answer is bad (rejected lines, gaps asked for with --strict, a package that does not verify)
// · 2 wrong use · 3 not found · 4 not allowed, conflict · 5 cannot be reached, no space · 6 damaged data or
// our own error
int exit_code_of(ErrorKind kind);

struct Common {
  std::filesystem::path data = "mamori-data";
  std::string database;
  std::string archive;
  std::filesystem::path home;
  std::string language = "ja";
  std::string facility;  // id or name; needed only where there are several
};

class Session {
 public:
  // Opens the installation; prints the reason and gives an exit code where it cannot.
  static Result<Session> open(const Common& common);
  api::Services& services() { return installation->services(); }
  Result<std::string> facility(const Common& common);
  // The id of the vendor with control number `number` (V-001); "" for "". Error: ledger.record.missing.
  Result<std::string> vendor(const std::string& facility, const std::string& number);
  store::Actor actor() const;

  std::unique_ptr<SystemClock> clock;
  std::unique_ptr<server::Installation> installation;
};

// What a command makes, into the file the user named: whole or not at all where that is a file, through a
// link into what it leads to, and straight into a pipe or a device. Errors: os.disk.*, os.file.*.
Status write_output(const std::filesystem::path& file, std::string_view bytes,
                    os::Visibility visibility = os::Visibility::shared);
// Prints the error's sentence in the chosen language; returns its exit code.
int fail(const Error& error, const Common& common);
// "[ 40%] text" on standard error, only where someone looks at it (a terminal).
void progress(std::string_view text, std::size_t done, std::size_t all);

using Runner = std::function<int()>;
void add_init(CLI::App& app, Common& common, Runner& run);
void add_serve(CLI::App& app, Common& common, Runner& run);
void add_demo(CLI::App& app, Common& common, Runner& run);
void add_import(CLI::App& app, Common& common, Runner& run);
void add_export(CLI::App& app, Common& common, Runner& run);
void add_collect(CLI::App& app, Common& common, Runner& run);
void add_assess(CLI::App& app, Common& common, Runner& run);
void add_document(CLI::App& app, Common& common, Runner& run);
void add_jobs(CLI::App& app, Common& common, Runner& run);
void add_logs(CLI::App& app, Common& common, Runner& run);
void add_verify(CLI::App& app, Common& common, Runner& run);
void add_user(CLI::App& app, Common& common, Runner& run);
void add_openapi(CLI::App& app, Common& common, Runner& run);
void add_completion(CLI::App& app, Common& common, Runner& run);

int run_mamori(int argc, char** argv);

}  // namespace mamori::cli
