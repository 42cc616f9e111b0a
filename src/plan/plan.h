// What a merge will do, computed from headers alone: a printable value. It touches no tensor data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "architecture/architecture.h"
#include "base/json.h"
#include "base/tensor_info.h"
#include "checkpoint/hub_cache.h"
#include "checkpoint/shards.h"
#include "method/descriptor.h"
#include "recipe/recipe.h"
#include "source/source.h"

namespace merganser {

class LoraSource;

struct PlanOptions {
  std::uint64_t max_shard = 5'000'000'000;  // bytes of data in a file
  std::string only;                         // glob on output names; "" = all
  bool allow_mixed_architectures = false;
  std::optional<std::uint64_t> seed;  // overrides the recipe's
};

struct Plan;

struct PlanModel {
  ModelRef ref;
  // Of a checkpoint: as found. Of a document: its name.
  std::filesystem::path path;
  std::optional<HubSnapshot> hub;  // where the path is in the hub's cache
  std::optional<HubSnapshot> adapter_hub;
  std::shared_ptr<const FileSource> file;  // of a checkpoint: its weights and config
  // Of a checkpoint: what is merged; `file`, a task of it, or `file` with an adapter.
  std::shared_ptr<const Source> source;
  std::vector<std::shared_ptr<const FileSource>> also_read;  // for a task or an adapter
  std::shared_ptr<const LoraSource> adapted;                 // `source`, where it has an adapter
  std::filesystem::path adapter_path;                        // its folder, as found
  std::shared_ptr<const Json> adapted_config;  // where the adapter changes what `file` has
  std::vector<std::string> notes;              // of opening it
  // Of a document of the recipe: its merge, whose output is computed as it is read.
  std::shared_ptr<const Plan> document;
  std::vector<TensorInfo> document_headers;
  Architecture architecture;
  std::string prefix_removed, prefix_added;  // bridge from its names to the reference model's
  std::vector<std::string> names;            // of its tensors, in the reference model's naming
  std::vector<bool> used;  // of its tensors: some job reads it, or names it at weight 0

  const std::vector<TensorInfo>& headers() const;  // sorted by name; the types that are stored
  DType dtype(std::size_t tensor) const;           // what reading it delivers
  std::uint64_t bytes_to_read(std::size_t tensor) const;  // from files for one reading, at most
  const Json* config() const;                             // null where there is none
  bool single_file() const;
};

struct PlanInput {
  std::size_t model = 0;   // index in Plan::models
  std::size_t tensor = 0;  // index in that source's headers
};

struct PlanJob {
  enum class Action {
    merge,     // through the method
    copy,      // `inputs[0]`, bit for bit or converted to the output's dtype
    integers,  // not floats: equal ones are copied, else the recipe's rule
    make,      // from `inputs` and `base` before anything is written: read from Plan::made
  };

  TensorInfo output;
  TensorPlace place;
  Action action = Action::merge;
  std::optional<PlanInput> base;
  std::vector<PlanInput>
      inputs;         // those that are read, the base not counted where it is the origin
  Settings settings;  // of these inputs
  // Each input's place among the listed models, the base and nothing else left out: keys random
  // streams, so that a weight of 0 or a listed base does not move the others' masks.
  std::vector<std::size_t> numbers;
  std::vector<PlanInput> unread;  // weight exactly 0
  unsigned sweeps = 1;
  bool whole_model = false;
  Unit unit = Unit::element;
  std::uint64_t workspace = 0;  // of the method, beside the blocks
  bool f64 = false;             // working type
  // The merged change from the base is multiplied by it (LiNeS); then `base` is set.
  double change_scale = 1;
  bool identity = false;  // what is merged is inputs[0] itself: a copy whose change is scaled
  std::vector<std::size_t> masks;  // of methods with task masks: one of Plan::masks an input
  std::size_t made = 0;            // of Action::make: index in the headers of Plan::made
  std::string note;

  MergeTensor merge_tensor() const;  // what the method is told
};

std::string_view name_of(PlanJob::Action action);  // "merge", "copy", "integers", "make"

// One model of a task-switched output.
struct Task {
  std::string name;
  std::size_t model = 0;
};

struct LeftOut {
  std::size_t model = 0;
  std::string tensor, reason;
};

struct Plan {
  Recipe recipe;
  PlanOptions options;
  const Descriptor* method = nullptr;
  std::vector<PlanModel> models;  // in order of first appearance in the recipe
  std::size_t reference = 0;      // whose naming, config and other files the output takes
  std::vector<PlanJob> jobs;      // sorted by output name
  std::vector<LeftOut> left_out;
  std::vector<std::string> warnings;
  std::vector<std::string> notes;      // bridged prefixes, ties, rules applied
  std::shared_ptr<const Json> config;  // of the output; null where the reference has none
  bool single_file = false;            // single files in, a .safetensors file out
  ShardPlan shards;
  std::vector<Task> tasks;        // of methods with task masks
  std::vector<TensorInfo> masks;  // "TASK/TENSOR", bits packed into bytes; sorted by name
  ShardPlan mask_shards;
  std::uint64_t bytes_written = 0;  // weights and masks
  // Of methods that make tensors of another kind (smile): what they are read from while they are
  // written; null until they are made.
  std::shared_ptr<const Source> made;
  std::vector<std::pair<std::string, std::string>> files;  // beside the weights: name, text

  std::vector<TensorInfo> outputs() const;
  // What reading an input delivers; its header has the type that it is stored in.
  DType dtype(const PlanInput& input) const { return models[input.model].dtype(input.tensor); }
  // The checkpoint whose config and other files the output takes: the reference, or, where that is
  // a document, that document's.
  const PlanModel& origin() const;
  // Every checkpoint that is read, once: those of the documents included.
  std::vector<const PlanModel*> checkpoints() const;
  // The documents that it needs, once each, in the recipe's order.
  std::vector<const Plan*> documents() const;
};

// The method of a recipe, or Error: also for the documents that it needs.
using FindMethod = std::function<const Descriptor&(const Recipe&)>;

// Opens every model's headers and decides everything. Relative paths of models are looked up in the
// working folder first (as MergeKit does), then beside the recipe. Throws Error.
Plan make_plan(Recipe recipe, const FindMethod& method, const PlanOptions& options);
Plan make_plan(Recipe recipe, const Descriptor& method, const PlanOptions& options);

// Bytes that a run reads from checkpoints: a document's tensor counts once where it can be held,
// else for each pass over it; `hashed` adds the reading for hashes of what documents take.
std::uint64_t bytes_to_read(const Plan& plan, std::uint64_t held_bytes, bool hashed);
std::uint64_t bytes_to_read(const Plan& plan, std::size_t job, std::uint64_t held_bytes);

}  // namespace merganser
