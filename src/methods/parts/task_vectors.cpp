#include "methods/parts/task_vectors.h"

#include <algorithm>
#include <cmath>

#include "kernels/blend.h"
#include "methods/parts/block_sums.h"

namespace merganser::methods {
namespace {

constexpr double kTinyNorm = 1e-7;       // MergeKit: a smaller L1 norm is not rescaled
constexpr double kTinyWeightSum = 1e-8;  // MergeKit: a smaller sum of weights divides by 1

template <class T>
class TaskVectors final : public Merger<T> {
 public:
  using Pass = typename Merger<T>::Pass;

  TaskVectors(MergeGroup group, std::unique_ptr<Sparsifier<T>> sparsifier,
              const TaskVectorOptions& options)
      : options_(options), sparsifier_(std::move(sparsifier)) {
    for (std::size_t i = 0; i < group.tensors.size(); ++i) {
      const Settings& settings = group.tensors[i].settings;
      Tensor tensor;
      tensor.weights = settings.numbers("weight");
      tensor.factors.assign(tensor.weights.size(), 1);
      tensor.lambda = settings.number("lambda");
      tensor.normalize = settings.flag("normalize");
      if (options_.rescale == Rescale::inverse) {
        for (std::size_t m = 0; m < tensor.factors.size(); ++m) {
          const double density = settings.number("density", m);
          if (density > 0) tensor.factors[m] = 1 / density;
        }
      }
      needs_norms_ |= options_.rescale == Rescale::l1 && sparsifier_->drops(i);
      tensors_.push_back(std::move(tensor));
    }
    signs_.resize(tensors_.size());
    advance();
  }

  std::optional<Pass> next_pass() const override {
    switch (stage_) {
      case Stage::sparsify:
        return sparsifier_->next_pass();
      case Stage::norms:
      case Stage::signs:
        return Pass::full;
      case Stage::ready:
        return std::nullopt;
    }
    return std::nullopt;
  }

  std::unique_ptr<Partial> partial(std::size_t tensor) const override {
    switch (stage_) {
      case Stage::sparsify:
        return sparsifier_->partial(tensor);
      case Stage::norms:
        return std::make_unique<Trimmed>(2 * tensors_[tensor].weights.size());
      case Stage::signs:
        return std::make_unique<Trimmed>(0);
      case Stage::ready:
        break;
    }
    return nullptr;
  }

  void reduce(const Block<T>& block, Partial& partial) const override {
    if (stage_ == Stage::sparsify) return sparsifier_->reduce(block, partial);
    auto& trimmed = static_cast<Trimmed&>(partial);
    if (!trimmed.started) {
      trimmed.cursor = sparsifier_->cursor(block.tensor, block.chunk);
      trimmed.started = true;
    }
    if (stage_ == Stage::norms) {
      const std::size_t inputs = block.inputs.size();
      const std::span<double> row(trimmed.sums.append(), 2 * inputs);
      sparsifier_->norms(block, trimmed.cursor.get(), row.first(inputs), row.last(inputs));
    } else {
      weigh(block, trimmed.cursor.get());
      count_signs<T>(block.inputs, options_.by_count, trimmed.signs, block.size);
    }
  }

  void fold(std::size_t tensor, std::span<const std::unique_ptr<Partial>> chunks) override {
    if (stage_ == Stage::sparsify) {
      sparsifier_->fold(tensor, chunks);
    } else if (stage_ == Stage::norms) {
      fold_norms(tensors_[tensor], chunks);
    } else {
      for (const auto& chunk : chunks) {
        const SignCounts& counts = static_cast<const Trimmed&>(*chunk).signs;
        signs_[tensor].positive += counts.positive;
        signs_[tensor].negative += counts.negative;
      }
    }
  }

  void end_pass() override {
    if (stage_ == Stage::sparsify) {
      sparsifier_->end_pass();
      if (sparsifier_->next_pass()) return;
    } else if (stage_ == Stage::norms) {
      needs_norms_ = false;
    } else {
      std::uint64_t positive = 0, negative = 0;
      for (const SignCounts& counts : signs_) {
        positive += counts.positive;
        negative += counts.negative;
      }
      positive_on_zero_ = positive >= negative;
      signs_done_ = true;
    }
    advance();
  }

  std::unique_ptr<Cursor> cursor(std::size_t tensor, std::size_t chunk) const override {
    return sparsifier_->cursor(tensor, chunk);
  }

  void write(const Block<T>& block, Cursor* cursor, T* out) const override {
    const Tensor& tensor = tensors_[block.tensor];
    if (options_.elect) {
      weigh(block, cursor);
      const ConsensusRule rule{options_.by_count, positive_on_zero_};
      consensus<T>(block.inputs, tensor.rounded_weights, rule, tensor.normalize, out, block.size);
      if (tensor.lambda != 1) scale<T>(static_cast<T>(tensor.lambda), out, out, block.size);
    } else {
      sparsifier_->apply(block, cursor);
      combine<T>(tensor.coefficients, block.inputs, out, block.size);
    }
    add<T>(block.base, out, out, block.size);
  }

 private:
  enum class Stage { sparsify, norms, signs, ready };

  struct Tensor {
    std::vector<double> weights, factors;  // w_i and the rescale of d_i
    double lambda = 1;
    bool normalize = false;
    std::vector<T> rounded_weights;  // w_i
    std::vector<T> scales;           // w_i rescale_i
    std::vector<T> coefficients;     // lambda w_i rescale_i / sum w: no election
  };

  struct Trimmed final : Partial {
    explicit Trimmed(std::size_t width) : sums(width) {}
    BlockSums sums;
    SignCounts signs;
    std::unique_ptr<Cursor> cursor;
    bool started = false;
  };

  // The first stage from here on that has work left; the passes decide nothing twice.
  void advance() {
    if (stage_ == Stage::sparsify && sparsifier_->next_pass()) return;
    if (needs_norms_) {
      stage_ = Stage::norms;
      return;
    }
    for (Tensor& tensor : tensors_) settle(tensor);
    const bool signs = options_.elect && options_.zero_sign == ZeroSign::majority && !signs_done_;
    stage_ = signs ? Stage::signs : Stage::ready;
  }

  static void settle(Tensor& tensor) {
    double sum = 0;
    for (const double w : tensor.weights) sum += w;
    const double divisor = tensor.normalize && std::abs(sum) >= kTinyWeightSum ? sum : 1;
    tensor.rounded_weights.clear();
    tensor.scales.clear();
    tensor.coefficients.clear();
    for (std::size_t i = 0; i < tensor.weights.size(); ++i) {
      const double scaled = tensor.weights[i] * tensor.factors[i];
      tensor.rounded_weights.push_back(static_cast<T>(tensor.weights[i]));
      tensor.scales.push_back(static_cast<T>(scaled));
      tensor.coefficients.push_back(static_cast<T>(tensor.lambda * scaled / divisor));
    }
  }

  static void fold_norms(Tensor& tensor, std::span<const std::unique_ptr<Partial>> chunks) {
    const std::size_t inputs = tensor.weights.size();
    std::vector<double> totals(2 * inputs);
    for (const auto& chunk : chunks) static_cast<const Trimmed&>(*chunk).sums.add_to(totals);
    for (std::size_t i = 0; i < inputs; ++i) {
      const double whole = totals[i], kept = totals[inputs + i];
      tensor.factors[i] = whole < kTinyNorm || kept < kTinyNorm ? 1 : whole / kept;
    }
  }

  void weigh(const Block<T>& block, Cursor* cursor) const {
    sparsifier_->apply(block, cursor);
    const std::vector<T>& scales = tensors_[block.tensor].scales;
    for (std::size_t i = 0; i < scales.size(); ++i) {
      if (scales[i] != 1) scale<T>(scales[i], block.inputs[i], block.inputs[i], block.size);
    }
  }

  TaskVectorOptions options_;
  std::unique_ptr<Sparsifier<T>> sparsifier_;
  std::vector<Tensor> tensors_;
  std::vector<SignCounts> signs_;
  Stage stage_ = Stage::sparsify;
  bool needs_norms_ = false, signs_done_ = false, positive_on_zero_ = true;
};

}  // namespace

template <class T>
std::unique_ptr<Merger<T>> merge_task_vectors(MergeGroup group,
                                              std::unique_ptr<Sparsifier<T>> sparsifier,
                                              const TaskVectorOptions& options) {
  return std::make_unique<TaskVectors<T>>(std::move(group), std::move(sparsifier), options);
}

template std::unique_ptr<Merger<float>> merge_task_vectors(MergeGroup,
                                                           std::unique_ptr<Sparsifier<float>>,
                                                           const TaskVectorOptions&);
template std::unique_ptr<Merger<double>> merge_task_vectors(MergeGroup,
                                                            std::unique_ptr<Sparsifier<double>>,
                                                            const TaskVectorOptions&);

Parameter weight_parameter() {
  return {.name = "weight",
          .summary = "Coefficient w_i of the task vector; a negative one makes the model forget.",
          .scope = ParameterScope::per_input};
}

Parameter density_parameter(std::string_view summary) {
  return {.name = "density",
          .summary = summary,
          .scope = ParameterScope::per_input,
          .fallback = Value{1.0},
          .low = 0,
          .high = 1};
}

Parameter normalize_parameter(bool fallback) {
  return {.name = "normalize",
          .summary = "Divide by the sum of the weights (mean) instead of adding up (sum).",
          .type = ParameterType::flag,
          .fallback = Value{fallback}};
}

Parameter lambda_parameter() {
  return {.name = "lambda", .summary = "Factor of the merged task vector.", .fallback = Value{1.0}};
}

Parameter int8_mask_parameter() {
  return {.name = "int8_mask",
          .summary = "Accepted for MergeKit's recipes; has no effect on the result.",
          .type = ParameterType::flag,
          .fallback = Value{false}};
}

Parameter rescale_parameter(bool fallback) {
  return {.name = "rescale",
          .summary = "Scale what was kept up to the size of what was there.",
          .type = ParameterType::flag,
          .fallback = Value{fallback}};
}

Parameter rescale_mode_parameter() {
  return rescale_mode_parameter(
      "l1: by the ratio of L1 norms (MergeKit); inverse: by 1/density (the paper).");
}

Parameter rescale_mode_parameter(std::string_view summary) {
  return {.name = "rescale_mode",
          .summary = summary,
          .type = ParameterType::choice,
          .fallback = Value{"l1"},
          .choices = {"l1", "inverse"}};
}

Parameter vote_parameter() {
  return {.name = "vote",
          .summary = "Elect signs by mass (the sum of entries) or by count (the sum of signs).",
          .type = ParameterType::choice,
          .fallback = Value{"mass"},
          .choices = {"mass", "count"}};
}

Parameter zero_sign_parameter() {
  return {.name = "zero_sign",
          .summary =
              "Sign elected by a vote of exactly zero: positive (MergeKit), or the majority's in "
              "the tensor, with trim_scope: model in the whole model (the paper's code).",
          .type = ParameterType::choice,
          .fallback = Value{"positive"},
          .choices = {"positive", "majority"}};
}

Rescale rescale_of(const Settings& settings) {
  if (!settings.flag("rescale")) return Rescale::none;
  return settings.choice("rescale_mode") == "inverse" ? Rescale::inverse : Rescale::l1;
}

TaskVectorOptions election_of(const Settings& settings) {
  TaskVectorOptions options;
  options.elect = true;
  options.by_count = settings.choice("vote") == "count";
  options.zero_sign =
      settings.choice("zero_sign") == "majority" ? ZeroSign::majority : ZeroSign::positive;
  return options;
}

unsigned task_vector_reductions(const Settings& settings) {
  const bool norms = rescale_of(settings) == Rescale::l1;
  const bool signs =
      settings.shared.contains("zero_sign") && settings.choice("zero_sign") == "majority";
  return (norms ? 1 : 0) + (signs ? 1 : 0);
}

Outline task_vector_outline(const Settings& settings, unsigned reductions) {
  const std::vector<double> weights = settings.numbers("weight");
  const auto is_zero = [](double w) { return w == 0; };
  if (std::all_of(weights.begin(), weights.end(), is_zero)) {
    return Outline::copy_of(Outline::kCopyBase, weights.size(),
                            "every weight is 0: the base is copied");
  }
  if (settings.number("lambda") == 0) {
    return Outline::copy_of(Outline::kCopyBase, weights.size(), "lambda is 0: the base is copied");
  }
  Outline outline = Outline::of_all(weights.size(), 1 + reductions);
  for (std::size_t i = 0; i < weights.size(); ++i) outline.reads[i] = weights[i] != 0;
  return outline;
}

}  // namespace merganser::methods
