// Whatever the bytes, the parser gives a Recipe or an Error, and a Recipe survives its own text.
#include <random>

#include "recipe/format.h"
#include "recipe/parse.h"
#include "recipe/recipe_testing.h"

namespace merganser {
namespace {

const std::vector<std::string>& seeds() {
  static const std::vector<std::string> texts = {
      "merge_method: slerp\nbase_model: a\nslices:\n  - sources:\n      - model: a\n"
      "        layer_range: [0, 40]\n      - model: b\n        layer_range: [0, 40]\n"
      "parameters:\n  t:\n    - filter: self_attn\n      value: [0, 0.5, 1]\n    - value: 0.5\n"
      "dtype: float16\n",
      "merge_method: ties\nmodels:\n  - model: {model: {path: \"x@y\"}, lora: l}\n    parameters: "
      "&p {density: [1, 1e-5], weight: {blocks: {0-7: 0.2, embed: 0}}}\n  - model: c@r+l\n"
      "    parameters:\n      <<: *p\n      weight: {value: 1, filter: {regex: 'a+'}}\n"
      "base_model: c\nseed: 3\nintegers: first\nheads: {keep_from: c}\n",
      "merge_method: linear\nmodules:\n  text:\n    models: [{model: a}]\n    parameters: {w: "
      "yes}\n"
      "  vision:\n    slices: [{sources: [{model: b}], residual_weight: 1}]\n"
      "chat_template: |\n  {% for m in messages %}\n  x\ntokenizer: {source: base}\n"};
  return texts;
}

const std::vector<std::string>& words() {
  static const std::vector<std::string> all = {
      "[",      "]",      "{",     "}",     ": ",     ", ",     "- ",    "\n",    "\n  ",
      "\t",     "&a ",    "*a",    "<<: ",  "!!str ", "? ",     "'",     "\"",    "|",
      ">-",     "#",      "---\n", "...\n", "%",      "~",      ".inf",  "1e999", "value",
      "filter", "blocks", "glob",  "regex", "models", "slices", "model", "\xff",  "\xc3\xa9",
      "\\x41",  "\r",     "@",     "+",     "0-3"};
  return all;
}

void check(const std::string& text) {
  std::string canonical;
  try {
    canonical = to_yaml(testing::parse(text));
  } catch (const Error&) {
    return;
  }
  try {
    EXPECT_EQ(to_yaml(testing::parse(canonical)), canonical) << text;
  } catch (const Error& error) {
    ADD_FAILURE() << error.what() << "\n" << text << "\n----\n" << canonical;
  }
}

TEST(RandomText, MutatedRecipes) {
  std::mt19937 random(20260211);
  const auto below = [&](std::size_t n) { return random() % n; };
  std::size_t accepted = 0;
  for (int round = 0; round < 6000; ++round) {
    std::string text = seeds()[below(seeds().size())];
    for (std::size_t n = 1 + below(4); n > 0; --n) {
      const std::size_t at = below(text.size() + 1);
      switch (below(5)) {
        case 0:
          text.insert(at, words()[below(words().size())]);
          break;
        case 1:
          text.erase(at, below(8));
          break;
        case 2:
          text.insert(at, 1, static_cast<char>(below(256)));
          break;
        case 3:
          text.insert(at, text.substr(below(text.size() + 1), below(40)));
          break;
        default:
          text.resize(at);
      }
    }
    check(text);
    try {
      testing::parse(text);
      ++accepted;
    } catch (const Error&) {
    }
  }
  EXPECT_GT(accepted, 100u);  // else the mutations are too wild to test anything
}

TEST(RandomText, WordSalad) {
  std::mt19937 random(7);
  for (int round = 0; round < 4000; ++round) {
    std::string text;
    for (std::size_t n = random() % 30; n > 0; --n) text += words()[random() % words().size()];
    check(text);
  }
}

TEST(RandomText, Bytes) {
  std::mt19937 random(11);
  for (int round = 0; round < 4000; ++round) {
    std::string text(random() % 60, '\0');
    const unsigned range = round % 2 ? 256 : 128;
    for (char& c : text) c = static_cast<char>(random() % range);
    check(text);
  }
}

}  // namespace
}  // namespace merganser
