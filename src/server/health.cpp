#include "server/health.h"

#include "base/log.h"
#include "os/file.h"

namespace mamori::server {
namespace {

constexpr store::Migration kSchema[] = {
    {"server.1", "CREATE TABLE alive (server {text} PRIMARY KEY, at BIGINT NOT NULL);"},
};
constexpr int kSilence = 3;  // rounds without an answer

Status read(store::Database& database) {
  auto lease = MAMORI_TRY(database.read());
  return lease->query("SELECT 1").has_value() ? Status()
                                              : Status(Error{ErrorKind::unavailable, "store.unreachable"});
}

Status write(store::Database& database, const std::string& server) {
  auto transaction = MAMORI_TRY(database.begin());
  MAMORI_TRY(transaction->execute(
      "INSERT INTO alive VALUES (?,?) ON CONFLICT (server) DO UPDATE SET at = excluded.at",
      {server, to_millis(database.clock().now())}));
  return transaction.commit();
}

}  // namespace

Check::Check(std::string name, Pace pace, std::function<Status()> ask)
    : name_(std::move(name)), pace_(pace), ask_(std::move(ask)), thread_([this] { loop(); }) {}

Check::~Check() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Check::loop() {
  MutexLock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    const auto answer = ask_();
    lock.lock();
    if (good_ && !answer) log::error("health, " + name_ + ": " + describe(answer.error()));
    if (!good_ && answer) log::info("health, " + name_ + ": well again");
    good_ = answer.has_value();
    answered_ = Steady::now();
    wake_.wait_for(mutex_, pace_.every, [this]() REQUIRES(mutex_) { return stopping_; });
  }
}

bool Check::holds() const {
  const MutexLock lock(mutex_);
  return good_ && (!pace_.silence || Steady::now() - answered_ <= pace_.every + *pace_.silence);
}

Status Health::migrate(store::Database& database) { return database.migrate(kSchema); }

Health::Health(store::Database& database, const std::string& server, const std::filesystem::path& directory,
               std::chrono::milliseconds every)
    : reads_("reads", {every, kSilence * every}, [&database] { return read(database); }),
      // A long import lets others wait for their turn: only what is refused counts.
      writes_("writes", {every, {}}, [&database, server] { return write(database, server); }),
      disk_("disk", {every, kSilence * every},
            [file = directory / "alive"] { return os::write_file(file, "\n"); }) {}

json::object Health::state() const {
  json::object out;
  bool well = true;
  for (const auto* check : {&reads_, &writes_, &disk_}) {
    out[check->name()] = check->holds();
    well = well && check->holds();
  }
  out["status"] = well ? "ok" : "failing";
  return out;
}

}  // namespace mamori::server
