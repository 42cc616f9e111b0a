// libFuzzer: whatever the bytes, a task_masks.json is read or refused with an Error; its masks lie
// beside it and its scales are finite.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "source/task_source.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace merganser;
  try {
    const TaskList list = parse_tasks({reinterpret_cast<const char*>(data), size}, "fuzz.json");
    const std::filesystem::path folder = "folder";
    if ((folder / list.masks).lexically_normal().parent_path() != folder) std::abort();
    for (const TaskList::Task& task : list.tasks) {
      if (!std::isfinite(task.scale)) std::abort();
    }
  } catch (const Error&) {
  }
  return 0;
}
