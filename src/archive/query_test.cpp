// What of a text can be found, and the question language.
#include "archive/query.h"

#include <fnmatch.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "archive/samples_test.h"
#include "base/text.h"

namespace mamori::archive {
namespace {

TEST(Words, FoldWidthCaseAndKana) {
  EXPECT_EQ(searchable("ABC ｱｲｳ アイウ ００１"), "abc あいう あいう 001");
  EXPECT_EQ(searchable("\x83\x4A\x83\x8B\x83\x65"), "かるて");
  EXPECT_EQ(searchable("\xA5\xAB\xA5\xEB\xA5\xC6"), "かるて");
  EXPECT_EQ(hash_word("Failed"), hash_word("fAILED"));
  EXPECT_NE(hash_word("failed"), hash_word("failer"));
}

bool stands_in(std::string_view query, std::string_view text) {
  const auto parsed = parse_query(query);
  EXPECT_TRUE(parsed) << query << " " << describe(parsed.error());
  return parsed && parsed->kind == Query::Kind::term && parsed->term.in(searchable(text));
}

TEST(Queries, FindWordsPhrasesStarsAndJapanese) {
  const auto texts = samples();
  EXPECT_TRUE(stands_in("failed", texts[0]));
  EXPECT_TRUE(stands_in("FAILED", texts[0]));
  EXPECT_FALSE(stands_in("fail", texts[0])) << "words are whole";
  EXPECT_TRUE(stands_in("fail*", texts[0]));
  EXPECT_TRUE(stands_in("*ssword", texts[0]));
  EXPECT_TRUE(stands_in("pass*ord", texts[0]));
  EXPECT_FALSE(stands_in("failed*password", texts[0])) << "a star stays within a word";
  EXPECT_TRUE(stands_in("\"failed password\"", texts[0]));
  EXPECT_FALSE(stands_in("\"failed root\"", texts[0]));
  EXPECT_TRUE(stands_in("192.168.1.5", texts[0]));
  EXPECT_FALSE(stands_in("192.168.1.7", texts[1])) << "not the beginning of .77";
  EXPECT_FALSE(stands_in("168.1.77", texts[1])) << "joined words stand alone";
  EXPECT_TRUE(stands_in("192.168.*", texts[1]));
  EXPECT_TRUE(stands_in("\"168.1.77\"", texts[1]));
  EXPECT_TRUE(stands_in("カルテ", texts[3]));
  EXPECT_TRUE(stands_in("かるて", texts[7])) << "CP932";
  EXPECT_TRUE(stands_in("ｶﾙﾃ", texts[8])) << "EUC-JP";
  EXPECT_TRUE(stands_in("田中", texts[3]));
  EXPECT_TRUE(stands_in("001234", texts[3])) << "full width digits";
  EXPECT_TRUE(stands_in("54849625-5478-4994-A5BA-3E3B0328C30D", texts[10]));
  EXPECT_TRUE(stands_in("EventID:4625", "<Event><EventID>4625</EventID></Event>"));
  EXPECT_FALSE(stands_in("EventID:462", "<Event><EventID>4625</EventID></Event>"));
  EXPECT_TRUE(stands_in("TargetUserName:s10001", "<Data Name=\"TargetUserName\">S10001</Data>"));
  EXPECT_TRUE(stands_in("code:\"a b\"", "{\"code\": \"a b\"}"));
}

TEST(Queries, StarsFindWhatMatchesAWholeWordAndNothingElse) {
  std::mt19937 random(7);
  const auto letters = [&](std::size_t most, const char* of) {
    std::string out;
    for (std::size_t i = 1 + random() % most; i > 0; --i) out += of[random() % std::strlen(of)];
    return out;
  };
  for (int i = 0; i < 20'000; ++i) {
    const auto pattern = letters(6, "ab*");
    if (pattern.find('*') == pattern.npos || pattern.find_first_not_of('*') == pattern.npos) continue;
    std::string text;
    bool expected = false;
    for (std::size_t words = 1 + random() % 4; words > 0; --words) {
      const auto word = letters(9, "abb");
      expected = expected || ::fnmatch(pattern.c_str(), word.c_str(), 0) == 0;
      text += (text.empty() ? "" : " ") + word;
    }
    EXPECT_EQ(stands_in(pattern, text), expected) << pattern << " in " << text;
  }
}

// Would take hours if each start were tried to the end.
TEST(Queries, ALongLineOfAStrangersMakesNoSearchEndless) {
  const std::string line(1u << 20, 'a');
  for (const auto* query : {"*a*a*b", "a*b", "a*a*a*a*b", "*b", "\"*a*a*b\"", "\"aaa*b\""})
    EXPECT_FALSE(stands_in(query, line)) << query;
  EXPECT_TRUE(stands_in("a*a*b", line + "b"));
  EXPECT_TRUE(stands_in("*a*b", line + "b"));
}

TEST(Queries, BadOnesNameThePlace) {
  for (const auto& [text, reason] :
       std::vector<std::pair<std::string, std::string>>{{"(a", "archive.query.open"},
                                                        {"a)", "archive.query.close"},
                                                        {"\"a", "archive.query.quote"},
                                                        {"a AND", "archive.query.missing"},
                                                        {"OR a", "archive.query.missing"},
                                                        {"NOT", "archive.query.missing"},
                                                        {std::string(3000, 'a'), "archive.query.long"},
                                                        {std::string(40, '('), "archive.query.deep"},
                                                        {"\xff\xfe", "archive.query.encoding"}}) {
    SCOPED_TRACE(text);
    const auto parsed = parse_query(text);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code, "archive.query.bad");
    EXPECT_EQ(parsed.error().facts[1].second, reason);
  }
  EXPECT_EQ(parse_query("a (b OR").error().facts[0].second, "8");
}

}  // namespace
}  // namespace mamori::archive
