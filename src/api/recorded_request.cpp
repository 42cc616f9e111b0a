#include "api/recorded_request.h"

#include <nlohmann/json.hpp>

#include "api/recorded.h"

namespace merganser {

Request request_of(const Json& told, const ReplayRequest& replay, const std::string& place) {
  Request request;
  request.recipe_text = told["recipe"].get<std::string>();
  request.recipe_place = place;
  request.output = replay.output;
  request.memory = replay.memory;
  request.threads = replay.threads;
  request.force = replay.force;
  request.sync = replay.sync;
  request.only = text_at(told, "only");
  request.hash = told.contains("hash") ? text_at(told, "hash") : "none";
  if (const std::string policy = text_at(told, "nan"); !policy.empty()) {
    request.non_finite = policy;
  }
  request.allow_mixed_architectures = told.contains("allow_mixed_architectures");
  if (told.contains("max_shard") && told["max_shard"].is_number_unsigned()) {
    request.max_shard = told["max_shard"].get<std::uint64_t>();
  }
  if (const auto blas = told.find("blas"); blas != told.end() && blas->is_object()) {
    const auto threads = blas->find("threads");
    if (threads != blas->end() && threads->is_number_unsigned() && *threads <= 1024u) {
      request.blas_threads = threads->get<unsigned>();
    }
  }
  // --seed overrides the seeds of all documents.
  if (told.contains("seed_override") && told["seed_override"].is_number_unsigned()) {
    request.seed = told["seed_override"].get<std::uint64_t>();
  }
  return request;
}

}  // namespace merganser
