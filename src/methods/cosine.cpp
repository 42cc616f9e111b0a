// Interpolation that keeps A where the models' columns point the same way and takes B elsewhere.
#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string_view>
#include <vector>

#include "method/descriptor.h"
#include "methods/parts/column_sums.h"

namespace merganser::methods {
namespace {

struct Mode {
  bool normalized = false;   // the whole tensor's cosine is that of the normalised columns
  bool with_tensor = false;  // the mean of a column's cosine and the whole tensor's
  bool of_model = false;     // set in proportion to the cosines of the whole model
};

Mode mode_of(const Settings& settings) {
  const std::string_view name = settings.choice("mode");
  const bool adds = name.starts_with("add_"), is_a = name.ends_with("A") || name.ends_with("a");
  return {.normalized = is_a, .with_tensor = !(adds && is_a), .of_model = !adds};
}

double length(double squared, double shortest) { return std::max(std::sqrt(squared), shortest); }

// Of vectors without a direction: 0.
double bounded(double cosine) { return std::isfinite(cosine) ? std::clamp(cosine, -1.0, 1.0) : 0; }

struct Cosines {
  std::vector<double> columns;
  double tensor = 0;
  bool defined = false;  // both tensors have a direction
};

Cosines cosines_of(const std::vector<ColumnSums::Sums>& sums, Mode mode) {
  // As in the sources: columns are normalised by torch's normalize, or compared by its
  // cosine_similarity as they are.
  const double shortest = mode.normalized ? 1e-12 : 1e-8;
  Cosines cosines;
  ColumnSums::Sums all;
  for (const auto [aa, ab, bb] : sums) {
    const double a = length(aa, shortest), b = length(bb, shortest);
    cosines.columns.push_back(bounded(ab / (a * b)));
    all.aa += mode.normalized ? aa / (a * a) : aa;
    all.ab += mode.normalized ? ab / (a * b) : ab;
    all.bb += mode.normalized ? bb / (b * b) : bb;
  }
  cosines.defined = all.aa > 0 && all.bb > 0;
  cosines.tensor = bounded(all.ab / (std::sqrt(all.aa) * std::sqrt(all.bb)));
  return cosines;
}

struct Range {
  double low = 0, high = 0;
};

// What is left of the values without those below the 1st percentile and then those above the 99th
// of the rest, percentiles half way between their neighbours (NumPy's "midpoint").
Range middle_range(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const auto place = [](std::size_t count, double share) {
    return static_cast<double>(count - 1) * share;
  };
  const double low = values[static_cast<std::size_t>(std::ceil(place(values.size(), 0.01)))];
  const auto first = std::lower_bound(values.begin(), values.end(), low);
  const auto rest = static_cast<std::size_t>(values.end() - first);
  return {low, first[static_cast<std::ptrdiff_t>(std::floor(place(rest, 0.99)))]};
}

template <class T>
class Cosine final : public Merger<T> {
 public:
  explicit Cosine(MergeGroup group)
      : tensors_(group.tensors.size()), mode_(mode_of(group.tensors[0].settings)) {
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      const MergeTensor& tensor = group.tensors[i];
      const double alpha = tensor.settings.number("alpha");
      // supermerger's mode A takes the magnitude.
      tensors_[i].alpha = mode_.of_model && mode_.normalized ? std::abs(alpha) : alpha;
      tensors_[i].sums = std::make_unique<ColumnSums>(tensor.shape);
    }
  }

  std::optional<typename Merger<T>::Pass> next_pass() const override {
    if (stage_ == Stage::done) return std::nullopt;
    return Merger<T>::Pass::full;
  }

  // All that a chunk finds goes straight into the columns' sums.
  std::unique_ptr<Partial> partial(std::size_t) const override {
    return std::make_unique<Partial>();
  }

  void reduce(const Block<T>& block, Partial&) const override {
    ColumnSums& sums = *tensors_[block.tensor].sums;
    if (stage_ == Stage::look) {
      sums.look(block.first, block.base, block.inputs[0], block.size);
    } else {
      sums.add(block.first, block.base, block.inputs[0], block.size);
    }
  }

  void fold(std::size_t index, std::span<const std::unique_ptr<Partial>>) override {
    Tensor& tensor = tensors_[index];
    if (stage_ == Stage::look) return tensor.sums->end_look();
    tensor.cosines = cosines_of(tensor.sums->take(), mode_);
    tensor.sums.reset();
  }

  void end_pass() override {
    if (stage_ == Stage::look) {
      stage_ = Stage::add;
      return;
    }
    const Range range = mode_.of_model ? range_of_model() : Range{0, 1};
    for (Tensor& tensor : tensors_) {
      for (const double cosine : tensor.cosines.columns) {
        tensor.of_a.push_back(
            static_cast<T>(share_of_a(similarity(tensor, cosine), range, tensor.alpha)));
      }
      tensor.cosines.columns = {};
    }
    stage_ = Stage::done;
  }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    const T *a = block.base, *b = block.inputs[0];
    const std::vector<T>& of_a = tensors_[block.tensor].of_a;
    for (std::size_t i = 0; i < block.size;) {
      const auto column = static_cast<std::size_t>((block.first + i) % of_a.size());
      const T* k = of_a.data() + column;
      const std::size_t length = std::min(block.size - i, of_a.size() - column);
      for (std::size_t j = 0; j < length; ++j) {
        out[i + j] = (1 - k[j]) * b[i + j] + k[j] * a[i + j];
      }
      i += length;
    }
  }

  std::vector<Fact> facts(std::size_t index) const override {
    const Tensor& tensor = tensors_[index];
    double sum = 0;
    for (const T k : tensor.of_a) sum += k;
    const double mean = tensor.of_a.empty() ? 0 : sum / static_cast<double>(tensor.of_a.size());
    return {{"cosine", {tensor.cosines.tensor}}, {"base_share", {mean}}};
  }

 private:
  enum class Stage { look, add, done };

  struct Tensor {
    double alpha = 0;
    std::unique_ptr<ColumnSums> sums;
    Cosines cosines;
    std::vector<T> of_a;  // A's coefficient, for each column
  };

  double similarity(const Tensor& tensor, double cosine) const {
    return mode_.with_tensor ? (cosine + tensor.cosines.tensor) / 2 : cosine;
  }

  // Mode A takes the range of the columns' cosines alone; B leaves zero tensors out.
  Range range_of_model() const {
    std::vector<double> values;
    for (const Tensor& tensor : tensors_) {
      if (!mode_.normalized && !tensor.cosines.defined) continue;
      for (const double cosine : tensor.cosines.columns) {
        values.push_back(mode_.normalized ? cosine : similarity(tensor, cosine));
      }
    }
    return middle_range(std::move(values));
  }

  // Where all cosines are one, that one counts as the most similar.
  static double share_of_a(double similarity, Range range, double alpha) {
    const double width = range.high - range.low;
    const double position = width > 0                  ? (similarity - range.low) / width
                            : similarity >= range.high ? 1
                                                       : 0;
    return std::clamp(position - alpha, 0.0, 1.0);
  }

  std::vector<Tensor> tensors_;
  Mode mode_;
  Stage stage_ = Stage::look;
};

Outline outline(const MergeTensor& tensor) {
  const Mode mode = mode_of(tensor.settings);
  const double alpha = tensor.settings.number("alpha");
  if (mode.of_model && tensor.name.find("first_stage_model") != std::string::npos) {
    return Outline::copy_of(Outline::kCopyBase, 1, "the VAE is that of the base");
  }
  if (!mode.of_model && alpha >= 1) {
    return Outline::copy_of(0, 1, "alpha = 1 or more: the model is copied");
  }
  if (!mode.of_model && alpha <= -2) {
    return Outline::copy_of(Outline::kCopyBase, 1, "alpha = -2 or less: the base is copied");
  }
  Outline outline = Outline::of_all(1, 3);
  outline.whole_model = mode.of_model;
  const std::uint64_t rows = tensor.shape.empty() ? 1 : tensor.shape[0];
  outline.workspace = rows == 0 ? 0 : tensor.size / rows * 40;  // see ColumnSums
  return outline;
}

}  // namespace

extern const Descriptor cosine;
const Descriptor cosine = {
    .name = "cosine",
    .title = "Cosine interpolation",
    .summary =
        "Keeps the base in the columns (along the first axis) in which it and the model point the "
        "same way, and takes the model in the others.",
    .formula =
        "y = (1-k) B + k A for each column;  cosineA, cosineB: k = clip((s - s_min) / (s_max - "
        "s_min) - alpha, 0, 1), s = (cos of the column + cos of the tensor) / 2, the range taken "
        "over the model between the 1st and the 99th percentile;  add_cosine_a, add_cosine_b: "
        "k = clip(s - alpha, 0, 1), a: s = cos of the column",
    .paper =
        "supermerger (hako-mikan), 'cosineA' and 'cosineB'; sd-mecha, add_cosine_a and "
        "add_cosine_b",
    .space = InputSpace::weights,
    .base = BaseRole::required,
    .min_inputs = 1,
    .max_inputs = 1,
    .parameters =
        {{.name = "alpha",
          .summary = "Moves the result towards the model: it is taken from the base's share "
                     "(cosineA: its magnitude)."},
         {.name = "mode",
          .summary =
              "supermerger's cosineA (columns are normalised first, the range is that of their "
              "cosines alone) and cosineB, or sd-mecha's add_cosine_a and add_cosine_b, which look "
              "at each tensor alone.",
          .type = ParameterType::choice,
          .fallback = Value{"cosineA"},
          .choices = {"cosineA", "cosineB", "add_cosine_a", "add_cosine_b"},
          .constant = true}},
    .outline = outline,
    .make_f32 = make_merger<Cosine, float>,
    .make_f64 = make_merger<Cosine, double>,
};

}  // namespace merganser::methods
