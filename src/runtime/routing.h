// Which experts a mixture's layers take: their own routers' choice, or one from outside.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace merganser::rt {

class SmileLinear;

// Told what routers choose while a model runs.
class RouteListener {
 public:
  virtual ~RouteListener() = default;
  // Of an input [..., in]: experts int64 [..., k], best first. Padding is among the tokens.
  virtual void chose(const SmileLinear& layer, const at::Tensor& experts) = 0;
};

// Shared by all mixtures of a model, which may be used by one thread at a time.
struct Routing {
  std::vector<std::string> experts;    // names
  std::optional<std::int64_t> expert;  // this one for all tokens: the oracle
  std::vector<double> weights;         // of each expert, for all tokens, as they are; empty: none
  RouteListener* listener = nullptr;   // not told where there is no choice to make
  // How the chosen experts are computed: for the tests and the benchmark, who compare them.
  enum class Products { fastest, each_for_its_tokens, all_for_all } products = Products::fastest;

  void set_free() {
    expert.reset();
    weights.clear();
  }
};

}  // namespace merganser::rt
