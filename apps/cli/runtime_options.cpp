#include "runtime_options.h"

namespace merganser::cli {

void add_runtime_options(CLI::App& command, RuntimeOptions& options) {
  command.add_option("--device", options.device, "cpu, cuda, or one of several: cuda:1")
      ->default_str("cpu");
  command.add_option("--compute-dtype", options.dtype, "Type of weights and arithmetic")
      ->check(CLI::IsMember({"float32", "float64", "bfloat16", "float16"}))
      ->default_str("float32");
  command.add_option("--batch", options.batch, "Rows at once")
      ->check(CLI::Range(1, 1 << 20))
      ->default_str("32");
  command.add_option("--threads", options.threads, "Of arithmetic; 0: one for each core")
      ->default_str("0")
      ->check(CLI::Range(0, 1024));
}

}  // namespace merganser::cli
