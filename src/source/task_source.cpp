#include "source/task_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/text.h"
#include "checkpoint/index.h"
#include "checkpoint/locate.h"
#include "kernels/convert.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMost = 16 << 20;  // bytes of task_masks.json
constexpr std::size_t kStep = 8192;        // elements computed at once; a multiple of 8

std::shared_ptr<const FileSource> open_base(const std::string& written, const fs::path& folder) {
  const fs::path output = fs::absolute(folder).lexically_normal();
  const fs::path path = locate_model(written, "", output.string()).path;
  try {
    return std::make_shared<const FileSource>(Checkpoint::open(path));
  } catch (Error& error) {
    if (error.kind() == ErrorKind::not_found) {
      error.hint("the base that the task vectors start from: say where it is with base (--base)");
    }
    throw;
  }
}

std::optional<std::size_t> find(const std::vector<TensorInfo>& headers, const std::string& name) {
  const auto at = std::ranges::lower_bound(headers, name, {}, &TensorInfo::name);
  if (at == headers.end() || at->name != name) return std::nullopt;
  return static_cast<std::size_t>(at - headers.begin());
}

const TaskList::Task& find_task(const TaskList& list, const std::string& name,
                                const fs::path& folder) {
  std::vector<std::string> names;
  for (const TaskList::Task& task : list.tasks) {
    if (task.name == name) return task;
    names.push_back(task.name);
  }
  throw Error(ErrorKind::not_found, fmt::format("there is no task '{}'", name))
      .in_file((folder / kTaskFile).string())
      .hint(suggestion(name, names));
}

}  // namespace

TaskList parse_tasks(std::string_view text, const std::string& name) {
  const Json tree = parse_json(text, name);
  TaskList list;
  try {
    if (tree.at("format") != 1) {
      throw Error(ErrorKind::unsupported, "its format is newer than this program").in_file(name);
    }
    list.base = tree.at("base_model").get<std::string>();
    list.masks = tree.at("masks").get<std::string>();
    for (const Json& one : tree.at("tasks")) {
      list.tasks.push_back({one.at("name").get<std::string>(), one.at("model").get<std::string>(),
                            one.at("scale").get<double>()});
    }
  } catch (const Json::exception&) {
    throw Error(ErrorKind::corrupt, "this does not describe the tasks of a merge").in_file(name);
  }
  // The masks lie beside this file; a path that leads elsewhere is not ours.
  const auto finite = [](const TaskList::Task& task) { return std::isfinite(task.scale); };
  if (!is_plain_file_name(list.masks) ||
      !std::all_of(list.tasks.begin(), list.tasks.end(), finite)) {
    throw Error(ErrorKind::corrupt, "its masks or its scales cannot be meant").in_file(name);
  }
  return list;
}

TaskList read_tasks(const fs::path& folder) {
  const fs::path path = folder / kTaskFile;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    throw Error(ErrorKind::not_found, fmt::format("it has no tasks: there is no {}", kTaskFile))
        .in_file(folder.string())
        .hint("tasks are in outputs of the methods emr and consensus");
  }
  return parse_tasks(read_text(path, kMost), path.string());
}

std::shared_ptr<const TaskSource> TaskSource::open(std::shared_ptr<const FileSource> unified,
                                                   const std::string& task,
                                                   const std::string& base_path) {
  const fs::path folder = unified->checkpoint().path();
  const TaskList told = read_tasks(folder);
  auto source = std::make_shared<TaskSource>();
  source->label_ = folder.string() + "#" + task;
  source->scale_ = find_task(told, task, folder).scale;
  source->masks_ = std::make_shared<const FileSource>(Checkpoint::open(folder / told.masks));
  source->base_ = open_base(base_path.empty() ? told.base : base_path, folder);
  source->unified_ = std::move(unified);
  std::size_t masked = 0;
  for (const TensorInfo& header : source->unified_->headers()) {
    std::optional<Part>& part = source->parts_.emplace_back();
    const auto mask = find(source->masks_->headers(), task + "/" + header.name);
    if (!mask) continue;
    ++masked;
    const TensorInfo& bits = source->masks_->headers()[*mask];
    if (bits.dtype != DType::u8 || bits.shape != Shape{(header.size() + 7) / 8} ||
        !is_float(header.dtype)) {
      throw Error(ErrorKind::corrupt, "this is no mask of the tensor's elements")
          .in_file((folder / told.masks).string())
          .in_tensor(bits.name);
    }
    const auto base = find(source->base_->headers(), header.name);
    if (!base || source->base_->headers()[*base].shape != header.shape ||
        !is_float(source->base_->headers()[*base].dtype)) {
      throw Error(ErrorKind::mismatch,
                  fmt::format("the base has no such tensor of shape {}", to_string(header.shape)))
          .in_file(source->base_->label())
          .in_tensor(header.name)
          .hint("the base must be the base_model of the merge");
    }
    part = Part{*base, *mask};
  }
  if (masked == 0) {
    throw Error(ErrorKind::corrupt, fmt::format("it holds no mask of task '{}'", task))
        .in_file((folder / told.masks).string());
  }
  return source;
}

template <class T>
void TaskSource::compute(std::size_t tensor, std::uint64_t begin, std::span<std::byte> out) const {
  const Part& part = *parts_[tensor];
  const DType dtype = headers()[tensor].dtype, base_dtype = base_->headers()[part.base].dtype;
  const std::size_t width = size_of(dtype), base_width = size_of(base_dtype);
  const std::uint64_t first = begin / width, last = (begin + out.size() + width - 1) / width;
  std::vector<std::byte> stored(kStep * std::max(width, base_width)), bits(kStep / 8 + 1);
  std::vector<T> base(kStep), unified(kStep);
  const T factor = static_cast<T>(scale_);
  for (std::uint64_t at = first; at < last;) {
    // From a byte's first bit on, so that the bits of a step lie in whole bytes.
    const std::uint64_t skip = at % 8;
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(kStep - 8, last - at));
    unified_->read(tensor, at * width, {stored.data(), count * width});
    widen(dtype, stored.data(), unified.data(), count);
    base_->read(part.base, at * base_width, {stored.data(), count * base_width});
    widen(base_dtype, stored.data(), base.data(), count);
    masks_->read(part.mask, at / 8, {bits.data(), (skip + count + 7) / 8});
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t bit = skip + i;
      const bool kept = (std::to_integer<unsigned>(bits[bit / 8]) >> (bit % 8) & 1u) != 0;
      // Scale 1 keeps the unified value's own bits.
      if (!kept) {
        unified[i] = base[i];
      } else if (factor != 1) {
        unified[i] = base[i] + factor * (unified[i] - base[i]);
      }
    }
    narrow(unified.data(), dtype, stored.data(), count);
    const std::uint64_t from = std::max(begin, at * width);
    const std::uint64_t to = std::min(begin + out.size(), (at + count) * width);
    std::copy_n(stored.data() + (from - at * width), to - from, out.data() + (from - begin));
    at += count;
  }
}

void TaskSource::read(std::size_t tensor, std::uint64_t begin, std::span<std::byte> out) const {
  if (!parts_[tensor]) return unified_->read(tensor, begin, out);
  const bool f64 = headers()[tensor].dtype == DType::f64 ||
                   base_->headers()[parts_[tensor]->base].dtype == DType::f64;
  if (f64) {
    compute<double>(tensor, begin, out);
  } else {
    compute<float>(tensor, begin, out);
  }
}

}  // namespace merganser
