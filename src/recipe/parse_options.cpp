// The recipe's options: types, tokenizer, chat template, seed, and the rules for odd tensors.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "recipe/parse.h"
#include "recipe/parse_parts.h"

namespace merganser {
namespace {

using yaml::Node;

constexpr std::string_view kNeedsVocabulary =
    "needs a vocabulary change, which this version does not do yet";

const std::vector<std::string>& chat_template_names() {
  static const std::vector<std::string> names = {"auto",   "alpaca", "chatml",
                                                 "exaone", "llama3", "mistral"};
  return names;
}

DType parse_dtype(const Node& node, std::string_view key, const std::string& file) {
  static const std::vector<std::string> known = {"float32", "float16", "bfloat16", "float64"};
  const std::string& text = yaml::text_of(node, key, file);
  const std::optional<DType> dtype = from_torch_name(text);
  if (dtype == DType::i64) {
    throw Error(ErrorKind::unsupported,
                fmt::format("{} int64 would round every weight to a whole number", key))
        .in_file(file)
        .at(node.mark.line, node.mark.column)
        .hint("use float32, float16, bfloat16 or float64");
  }
  if (!dtype || std::find(known.begin(), known.end(), torch_name(*dtype)) == known.end()) {
    yaml::fail(file, node.mark, fmt::format("{} {} is not a type to merge in", key, describe(node)),
               suggestion(text, known));
  }
  return *dtype;
}

[[noreturn]] void refuse_tokenizer(const std::string& what, Mark mark, const std::string& file) {
  throw Error(ErrorKind::unsupported, fmt::format("{} {}", what, kNeedsVocabulary))
      .in_file(file)
      .at(mark.line, mark.column)
      .hint("use 'tokenizer_source: base', or leave it out where all models have one vocabulary");
}

// Accepted where it changes nothing: the base's tokenizer, by that word or by the base's own name.
void check_tokenizer_source(const Node& node, std::string_view key, const Recipe& recipe) {
  if (node.kind == Node::Kind::scalar && node.text == "base") return;
  if (node.kind == Node::Kind::scalar && node.text == "union") {
    refuse_tokenizer(fmt::format("{} 'union'", key), node.mark, recipe.file);
  }
  const ModelRef source = parse_model_node(node, recipe.file);
  if (recipe.base_model && source.same_as(*recipe.base_model)) return;
  refuse_tokenizer(fmt::format("{} '{}'", key, source.to_string()), node.mark, recipe.file);
}

void check_tokenizer(const yaml::Map& recipe_map, const Recipe& recipe) {
  const Node* source = recipe_map.find("tokenizer_source");
  const Node* tokenizer = recipe_map.find("tokenizer");
  if (source && tokenizer) {
    yaml::fail(recipe.file, recipe_map.mark_of("tokenizer"),
               fmt::format("'tokenizer' and 'tokenizer_source' (line {}) exclude each other",
                           recipe_map.mark_of("tokenizer_source").line),
               "keep one of them");
  }
  if (source) check_tokenizer_source(*source, "tokenizer_source", recipe);
  if (!tokenizer) return;
  const yaml::Map map(*tokenizer, "'tokenizer'", {"source", "tokens", "pad_to_multiple_of"},
                      recipe.file);
  const Node* inner = map.find("source");
  if (!inner) {
    refuse_tokenizer("a tokenizer without a source means 'union', which", tokenizer->mark,
                     recipe.file);
  }
  check_tokenizer_source(*inner, "tokenizer source", recipe);
  const Node* tokens = map.find("tokens");
  if (tokens && !(tokens->kind == Node::Kind::mapping && tokens->entries.empty())) {
    refuse_tokenizer("'tokens'", map.mark_of("tokens"), recipe.file);
  }
  if (map.find("pad_to_multiple_of")) {
    refuse_tokenizer("'pad_to_multiple_of'", map.mark_of("pad_to_multiple_of"), recipe.file);
  }
}

std::string parse_chat_template(const Node& node, const std::string& file) {
  const std::string& text = yaml::text_of(node, "chat_template", file);
  const auto& names = chat_template_names();
  if (std::find(names.begin(), names.end(), text) != names.end()) return text;
  if (text.size() >= 20 && text.find('{') != std::string::npos) return text;
  yaml::fail(file, node.mark,
             fmt::format("chat_template {} is neither a known name nor a Jinja template (20 "
                         "characters or more, with a '{{')",
                         yaml::quoted(text)),
             suggestion(text, names));
}

IntegerRule parse_integers(const Node& node, const std::string& file) {
  static const std::vector<std::string> rules = {"error", "first", "base"};
  const std::string& text = yaml::text_of(node, "integers", file);
  if (text == "error") return IntegerRule::error;
  if (text == "first") return IntegerRule::first;
  if (text == "base") return IntegerRule::base;
  yaml::fail(file, node.mark, fmt::format("'integers' has no rule {}", yaml::quoted(text)),
             suggestion(text, rules));
}

HeadRule parse_heads(const Node& node, const std::string& file) {
  static const std::vector<std::string> rules = {"error", "drop", "keep_from"};
  if (node.kind == Node::Kind::mapping) {
    const yaml::Map map(node, "'heads'", {"keep_from"}, file);
    return {HeadRule::Kind::keep_from, parse_model_node(map.require("keep_from"), file)};
  }
  const std::string& text = yaml::text_of(node, "heads", file);
  if (text == "error") return {};
  if (text == "drop") return {HeadRule::Kind::drop, std::nullopt};
  if (text == "keep_from") {
    yaml::fail(file, node.mark, "'keep_from' names no model", "write heads: {keep_from: MODEL}");
  }
  yaml::fail(file, node.mark, fmt::format("'heads' has no rule {}", yaml::quoted(text)),
             suggestion(text, rules));
}

LayerScaling parse_lines(const Node& node, const Recipe& recipe) {
  const yaml::Map map(node, "'lines'", {"alpha", "beta"}, recipe.file);
  LayerScaling scaling;
  scaling.mark = node.mark;
  scaling.alpha = yaml::number_of(map.require("alpha"), "alpha", recipe.file);
  scaling.beta = yaml::number_of(map.require("beta"), "beta", recipe.file);
  if (!recipe.base_model) {
    yaml::fail(recipe.file, node.mark, "'lines' scales the change from a base_model; there is none",
               "add 'base_model: MODEL'");
  }
  return scaling;
}

}  // namespace

void parse_options(const yaml::Map& map, Recipe& recipe) {
  const std::string& file = recipe.file;
  if (const Node* node = map.find("dtype")) recipe.dtype = parse_dtype(*node, "dtype", file);
  if (const Node* node = map.find("out_dtype")) {
    recipe.out_dtype = parse_dtype(*node, "out_dtype", file);
  }
  check_tokenizer(map, recipe);
  if (const Node* node = map.find("chat_template")) {
    recipe.chat_template = parse_chat_template(*node, file);
  }
  if (const Node* node = map.find("seed")) recipe.seed = yaml::unsigned_of(*node, "seed", file);
  if (const Node* node = map.find("integers")) recipe.integers = parse_integers(*node, file);
  if (const Node* node = map.find("heads")) recipe.heads = parse_heads(*node, file);
  if (const Node* node = map.find("lines")) recipe.lines = parse_lines(*node, recipe);
}

}  // namespace merganser
