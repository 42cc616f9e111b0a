// Spherical interpolation of two models, or of two task vectors: of whole tensors, rows or columns.
#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/blend.h"
#include "kernels/reduce.h"
#include "method/descriptor.h"
#include "methods/parts/gram.h"

namespace merganser::methods {
namespace {

constexpr double kTinyNorm = 1e-7;  // MergeKit: a shorter vector is divided by this
constexpr double kTinySum = 1e-6;   // MergeKit: weights of a smaller sum count alike

// 1 - cos^2 below which two vectors lie on a line and are interpolated on it. Of vectors that point
// the same way it makes no difference; of opposite ones the arc's coefficients grow without limit
// and would leave nothing but rounding errors. MergeKit's 1e-16 comes to this in f32; in f64 it
// lies below the rounding of the cosine.
template <class T>
constexpr double kLine = std::is_same_v<T, float> ? 1e-7 : 1e-12;

double position(const Settings& settings) {
  const std::vector<double> weights = settings.numbers("weight");
  const double sum = weights[0] + weights[1];
  return std::abs(sum) < kTinySum ? 0.5 : weights[1] / sum;
}

double cosine(double norm0, double norm1, double product) {
  return std::clamp(product / (std::max(norm0, kTinyNorm) * std::max(norm1, kTinyNorm)), -1.0, 1.0);
}

template <class T>
std::array<double, 2> factors(double cosine, double t) {
  if (1 - cosine * cosine <= kLine<T>) return {1 - t, t};
  const double angle = std::acos(cosine), sine = std::sin(angle);
  return {std::sin((1 - t) * angle) / sine, std::sin(t * angle) / sine};
}

template <class T>
class OfTensor final : public GramMerger<T> {
 public:
  explicit OfTensor(const MergeGroup& group)
      : GramMerger<T>(group), cosines_(group.tensors.size()) {
    for (const MergeTensor& tensor : group.tensors) t_.push_back(position(tensor.settings));
  }

  std::vector<Fact> facts(std::size_t tensor) const override {
    return {{"t", {t_[tensor]}}, {"cosine", {cosines_[tensor]}}};
  }

 protected:
  std::vector<double> coefficients(std::size_t tensor, const Gram& gram) override {
    cosines_[tensor] = cosine(gram.norm(0), gram.norm(1), gram(0, 1));
    const auto [f0, f1] = factors<T>(cosines_[tensor], t_[tensor]);
    return {f0, f1};
  }

 private:
  std::vector<double> t_, cosines_;
};

// Vectors that one block holds whole: all is decided where it is written.
template <class T>
class InBlocks : public Merger<T> {
 public:
  explicit InBlocks(const MergeGroup& group) {
    for (const MergeTensor& tensor : group.tensors) {
      t_.push_back(position(tensor.settings));
      shapes_.push_back(tensor.shape);
    }
  }

  void write(const Block<T>& block, Cursor*, T* out) const final {
    interpolate(block, t_[block.tensor], shapes_[block.tensor], out);
    if (block.base != nullptr) add<T>(block.base, out, out, block.size);
  }

 protected:
  virtual void interpolate(const Block<T>& block, double t, const Shape& shape, T* out) const = 0;

  static std::array<T, 2> rounded_factors(double norm0, double norm1, double product, double t) {
    const auto [f0, f1] = factors<T>(cosine(std::sqrt(norm0), std::sqrt(norm1), product), t);
    return {static_cast<T>(f0), static_cast<T>(f1)};
  }

 private:
  std::vector<double> t_;
  std::vector<Shape> shapes_;
};

template <class T>
class OfRows final : public InBlocks<T> {
 public:
  using InBlocks<T>::InBlocks;

 protected:
  void interpolate(const Block<T>& block, double t, const Shape& shape, T* out) const override {
    const std::size_t row = row_size(shape);
    for (std::size_t first = 0; first < block.size; first += row) {
      const T *x0 = block.inputs[0] + first, *x1 = block.inputs[1] + first;
      const auto [f0, f1] =
          this->rounded_factors(dot<T>(x0, x0, row), dot<T>(x1, x1, row), dot<T>(x0, x1, row), t);
      scale<T>(f0, x0, out + first, row);
      add_scaled<T>(f1, x1, out + first, row);
    }
  }
};

// Vectors along the first axis, one for each place in the others.
template <class T>
class OfColumns final : public InBlocks<T> {
 public:
  using InBlocks<T>::InBlocks;

  static std::uint64_t workspace(std::uint64_t columns) { return columns * sizeof(Column); }

 protected:
  void interpolate(const Block<T>& block, double t, const Shape& shape, T* out) const override {
    const auto rows = static_cast<std::size_t>(shape.front());
    const std::size_t width = rows == 0 ? 0 : block.size / rows;
    std::vector<Column> columns(width);
    each_row(block, width, [&](const T* x0, const T* x1, std::size_t) {
      for (std::size_t j = 0; j < width; ++j) {
        const double a = x0[j], b = x1[j];
        columns[j].norm0 += a * a;
        columns[j].norm1 += b * b;
        columns[j].product += a * b;
      }
    });
    for (Column& column : columns) {
      const auto f = this->rounded_factors(column.norm0, column.norm1, column.product, t);
      column.factor0 = f[0];
      column.factor1 = f[1];
    }
    each_row(block, width, [&](const T* x0, const T* x1, std::size_t first) {
      for (std::size_t j = 0; j < width; ++j) {
        out[first + j] = columns[j].factor0 * x0[j] + columns[j].factor1 * x1[j];
      }
    });
  }

 private:
  struct Column {
    double norm0 = 0, norm1 = 0, product = 0;
    T factor0 = 0, factor1 = 0;
  };

  template <class Act>
  static void each_row(const Block<T>& block, std::size_t width, Act act) {
    for (std::size_t first = 0; first < block.size; first += width) {
      act(block.inputs[0] + first, block.inputs[1] + first, first);
    }
  }
};

// Of one axis or none, a column is the row.
bool by_columns(const MergeTensor& tensor) {
  return !tensor.settings.flag("nuslerp_flatten") && tensor.settings.flag("nuslerp_row_wise") &&
         tensor.shape.size() > 1;
}

template <class T>
std::unique_ptr<Merger<T>> make(MergeGroup group) {
  if (by_columns(group.tensors[0])) return std::make_unique<OfColumns<T>>(group);
  if (!group.tensors[0].settings.flag("nuslerp_flatten")) return std::make_unique<OfRows<T>>(group);
  return std::make_unique<OfTensor<T>>(group);
}

Outline outline(const MergeTensor& tensor) {
  const double t = position(tensor.settings);
  if (t == 0) return Outline::copy_of(0, 2, "the other model has no weight: copied");
  if (t == 1) return Outline::copy_of(1, 2, "the other model has no weight: copied");
  Outline outline = Outline::of_all(2, 1);
  if (tensor.settings.flag("nuslerp_flatten")) {
    outline.sweeps = 2;
  } else if (by_columns(tensor)) {
    outline.unit = Unit::tensor;
    outline.workspace = OfColumns<double>::workspace(
        tensor.size / std::max<std::uint64_t>(1, tensor.shape.front()));
  } else {
    outline.unit = Unit::row;
  }
  return outline;
}

}  // namespace

extern const Descriptor nuslerp;
const Descriptor nuslerp = {
    .name = "nuslerp",
    .title = "NuSLERP",
    .summary =
        "SLERP by weights, of two models or of their changes from a base, in whole tensors, rows "
        "or columns.",
    .formula =
        "t = w_1 / (w_0 + w_1);  d_i = x_i - b (or x_i);  cos a = d_0.d_1 / (|d_0| |d_1|);  "
        "y = b + [sin((1-t)a) d_0 + sin(t a) d_1] / sin a;  on a line: y = b + (1-t) d_0 + t d_1",
    .paper = "Shoemake 1985, Animating rotation with quaternion curves; MergeKit",
    .space = InputSpace::deltas,
    .base = BaseRole::optional,
    .min_inputs = 2,
    .max_inputs = 2,
    .parameters =
        {{.name = "weight",
          .summary = "Weight of the model: the second one's share of the sum is its place t.",
          .scope = ParameterScope::per_input},
         {.name = "nuslerp_flatten",
          .summary = "Take each tensor as one vector.",
          .type = ParameterType::flag,
          .fallback = Value{true}},
         {.name = "nuslerp_row_wise",
          .summary = "Without nuslerp_flatten: vectors along the first axis (columns; the name is "
                     "MergeKit's), instead of along the last (rows).",
          .type = ParameterType::flag,
          .fallback = Value{false}}},
    .outline = outline,
    .make_f32 = make<float>,
    .make_f64 = make<double>,
};

}  // namespace merganser::methods
