#include "runtime/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "runtime/smile_linear.h"
#include "runtime/smile_spec.h"

namespace merganser::rt {
namespace families {
#define MERGANSER_FAMILY(name) extern const Family name;
#include "runtime/families.inc"
#undef MERGANSER_FAMILY
}  // namespace families

namespace {

const Family* const kAll[] = {
#define MERGANSER_FAMILY(name) &families::name,
#include "runtime/families.inc"
#undef MERGANSER_FAMILY
};

const Family& family_of(const Config& config) {
  const auto type = config.find_text("model_type");
  if (!type) {
    throw Error(ErrorKind::corrupt, "there is no 'model_type'").in_file(config.place());
  }
  std::vector<std::string> known;
  for (const Family* family : kAll) {
    for (const char* each : family->model_types) {
      if (*type == each) return *family;
      known.emplace_back(each);
    }
  }
  throw Error(ErrorKind::unsupported,
              fmt::format("models of type '{}' can be merged, but not run", *type))
      .in_file(config.place())
      .hint(fmt::format("those that run: {}", join(known, ", ")));
}

}  // namespace

std::vector<const Family*> all_families() { return {std::begin(kAll), std::end(kAll)}; }

at::Tensor Model::extend(const at::Tensor& /*ids*/, KvCache& /*cache*/) const {
  throw Error(ErrorKind::usage, fmt::format("a {} model does not generate text", family_));
}

std::vector<const SmileLinear*> Model::mixtures() const {
  std::vector<const SmileLinear*> found;
  for (const auto& linear : linears_) {
    if (const auto* mixture = dynamic_cast<const SmileLinear*>(linear.get())) {
      found.push_back(mixture);
    }
  }
  return found;
}

std::unique_ptr<Model> build_model(const Config& config, Weights& weights) {
  std::optional<SmileSpec> smile = read_smile_spec(config);
  const Json base = smile ? base_config(config.json()) : Json();
  const Config plain = smile ? Config(base, config.place()) : config;
  const Family& family = family_of(plain);
  const at::NoGradGuard no_grad;
  if (smile) weights.set_smile(std::move(*smile));
  std::unique_ptr<Model> model = family.build(plain, weights);
  weights.finish();
  model->tensors_ = weights.tensors();
  model->statistics_ = weights.statistics();
  model->linears_ = weights.linears();
  model->routing_ = weights.routing();
  model->placement_ = weights.placement();
  model->family_ = family.name;
  return model;
}

}  // namespace merganser::rt
