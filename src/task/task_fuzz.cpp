// libFuzzer: any bytes give a task with data, or an Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "task/task.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using merganser::rt::Task;
  Task task;
  try {
    task = merganser::rt::parse_task(std::string(reinterpret_cast<const char*>(data), size),
                                     "tasks/fuzz.yml");
  } catch (const merganser::Error&) {
    return 0;
  }
  if (task.splits.empty() || task.length < 1 || task.scale == 0) std::abort();
  for (const auto& [name, split] : task.splits) {
    const bool tensors = split.labels_file.empty();
    if (tensors && split.inputs.empty() && split.file.empty()) std::abort();
    if (split.rows && (*split.rows)[0] >= (*split.rows)[1]) std::abort();
  }
  return 0;
}
