// A task file: which data a model is measured on, how, and with which head. docs/tasks.md has the
// form. It knows nothing of what runs models, so that the parser is tested and fuzzed without it.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace merganser::rt {

enum class TaskKind {
  classification,      // inputs with a label each; logits [B, C]
  language_modelling,  // text cut into windows, each token predicted from those before it
};

enum class Metric { accuracy, loss, perplexity };

enum class Pooling {
  model,  // the checkpoint's own head does it
  mean,   // of the tokens' vectors
  first,  // the first token's ([CLS])
  last,   // the last token's, of decoders
};

struct SplitFile {
  std::filesystem::path file;         // .safetensors, or images in MNIST's IDX form (also .gz)
  std::filesystem::path labels_file;  // of IDX images
  std::string inputs, mask, labels;   // tensors of a .safetensors file; mask may be ""
  std::optional<std::array<std::uint64_t, 2>> rows;  // [first, last); none: all
};

struct Task {
  std::string name;
  std::filesystem::path file;  // for errors; "" for one made in memory
  TaskKind kind = TaskKind::classification;
  Metric metric = Metric::accuracy;
  std::map<std::string, SplitFile> splits;  // "train", "validation", "test"
  std::filesystem::path head;               // .safetensors with weight [C, D], bias [C]; or ""
  Pooling pooling = Pooling::model;
  bool normalise = false;     // pooled vectors to unit length before the head
  std::int64_t length = 128;  // of language modelling: tokens predicted in a window
  std::int64_t windows = 0;   // the first so many of a split; 0: all
  // Of images: (pixel / 255 - offset) / scale.
  double offset = 0, scale = 1;
};

// Relative paths are beside the task's file. Throws Error(recipe) with line and column.
Task parse_task(const std::string& text, const std::filesystem::path& file);
Task read_task(const std::filesystem::path& file);
// Throws Error(usage) for no files, and for two tasks of one name.
std::vector<Task> read_tasks(std::span<const std::string> files);

// Error(usage) where the task has none of that name.
const SplitFile& split_of(const Task& task, const std::string& split);

const char* name_of(Metric metric);
// Losses and perplexities: the smaller the better.
bool smaller_is_better(Metric metric);

}  // namespace merganser::rt
