// What somebody is told has failed was not done: who then does it again must not have done it twice. One
// operation of the disk fails while one call runs, each in turn; afterwards nothing fails any more.
#include <gtest/gtest.h>

#include "base/crypto.h"
#include "identity/users.h"
#include "installation.h"
#include "os/file.h"
#include "readers/sources.h"

namespace mamori::fault {
namespace {

using testing::Failure;
using testing::SimulatedDisk;

class World {
 public:
  World()
      : installation(disk, clock),
        sealer(Secret(std::string(Sealer::kKey, 's'))),
        blobs("/data/blobs", disk) {
    MAMORI_ASSERT(installation.open().has_value());
    users = *identity::Users::open(installation.database(), sealer);
    jobs = *jobs::Jobs::open(installation.database());
    sources = *readers::Sources::open(installation.ledger(), sealer, blobs, *jobs,
                                      std::filesystem::path(MAMORI_SOURCE_DIR) / "data/readers", {});
  }
  std::int64_t entries(const std::string& subject, const std::string& action) {
    const auto lease = installation.database().read();
    const auto rows =
        (*lease)->query("SELECT COUNT(*) FROM journal WHERE subject = ? AND action = ?", {subject, action});
    return store::as_integer(rows->rows[0][0]);
  }

  SimulatedDisk disk;
  testing::ManualClock clock;
  Installation installation;
  Sealer sealer;
  os::Blobs blobs;
  std::unique_ptr<identity::Users> users;
  std::unique_ptr<jobs::Jobs> jobs;
  std::unique_ptr<readers::Sources> sources;
};

// `call` in a new world each time; `prepare` before anything fails. The call may end well all the same.
template <class Prepare, class Call>
void each_fault(const std::string& subject, const std::string& action, Prepare prepare, Call call) {
  crypto_ready();
  std::uint64_t length = 0;
  for (std::optional<std::uint64_t> at; !at || *at < length;
       at = at ? *at + 1 : 0) {  // the first time nothing fails
    World world;
    const auto given = prepare(world);
    const auto before = world.disk.operations();
    if (at) world.disk.fail_at(before + *at, Failure::io);
    const auto done = call(world, given);
    if (!at) length = world.disk.operations() - before;
    world.disk.heal();
    EXPECT_EQ(world.entries(subject, action), done ? 1 : 0)
        << "operation " << at.value_or(0) << " of " << length;
    EXPECT_TRUE(at || done);
  }
  EXPECT_GT(length, 0u);
}

TEST(Faults, ASourceThatIsSaidNotToBeMadeIsNotMade) {
  const readers::SourceWrite write{
      .name = "走査", .kind = "network", .settings = {{"targets", "192.0.2.0/24"}}};
  each_fault(
      "source", "created", [](World&) { return 0; },
      [&](World& world, int) { return world.sources->create(kActor, "f1", write).has_value(); });
}

TEST(Faults, RolesThatAreSaidNotToBeChangedAreNotChanged) {
  each_fault(
      "user", "updated",
      [](World& world) {
        auto transaction = world.installation.database().begin();
        const std::int64_t none = 0;
        MAMORI_ASSERT((*transaction)
                          ->execute("INSERT INTO users (id, login, name, password_hash, enabled, totp_step, "
                                    "failures, created_at) VALUES (?,?,?,?,?,?,?,?)",
                                    {std::string("u7"), std::string("tanaka"), std::string("田中"),
                                     std::string(), true, none, none, none})
                          .has_value());
        MAMORI_ASSERT(transaction->commit().has_value());
        return std::string("u7");
      },
      [](World& world, const std::string& id) {
        return world.users->set_roles(kActor, id, "f1", {identity::Role::safety_officer}).has_value();
      });
}

TEST(Faults, ARecordThatIsSaidNotToBeMadeIsNotMade) {
  each_fault(
      "thing", "created", [](World&) { return 0; },
      [](World& world, int) {
        return world.installation.ledger()
            .create(kActor, *registers().find("thing"), "f1", {{{"name", "A"}}, ""})
            .has_value();
      });
}

}  // namespace
}  // namespace mamori::fault
