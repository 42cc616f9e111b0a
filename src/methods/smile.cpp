// SMILE (Tang et al. 2024): a sparse mixture of low-rank experts, built from fine-tuned models by
// singular values. src/smile makes the experts; here is the method's description, and what becomes
// of tensors that are not upscaled.
#include "kernels/blend.h"
#include "method/descriptor.h"

namespace merganser::methods {
namespace {

// b + mean of the deltas: the plain average of the fine-tunes.
template <class T>
class Rest final : public Merger<T> {
 public:
  explicit Rest(MergeGroup) {}

  void write(const Block<T>& block, Cursor*, T* out) const override {
    thread_local std::vector<T> shares;
    shares.assign(block.inputs.size(), T{1} / static_cast<T>(block.inputs.size()));
    combine<T>(shares, block.inputs, out, block.size);
    add<T>(block.base, out, out, block.size);
  }
};

Outline outline(const MergeTensor& tensor) {
  return Outline::of_all(tensor.settings.per_input.size(), 1);
}

}  // namespace

extern const Descriptor smile;
const Descriptor smile = {
    .name = "smile",
    .title = "SMILE",
    .summary =
        "A mixture with the base's weights shared and each fine-tune as low-rank experts, "
        "chosen for each token by its own singular vectors.",
    .formula =
        "y = W_0 x + b_0 + sum_{j in top} w_j (U_j S_j V_j^T x + b_j - b_0),   "
        "w = softmax_j |V_j,g^T x|,   U_j S_j V_j^T = W_j - W_0 cut to rank k",
    .paper =
        "Tang et al. 2024, SMILE: zero-shot sparse mixture of low-rank experts construction "
        "from pre-trained foundation models, arXiv 2408.10174",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .parameters =
        {{.name = "rank_of_expert",
          .summary = "Singular triples k that an expert keeps of a layer; -1 keeps the difference "
                     "itself.",
          .fallback = Value{64.0},
          .low = -1,
          .integer = true},
         {.name = "parameter_budget",
          .summary = "In place of rank_of_expert: parameters of the output as a multiple of the "
                     "base's, spread over layers and experts so that the summed squared error is "
                     "least.",
          .low = 1,
          .constant = true,
          .optional = true},
         {.name = "budget_by",
          .summary = "What a parameter_budget makes least: the sum of all squared errors, or of "
                     "each fine-tune's as a part of its own change, so that one that moved far "
                     "does not take all ranks.",
          .type = ParameterType::choice,
          .fallback = Value{std::string("squared_error")},
          .choices = {"squared_error", "relative_error"},
          .constant = true},
         {.name = "energy",
          .summary = "In place of rank_of_expert: the share of a difference's squared norm that "
                     "its expert keeps.",
          .low = 0,
          .high = 1,
          .optional = true},
         {.name = "rank_of_router",
          .summary = "Right singular vectors of each expert that the router measures a token by.",
          .fallback = Value{8.0},
          .low = 1,
          .integer = true},
         {.name = "num_experts_per_tok",
          .summary = "Experts that a token is sent to in each layer.",
          .fallback = Value{1.0},
          .low = 1,
          .integer = true},
         {.name = "upscale",
          .summary = "Whether a weight gets experts; by default the linear layers inside the "
                     "repeated blocks do.",
          .type = ParameterType::flag,
          .optional = true},
         {.name = "layout",
          .summary = "Who loads the output: transformers with the code that comes with it, or "
                     "FusionBench's own classes.",
          .type = ParameterType::choice,
          .fallback = Value{std::string("transformers")},
          .choices = {"transformers", "fusion_bench"},
          .constant = true},
         {.name = "pad",
          .summary = "FusionBench's layout has one rank for all layers: fill up with zeros where a "
                     "layer has fewer singular triples.",
          .type = ParameterType::flag,
          .fallback = Value{false},
          .constant = true},
         {.name = "svd_tolerance",
          .summary = "How much larger than the best possible an expert's error may be, as a part "
                     "of it; 0 decomposes exactly.",
          .fallback = Value{1e-3},
          .low = 0,
          .high = 1},
         {.name = "svd_certify",
          .summary = "Go on until svd_tolerance is proven; by default an estimate of it is enough, "
                     "and what is proven is recorded.",
          .type = ParameterType::flag,
          .fallback = Value{false}},
         {.name = "routing",
          .summary = "What the router's vectors are of: the difference, or the fine-tuned weight.",
          .type = ParameterType::choice,
          .fallback = Value{std::string("difference")},
          .choices = {"difference", "weight"}},
         {.name = "unchanged",
          .summary = "Router of an expert whose layer equals the base's: zeros, which are never "
                     "chosen before others, or FusionBench's unit vectors.",
          .type = ParameterType::choice,
          .fallback = Value{std::string("zeros")},
          .choices = {"zeros", "unit_vectors"}},
         {.name = "rest",
          .summary = "Tensors without experts: the base's, the average of the fine-tunes, or an "
                     "error where they differ.",
          .type = ParameterType::choice,
          .fallback = Value{std::string("base")},
          .choices = {"base", "average", "error"}},
         {.name = "average_experts",
          .summary = "FusionBench's name for rest: average.",
          .type = ParameterType::flag,
          .fallback = Value{false}}},
    .mixture = true,
    .blas = true,
    .outline = outline,
    .make_f32 = make_merger<Rest, float>,
    .make_f64 = make_merger<Rest, double>,
};

}  // namespace merganser::methods
