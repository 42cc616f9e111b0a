// libFuzzer: whatever the bytes, a provenance is read or refused with an Error; verify and replay
// make a report, a request and a comparison of what was read, or an Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "api/compare_records.h"
#include "api/recorded.h"
#include "api/recorded_request.h"
#include "api/verify_record.h"
#include "base/error.h"
#include "base/testing.h"
#include "checkpoint/safetensors.h"
#include "merganser/merganser.h"

namespace {

using namespace merganser;

std::string file_of(const TensorInfo& tensor) {
  return safetensors::make_header(std::vector{tensor}, {}) +
         std::string(static_cast<std::size_t>(tensor.bytes()), '\1');
}

// An output of one tensor with one task's mask.
struct Output {
  Output() {
    test::write_file(folder / "model.safetensors", file_of({"x", DType::f32, {2, 2}}));
    test::write_file(folder / "task_masks.safetensors", file_of({"t/x", DType::u8, {1}}));
    test::write_file(folder / "config.json", "{}");
    test::write_file(folder / "task_masks.json",
                     R"({"format": 1, "base_model": "b", "masks": "task_masks.safetensors",)"
                     R"( "tasks": [{"name": "t", "model": "m", "scale": 1.5}]})");
  }
  test::TemporaryFolder folder;
};

const Json kNow = Json::parse(R"({
  "format": 1, "merganser": "0.1.0", "recipe": "merge_method: linear\n", "hash": "xxh3",
  "blas": {"library": "OpenBLAS", "threads": 2},
  "models": [{"ref": "a", "config": "sha256:1"}, {"ref": "b", "adapter": {"ref": "l"}}],
  "tensors": [{"name": "x", "dtype": "F32", "shape": [2, 2], "action": "merge",
               "hash": "xxh3:0", "masks": ["xxh3:1"],
               "inputs": [{"model": 0, "tensor": "x", "hash": "xxh3:2"}],
               "base": {"model": 1, "tensor": "x", "hash": "xxh3:3"}}],
  "documents": [{"name": "d", "models": [{"ref": "c"}],
                 "tensors": [{"name": "y", "dtype": "F32", "shape": [1], "action": "copy"}]}]})");

template <typename Call>
void attempt(Call&& call) {
  try {
    call();
  } catch (const Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Output output;
  const std::string folder = output.folder.path().string();
  const auto place = output.folder / "merganser_provenance.json";
  attempt([&] {
    const Json told = parse_provenance({reinterpret_cast<const char*>(data), size}, "fuzz.json");
    // Replay takes what has a recipe.
    if (told.contains("recipe") && told["recipe"].is_string()) {
      const Request request = request_of(told, {.provenance = folder, .output = "again"}, "fuzz");
      if (request.output != "again" || request.blas_threads > 1024) std::abort();
    }
    attempt([&] { compare_records(told, kNow, "fuzz.json"); });
    attempt([&] { compare_records(told, told, "fuzz.json"); });
    attempt([&] {
      Progress progress;
      const VerifyReport report = verify_record(told, place, {folder, 1}, progress);
      if (report.tensors != told["tensors"].size() || report.json().empty()) std::abort();
    });
  });
  return 0;
}
