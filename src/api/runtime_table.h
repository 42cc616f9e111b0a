// What libmerganser_runtime offers the core: one table of functions, its only symbol.
#pragma once

#include "merganser/barrier.h"
#include "merganser/evaluate.h"
#include "merganser/generate.h"
#include "merganser/logits.h"
#include "merganser/route.h"
#include "merganser/train.h"
#include "merganser/tune.h"

namespace merganser {

struct RuntimeTable {
  BarrierReport (*barrier)(const BarrierRequest&, Progress&);
  EvaluateReport (*evaluate)(const EvaluateRequest&, Progress&);
  GenerateReport (*generate)(const GenerateRequest&, Progress&);
  LogitsReport (*write_logits)(const LogitsRequest&, Progress&);
  TrainReport (*train)(const TrainRequest&, Progress&);
  FitHeadReport (*fit_head)(const FitHeadRequest&, Progress&);
  RouteReport (*route)(const RouteRequest&, Progress&);
  TuneReport (*tune)(const TuneRequest&, Progress&);
  TuneReport (*soup)(const SoupRequest&, Progress&);
};

}  // namespace merganser

extern "C" {
// The table of a library that was built with this very interface (kRuntimeInterface: the version
// and a hash of the headers of the types that they share), or null.
const merganser::RuntimeTable* merganser_runtime(const char* interface);
}
