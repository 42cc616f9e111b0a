// The functions of the public API that run models, as the table hands them out.
#pragma once

#include "merganser/barrier.h"
#include "merganser/evaluate.h"
#include "merganser/generate.h"
#include "merganser/logits.h"
#include "merganser/route.h"
#include "merganser/train.h"
#include "merganser/tune.h"

namespace merganser {

BarrierReport runtime_barrier(const BarrierRequest& request, Progress& progress);
EvaluateReport runtime_evaluate(const EvaluateRequest& request, Progress& progress);
GenerateReport runtime_generate(const GenerateRequest& request, Progress& progress);
LogitsReport runtime_write_logits(const LogitsRequest& request, Progress& progress);
TrainReport runtime_train(const TrainRequest& request, Progress& progress);
FitHeadReport runtime_fit_head(const FitHeadRequest& request, Progress& progress);
RouteReport runtime_route(const RouteRequest& request, Progress& progress);
TuneReport runtime_tune(const TuneRequest& request, Progress& progress);
TuneReport runtime_soup(const SoupRequest& request, Progress& progress);

}  // namespace merganser
