#include "api/shape.h"

#include <gtest/gtest.h>

#include "api/routes.h"

namespace mamori::api {
namespace {

using namespace shape;

std::string wrong(const Shape& shape, std::string_view text) {
  std::string out;
  for (const auto& problem : check(shape, json::parse(text))) {
    out += (out.empty() ? "" : ", ") + problem.field + " " + problem.code.substr(9);
    for (const auto& [name, value] : problem.facts)
      if (name != "field") out += " " + value;
  }
  return out;
}

TEST(Shape, MembersAreThoseAndNoOthers) {
  const auto shape = object({{"name", text()}}, {{"age", integer()}});
  EXPECT_EQ(wrong(shape, R"({"name":"x"})"), "");
  EXPECT_EQ(wrong(shape, R"({"name":"x","age":3})"), "");
  EXPECT_EQ(wrong(shape, R"({"age":3})"), "name missing");
  EXPECT_EQ(wrong(shape, R"({"name":"x","agе":3})"), "agе unknown");
  EXPECT_EQ(wrong(shape, R"([])"), " type object");
  EXPECT_EQ(wrong(object({}), R"({"x":1})"), "x unknown");
}

TEST(Shape, TypesAreWhatTheyAre) {
  EXPECT_EQ(wrong(integer(), "1"), "");
  EXPECT_EQ(wrong(integer(), "1.0"), " type integer");
  EXPECT_EQ(wrong(integer(), "\"1\""), " type integer");
  EXPECT_EQ(wrong(number(), "1"), "");
  EXPECT_EQ(wrong(number(), "1.5"), "");
  EXPECT_EQ(wrong(boolean(), "1"), " type boolean");
  EXPECT_EQ(wrong(text(), "null"), " type string");
  EXPECT_EQ(wrong(nullable(text()), "null"), "");
  EXPECT_EQ(wrong(nullable(one_of({"a"})), "null"), "");
  EXPECT_EQ(wrong(value(), "[1]"), " type string, number, boolean, null");
  EXPECT_EQ(wrong(any(), "[1]"), "");
  EXPECT_EQ(wrong(integer(), "18446744073709551615"), "");
}

TEST(Shape, LimitsAreNamed) {
  EXPECT_EQ(wrong(text(3), "\"日本語\""), "") << "characters, not bytes";
  EXPECT_EQ(wrong(text(3), "\"日本語だ\""), " long 3");
  EXPECT_EQ(wrong(integer(1, 5), "5"), "");
  EXPECT_EQ(wrong(integer(1, 5), "6"), " range 1 5");
  EXPECT_EQ(wrong(one_of({"a", "b"}), "\"c\""), " choice a, b");
}

TEST(Shape, PlacesAreNamed) {
  const auto shape = object({{"items", list(object({{"id", text()}}))}, {"by", map(list(integer()))}});
  EXPECT_EQ(wrong(shape, R"({"items":[{"id":"1"},{"id":2}],"by":{"a":[1],"b":[1,"x"]}})"),
            "items.1.id type string, by.b.1 type integer");
}

TEST(Shape, AnswersWithEndlessMistakesEnd) {
  std::string many = "[";
  for (int i = 0; i < 5000; ++i) many += i == 0 ? "1" : ",1";
  EXPECT_EQ(check(list(text()), json::parse(many + "]")).size(), 50u);
}

// What the document shows is what the checks take.
TEST(Shape, ExamplesFit) {
  for (const auto& route : routes()) {
    SCOPED_TRACE(route.path);
    EXPECT_TRUE(check(route.contract.body, example_of(route.contract.body)).empty());
    if (route.contract.answer) {
      EXPECT_TRUE(check(*route.contract.answer, example_of(*route.contract.answer)).empty());
    }
  }
}

TEST(Contract, EveryRouteSaysWhatItGives) {
  for (const auto& route : routes()) {
    const auto& contract = route.contract;
    if (route.caller == Caller::sender) continue;  // as the protocols of senders have it
    EXPECT_TRUE(contract.answer || !contract.media.empty() || contract.status == 204)
        << http::name_of(route.method) << " " << route.path;
    EXPECT_FALSE(route.summary.empty()) << route.path;
  }
}

TEST(Contract, TheDocumentRefersToNothingThatIsNotThere) {
  const auto document = openapi("1");
  const auto text = json::serialize(document);
  const auto& schemas = document.at("components").at("schemas").as_object();
  constexpr std::string_view kReference = "\"#/components/schemas/";
  std::size_t found = 0;
  for (auto at = text.find(kReference); at != text.npos; at = text.find(kReference, at + 1), ++found) {
    const auto from = at + kReference.size();
    EXPECT_TRUE(schemas.contains(text.substr(from, text.find('"', from) - from)));
  }
  EXPECT_GT(found, 50u);
}

}  // namespace
}  // namespace mamori::api
