#include "base/file_memory.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace merganser {
namespace {

namespace fs = std::filesystem;

// Files of the kernel, which say that they are empty; absent ones are.
std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The number after `key` at the beginning of a line; of the whole text where the key is empty.
// None where there is no number ("max").
std::optional<std::uint64_t> number(std::string_view text, std::string_view key) {
  std::size_t at = 0;
  while (text.substr(at, key.size()) != key) {
    at = text.find('\n', at);
    if (at == std::string_view::npos) return std::nullopt;
    ++at;
  }
  text.remove_prefix(at + key.size());
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  std::uint64_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end.ec != std::errc()) return std::nullopt;
  return value;
}

// What a control group has left; its files in the page cache make room when they have to.
std::optional<std::uint64_t> left_in_group(const fs::path& folder, const char* limit,
                                           const char* used, std::string_view cached) {
  const auto most = number(text_of(folder / limit), "");
  const auto taken = number(text_of(folder / used), "");
  if (!most || !taken) return std::nullopt;
  const std::uint64_t cache = number(text_of(folder / "memory.stat"), cached).value_or(0);
  const std::uint64_t held = *taken - std::min(*taken, cache);
  return *most - std::min(*most, held);
}

}  // namespace

std::optional<std::uint64_t> free_memory() { return free_memory("/"); }

std::optional<std::uint64_t> free_memory(const fs::path& root) {
  const std::string table = text_of(root / "proc/meminfo");
  std::optional<std::uint64_t> least;
  if (const auto available = number(table, "MemAvailable:")) {
    least = (*available + number(table, "SwapFree:").value_or(0)) * 1024;
  }
  const fs::path groups = root / "sys/fs/cgroup";
  for (const auto& left : {left_in_group(groups, "memory.max", "memory.current", "inactive_file "),
                           left_in_group(groups / "memory", "memory.limit_in_bytes",
                                         "memory.usage_in_bytes", "total_inactive_file ")}) {
    if (left) least = std::min(least.value_or(*left), *left);
  }
  return least;
}

}  // namespace merganser
