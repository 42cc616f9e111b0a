// Each refusal of the parser: kind, exact place, and the words a person needs.
#include <fmt/format.h>

#include "recipe/parse.h"
#include "recipe/recipe_testing.h"
#include "recipe/yaml_tree.h"

namespace merganser {
namespace {

using testing::expect_error;

struct Case {
  std::string text;
  std::size_t line, column;
  const char* part;
  ErrorKind kind = ErrorKind::recipe;
};

void check(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text.substr(0, 200));
    expect_error([&] { testing::parse(c.text); }, c.kind, c.line, c.column, c.part);
  }
}

const std::string kModels = "merge_method: x\nmodels: [{model: a}]\n";  // two lines

TEST(ParseErrors, WholeText) {
  check({
      {"", 0, 0, "r.yml: the recipe is empty"},
      {"# only a comment\n", 0, 0, "empty"},
      {"---\n", 0, 0, "empty"},
      {"~", 0, 0, "empty"},
      {"- a\n- b\n", 1, 1, "mapping of keys to values, not a list"},
      {"hello", 1, 1, "not 'hello'"},
      {"models: [{model: a}]\n", 1, 1, "the recipe needs 'merge_method'"},
      {"merge_method:\nmodels: [{model: a}]\n", 1, 1, "'merge_method' in the recipe has no value"},
      {"merge_method: [a]\nmodels: [{model: a}]\n", 1, 15, "merge_method must be text"},
      {"merge_method: ''\nmodels: [{model: a}]\n", 1, 15, "empty"},
      {"merge_method: x\n", 1, 1, "names no models"},
      {kModels + "slices: []\n", 3, 1, "'slices' and 'models' (line 2) exclude each other"},
      {kModels + "modules: {}\n", 3, 1, "'modules' and 'models' (line 2)"},
      {kModels + std::string(yaml::kMaxText, '#'), 0, 0, "too many for a recipe"},
  });
}

TEST(ParseErrors, Syntax) {
  check({
      {"merge_method: x\nmodels: [a\n", 3, 1, "this is not YAML"},
      {"merge_method: x: y\n", 1, 16, "this is not YAML: illegal map value"},
      {"a: 1\n\tb: 2\n", 2, 1, "tab"},
      {"a: \"abc\n", 2, 1, "a quotation mark is opened and never closed"},
      {"a: 'abc", 1, 8, "never closed"},
      {"a: 'abc\n  ", 3, 1, "never closed"},
      {"a: [\"abc\n\n", 3, 1, "never closed"},
      {"a: *nope\n", 1, 4, "this is not YAML"},
      {"a: b\nc: 'x\x01'\n", 2, 6, "control character 0x01"},
      {std::string("a: b\0c", 6), 1, 5, "control character 0x00"},
      {"a: b\nk: \xff\n", 2, 4, "byte 0xff is not UTF-8"},
      {"k: \xc0\x80", 1, 4, "UTF-8"},
      {"k: \xed\xa0\x80", 1, 4, "UTF-8"},
      {"k: \xf4\x90\x80\x80", 1, 4, "UTF-8"},
      {"k: \xe4\xb8", 1, 4, "UTF-8"},
      {kModels + "]\n", 3, 1, "this is not YAML"},
      {"{merge_method: x}\nmore: 1\n", 2, 1, "text after the end"},
      {kModels + "---\nmerge_method: y\n", 4, 1, "names no models"},
      {kModels + "seed: !!python/object 1\n", 3, 7, "YAML tag"},
      {kModels + "parameters: !mine {a: 1}\n", 3, 13, "YAML tag"},
  });
}

TEST(ParseErrors, Keys) {
  check({
      {"merge_methd: x\n", 1, 1,
       "unknown key 'merge_methd' in the recipe; did you mean 'merge_method'?"},
      {kModels + "qqqqqqqqqqqqqq: 1\n", 3, 1, "known here: merge_method, models"},
      {"merge_method: x\nmodels:\n- model: a\n  paramters: {}\n", 4, 3,
       "did you mean 'parameters'?"},
      {"merge_method: x\nmodels:\n- model: a\n  layer_range: [0, 1]\n", 4, 3, "write 'slices'"},
      {"merge_method: x\nslices:\n- sources:\n  - {model: a, layers: [0, 1]}\n", 4, 16,
       "unknown key 'layers' in a source of a slice"},
      {"merge_method: x\nslices:\n- merge_method: y\n  sources: []\n", 3, 3,
       "no merge_method of its own"},
      {kModels + "merge_method: y\n", 3, 1,
       "key 'merge_method' stands twice in one mapping, first on line 1"},
      {kModels + "parameters:\n  t: 1\n  t: 2\n", 5, 3, "first on line 4"},
      {kModels + "parameters: {t: {value: 1, value: 2}}\n", 3, 28, "key 'value' stands twice"},
      {kModels + "[a]: b\n", 3, 1, "a key must be a word, not a list"},
      {kModels + "? \n: b\n", 4, 1, "a key must be a word, not nothing"},
      {kModels + std::string(257, 'k') + ": 1\n", 3, 1, "limit is 256"},
      {kModels + "<<: 5\n", 3, 5, "merge key << takes mappings"},
  });
}

TEST(ParseErrors, Models) {
  const std::string head = "merge_method: x\n";
  check({
      {head + "models: a\n", 2, 9, "'models' must be a list, not 'a'"},
      {head + "models: []\n", 2, 9, "empty"},
      {head + "models: [a]\n", 2, 10, "write '- model: a'"},
      {head + "models: [{}]\n", 2, 10, "an entry of 'models' needs 'model'"},
      {head + "models: [{model: }]\n", 2, 11, "has no value"},
      {head + "models: [{model: a@b@c}]\n", 2, 18, "more than one '@'"},
      {head + "models: [{model: a+b+c}]\n", 2, 18, "more than one '+'"},
      {head + "models: [{model: ''}]\n", 2, 18, "empty path"},
      {head + "models: [{model: [a]}]\n", 2, 18, "not a list"},
      {head + "models: [{model: {path: a}}]\n", 2, 19, "one level too high"},
      {head + "models: [{model: {model: {pth: a}}}]\n", 2, 27, "did you mean 'path'?"},
      {head + "models: [{model: {lora: a}}]\n", 2, 18, "needs 'model'"},
      {head + "models: [{model: {model: {path: a, scale: 1}}}]\n", 2, 36, "unknown key 'scale'"},
      {head + "models: [{model: {model: a, lora: {path: l, scale: .inf}}}]\n", 2, 52,
       "must be a number"},
      {head + "models: [{model: {model: a, lora: l, task: t}}]\n", 2, 44, "takes no adapter"},
      {head + "models: [{model: a, parameters: 3}]\n", 2, 33, "'parameters' must be a mapping"},
      {head + "slices: [a]\n", 2, 10, "a slice must be a mapping"},
      {head + "slices: [{sources: []}]\n", 2, 20, "'sources' is empty"},
      {head + "slices: []\n", 2, 9, "empty"},
      {head + "slices: [{sources: [{model: a, layer_range: 3}]}]\n", 2, 45, "must be a list"},
      {head + "slices: [{sources: [{model: a, layer_range: [3]}]}]\n", 2, 45, "has 1 numbers"},
      {head + "slices: [{sources: [{model: a, layer_range: [0, -1]}]}]\n", 2, 49, "whole number"},
      {head + "slices: [{sources: [{model: a, layer_range: [4, 2]}]}]\n", 2, 45, "holds no layer"},
      {head + "slices: [{sources: [{model: a, layer_range: [2, 2]}]}]\n", 2, 45, "holds no layer"},
      {head + "slices: [{sources: [{model: a}], residual_weight: b}]\n", 2, 51, "must be a number"},
      {head + "modules: [a]\n", 2, 10, "must map module names"},
      {head + "modules: {}\n", 2, 10, "not nothing"},
      {head + "modules: {m: {}}\n", 2, 11, "neither 'models' nor 'slices'"},
      {head + "modules: {m: {models: [{model: a}], slices: [a]}}\n", 2, 11,
       "both 'models' and 'slices'"},
      {head + "modules: {m: {base_model: a}}\n", 2, 15, "unknown key 'base_model' in module 'm'"},
  });
}

TEST(ParseErrors, Options) {
  check({
      {kModels + "dtype: bfloat61\n", 3, 8, "did you mean 'bfloat16'?"},
      {kModels + "dtype: int64\n", 3, 8, "int64 would round", ErrorKind::unsupported},
      {kModels + "out_dtype: torch.int64\n", 3, 12, "out_dtype int64", ErrorKind::unsupported},
      {kModels + "dtype: float8_e5m2\n", 3, 8, "is not a type to merge in"},
      {kModels + "tokenizer_source: union\n", 3, 19,
       "needs a vocabulary change, which this version does not do yet", ErrorKind::unsupported},
      {kModels + "tokenizer_source: other/model\n", 3, 19, "'other/model' needs a vocabulary",
       ErrorKind::unsupported},
      {kModels + "tokenizer: {}\n", 3, 12, "means 'union'", ErrorKind::unsupported},
      {kModels + "tokenizer: {source: base, tokens: {a: {source: b}}}\n", 3, 27,
       "'tokens' needs a vocabulary", ErrorKind::unsupported},
      {kModels + "tokenizer: {source: base, pad_to_multiple_of: 8}\n", 3, 27,
       "'pad_to_multiple_of' needs", ErrorKind::unsupported},
      {kModels + "tokenizer: {sorce: base}\n", 3, 13, "did you mean 'source'?"},
      {kModels + "tokenizer: {source: base}\ntokenizer_source: base\n", 3, 1, "exclude each other"},
      {kModels + "chat_template: chatlm\n", 3, 16, "did you mean 'chatml'?"},
      {kModels + "chat_template: \"{}\"\n", 3, 16, "neither a known name nor a Jinja template"},
      {kModels + "seed: -1\n", 3, 7, "0 to 2^64-1, not '-1'"},
      {kModels + "seed: 18446744073709551616\n", 3, 7, "0 to 2^64-1"},
      {kModels + "seed: 1.5\n", 3, 7, "whole number"},
      {kModels + "integers: frist\n", 3, 11, "did you mean 'first'?"},
      {kModels + "heads: keep\n", 3, 8, "has no rule 'keep'"},
      {kModels + "heads: keep_from\n", 3, 8, "names no model"},
      {kModels + "heads: {keep_form: a}\n", 3, 9, "did you mean 'keep_from'?"},
  });
}

TEST(ParseErrors, Settings) {
  const std::string head = kModels + "parameters:\n";
  check({
      {head + "  t:\n", 4, 3, "parameter 't' has no value"},
      {head + "  t: .inf\n", 4, 6, "finite number, not '.inf'"},
      {head + "  t: [0, -.nan]\n", 4, 10, "finite number"},
      {head + "  t: 1e999\n", 4, 6, "finite number"},
      {head + "  t: [0, [1]]\n", 4, 10, "must be a number, a flag or a word, not a list"},
      {head + "  t: [0, ~]\n", 4, 10, "not nothing"},
      {head + "  t: [0, {value: 1}]\n", 4, 10, "mixes plain values and mappings"},
      {head + "  t: [{value: 1}, 0]\n", 4, 19, "mixes plain values and mappings"},
      {head + "  t: {filter: a}\n", 4, 6, "parameter 't' needs 'value'"},
      {head + "  t: {value: }\n", 4, 7, "has no value"},
      {head + "  t: {valu: 1}\n", 4, 7, "did you mean 'value'?"},
      {head + "  t: {value: {value: 1}}\n", 4, 15, "unknown key 'value'"},
      {head + "  t: {value: 1, filter: [a]}\n", 4, 25, "must be text"},
      {head + "  t: {value: 1, filter: {globb: a}}\n", 4, 26, "did you mean 'glob'?"},
      {head + "  t: {value: 1, filter: {glob: a, regex: b}}\n", 4, 25, "either a glob or a regex"},
      {head + "  t: {value: 1, filter: {regex: \"a(\"}}\n", 4, 33, "not a regular expression"},
      {head + "  t: {blocks: 3}\n", 4, 15, "'blocks' of parameter 't' must be a mapping"},
      {head + "  t: {blocks: {0-7: 1, 7-9: 2}}\n", 4, 24, "layers '7-9' overlap '0-7' of line 4"},
      {head + "  t: {blocks: {7-9: 1, 0-7: 2}}\n", 4, 24, "layers '0-7' overlap '7-9' of line 4"},
      {head + "  t: {blocks: {0-9: 1, 4: 2}}\n", 4, 24, "overlap"},
      {head + "  t: {blocks: {9-4: 1}}\n", 4, 16, "reversed; write 4-9"},
      {head + "  t: {blocks: {embd: 1}}\n", 4, 16, "did you mean 'embed'?"},
      {head + "  t: {blocks: {1-2-3: 1}}\n", 4, 16, "neither a layer"},
      {head + "  t: {blocks: {-1: 1}}\n", 4, 16, "neither a layer"},
      {head + "  t: {blocks: {99999999999: 1}}\n", 4, 16, "neither a layer"},
      {head + "  t: {blocks: {0: [1, 2]}}\n", 4, 19, "not a list"},
      {head + "  t: {blocks: {0: 1}, value: 3}\n", 4, 23, "unknown key 'value'"},
  });
}

TEST(ParseErrors, Bombs) {
  // Deeper than the library's stack would bear.
  for (const char* bracket : {"[", "{a: ", "- ", "? ", "[? ", "{? [", "!a [", "&a [", "a:\n "}) {
    std::string nested = "x: ";
    while (nested.size() < yaml::kMaxText - 8) nested += bracket;
    try {
      testing::parse(nested);
      ADD_FAILURE() << bracket;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::recipe) << bracket;
    }
  }
  const std::string deep = std::string(70, '[') + std::string(70, ']');
  expect_error([&] { testing::parse(kModels + "parameters: " + deep); }, ErrorKind::recipe, 3, 76,
               "nested deeper than 64 levels");

  // Ten billion laughs.
  std::string laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 10; ++i) {
    laughs += fmt::format(
        "a{0}: &a{0} [*a{1},*a{1},*a{1},*a{1},*a{1},*a{1},*a{1},*a{1},*a{1},*a{1}]\n", i, i - 1);
  }
  expect_error([&] { testing::parse(laughs); }, ErrorKind::recipe, 5, 38,
               "more than 100000 values");

  // Depth by aliases.
  std::string chain = "a0: &a0 [x]\n";
  for (int i = 1; i < 70; ++i) chain += fmt::format("a{0}: &a{0} [*a{1}]\n", i, i - 1);
  expect_error([&] { testing::parse(chain); }, ErrorKind::recipe, 64, 12, "nested deeper");

  expect_error([&] { testing::parse("a: &a [*a]\n"); }, ErrorKind::recipe, 1, 8, "own anchor");
  expect_error([&] { testing::parse("a: &a {b: *a}\n"); }, ErrorKind::recipe, 1, 11, "own anchor");

  std::string many = kModels + "parameters: [";
  for (int i = 0; i < 100001; ++i) many += "1,";
  expect_error([&] { testing::parse(many + "]"); }, ErrorKind::recipe, 3, 199994,
               "more than 100000 values");
}

}  // namespace
}  // namespace merganser
