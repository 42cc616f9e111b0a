// The common course of the methods that merge a matrix as a whole:
//   d_i = w_i (x_i - b);  y = b + lambda * merged(d_1 .. d_T)
// Tensors that are no matrices get the mean of the d_i (or their sum), and so do embeddings and
// output heads unless asked for: their rows are tokens, so that there is no spectrum common to the
// tasks, and they are several times larger than any other matrix. A method supplies `merged`.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "linalg/matrix.h"
#include "method/descriptor.h"

namespace merganser::methods {

// One tensor's task vectors, weighted. All of it is scratch.
template <class T>
struct MatrixDeltas {
  std::vector<MatrixView<T>> delta;  // at least one; all of the same shape
  // Root mean square of an element's rounding error: the weights x_i and b were rounded to T before
  // they were subtracted, so a difference below that size is noise (linalg/svd.h).
  std::vector<double> element_error;
  const Settings& settings;

  std::size_t tasks() const { return delta.size(); }
  std::size_t rows() const { return delta[0].rows; }
  std::size_t cols() const { return delta[0].cols; }
  std::size_t full_rank() const { return rows() < cols() ? rows() : cols(); }
  double error_of_sum() const;
  void sum_into(MatrixView<T> out) const;
};

// Writes the merged difference, before lambda, and returns what explains it.
template <class T>
using MergeMatrix = std::vector<Fact> (*)(MatrixDeltas<T>& in, MatrixView<T> out);

enum class OtherTensors { mean, sum };

template <class T>
std::unique_ptr<Merger<T>> merge_matrices(MergeGroup group, MergeMatrix<T> merge,
                                          OtherTensors others = OtherTensors::mean);

// `weight`, `lambda` and `vocabulary`, before the method's own.
std::vector<Parameter> matrix_parameters(std::vector<Parameter> own, double lambda = 1,
                                         OtherTensors others = OtherTensors::mean);

// Whether this tensor is merged as a matrix.
bool merged_as_matrix(const MergeTensor& tensor);

// Bytes that the method needs for a rows x cols matrix of f32 beside the tensors (f64 checkpoints,
// which are rare, take twice that and more). tasks: the inputs that are read.
using MatrixWorkspace = std::uint64_t (*)(std::uint64_t rows, std::uint64_t cols,
                                          std::uint64_t tasks, const Settings& settings);

// exact_alone: of a single model with weight * lambda = 1 the method returns that model.
Outline matrix_outline(const MergeTensor& tensor, bool exact_alone, MatrixWorkspace workspace);

}  // namespace merganser::methods
