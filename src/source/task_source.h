// One task of a task-switched output (EMR, TALL masks) as a checkpoint:
//   base + scale * mask * (unified - base)
// computed as it is read and rounded once to the unified checkpoint's types. Tensors without a mask
// are the unified ones.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "source/source.h"

namespace merganser {

// The two files of a task-switched output beside its weights.
inline constexpr const char* kTaskMaskFile = "task_masks.safetensors";
inline constexpr const char* kTaskFile = "task_masks.json";

struct TaskList {
  std::string base, masks;  // where the base is, and the masks' file name
  struct Task {
    std::string name, model;
    double scale = 1;
  };
  std::vector<Task> tasks;
};

// The task_masks.json of an output folder. Throws Error.
TaskList read_tasks(const std::filesystem::path& folder);
// The same of the file's text. `name` is for errors.
TaskList parse_tasks(std::string_view text, const std::string& name);

class TaskSource final : public Source {
 public:
  // `unified`: an output folder with task_masks.json. `base_path`: where the base is; "": what the
  // file says, from the working folder or from beside `unified`. Throws Error for a task that is
  // not there, and for files that do not fit each other.
  static std::shared_ptr<const TaskSource> open(std::shared_ptr<const FileSource> unified,
                                                const std::string& task,
                                                const std::string& base_path);

  std::string label() const override { return label_; }
  const std::vector<TensorInfo>& headers() const override { return unified_->headers(); }
  void read(std::size_t tensor, std::uint64_t begin, std::span<std::byte> out) const override;

  // What it reads beside the unified weights.
  std::vector<std::shared_ptr<const FileSource>> others() const { return {base_, masks_}; }

 private:
  struct Part {
    std::size_t base = 0, mask = 0;  // indices in their headers
  };

  template <class T>
  void compute(std::size_t tensor, std::uint64_t begin, std::span<std::byte> out) const;

  std::string label_;
  std::shared_ptr<const FileSource> unified_, base_, masks_;
  double scale_ = 1;
  std::vector<std::optional<Part>> parts_;  // by tensor
};

}  // namespace merganser
