#include <gtest/gtest.h>

#include "base/crypto.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "base/texts.h"
#include "base/yaml.h"

namespace mamori {
namespace {

TEST(Fold, MakesWidthCaseAndKanaEqual) {
  EXPECT_EQ(fold("ﾊﾟｿｺﾝ ＰＣ－００１"), fold("ぱそこん pc-001"));
  EXPECT_EQ(fold("ルーター"), fold("るーたー"));
  EXPECT_EQ(fold_heading("管理番号（※）"), fold_heading("管理 番号"));
}

TEST(Decode, ReadsUtf8WithAndWithoutMarkAndCp932) {
  const auto cp932 = encode_cp932("種別,管理番号①〜\r\n");
  ASSERT_FALSE(cp932);  // the wave dash U+301C is not in Windows-31J
  const auto bytes = encode_cp932("種別,髙橋①\r\n");
  ASSERT_TRUE(bytes);
  const auto text = decode_japanese(*bytes);
  ASSERT_TRUE(text);
  EXPECT_EQ(text->text, "種別,髙橋①\r\n");
  EXPECT_EQ(text->encoding, Encoding::cp932);
  EXPECT_EQ(decode_japanese("\xEF\xBB\xBFあ")->text, "あ");
  const auto broken = decode_japanese("ok\nab\xFF\xFF");
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, "base.text.encoding");
  EXPECT_EQ(broken.error().facts[0].second, "2");
}

TEST(Crypto, SealedSecretsOpenOnlyWithTheirKey) {
  crypto_ready();
  const Sealer sealer(Secret(std::string(Sealer::kKey, 'a'))), other(Secret(std::string(Sealer::kKey, 'b')));
  const auto sealed = sealer.seal(Secret("合言葉"));
  EXPECT_EQ(sealer.open(sealed)->reveal(), "合言葉");
  EXPECT_FALSE(other.open(sealed));
  EXPECT_FALSE(sealer.open("x"));
}

TEST(Crypto, ASignatureFitsOneMessageAndOneKey) {
  crypto_ready();
  const SigningKey key(Secret(std::string(SigningKey::kSeed, 'a'))),
      other(Secret(std::string(SigningKey::kSeed, 'b')));
  const auto signature = key.sign("a");
  EXPECT_TRUE(verify_signature("a", signature, key.public_key()));
  EXPECT_FALSE(verify_signature("b", signature, key.public_key()));
  EXPECT_FALSE(verify_signature("a", signature, other.public_key()));
}

TEST(Json, RefusesDeepNestingAndTrailingText) {
  EXPECT_FALSE(parse_json(std::string(5000, '[')));
  EXPECT_FALSE(parse_json("{} x"));
  EXPECT_TRUE(parse_json(" {\"a\": [1, 2]} "));
}

TEST(Yaml, NamesFileAndLineOfAMistake) {
  const auto bad = Yaml::parse("a: 1\nb: [", "x.yaml");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().facts[0].second, "x.yaml");
  const auto unknown = Yaml::parse("a: 1\ntypo: 2\n", "x.yaml");
  const auto refused = unknown->only({"a"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().facts[1].second, "2");
}

TEST(Yaml, WhatIsReadAsWhatItIsNotIsNamed) {
  const auto said = [](std::string_view text, auto&& read) {
    const auto yaml = Yaml::parse(text, "x.yaml");
    EXPECT_TRUE(yaml) << describe(yaml.error());
    read(*yaml);
    const auto whole = yaml->all_read();
    return whole ? std::string() : whole.error().facts[1].second + " " + whole.error().facts[2].second;
  };
  using Y = const Yaml&;
  EXPECT_EQ(said("a: ture\n", [](Y y) { y["a"].boolean(false); }), "1 true or false expected: ture");
  EXPECT_EQ(said("\na: 1.5\n", [](Y y) { y["a"].integer(0); }), "2 a whole number expected: 1.5");
  EXPECT_EQ(said("a: 99999999999999999999\n", [](Y y) { y["a"].integer(0); }),
            "1 a whole number expected: 99999999999999999999");
  EXPECT_EQ(said("a: [1]\n", [](Y y) { y["a"].text(); }), "1 a text expected");
  EXPECT_EQ(said("a: {b: 1}\n", [](Y y) { y["a"].texts(); }), "1 a text or a list of them expected");
  EXPECT_EQ(said("a:\n  - x\n  - {b: 1}\n", [](Y y) { y["a"].texts(); }), "3 a text expected");
  EXPECT_EQ(said("a: x\n", [](Y y) { y["a"].items(); }), "1 a list expected: x");
  EXPECT_EQ(said("a: [x]\n", [](Y y) { y["a"].members(); }), "1 names with values expected");
  EXPECT_EQ(said("a: {b: {c: maybe}}\n", [](Y y) { y["a"]["b"]["c"].boolean(true); }),
            "1 true or false expected: maybe");
  EXPECT_EQ(said("a: yes\nb: 7\nc: [x]\n",
                 [](Y y) {
                   EXPECT_TRUE(y["a"].boolean(false));
                   EXPECT_EQ(y["b"].integer(0), 7);
                   EXPECT_EQ(y["b"].text(), "7");
                   EXPECT_EQ(y["c"].texts().size(), 1u);
                   EXPECT_EQ(y["d"].integer(3), 3);
                 }),
            "");
}

TEST(Yaml, AKeyThatStandsTwiceIsRefused) {
  const auto twice = Yaml::parse("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", "x.yaml");
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().facts[1].second, "5");
  EXPECT_EQ(twice.error().facts[2].second, "stands twice: c");
}

TEST(Fill, LeavesUnknownNamesAlone) { EXPECT_EQ(fill("{a} と {b}{", {{"a", "1"}}), "1 と {b}{"); }

TEST(Text, ATerminalIsGivenNothingThatItObeys) {
  EXPECT_EQ(for_terminal("診療録\topen\x1b]0;owned\x07\x1b[2J"), "診療録\topen\\x1b]0;owned\\x07\\x1b[2J");
  EXPECT_EQ(for_terminal("a\r\nb\x7f"), "a\\r\\nb\\x7f");
  EXPECT_EQ(for_terminal("x\u009b31m"), "x\\xc2\\x9b31m") << "an escape of one character";
  EXPECT_EQ(for_terminal("\xe2\x80\xaegnp.exe"), "\\u202egnp.exe");
  EXPECT_EQ(for_terminal("\x9b\xff"), "\\x9b\\xff") << "no UTF-8";
  EXPECT_EQ(for_terminal("〜😀"), "〜😀");
}

TEST(Text, KanaIsRomanisedAsPeopleWriteIt) {
  EXPECT_EQ(romanised("みなと総合病院"), (std::vector<std::string>{"minato"}));
  EXPECT_EQ(romanised("こうべクリニック"), (std::vector<std::string>{"koubekurinikku", "kobekurinikku"}));
  EXPECT_EQ(romanised("市立病院"), (std::vector<std::string>{}));
}

}  // namespace
}  // namespace mamori
