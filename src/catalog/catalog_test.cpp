#include "catalog/catalog.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "os/file.h"

namespace mamori::catalog {
namespace {

const std::string kControl = R"(control: a.b
title: {ja: あ, en: A}
requirement: [GOV-01]
about: asset
subjects: SELECT id, label FROM asset
violations: SELECT id, label FROM asset WHERE maker IS NULL
next_step: {ja: い, en: B}
link: ledgers/asset
)";
const std::string kFramework = R"(framework: f
title: {ja: う, en: C}
items:
  - item: "1"
    text: {ja: え, en: D}
    controls: [a.b]
)";

// A folder as the catalogue reads it, of one control and one framework.
class CatalogFiles : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto* name : {"controls", "frameworks", "today"})
      std::filesystem::create_directory(folder_.path() / name);
  }
  Result<Catalog> load(const std::string& control, const std::string& framework,
                       const std::string& today = "") {
    EXPECT_TRUE(os::write_file(folder_.path() / "controls/c.yaml", control));
    EXPECT_TRUE(os::write_file(folder_.path() / "frameworks/f.yaml", framework));
    if (!today.empty()) {
      EXPECT_TRUE(os::write_file(folder_.path() / "today/t.yaml", today));
    }
    return Catalog::load(folder_.path());
  }
  // "file:line reason" of what is wrong.
  std::string wrong(const std::string& control, const std::string& framework, const std::string& today = "") {
    const auto loaded = load(control, framework, today);
    if (loaded) return "";
    const auto& facts = loaded.error().facts;
    if (facts.size() < 3) return describe(loaded.error());
    return std::filesystem::path(facts[0].second).filename().string() + ":" + facts[1].second + " " +
           facts[2].second;
  }
  static std::string with(std::string text, std::string_view old, std::string_view now) {
    const auto at = text.find(old);
    EXPECT_NE(at, text.npos) << old;
    return text.replace(at, old.size(), now);
  }
  TemporaryFolder folder_;
};

TEST_F(CatalogFiles, ReadsWhatStandsThere) {
  const auto catalog =
      load(kControl + "applies: {beds: 20, kinds: [hospital], vendor: true}\nwhen_empty: met\ntoday: first\n",
           kFramework, "line: x\nurgency: 5\nquestion: SELECT 1\nlink: l\n");
  ASSERT_TRUE(catalog) << describe(catalog.error());
  const auto* control = catalog->find_control("a.b");
  ASSERT_TRUE(control);
  EXPECT_EQ(control->applies.least_beds, 20);
  EXPECT_TRUE(control->applies.needs_vendor);
  EXPECT_TRUE(control->applies.needs_system);
  EXPECT_EQ(control->when_empty, WhenEmpty::met);
  EXPECT_EQ(control->today, Today::first);
  const auto* framework = catalog->find_framework("f");
  ASSERT_TRUE(framework && framework->find("1"));
  EXPECT_FALSE(framework->find("2"));
  EXPECT_EQ(catalog->today_lines().at(0).urgency, 5);
  EXPECT_FALSE(catalog->find_control("a.c"));
}

TEST_F(CatalogFiles, EveryMistakeIsNamedWithFileAndLine) {
  EXPECT_EQ(wrong(kControl + "colour: red\n", kFramework), "c.yaml:9 unknown key: colour");
  EXPECT_EQ(wrong(with(kControl, "title: {ja: あ, en: A}", "title: {ja: あ}"), kFramework),
            "c.yaml:1 title needs ja and en");
  EXPECT_EQ(wrong(with(kControl, "about: asset\n", ""), kFramework), "c.yaml:1 missing: about");
  EXPECT_EQ(
      wrong(with(kControl, "violations: SELECT id, label FROM asset WHERE maker IS NULL\n", ""), kFramework),
      "c.yaml:1 violations or at_least is needed");
  EXPECT_EQ(wrong(kControl + "today: sometimes\n", kFramework), "c.yaml:9 as_item, always or first");
  EXPECT_EQ(wrong(kControl + "when_empty: perhaps\n", kFramework), "c.yaml:9 unknown: perhaps");
  EXPECT_EQ(wrong(kControl + "evidence: {from: [observed_host], fresh_for: 3 days}\n", kFramework),
            "c.yaml:9 not an ISO 8601 duration: 3 days");
  EXPECT_EQ(wrong(kControl + "at_least: some\n", kFramework), "c.yaml:9 a whole number expected: some");
  EXPECT_EQ(wrong(kControl + "applies: {beds: many}\n", kFramework),
            "c.yaml:9 a whole number expected: many");
  EXPECT_EQ(wrong(kControl + "applies: {vendor: ture}\n", kFramework),
            "c.yaml:9 true or false expected: ture");
  EXPECT_EQ(wrong(kControl, with(kFramework, "[a.b]", "[a.c]")),
            "f.yaml:1 item 1 names an unknown control: a.c");
  EXPECT_EQ(wrong(kControl, kFramework + "  - item: \"1\"\n    text: {ja: え, en: D}\n    controls: [a.b]\n"),
            "f.yaml:7 item stands twice: 1");
  EXPECT_EQ(wrong(kControl, with(kFramework, "    controls: [a.b]\n", "")),
            "f.yaml:4 an item without controls needs a hint that says what would answer it");
  EXPECT_EQ(wrong(kControl, kFramework, "line: x\nurgency: high\nquestion: SELECT 1\nlink: l\n"),
            "t.yaml:2 a whole number expected: high");
}

TEST_F(CatalogFiles, ALevelHasARank) {
  const auto levels = [](std::string_view name) {
    return with(kFramework, "    controls: [a.b]\n",
                fmt::format("    levels:\n      {}: {{ja: お, en: E, controls: [a.b]}}\n", name));
  };
  for (const auto* name : {"basic", "lv", "lv0", "lv1x", "-1", "lv99999999999"})
    EXPECT_EQ(wrong(kControl, levels(name)), fmt::format("f.yaml:7 a level is lv1, lv2 …: {}", name));
  const auto catalog = load(kControl, levels("lv2"));
  ASSERT_TRUE(catalog) << describe(catalog.error());
  EXPECT_EQ(catalog->find_framework("f")->items[0].levels.at(0).number, 2);
}

TEST(Catalog, TheOneThatIsShippedIsWhole) {
  const auto catalog = Catalog::load(std::filesystem::path(MAMORI_SOURCE_DIR) / "data");
  ASSERT_TRUE(catalog) << describe(catalog.error());
  for (const auto& framework : catalog->frameworks()) {
    EXPECT_FALSE(framework.items.empty()) << framework.id;
    for (const auto& item : framework.items)
      for (std::size_t i = 1; i < item.levels.size(); ++i)
        EXPECT_LT(item.levels[i - 1].number, item.levels[i].number) << framework.id << " " << item.id;
  }
}

}  // namespace
}  // namespace mamori::catalog
