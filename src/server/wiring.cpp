#include "server/wiring.h"

#include "api/once.h"
#include "archive/engine.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "os/file.h"
#include "os/keys.h"
#include "server/health.h"

namespace mamori::server {
namespace {

constexpr store::Migration kSchema[] = {
    {"api.1",
     "CREATE TABLE saved_view (id {text} PRIMARY KEY, user_id {text} NOT NULL, register {text} NOT NULL, "
     "name {text} NOT NULL, query {text} NOT NULL);"},
};

// The name of a directory's server: made once.
Result<std::string> server_of(const std::filesystem::path& directory) {
  const auto file = directory / "server";
  if (!MAMORI_TRY(os::Disk::real().exists(file))) {
    const auto name = random_token(16);
    MAMORI_TRY(os::write_file(file, name + "\n"));
    return name;
  }
  const auto name = std::string(trim(MAMORI_TRY(read_file(file, 200))));
  if (name.empty()) return Error{ErrorKind::corrupt, "os.file.short", {{"file", file.string()}}};
  return name;
}

}  // namespace

Installation::~Installation() {
  if (!jobs_) return;
  jobs_->stop();
  jobs_->join();  // before what they work on goes
}

Result<std::unique_ptr<Installation>> Installation::open(const std::filesystem::path& directory,
                                                         const std::string& database,
                                                         const std::string& archive, const Home& home,
                                                         const Clock& clock) {
  crypto_ready();
  std::unique_ptr<Installation> made(new Installation);
  made->directory_ = directory;
  made->home_ = home;
  made->texts_ = MAMORI_TRY(Texts::load(home.data / "texts"));
  MAMORI_TRY(os::make_directory(directory));
  MAMORI_TRY(os::make_directory(directory / "keys"));
  MAMORI_TRY(os::make_directory(directory / "blobs"));
  made->server_ = MAMORI_TRY(server_of(directory));
  made->sealer_ = MAMORI_TRY(os::open_or_make_sealer(directory / "keys/sealing.key"));
  const bool had_key = MAMORI_TRY(os::Disk::real().exists(directory / "keys/signing.key"));
  made->signing_key_ = MAMORI_TRY(os::open_or_make_signing_key(directory / "keys/signing.key"));
  made->blobs_.emplace(directory / "blobs");
  made->database_ = MAMORI_TRY(store::Database::open(
      database.empty() ? "sqlite:" + (directory / "ledger.db").string() : database, clock));
  MAMORI_TRY(made->database_->migrate(kSchema));
  MAMORI_TRY(Health::migrate(*made->database_));
  MAMORI_TRY(api::migrate_once(*made->database_));
  made->registers_ = MAMORI_TRY(ledger::Registers::load(home.data / "registers"));
  made->ledger_ = MAMORI_TRY(ledger::Ledger::open(*made->database_, *made->registers_));
  made->catalog_ = MAMORI_TRY(catalog::Catalog::load(home.data));
  made->assessor_ = MAMORI_TRY(assess::Assessor::open(*made->ledger_, *made->catalog_, made->texts_));
  made->jobs_ = MAMORI_TRY(jobs::Jobs::open(*made->database_));
  made->sources_ =
      MAMORI_TRY(readers::Sources::open(*made->ledger_, *made->sealer_, *made->blobs_, *made->jobs_,
                                        home.data / "readers", directory / "places"));
  made->archive_ =
      MAMORI_TRY(archive::open_archive(archive, directory / "archive", *made->signing_key_, clock));
  made->logs_ = MAMORI_TRY(logs::Logs::open(*made->ledger_, *made->archive_));
  made->users_ = MAMORI_TRY(identity::Users::open(*made->database_, *made->sealer_));
  if (const auto streams = made->archive_->names(); streams && !streams->empty()) {
    if (!had_key)
      log::warning(
          "keys/signing.key was not there and was made anew: what was signed before can be verified only "
          "with the former key. Restore keys/ from a copy");
    if (!MAMORI_TRY(made->users_->any()))
      log::warning("the ledger is empty, the log archive is not: was only a part restored?");
  }
  made->logs_->looked_after([&users = *made->users_] { return users.facilities_in_use(); });
  made->services_.reset(new api::Services{
      clock, made->texts_, *made->database_, *made->users_, *made->ledger_, *made->catalog_, *made->assessor_,
      *made->jobs_, *made->sources_, *made->logs_, *made->blobs_, *made->signing_key_, kVersion});
  return made;
}

}  // namespace mamori::server
