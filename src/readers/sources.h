// Sources: what is read, how often, how the last runs went. A run never writes to its source.
#pragma once

#include "base/crypto.h"
#include "base/file.h"
#include "jobs/jobs.h"
#include "ledger/ledger.h"
#include "os/file.h"
#include "readers/kind.h"
#include "readers/reader.h"

namespace mamori::readers {

struct Source {
  std::string id;
  std::string facility;
  std::string name;
  std::string kind;       // of its reader
  json::object settings;  // as its reader declares them
  bool has_secret = false;
  std::int64_t every_minutes = 0;  // 0 = by hand only
  bool enabled = true;
  std::optional<Instant> last_run_at, last_success_at, failing_since;
  std::string last_error;  // code of data/texts
  Facts last_facts;
  std::string last_origin;  // of the last success: "system", "file", "" not known
};

struct Run {
  std::string id;
  Instant started_at, finished_at;
  std::string by;
  std::string error;  // "" = success
  Facts error_facts;
  json::object counts;   // register → {fresh, known, gone}
  std::string evidence;  // blob hash of the raw bytes
  std::string origin;    // "system", "file"; "": not known, or it failed
  bool partial = false;
};

struct SourceWrite {
  std::string name;
  std::string kind;  // empty in a change: as it was
  json::object settings;
  std::optional<Secret> secret;  // absent: as it was
  std::int64_t every_minutes = 0;
  bool enabled = true;
};

// Threads: all calls may come from several; two runs of one source never overlap, on whichever server
// (jobs.busy). What it is given outlives it.
class Sources {
 public:
  // `kinds`: the folder of data/readers. `places`: the file in which whoever installs it names the folders
  // and repositories that sources may read; looked at for each reading; where there is none, none may be.
  static Result<std::unique_ptr<Sources>> open(ledger::Ledger& ledger, const Sealer& sealer,
                                               const os::Blobs& blobs, jobs::Jobs& jobs,
                                               const std::filesystem::path& kinds,
                                               const std::filesystem::path& places);
  const std::vector<Kind>& kinds() const { return kinds_; }
  // What is read by itself, each source a job of its own. Before the jobs start.
  void add_duties();

  // Errors: collect.source.invalid with problems per field. A source stays of its kind; where its secret
  // would go to somebody else from now on, the secret must be given again.
  Result<Source> create(const store::Actor& actor, const std::string& facility, const SourceWrite& write);
  Result<Source> update(const store::Actor& actor, const store::Scope& scope, const std::string& id,
                        const SourceWrite& write);
  // It is read no more, and what it said counts for nothing any more: its facts are retired. Errors:
  // collect.source.missing, collect.source.invalid (no reason).
  Status retire(const store::Actor& actor, const store::Scope& scope, const std::string& id,
                const std::string& reason);
  Result<Source> get(const store::Scope& scope, const std::string& id) const;
  Result<std::vector<Source>> list(const store::Scope& scope) const;
  Result<std::vector<Run>> runs(const store::Scope& scope, const std::string& id,
                                std::size_t limit = 20) const;

  // Reads now. A failure of the source is a Run with an error, not an Error; but jobs.ended or jobs.stopping
  // where it was told to end.
  Result<Run> run(const store::Actor& actor, const store::Scope& scope, const std::string& id);
  // The same from a file: LDIF, nmap XML, restic or borg listing, by the source's kind.
  Result<Run> run_file(const store::Actor& actor, const store::Scope& scope, const std::string& id,
                       std::string_view bytes);
  // Facts as if just read; for the demonstration and for readers outside this class.
  Result<Run> record(const store::Actor& actor, const Source& source, const Result<Reading>& reading,
                     Instant at);

 private:
  Sources(ledger::Ledger& ledger, const Sealer& sealer, const os::Blobs& blobs, jobs::Jobs& jobs,
          std::vector<Kind> kinds, std::filesystem::path places)
      : ledger_(ledger),
        sealer_(sealer),
        blobs_(blobs),
        jobs_(jobs),
        kinds_(std::move(kinds)),
        places_(std::move(places)) {}
  Result<json::object> check(const SourceWrite& write, const Source* before) const;
  bool keeps_secret(const Source& before, const json::object& settings) const;
  Result<Order> order_of(const Source& source, std::stop_token stop) const;
  Result<Run> read(const store::Actor& actor, const Source& source, jobs::Turn& turn);
  Result<Run> write(const store::Actor& actor, const Source& source, const Result<Reading>& reading,
                    Instant at, jobs::Turn* turn);

  ledger::Ledger& ledger_;
  const Sealer& sealer_;
  const os::Blobs& blobs_;
  jobs::Jobs& jobs_;
  const std::vector<Kind> kinds_;
  const std::filesystem::path places_;
};

json::object to_json(const Source& source);
json::object to_json(const Run& run);

}  // namespace mamori::readers
