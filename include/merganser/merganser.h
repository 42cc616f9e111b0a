// The public C++ API: plan, merge, compare and describe checkpoints.
//
//   merganser::Request request;
//   request.recipe_file = "recipe.yml";
//   request.output = "merged";
//   merganser::Progress progress;                       // derive to watch; stop() to interrupt
//   merganser::MergeReport report = merganser::merge(request, progress);
//
// Every function throws merganser::Error for what a user or a file can cause. Reports are plain
// values; each has json(), one JSON document with the same content. Thread-safe: functions share no
// state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "merganser/error.h"
#include "merganser/progress.h"

#pragma GCC visibility push(default)
namespace merganser {

std::string version();      // "0.1.0"
std::string simd_target();  // instruction set in use: "AVX2"

// "256MiB", "5GB", "1000000": bytes. Throws Error(usage).
std::uint64_t parse_bytes(std::string_view text);

// What to merge: a recipe file, a recipe's text, or a method with models for the common cases.
struct Request {
  std::string recipe_file;
  std::string recipe_text;
  std::string recipe_place;  // of a recipe_text: models are also looked up beside this file

  std::string method;  // with `models`, and parameters as YAML: {"t", "0.5"}
  std::vector<std::string> models;
  std::string base_model;
  std::vector<std::pair<std::string, std::string>> parameters;
  std::string dtype;

  std::string output;  // folder, or file for single-file inputs
  // Bytes of private memory; 0: 256 MiB, or what a method needs that sees whole matrices.
  std::uint64_t memory = 0;
  unsigned threads = 0;                     // 0: one for each core
  unsigned blas_threads = 0;                // of methods on matrices; 0: as many as threads
  std::uint64_t max_shard = 5'000'000'000;  // bytes
  std::string only;                         // glob on output tensor names
  std::string hash = "xxh3";                // xxh3, sha256, none
  std::string non_finite = "error";         // error, warn, ignore: NaN and Inf
  std::optional<std::uint64_t> seed;        // overrides the recipe's
  bool force = false;                       // replace an existing output
  bool allow_mixed_architectures = false;
  bool sync = true;  // wait until the output is on the disk before it gets its name
  // Go on where a run of the same merge into this output was killed or interrupted; if this one is,
  // keep what it did. Error(mismatch) where the merge or its inputs are not the same any more.
  bool resume = false;
};

struct TensorReport {
  struct Input {
    std::string model, tensor;
    bool read = true;  // false: its weight is exactly 0
  };
  std::string name, dtype, role, place, action, note;
  std::vector<std::uint64_t> shape;
  std::optional<std::size_t> layer;
  std::vector<Input> inputs;  // the base first, where the method has one
  bool whole_model = false;   // its reductions span all tensors
  unsigned sweeps = 1;        // times its inputs are read
  std::vector<std::pair<std::string, std::string>> parameters;  // "weight[0]", "0.5"
  std::uint64_t bytes_read = 0, bytes_written = 0;
};

struct LeftOutReport {
  std::string model, tensor, reason;
};

struct PlanReport {
  std::string method, architecture, output;
  std::vector<std::string> models;
  // Other documents of the recipe, computed on the way: name and method, in their order.
  std::vector<std::pair<std::string, std::string>> documents;
  std::vector<TensorReport> tensors;
  std::vector<LeftOutReport> left_out;
  std::vector<std::string> warnings, notes;
  std::vector<std::string> files;       // weight files of the output
  std::vector<std::string> companions;  // other files it gets
  // bytes_written: all files of the output; tensor_bytes: its tensors alone.
  std::uint64_t bytes_read = 0, bytes_written = 0, tensor_bytes = 0;
  std::uint64_t scratch_bytes = 0;  // on the output's disk while it is made, at most
  std::uint64_t peak_memory = 0, chunk_elements = 0;
  std::optional<std::uint64_t> free_space;  // where the output goes; none without an output
  unsigned threads = 0;
  std::uint64_t seed = 0;

  std::string json() const;
};

struct MergeReport {
  std::string output, method, hash;
  std::size_t tensors = 0, left_out = 0, files = 0;
  std::uint64_t bytes_read = 0, bytes_written = 0;
  std::uint64_t non_finite_inputs = 0, non_finite_outputs = 0;  // elements
  // Made by an earlier, unfinished run: tensors; of a mixture layers whose experts were decomposed.
  std::size_t resumed_tensors = 0, resumed_layers = 0;
  double seconds = 0, sync_seconds = 0;
  unsigned threads = 0;
  bool installed = false;  // the output has its name
  std::vector<std::string> warnings, notes;

  std::string json() const;
};

// From headers alone; nothing is written.
PlanReport plan(const Request& request);
// The output appears under its name only when it is whole.
MergeReport merge(const Request& request, Progress& progress);

// The tasks of a task-switched output (methods emr and consensus).
struct TaskInfo {
  std::string name, model;
  double scale = 1;
};
std::vector<TaskInfo> tasks(const std::string& path);
// The text of a recipe that makes one task's checkpoint; `base`: where the base model is, "" = as
// recorded.
std::string task_recipe(const std::string& path, const std::string& task, const std::string& base);

// To make the output of a recorded merge again.
struct ReplayRequest {
  std::string provenance;    // the file, the folder or .safetensors file that it stands by
  std::string output;        // "": compute and compare only
  std::uint64_t memory = 0;  // as in Request
  unsigned threads = 0;
  bool force = false, sync = true;
};

struct ReplayDifference {
  std::string what, recorded, now;
};

struct ReplayReport {
  std::string provenance, output, recorded_version;
  std::string hash;  // kind; "none": outputs were not recorded and cannot be compared
  std::size_t tensors = 0;
  std::vector<ReplayDifference> differences;  // the output is then not installed
  MergeReport merge;
  bool same() const { return differences.empty(); }

  std::string json() const;
};
ReplayReport replay(const ReplayRequest& request, Progress& progress);

// To hold an output against its provenance, without the models that it was made from.
struct VerifyRequest {
  std::string output;    // a folder, a .safetensors file, or the provenance that stands by it
  unsigned threads = 0;  // 0: one for each core
};

struct VerifyReport {
  std::string output, provenance, recorded_version;
  std::string hash;  // kind; "none": only names, types and shapes were recorded
  std::size_t tensors = 0, compared = 0, files = 0;  // compared: tensors and masks by their hashes
  // What differs and how, sorted.
  std::vector<std::pair<std::string, std::string>> problems;
  bool whole() const { return problems.empty(); }

  std::string json() const;
};
VerifyReport verify(const VerifyRequest& request, Progress& progress);

struct ParameterInfo {
  std::string name, summary, type, scope, fallback, range;
  std::vector<std::string> choices;
};
struct MethodInfo {
  std::string name, title, summary, formula, paper, base, inputs;
  std::vector<ParameterInfo> parameters;
};
std::vector<MethodInfo> methods();
MethodInfo method(const std::string& name);
std::string to_json(const std::vector<MethodInfo>& methods);
std::string to_markdown(const std::vector<MethodInfo>& methods);

struct CheckpointReport {
  struct Tensor {
    std::string name, dtype, role, place, file;
    std::vector<std::uint64_t> shape;
    std::optional<std::size_t> layer;
    std::uint64_t bytes = 0;
  };
  struct Module {
    std::string name, prefix, layers_key;
    std::size_t layers = 0;
  };
  std::string path, family, architecture;
  bool inferred = false, single_file = false;
  std::vector<std::string> files, notes;
  std::vector<Module> modules;
  std::vector<std::pair<std::string, std::string>> tied;
  std::vector<std::pair<std::string, std::uint64_t>> dtypes;  // elements of each
  std::vector<Tensor> tensors;
  std::uint64_t elements = 0, bytes = 0;

  std::string json() const;
};
CheckpointReport inspect(const std::string& path);

struct DiffReport {
  struct Tensor {
    std::string name;
    std::string problem;  // "only in A", "shapes differ"; then the numbers are 0
    std::uint64_t elements = 0;
    bool identical = false;  // bit for bit, dtype included
    double cosine = 0;       // of the tensors; of the differences from the base where one is given
    double max_difference = 0, rms_difference = 0;
    double relative = 0;  // |a - b| / |a|
    std::uint64_t non_finite = 0;
  };
  std::string a, b, base;
  std::vector<Tensor> tensors;  // worst first: problems, then by relative difference
  std::size_t identical = 0;
  std::vector<std::string> notes;
  bool equal() const { return identical == tensors.size(); }

  std::string json() const;
};
DiffReport diff(const std::string& a, const std::string& b, const std::string& base,
                unsigned threads, Progress& progress);

}  // namespace merganser
#pragma GCC visibility pop
