#include "api/runtime_library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "api/runtime_interface.h"
#include "base/error.h"

namespace merganser {
namespace {

#ifdef __APPLE__
constexpr const char* kName = "libmerganser_runtime.dylib";
#else
constexpr const char* kName = "libmerganser_runtime.so";
constexpr const char* kTorchName = "libmerganser_torch.so";
#endif

// Of the file that holds this code: the program, or libmerganser.so.
std::filesystem::path own_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&own_folder), &info) == 0) return {};
  std::error_code code;
  const auto real = std::filesystem::canonical(info.dli_fname, code);
  return code ? std::filesystem::path() : real.parent_path();
}

std::vector<std::string> places() {
  if (const char* given = std::getenv("MERGANSER_RUNTIME")) return {given};
  std::vector<std::string> found;
  if (const auto own = own_folder(); !own.empty()) {
    found.push_back((own / kName).string());
    for (const char* folder : {"lib", MERGANSER_LIBRARIES}) {
      found.push_back((own.parent_path() / folder / kName).string());
    }
  }
  found.emplace_back(kName);
  return found;
}

// libtorch's threads wait for each other by spinning, for milliseconds where they think that they
// have the machine to themselves; on a busy one they then take the time of those they wait for (a
// model of small layers was 4 to 40 times slower). Long enough for a layer's next operation, and
// only where the user has not decided. Read once, when the library of OpenMP is loaded.
void limit_spinning() {
  if (std::getenv("OMP_WAIT_POLICY") == nullptr) setenv("GOMP_SPINCOUNT", "10000", 0);
}

// ELF binds libtorch's calls of BLAS to the program's OpenBLAS, which it finds first: another
// library than PyTorch computes with, whose threads `threads` does not set and which contend with
// libtorch's own. Opened alone before the runtime, and told to look at itself first, libtorch keeps
// its BLAS; the merges in the runtime keep the program's. Not under a preloaded allocator, which
// half of the process would then not see. Best effort: without it, everything works, more slowly.
void bind_torch_to_its_blas([[maybe_unused]] const std::string& runtime) {
#if defined(RTLD_DEEPBIND) && !defined(__SANITIZE_ADDRESS__)
  if (std::getenv("LD_PRELOAD") != nullptr || runtime.find('/') == std::string::npos) return;
  const auto scope = std::filesystem::path(runtime).parent_path() / kTorchName;
  dlopen(scope.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
#endif
}

const RuntimeTable& open() {
  limit_spinning();
  std::string problem;
  for (const std::string& place : places()) {
    std::error_code code;
    const bool path = place.find('/') != std::string::npos;
    if (path && !std::filesystem::exists(place, code)) continue;
    bind_torch_to_its_blas(place);
    void* library = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      if (path) problem = dlerror();
      continue;
    }
    using Entry = decltype(&merganser_runtime);
    const auto entry = reinterpret_cast<Entry>(dlsym(library, "merganser_runtime"));
    const RuntimeTable* table = entry == nullptr ? nullptr : entry(kRuntimeInterface);
    if (table == nullptr) {
      throw Error(ErrorKind::mismatch, "the runtime library is not of this program's build")
          .in_file(place)
          .hint("install both from one build, or build both (`make runtime`)");
    }
    return *table;
  }
  if (!problem.empty()) {
    throw Error(ErrorKind::not_found, "the runtime library cannot be opened: " + problem);
  }
  if (const char* given = std::getenv("MERGANSER_RUNTIME")) {
    throw Error(ErrorKind::not_found, "MERGANSER_RUNTIME names no file").in_file(given);
  }
  throw Error(ErrorKind::not_found, "running models needs the runtime library, which is not there")
      .hint("build it with libtorch (`make runtime`), or point MERGANSER_RUNTIME at it");
}

}  // namespace

const RuntimeTable& runtime() {
  static const RuntimeTable& table = open();
  return table;
}

}  // namespace merganser
