#include "demo/hospital.h"

#include <gtest/gtest.h>

#include "archive/embedded/archive.h"
#include "base/yaml.h"
#include "os/file.h"
#include "os/keys.h"
#include "testing/clock.h"
#include "testing/postgres.h"

namespace mamori::demo {
namespace {

const std::filesystem::path kSource = MAMORI_SOURCE_DIR;

class OnBothEngines : public ::testing::TestWithParam<store::Engine> {};
INSTANTIATE_TEST_SUITE_P(Engines, OnBothEngines,
                         ::testing::Values(store::Engine::sqlite, store::Engine::postgresql),
                         [](const auto& chosen) {
                           return chosen.param == store::Engine::sqlite ? "SQLite" : "PostgreSQL";
                         });

TEST_P(OnBothEngines, ExactlyThePlantedDefectsAreFound) {
  crypto_ready();
  testing::ManualClock clock{*parse_instant("2026-11-21T03:00:00Z")};
  testing::FreshDatabase database{GetParam(), clock};
  const TemporaryFolder folder;
  const auto registers = *ledger::Registers::load(kSource / "data/registers");
  const auto ledger = *ledger::Ledger::open(*database, registers);
  const auto catalog = *catalog::Catalog::load(kSource / "data");
  const auto texts = *Texts::load(kSource / "data/texts");
  const auto assessor = *assess::Assessor::open(*ledger, catalog, texts);
  const auto sealer = *os::open_or_make_sealer(folder.path() / "seal");
  const os::Blobs blobs(folder.path() / "blobs");
  const auto jobs = *jobs::Jobs::open(*database);
  const auto sources = *readers::Sources::open(*ledger, sealer, blobs, *jobs, kSource / "data/readers", {});
  const auto users = *identity::Users::open(*database, sealer);
  const auto key = *os::open_or_make_signing_key(folder.path() / "key");
  const auto archive = *archive::EmbeddedArchive::open(folder.path() / "archive", key, clock);
  const auto logs = *logs::Logs::open(*ledger, *archive);
  const auto hospital =
      make_hospital({*ledger, *sources, *assessor, *users, *logs, kSource / "data/demo/records"}, 20260401);
  ASSERT_TRUE(hospital) << describe(hospital.error());

  const auto count = [&](const char* reg) {
    return ledger
        ->list(**ledger->find_register(reg),
               {.scope = store::Scope::door(hospital->facility), .sort = "label", .limit = 1})
        ->total;
  };
  EXPECT_EQ(count("asset"), 1195);
  EXPECT_EQ(count("person"), 662);
  EXPECT_EQ(count("vendor"), 25);

  std::map<std::string, std::pair<std::string, long long>> expected, found;  // control → verdict, violations
  const auto defects = *Yaml::load(kSource / "data/demo/defects.yaml");
  for (const auto& [control, defect] : defects["controls"].members())
    expected[control] = {defect["verdict"].text("gap"), defect["records"].integer(0)};
  const auto results = *assessor->controls().all(hospital->facility);
  for (const auto& [id, result] : *results)
    if (result.verdict != assess::Verdict::met && result.verdict != assess::Verdict::not_applicable)
      found[id] = {std::string(assess::name_of(result.verdict)), static_cast<long long>(result.violations)};
  EXPECT_EQ(found, expected);

  std::map<std::string, std::string> contradictions, expected_contradictions;
  const auto checklist = *assessor->frameworks().state(hospital->facility, "mhlw-facility-r7");
  for (const auto& item : checklist.items)
    if (item.contradiction != assess::Contradiction::none)
      contradictions[item.item->id] = std::string(assess::name_of(item.contradiction));
  for (const auto& [item, kind] : defects["contradictions"].members())
    expected_contradictions[item] = kind.text();
  EXPECT_EQ(contradictions, expected_contradictions);
}

}  // namespace
}  // namespace mamori::demo
