// What is merged with what: the lists under `models:` and `slices:`.
#include <fmt/format.h>

#include "recipe/parse_parts.h"
#include "recipe/scalar.h"

namespace merganser {
namespace {

using yaml::Node;

void refuse_bare_name(const Node& node, const std::string& file) {
  if (node.kind != Node::Kind::scalar) return;
  yaml::fail(file, node.mark,
             fmt::format("an entry must be a mapping, not the bare name {}", describe(node)),
             fmt::format("write '- model: {}'", node.text.substr(0, 80)));
}

std::array<std::size_t, 2> parse_layer_range(const Node& node, const std::string& file) {
  const auto& ends = yaml::items_of(node, "layer_range", file);
  if (ends.size() != 2) {
    yaml::fail(file, node.mark,
               fmt::format("layer_range has {} numbers; it is [first, end)", ends.size()),
               "[0, 8] means the layers 0 to 7");
  }
  const std::array<std::size_t, 2> range = {yaml::unsigned_of(*ends[0], "layer_range", file),
                                            yaml::unsigned_of(*ends[1], "layer_range", file)};
  if (range[0] >= range[1]) {
    yaml::fail(file, node.mark,
               fmt::format("layer_range [{}, {}] holds no layer", range[0], range[1]),
               "the second number is the end, one beyond the last layer");
  }
  return range;
}

RecipeSource parse_source(const yaml::Map& map) {
  RecipeSource source;
  source.mark = map.node().mark;
  source.model = parse_model_node(map.require("model"), map.file());
  if (const Node* parameters = map.find("parameters")) {
    source.parameters = parse_parameters(*parameters, map.file());
  }
  return source;
}

RecipeSlice parse_slice(const Node& node, const std::string& file) {
  if (node.kind == Node::Kind::mapping) {
    for (const yaml::Entry& entry : node.entries) {
      if (entry.key != "merge_method") continue;
      yaml::fail(file, entry.mark, "a slice has no merge_method of its own; the recipe's is used",
                 "merge the slices with different methods in separate recipes");
    }
  }
  const yaml::Map map(node, "a slice", {"sources", "base_model", "parameters", "residual_weight"},
                      file);
  RecipeSlice slice;
  slice.mark = node.mark;
  const Node& sources = map.require("sources");
  for (const yaml::NodePtr& item : yaml::items_of(sources, "'sources'", file)) {
    refuse_bare_name(*item, file);
    const yaml::Map entry(*item, "a source of a slice", {"model", "layer_range", "parameters"},
                          file);
    RecipeSource source = parse_source(entry);
    if (const Node* range = entry.find("layer_range")) {
      source.layers = parse_layer_range(*range, file);
    }
    slice.sources.push_back(std::move(source));
  }
  if (slice.sources.empty()) yaml::fail(file, sources.mark, "'sources' is empty");
  if (const Node* base = map.find("base_model")) slice.base_model = parse_model_node(*base, file);
  if (const Node* parameters = map.find("parameters")) {
    slice.parameters = parse_parameters(*parameters, file);
  }
  // MergeKit accepts it and never reads it.
  if (const Node* weight = map.find("residual_weight")) {
    if (!to_number(yaml::text_of(*weight, "residual_weight", file))) {
      yaml::fail(file, weight->mark,
                 fmt::format("residual_weight must be a number, not {}", describe(*weight)));
    }
  }
  return slice;
}

}  // namespace

std::vector<RecipeSource> parse_models(const Node& node, const std::string& file) {
  std::vector<RecipeSource> models;
  for (const yaml::NodePtr& item : yaml::items_of(node, "'models'", file)) {
    refuse_bare_name(*item, file);
    if (item->kind == Node::Kind::mapping) {
      for (const yaml::Entry& entry : item->entries) {
        if (entry.key != "layer_range") continue;
        yaml::fail(file, entry.mark, "'models' takes whole models, without a layer_range",
                   "for ranges of layers write 'slices' with 'sources'");
      }
    }
    models.push_back(
        parse_source(yaml::Map(*item, "an entry of 'models'", {"model", "parameters"}, file)));
  }
  if (models.empty()) yaml::fail(file, node.mark, "'models' is empty");
  return models;
}

std::vector<RecipeSlice> parse_slices(const Node& node, const std::string& file) {
  std::vector<RecipeSlice> slices;
  for (const yaml::NodePtr& item : yaml::items_of(node, "'slices'", file)) {
    slices.push_back(parse_slice(*item, file));
  }
  if (slices.empty()) yaml::fail(file, node.mark, "'slices' is empty");
  return slices;
}

}  // namespace merganser
