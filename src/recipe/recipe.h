// A recipe as typed values: MergeKit 0.1.5's merge schema and merganser's additions, every key
// known, every setting with the place in the text it came from.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/dtype.h"
#include "recipe/setting.h"

namespace merganser {

struct Mark {
  std::size_t line = 0, column = 0;  // from 1; 0 = not from a text
};

// `path[@revision][+lora[@revision]]`, or the mapping form.
struct ModelRef {
  std::string path, revision;
  std::string lora_path, lora_revision;
  double lora_scale = 1;  // times the adapter's own
  std::string override_architecture;
  // One task of a task-switched output, and where that output's base is ("": as recorded).
  std::string task, task_base;
  Mark mark;

  // The compact form, with "*0.5" for an adapter's scale and "#task", which only the mapping has.
  std::string to_string() const;
  // Same model whatever the place in the text.
  bool same_as(const ModelRef& other) const;
};

using Parameters = std::map<std::string, Setting, std::less<>>;

struct RecipeSource {
  ModelRef model;
  std::optional<std::array<std::size_t, 2>> layers;  // [first, last); none: all
  Parameters parameters;
  Mark mark;
};

struct RecipeSlice {
  std::vector<RecipeSource> sources;
  std::optional<ModelRef> base_model;  // overrides the recipe's
  Parameters parameters;
  Mark mark;
};

struct RecipeModule {
  std::string name;                  // "" = all modules (the recipe's own models: or slices:)
  std::vector<RecipeSource> models;  // XOR slices
  std::vector<RecipeSlice> slices;
  Parameters parameters;
  Mark mark;
};

enum class IntegerRule { error, first, base };

struct HeadRule {  // tensors that only some inputs have
  enum class Kind { error, drop, keep_from } kind = Kind::error;
  std::optional<ModelRef> from;
};

// LiNeS: the merged task vector times alpha + beta l / (L - 1) in layer l of L.
struct LayerScaling {
  double alpha = 1, beta = 0;
  Mark mark;
};

struct Recipe {
  std::string name;  // of a document among several; "" = the final merge, or the only one
  Mark name_mark;
  std::string file;  // for errors; "" for one made in memory
  std::string text;  // verbatim
  std::string method;
  Mark method_mark;
  std::optional<ModelRef> base_model;
  std::vector<RecipeModule> modules;
  Parameters parameters;
  std::optional<DType> dtype, out_dtype;
  std::optional<std::string> chat_template;
  std::uint64_t seed = 0;
  IntegerRule integers = IntegerRule::error;
  HeadRule heads;
  std::optional<LayerScaling> lines;

  // Of the final merge: the documents whose outputs it needs, each after those that it needs.
  std::vector<std::shared_ptr<const Recipe>> documents;

  // The document whose output a model is; null for a checkpoint.
  const Recipe* document(const ModelRef& model) const;

  // Every model named, in order of first appearance, the base included.
  std::vector<ModelRef> referenced_models() const;
};

}  // namespace merganser
