// The one symbol of libmerganser_runtime.
#include <ATen/ATen.h>

#include <string>
#include <string_view>

#include "api/runtime_interface.h"
#include "api/runtime_table.h"
#include "base/error.h"
#include "runtime_api/functions.h"

namespace merganser {
namespace {

Error too_little_memory(const char* where) {
  return Error(ErrorKind::io, std::string(where) + " has not enough memory")
      .hint("smaller batches (--batch), or a narrower type (--compute-dtype)");
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// libtorch's own exceptions, which print the stack, as ours.
template <auto function, typename Report, typename Request>
Report guarded(const Request& request, Progress& progress) {
  try {
    return function(request, progress);
  } catch (const c10::OutOfMemoryError& error) {
    throw too_little_memory("the device");
  } catch (const c10::Error& error) {
    const std::string what = first_line(error.what_without_backtrace());
    if (what.find("can't allocate memory") != std::string::npos) {
      throw too_little_memory("this machine");
    }
    throw Error(ErrorKind::unsupported, "libtorch refuses: " + what);
  }
}

const RuntimeTable kTable = {
    .barrier = guarded<runtime_barrier, BarrierReport, BarrierRequest>,
    .evaluate = guarded<runtime_evaluate, EvaluateReport, EvaluateRequest>,
    .generate = guarded<runtime_generate, GenerateReport, GenerateRequest>,
    .write_logits = guarded<runtime_write_logits, LogitsReport, LogitsRequest>,
    .train = guarded<runtime_train, TrainReport, TrainRequest>,
    .fit_head = guarded<runtime_fit_head, FitHeadReport, FitHeadRequest>,
    .route = guarded<runtime_route, RouteReport, RouteRequest>,
    .tune = guarded<runtime_tune, TuneReport, TuneRequest>,
    .soup = guarded<runtime_soup, TuneReport, SoupRequest>,
};

}  // namespace
}  // namespace merganser

extern "C" __attribute__((visibility("default"))) const merganser::RuntimeTable* merganser_runtime(
    const char* interface) {
  return interface == std::string_view(merganser::kRuntimeInterface) ? &merganser::kTable : nullptr;
}
