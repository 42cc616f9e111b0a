// libFuzzer: whatever a model and its revision are called and whatever a ref in the cache holds, a
// snapshot that is found lies among the model's snapshots in the cache; all else is not there or an
// Error.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/testing.h"
#include "checkpoint/hub_cache.h"

namespace {

namespace fs = std::filesystem;

const std::string kCommit = "0123456789abcdef0123456789abcdef01234567";

struct Cache {
  Cache() {
    fs::create_directories(folder / "models--org--name/snapshots" / kCommit);
    fs::create_directories(folder / "models--name/snapshots" / kCommit);
    merganser::test::write_file(folder / "models--name/refs/main", kCommit);
    merganser::test::write_file(folder / "models--name/refs/refs/pr/1", kCommit + "\n");
  }
  merganser::test::TemporaryFolder folder;
};

}  // namespace

// Name, revision and the ref "main" of org/name, a line each; the ref is what is left.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace merganser;
  static const Cache cache;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t first = std::min(text.find('\n'), size);
  const std::size_t second = std::min(text.find('\n', std::min(first + 1, size)), size);
  const std::string name(text.substr(0, first));
  const std::string revision(
      text.substr(std::min(first + 1, size), second - std::min(first + 1, second)));
  test::write_file(cache.folder / "models--org--name/refs/main",
                   text.substr(std::min(second + 1, size)));
  try {
    const auto found = find_in_cache(cache.folder.path(), name, revision);
    if (!found) return 0;
    const std::string inside =
        fs::path(found->path).lexically_normal().lexically_relative(cache.folder.path()).string();
    if (!is_hub_name(name) || found->commit != kCommit) std::abort();
    if (inside != "models--org--name/snapshots/" + kCommit &&
        inside != "models--name/snapshots/" + kCommit) {
      std::abort();
    }
    if (download_command(name, revision).find('\n') != std::string::npos) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
