#include "runtime_api/train_record.h"

#include <ATen/Parallel.h>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/json_text.h"
#include "merganser/merganser.h"

namespace merganser {

std::string train_record(const TrainRequest& request, const TrainReport& report) {
  Json record = {{"merganser", version()}, {"format", 1}, {"libtorch", MERGANSER_TORCH_VERSION}};
  record["base"] = request.base;
  record["options"] = {{"init", request.init},
                       {"steps", request.steps},
                       {"batch", request.runtime.batch},
                       {"rate", request.rate},
                       {"schedule", request.schedule},
                       {"warmup", request.warmup},
                       {"optimizer", request.optimizer},
                       {"momentum", request.momentum},
                       {"weight_decay", request.weight_decay},
                       {"clip", request.clip},
                       {"smoothing", request.smoothing},
                       {"seed", request.seed},
                       {"mix", request.mix},
                       {"task_weights", request.task_weights},
                       {"validate_every", request.validate_every},
                       {"keep", request.keep},
                       {"lora_rank", request.lora_rank},
                       {"lora_alpha", request.lora_alpha},
                       {"lora_targets", request.lora_targets},
                       {"freeze", request.freeze},
                       {"train_head", request.train_head},
                       {"device", request.runtime.device},
                       {"dtype", request.runtime.dtype},
                       {"threads", at::get_num_threads()}};
  Json outcome = parse_json(report.json(), "the report");
  for (const char* key : {"output", "seconds", "rows_per_second"}) outcome.erase(key);
  record.update(outcome);
  return record.dump(1, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace merganser
