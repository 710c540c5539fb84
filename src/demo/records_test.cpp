#include "demo/records.h"

#include <gtest/gtest.h>

namespace mamori::demo {
namespace {

const std::filesystem::path kSource = MAMORI_SOURCE_DIR;

class Records : public ::testing::Test {
 protected:
  Result<std::vector<json::object>> read(const std::string& name, const std::string& text) {
    return read_records(*Yaml::parse(text, "some.yaml"), *registers_.find(name),
                        *parse_instant("2026-11-21T03:00:00Z"),
                        [](const ledger::Field&, const std::string& called) -> Result<std::string> {
                          if (called == "みらい") return std::string("id-of-mirai");
                          return Error{ErrorKind::invalid, "ledger.field.ref"};
                        });
  }

  const ledger::Registers registers_ = *ledger::Registers::load(kSource / "data/registers");
};

TEST_F(Records, DatesFollowTodayAndSharedFieldsYieldToTheRecordsOwn) {
  const auto read_back = read("review",
                              "register: review\n"
                              "same: {done_by: 室長, done_on: today-20d}\n"
                              "records:\n"
                              "  - {kind: logs}\n"
                              "  - {kind: news, done_on: today}\n"
                              "  - {kind: news, done_on: 2026-04-01, done_by: 主任}\n");
  ASSERT_TRUE(read_back) << describe(read_back.error());
  ASSERT_EQ(read_back->size(), 3U);
  EXPECT_EQ(text_of((*read_back)[0], "done_on"), "2026-11-01");
  EXPECT_EQ(text_of((*read_back)[1], "done_on"), "2026-11-21");
  EXPECT_EQ(text_of((*read_back)[2], "done_on"), "2026-04-01");
  EXPECT_EQ(text_of((*read_back)[1], "done_by"), "室長");
  EXPECT_EQ(text_of((*read_back)[2], "done_by"), "主任");
}

TEST_F(Records, ReferencesAreByName) {
  const auto contacts =
      read("contact", "register: contact\nrecords:\n  - {kind: vendor, organisation: 甲, vendor: みらい}\n");
  ASSERT_TRUE(contacts) << describe(contacts.error());
  EXPECT_EQ(text_of(contacts->at(0), "vendor"), "id-of-mirai");
}

TEST_F(Records, WhatIsUnknownOrMalformedIsRefusedWithItsPlace) {
  struct Case {
    const char *record, *reason;
  };
  for (const auto& [record, reason] :
       {Case{"{kind: vendor, organisation: 甲, colour: red}", "colour"},
        Case{"{kind: vendor, organisation: 甲, vendor: 誰か}", "vendor"},
        Case{"{kind: nonsense, organisation: 甲}", "kind"},
        Case{"{kind: vendor, organisation: 甲, confirmed_on: today-5}", "today-5 "},
        Case{"{kind: vendor, organisation: 甲, confirmed_on: today-d}", "today-d "},
        Case{"{kind: vendor, organisation: 甲, confirmed_on: yesterday}", "yesterday"},
        Case{"{kind: vendor, organisation: 甲, confirmed_on: today--5d}", "today--5d"},
        Case{"{kind: vendor, organisation: 甲, confirmed_on: today-99999999999d}", "no date"},
        Case{"text", "fields with their values"}}) {
    SCOPED_TRACE(record);
    const auto contacts =
        read("contact", "register: contact\nrecords:\n  - {kind: police, organisation: 乙}\n  - " +
                            std::string(record) + "\n");
    ASSERT_FALSE(contacts);
    EXPECT_EQ(contacts.error().code, "base.yaml.bad");
    const auto sentence = describe(contacts.error());
    EXPECT_NE(sentence.find("some.yaml"), std::string::npos) << sentence;
    EXPECT_NE(sentence.find("4"), std::string::npos) << sentence;
    EXPECT_NE(sentence.find(reason), std::string::npos) << sentence;
  }
  EXPECT_FALSE(read("contact", "register: contact\nrecord: []\n"));
  EXPECT_FALSE(read("contact", "register: contact\nrecords: []\n"));
  EXPECT_FALSE(read("segment", "register: segment\nrecords:\n  - {name: 甲, separated: ture}\n"));
}

}  // namespace
}  // namespace mamori::demo
