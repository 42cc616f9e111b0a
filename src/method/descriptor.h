// A merge method's description of itself: all that recipe, plan, help and docs know of it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "method/merger.h"
#include "method/parameter.h"
#include "method/settings.h"

namespace merganser {

enum class InputSpace {
  weights,  // the models as they are
  // Task vectors: model - base, taken in the working type. Weights where an optional base is
  // absent.
  deltas,
};

enum class BaseRole {
  ordinary,  // a base_model is one more input
  required,  // the origin of the deltas, or the first of two (slerp)
  optional,  // the origin of the deltas where one is given; else the weights themselves
};

// What becomes of one output tensor, decided from its settings before any data is read.
struct Outline {
  static constexpr std::size_t kNoCopy = static_cast<std::size_t>(-1);
  static constexpr std::size_t kCopyBase = static_cast<std::size_t>(-2);

  std::size_t copy = kNoCopy;  // the output is this input (or the base), bit for bit
  std::vector<bool> reads;     // the inputs that take part; one of weight 0 is not read
  unsigned sweeps = 1;         // times the data are read, the writing pass included
  bool whole_model = false;    // reductions span all tensors of the recipe
  Unit unit = Unit::element;
  std::uint64_t workspace = 0;  // bytes that reduce() or write() take beside the block, at most
  std::string note;             // one sentence for the plan, or empty

  static Outline copy_of(std::size_t input, std::size_t inputs, std::string note);
  static Outline of_all(std::size_t inputs, unsigned sweeps);
};

struct Descriptor {
  std::string_view name;     // as in a recipe: "dare_ties"
  std::string_view title;    // "DARE-TIES"
  std::string_view summary;  // one sentence
  std::string_view formula;  // plain text, the field's symbols
  std::string_view paper;    // "Ilharco et al. 2022, arXiv 2212.04089", or where it comes from
  InputSpace space = InputSpace::weights;
  BaseRole base = BaseRole::ordinary;
  std::size_t min_inputs = 1;  // the base counted only where it is an ordinary input
  std::size_t max_inputs = 1000;
  // Whether per-input parameters are also asked of a base that is an ordinary input: always yes
  // for BaseRole::ordinary; other bases have none.
  std::vector<Parameter> parameters;

  // Beside the merged tensor, a bit an element for each input: Merger::masks().
  bool task_masks = false;
  // The output is a mixture of experts (src/smile): the merger makes only the tensors that are not
  // upscaled. Not for documents that others take their tensors from.
  bool mixture = false;
  // Its last bits depend on the BLAS in use, its kernel and its threads: the provenance names them.
  bool blas = false;

  // `tensor` has the settings of all inputs. Throws Error(recipe) for settings that cannot work (a
  // weight sum of zero).
  Outline (*outline)(const MergeTensor& tensor) = nullptr;
  std::unique_ptr<Merger<float>> (*make_f32)(MergeGroup) = nullptr;
  std::unique_ptr<Merger<double>> (*make_f64)(MergeGroup) = nullptr;

  const Parameter* find(std::string_view parameter) const;
  std::vector<std::string> parameter_names() const;
};

// `template <class T> class X : public Merger<T> { explicit X(MergeGroup); }` as a pair of makers.
template <template <class> class M, class T>
std::unique_ptr<Merger<T>> make_merger(MergeGroup group) {
  return std::make_unique<M<T>>(std::move(group));
}

}  // namespace merganser
