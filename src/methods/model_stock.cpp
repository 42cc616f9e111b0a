// The mean of fine-tuned models, moved towards the model they come from (Jang et al. 2024).
#include <algorithm>
#include <cmath>

#include "kernels/blend.h"
#include "method/descriptor.h"
#include "methods/parts/gram.h"

namespace merganser::methods {
namespace {

constexpr double kTinyDivisor = 1e-6;  // MergeKit: where 1 + (N-1) cos is smaller, the base stays

struct Stock {
  double cosine = 0, ratio = 0;  // of the fine-tuned models' mean
};

struct Rule {
  bool mean_of_angles;
  double norm_floor;

  explicit Rule(const Settings& settings)
      : mean_of_angles(settings.choice("pair_mean") == "angle"),
        norm_floor(settings.number("norm_floor")) {}

  double cosine(const Gram& gram, std::size_t i, std::size_t j) const {
    const double norms = std::max(gram.norm(i) * gram.norm(j), norm_floor);
    return norms > 0 ? std::clamp(gram(i, j) / norms, -1.0, 1.0) : 0;
  }

  // From the inner products of the differences from the base.
  Stock operator()(const Gram& gram) const {
    const auto models = static_cast<double>(gram.size());
    double sum = 0;
    for (std::size_t i = 0; i < gram.size(); ++i) {
      for (std::size_t j = i + 1; j < gram.size(); ++j) {
        const double c = cosine(gram, i, j);
        sum += mean_of_angles ? std::acos(c) : c;
      }
    }
    const double mean = sum / (models * (models - 1) / 2);
    const double c = mean_of_angles ? std::cos(mean) : mean;
    const double divisor = 1 + (models - 1) * c;
    return {c, std::abs(divisor) < kTinyDivisor ? 0 : models * c / divisor};
  }
};

// ratio * mean + (1 - ratio) * base = base + sum of these * (x_i - base).
double share(const Stock& stock, std::size_t models) {
  return stock.ratio / static_cast<double>(models);
}

template <class T>
class OfTensor final : public GramMerger<T> {
 public:
  explicit OfTensor(const MergeGroup& group) : GramMerger<T>(group), stocks_(group.tensors.size()) {
    for (const MergeTensor& tensor : group.tensors) rules_.emplace_back(tensor.settings);
  }

  std::vector<Fact> facts(std::size_t tensor) const override {
    return {{"t", {stocks_[tensor].ratio}}, {"cosine", {stocks_[tensor].cosine}}};
  }

 protected:
  std::vector<double> coefficients(std::size_t tensor, const Gram& gram) override {
    stocks_[tensor] = rules_[tensor](gram);
    return std::vector<double>(gram.size(), share(stocks_[tensor], gram.size()));
  }

 private:
  std::vector<Rule> rules_;
  std::vector<Stock> stocks_;
};

// A ratio for each row, found where the row is written.
template <class T>
class OfRows final : public Merger<T> {
 public:
  explicit OfRows(const MergeGroup& group) {
    for (const MergeTensor& tensor : group.tensors) {
      rules_.emplace_back(tensor.settings);
      rows_.push_back(row_size(tensor.shape));
    }
  }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    const std::size_t row = rows_[block.tensor], models = block.inputs.size();
    Gram gram(models);
    std::vector<const T*> x(models);
    std::vector<T*> inputs(models);
    std::vector<T> factors(models);
    for (std::size_t first = 0; first < block.size; first += row) {
      for (std::size_t i = 0; i < models; ++i) x[i] = inputs[i] = block.inputs[i] + first;
      inner_products<T>(x, row, gram.packed());
      const Stock stock = rules_[block.tensor](gram);
      std::fill(factors.begin(), factors.end(), static_cast<T>(share(stock, models)));
      combine<T>(factors, inputs, out + first, row);
    }
    add<T>(block.base, out, out, block.size);
  }

 private:
  std::vector<Rule> rules_;
  std::vector<std::size_t> rows_;
};

template <class T>
std::unique_ptr<Merger<T>> make(MergeGroup group) {
  if (group.tensors[0].settings.flag("filter_wise")) return std::make_unique<OfRows<T>>(group);
  return std::make_unique<OfTensor<T>>(group);
}

Outline outline(const MergeTensor& tensor) {
  const bool by_rows = tensor.settings.flag("filter_wise");
  Outline outline = Outline::of_all(tensor.settings.per_input.size(), by_rows ? 1 : 2);
  if (by_rows) outline.unit = Unit::row;
  return outline;
}

}  // namespace

extern const Descriptor model_stock;
const Descriptor model_stock = {
    .name = "model_stock",
    .title = "Model Stock",
    .summary =
        "Moves the mean of the fine-tuned models towards their base, the further the less their "
        "changes agree.",
    .formula =
        "cos = mean_{i<j} d_i.d_j / (|d_i| |d_j|),  d_i = x_i - b;  t = N cos / (1 + (N-1) cos);  "
        "y = t mean_i x_i + (1-t) b",
    .paper = "Jang et al. 2024, Model Stock, arXiv 2403.19522",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .min_inputs = 2,
    .parameters =
        {{.name = "filter_wise",
          .summary = "Take a ratio for each row of the last axis instead of one for the tensor.",
          .type = ParameterType::flag,
          .fallback = Value{false}},
         {.name = "pair_mean",
          .summary =
              "With three models and more, average the pairs' cosines (MergeKit) or their angles "
              "(FusionBench).",
          .type = ParameterType::choice,
          .fallback = Value{"cosine"},
          .choices = {"cosine", "angle"}},
         {.name = "norm_floor",
          .summary =
              "Least product of two norms that a cosine divides by: MergeKit's 1e-6 lowers the "
              "cosine of small changes, 0 leaves it as it is.",
          .fallback = Value{1e-6},
          .low = 0}},
    .outline = outline,
    .make_f32 = make<float>,
    .make_f64 = make<double>,
};

}  // namespace merganser::methods
