#include "methods/parts/matrix_merge.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/blend.h"
#include "kernels/reduce.h"

namespace merganser::methods {
namespace {

template <class T>
double root_mean_square(const T* x, std::size_t n) {
  return n == 0 ? 0 : std::sqrt(dot<T>(x, x, n) / static_cast<double>(n));
}

template <class T>
class MatrixMerger final : public Merger<T> {
 public:
  MatrixMerger(MergeGroup group, MergeMatrix<T> merge, OtherTensors others)
      : tensors_(std::move(group.tensors)), facts_(tensors_.size()), merge_(merge) {
    for (const MergeTensor& tensor : tensors_) {
      const std::vector<double> weights = tensor.settings.numbers("weight");
      const double divisor = others == OtherTensors::mean ? static_cast<double>(weights.size()) : 1;
      std::vector<T> coefficients;
      for (const double weight : weights) {
        coefficients.push_back(static_cast<T>(tensor.settings.number("lambda") * weight / divisor));
      }
      coefficients_.push_back(std::move(coefficients));
    }
  }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    const MergeTensor& tensor = tensors_[block.tensor];
    if (merged_as_matrix(tensor)) {
      merge_matrix(tensor, block, out);
      const T lambda = static_cast<T>(tensor.settings.number("lambda"));
      if (lambda != 1) scale<T>(lambda, out, out, block.size);
    } else {
      combine<T>(coefficients_[block.tensor], block.inputs, out, block.size);
    }
    add<T>(block.base, out, out, block.size);
  }

  std::vector<Fact> facts(std::size_t tensor) const override { return facts_[tensor]; }

 private:
  void merge_matrix(const MergeTensor& tensor, const Block<T>& block, T* out) const {
    const auto rows = static_cast<std::size_t>(tensor.shape[0]);
    const auto cols = static_cast<std::size_t>(tensor.shape[1]);
    constexpr double unit = std::numeric_limits<T>::epsilon() / 2;
    const double base = root_mean_square(block.base, block.size);
    MatrixDeltas<T> in{{}, {}, tensor.settings};
    for (std::size_t i = 0; i < block.inputs.size(); ++i) {
      T* delta = block.inputs[i];
      const double weight = tensor.settings.number("weight", i);
      const double size = base + root_mean_square(delta, block.size);
      if (!std::isfinite(size)) {
        throw Error(ErrorKind::unsupported, "a matrix with NaN or infinity cannot be merged as one")
            .in_tensor(tensor.name);
      }
      in.element_error.push_back(unit * std::abs(weight) * size);
      if (weight != 1) scale<T>(static_cast<T>(weight), delta, delta, block.size);
      in.delta.push_back(matrix_view(delta, rows, cols));
    }
    try {
      facts_[block.tensor] = merge_(in, matrix_view(out, rows, cols));
    } catch (Error& error) {
      throw error.in_tensor(tensor.name);
    }
  }

  std::vector<MergeTensor> tensors_;
  std::vector<std::vector<T>> coefficients_;  // of tensors that are no matrices
  // A matrix is one block, so each is written by one call, before facts() is asked.
  mutable std::vector<std::vector<Fact>> facts_;
  MergeMatrix<T> merge_;
};

}  // namespace

template <class T>
double MatrixDeltas<T>::error_of_sum() const {
  double sum = 0;
  for (const double error : element_error) sum += error * error;
  return std::sqrt(sum);
}

template <class T>
void MatrixDeltas<T>::sum_into(MatrixView<T> out) const {
  for (std::size_t r = 0; r < rows(); ++r) {
    std::copy_n(delta[0].row(r), cols(), out.row(r));
    for (std::size_t i = 1; i < tasks(); ++i) {
      add<T>(out.row(r), delta[i].row(r), out.row(r), cols());
    }
  }
}

template <class T>
std::unique_ptr<Merger<T>> merge_matrices(MergeGroup group, MergeMatrix<T> merge,
                                          OtherTensors others) {
  return std::make_unique<MatrixMerger<T>>(std::move(group), merge, others);
}

std::vector<Parameter> matrix_parameters(std::vector<Parameter> own, double lambda,
                                         OtherTensors others) {
  std::vector<Parameter> all = {
      {.name = "weight",
       .summary = "Factor of the task vector, before all else.",
       .scope = ParameterScope::per_input,
       .fallback = Value{1.0}},
      {.name = "lambda", .summary = "Factor of the merged difference.", .fallback = Value{lambda}}};
  all.insert(all.end(), own.begin(), own.end());
  if (others == OtherTensors::mean) {
    all.push_back({.name = "vocabulary",
                   .summary =
                       "Embeddings and output heads: the mean of the task vectors, or merged "
                       "like the other matrices (slow).",
                   .type = ParameterType::choice,
                   .fallback = Value{"mean"},
                   .choices = {"mean", "spectral"}});
  } else {
    all.push_back({.name = "vocabulary",
                   .summary = "Embeddings and output heads: the sum of the task vectors, or merged "
                              "like the other matrices (slow).",
                   .type = ParameterType::choice,
                   .fallback = Value{"sum"},
                   .choices = {"sum", "spectral"}});
  }
  return all;
}

bool merged_as_matrix(const MergeTensor& tensor) {
  if (tensor.shape.size() != 2 || tensor.size == 0) return false;
  return !tensor.vocabulary || tensor.settings.choice("vocabulary") == "spectral";
}

Outline matrix_outline(const MergeTensor& tensor, bool exact_alone, MatrixWorkspace workspace) {
  const Settings& settings = tensor.settings;
  const std::vector<double> weights = settings.numbers("weight");
  const std::size_t inputs = weights.size();
  std::size_t read = 0, last = 0;
  for (std::size_t i = 0; i < inputs; ++i) {
    if (weights[i] == 0) continue;
    ++read;
    last = i;
  }
  if (read == 0 || settings.number("lambda") == 0) {
    return Outline::copy_of(Outline::kCopyBase, inputs, "nothing is added: the base is copied");
  }
  const bool matrix = merged_as_matrix(tensor);
  if (read == 1 && weights[last] * settings.number("lambda") == 1 && (!matrix || exact_alone)) {
    return Outline::copy_of(last, inputs, "only one model has a weight: copied");
  }
  Outline outline = Outline::of_all(inputs, 1);
  for (std::size_t i = 0; i < inputs; ++i) outline.reads[i] = weights[i] != 0;
  if (matrix) {
    outline.unit = Unit::tensor;
    outline.workspace = workspace(tensor.shape[0], tensor.shape[1], read, settings);
  }
  return outline;
}

template struct MatrixDeltas<float>;
template struct MatrixDeltas<double>;
template std::unique_ptr<Merger<float>> merge_matrices(MergeGroup, MergeMatrix<float>,
                                                       OtherTensors);
template std::unique_ptr<Merger<double>> merge_matrices(MergeGroup, MergeMatrix<double>,
                                                        OtherTensors);

}  // namespace merganser::methods
