// For tests: mixtures whose routers' choice can be told from the input.
#pragma once

#include "runtime/testing.h"

namespace merganser::rt::test {

// A mixture of this plain model where `module`, a layer of inputs of width `in`, has experts
// "tune0", "tune1", …: the router of each is the coordinate of its number, so that a token takes
// the expert of its largest coordinate, and its matrix is that column of `outside` [out, E] times
// the sum of the inputs.
inline std::unique_ptr<Model> mixture(Json config, testing::Tensors tensors,
                                      const std::string& module, std::int64_t in,
                                      const at::Tensor& outside, std::int64_t per_token = 1) {
  const std::int64_t experts = outside.size(1);
  std::vector<std::string> names;
  for (std::int64_t e = 0; e < experts; ++e) names.push_back("tune" + std::to_string(e));
  const std::vector<std::int64_t> ranks(static_cast<std::size_t>(experts), 1);
  config["smile"] = {
      {"version", 1},           {"base_model_type", config["model_type"]},
      {"num_experts", experts}, {"num_experts_per_tok", per_token},
      {"experts", names},       {"modules", {{module, {{"router_rank", 1}, {"ranks", ranks}}}}}};
  config["model_type"] = "smile_" + config["model_type"].get<std::string>();
  tensors[module + ".smile_router"] = at::eye(experts, in);
  tensors[module + ".smile_in"] = at::ones({experts, in});
  tensors[module + ".smile_out"] = outside.t();
  return testing::read(config, tensors);
}

}  // namespace merganser::rt::test
