#include "runtime/model.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

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

// FusionBench writes SMILE models under types of their own: "smile_llama".
std::string plain_type(const std::string& type) {
  return type.starts_with("smile_") ? type.substr(6) : type;
}

const Family& family_of(const Config& config) {
  const auto type = config.find_text("model_type");
  if (!type) {
    throw Error(ErrorKind::corrupt, "there is no 'model_type'").in_file(config.place());
  }
  std::vector<std::string> known;
  for (const Family* family : kAll) {
    for (const char* each : family->model_types) {
      if (plain_type(*type) == each) return *family;
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

std::unique_ptr<Model> build_model(const Config& config, Weights& weights) {
  const Family& family = family_of(config);
  const at::NoGradGuard no_grad;
  std::unique_ptr<Model> model = family.build(config, weights);
  weights.finish();
  model->tensors_ = weights.tensors();
  model->linears_ = weights.linears();
  model->placement_ = weights.placement();
  model->family_ = family.name;
  return model;
}

}  // namespace merganser::rt
