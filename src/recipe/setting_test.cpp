#include "recipe/setting.h"

#include "recipe/recipe_testing.h"
#include "recipe/scalar.h"

namespace merganser {
namespace {

using testing::expect_error;

Setting setting(std::string_view yaml) {
  const std::string text =
      "merge_method: m\nmodels: [{model: a}]\nparameters: {p: " + std::string(yaml) + "}\n";
  return testing::parse(text).parameters.at("p");
}

Position at(double t, std::string_view name = "x") {
  Position position;
  position.name = name;
  position.t = t;
  return position;
}

double number(const Setting& s, const Position& position) {
  return std::get<double>(s.evaluate(position, ParameterType::number).value());
}

TEST(Setting, GradientFollowsMergeKitsFormula) {
  // values, t, expected
  const struct {
    const char* yaml;
    double t, expected;
  } rows[] = {
      {"0.3", 0.7, 0.3},
      {"[0.3]", 0, 0.3},
      {"[0.3]", 1, 0.3},
      {"[0, 1]", 0, 0},
      {"[0, 1]", 1, 1},
      {"[0, 1]", 0.25, 0.25},
      {"[0, 1, 0]", 0.5, 1},
      {"[0, 1, 0]", 0.75, 0.5},
      {"[0, 0.5, 0.3, 0.7, 1]", 0.25, 0.5},
      {"[0, 0.5, 0.3, 0.7, 1]", 0.375, 0.4},
      {"[1, -1]", 0.75, -0.5},
      {"[1e-5, 3e-5]", 0.5, 2e-5},
      {"[0, 1]", 7, 1},
      {"[0, 1]", -1, 0},
      {"['0.5', 1.5]", 0.5, 1},
      {"[false, true]", 0.5, 0.5},
  };
  for (const auto& row : rows) {
    EXPECT_DOUBLE_EQ(number(setting(row.yaml), at(row.t)), row.expected) << row.yaml << row.t;
  }
}

TEST(Setting, GradientHitsItsPointsExactly) {
  const Setting s = setting("[0.1, 0.7, 0.3]");
  EXPECT_EQ(number(s, at(0)), 0.1);
  EXPECT_EQ(number(s, at(0.5)), 0.7);
  EXPECT_EQ(number(s, at(1)), 0.3);
}

TEST(Setting, FlagsAndWordsAreStepped) {
  for (const char* yaml : {"[false, true]", "[0, 1]", "[no, yes]"}) {
    const Setting s = setting(yaml);
    for (const double t : {0.0, 0.5, 0.99}) {
      EXPECT_EQ(as_type(s.evaluate(at(t), ParameterType::flag).value(), ParameterType::flag),
                Value(false))
          << yaml << t;
    }
    EXPECT_EQ(as_type(s.evaluate(at(1), ParameterType::flag).value(), ParameterType::flag),
              Value(true));
  }
  const Setting words = setting("[mass, count, mass]");
  EXPECT_EQ(words.evaluate(at(0.5)), Value(std::string("count")));
  EXPECT_EQ(words.evaluate(at(0.49)), Value(std::string("mass")));
  EXPECT_EQ(setting("[true, false]").evaluate(at(1)), Value(false));
}

TEST(Setting, WithoutATypeNumbersAreInterpolated) {
  EXPECT_EQ(setting("[0, 1]").evaluate(at(0.5)), Value(0.5));
}

TEST(Setting, EmptyListIsUnset) {
  EXPECT_EQ(setting("[]").evaluate(at(0.5)), std::nullopt);
  EXPECT_EQ(setting("{value: [], filter: x}").evaluate(at(0.5)), std::nullopt);
}

TEST(Setting, FirstMatchIsFinal) {
  const Setting s = setting(
      "[{filter: self_attn, value: [0, 1]}, {filter: mlp, value: []}, {value: 0.5}, "
      "{filter: norm, value: 9}]");
  EXPECT_EQ(number(s, at(0.25, "model.layers.1.self_attn.q_proj.weight")), 0.25);
  EXPECT_EQ(s.evaluate(at(0, "model.layers.1.mlp.up_proj.weight")), std::nullopt);
  EXPECT_EQ(number(s, at(0, "model.norm.weight")), 0.5);
}

TEST(Setting, NoCaseMatches) {
  const Setting s = setting("{filter: mlp, value: 1}");
  EXPECT_EQ(s.match(at(0, "attn")), nullptr);
  EXPECT_EQ(s.evaluate(at(0, "attn")), std::nullopt);
  EXPECT_EQ(number(s, at(0, "a.mlp.b")), 1);
}

TEST(Setting, StarAndEmptyFilterMatchAll) {
  EXPECT_EQ(number(setting("{filter: '*', value: 1}"), at(0, "abc")), 1);
  EXPECT_EQ(number(setting("{filter: '', value: 1}"), at(0, "abc")), 1);
  EXPECT_EQ(number(setting("{filter: null, value: 1}"), at(0, "abc")), 1);
  // Only the whole star: MergeKit's filters are no globs.
  EXPECT_EQ(setting("{filter: 'a*', value: 1}").evaluate(at(0, "abc")), std::nullopt);
}

Value blocks_at(const Setting& s, std::optional<std::size_t> layer, std::string_view place) {
  Position position = at(0);
  position.layer = layer;
  position.place = place;
  return s.evaluate(position).value_or(Value(std::string("unset")));
}

TEST(Setting, Blocks) {
  const Setting s =
      setting("{blocks: {0-7: 0.2, 8-21: 0.8, 22: 1, embed: 0, head: 1, other: 0.5, default: 7}}");
  EXPECT_EQ(blocks_at(s, 0, ""), Value(0.2));
  EXPECT_EQ(blocks_at(s, 7, ""), Value(0.2));
  EXPECT_EQ(blocks_at(s, 8, ""), Value(0.8));
  EXPECT_EQ(blocks_at(s, 22, ""), Value(1.0));
  EXPECT_EQ(blocks_at(s, 23, ""), Value(7.0));
  EXPECT_EQ(blocks_at(s, std::nullopt, "embed"), Value(0.0));
  EXPECT_EQ(blocks_at(s, std::nullopt, "head"), Value(1.0));
  EXPECT_EQ(blocks_at(s, std::nullopt, "other"), Value(0.5));
  const Setting few = setting("{blocks: {0-1: 0.2}}");
  EXPECT_EQ(blocks_at(few, 2, ""), Value(std::string("unset")));
  EXPECT_EQ(blocks_at(few, std::nullopt, "embed"), Value(std::string("unset")));
}

TEST(Setting, BlocksBehindAFilter) {
  const Setting s = setting("[{filter: mlp, value: {blocks: {3: 0.25}}}, {value: 1}]");
  Position position = at(0, "layers.3.mlp");
  position.layer = 3;
  EXPECT_EQ(number(s, position), 0.25);
  position.name = "layers.3.attn";
  EXPECT_EQ(number(s, position), 1);
}

TEST(Setting, WordInAGradientOfNumbersIsAnError) {
  const Setting s = setting("[0.5, abc]");
  expect_error([&] { s.evaluate(at(0), ParameterType::number); }, ErrorKind::recipe, 3, 17,
               "'abc' is not a number");
}

TEST(Setting, Constant) { EXPECT_EQ(number(Setting::constant(0.5), at(0.3)), 0.5); }

TEST(Filter, Glob) {
  const Filter f = Filter::make(Filter::Kind::glob, "*.mlp.*_proj.*");
  EXPECT_TRUE(f.matches("layers.0.mlp.up_proj.weight"));
  EXPECT_FALSE(f.matches("layers.0.attn.q_proj.weight"));
}

TEST(Filter, RegexSearchesAnywhere) {
  const Filter f = Filter::make(Filter::Kind::regex, "\\.[qk]_proj\\.");
  EXPECT_TRUE(f.matches("layers.0.q_proj.weight"));
  EXPECT_FALSE(f.matches("layers.0.v_proj.weight"));
  EXPECT_TRUE(Filter::make(Filter::Kind::regex, "^lm_head").matches("lm_head.weight"));
  EXPECT_FALSE(Filter::make(Filter::Kind::regex, "^head").matches("lm_head.weight"));
  EXPECT_TRUE(Filter::make(Filter::Kind::regex, "layers\\.(1[0-9]|2)\\.").matches("layers.13.x"));
  Filter by_hand;
  by_hand.kind = Filter::Kind::regex;
  by_hand.pattern = "a+b";
  EXPECT_TRUE(by_hand.matches("xaab"));
}

TEST(Filter, HostileRegexEnds) {
  const std::string name(300, 'a');  // exponential time would never end
  EXPECT_FALSE(Filter::make(Filter::Kind::regex, "(a+)+$b").matches(name));
  EXPECT_FALSE(Filter::make(Filter::Kind::regex, "(a|a)*b").matches(name));
  EXPECT_TRUE(Filter::make(Filter::Kind::regex, "(a*)*").matches(name));
}

TEST(Filter, Limits) {
  const auto regex = [](std::string pattern) {
    return [pattern] { Filter::make(Filter::Kind::regex, pattern); };
  };
  expect_error(regex(std::string(1001, 'a')), ErrorKind::recipe, 0, 0, "limit is 1000");
  expect_error(regex("a(b"), ErrorKind::recipe, 0, 0, "'a(b' is not a regular expression");
  expect_error(regex("(a)\\1"), ErrorKind::recipe, 0, 0, "back-references");
  expect_error(regex("((((a{99}){99}){99}){99})"), ErrorKind::recipe, 0, 0,
               "not a regular expression");
  expect_error([] { Filter::make(Filter::Kind::regex, "a").matches(std::string(4097, 'a')); },
               ErrorKind::unsupported, 0, 0, "too long");
}

}  // namespace
}  // namespace merganser
