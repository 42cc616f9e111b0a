// Singular projection merging (Tang et al. 2024): of one fine-tune's change, the part that lies in
// a zone of the base's own singular vectors. It shows where a fine-tune keeps what it has learnt.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "kernels/blend.h"
#include "linalg/multiply.h"
#include "linalg/svd.h"
#include "method/descriptor.h"
#include "methods/parts/matrix_merge.h"

namespace merganser::methods {
namespace {

enum class Zone {
  first,       // I: the first r singular vectors
  others,      // II: the other ones that the base has
  complement,  // II+III: everything perpendicular to the first r
};

struct Wish {
  Zone zone;
  bool by_share;     // r is found from the singular values
  double share;      // of their sum
  std::size_t rank;  // else r
  std::size_t most;  // singular vectors that are needed to know

  Wish(const Settings& settings, std::uint64_t full_rank)
      : by_share(settings.number("rank") < 0), share(settings.number("share")) {
    const std::string_view name = settings.choice("zone");
    zone = name == "I" ? Zone::first : name == "II" ? Zone::others : Zone::complement;
    const auto full = static_cast<double>(full_rank);
    rank = by_share ? 0 : static_cast<std::size_t>(std::min(settings.number("rank"), full));
    most = decomposes_all() ? static_cast<std::size_t>(full_rank) : rank;
  }

  bool decomposes_all() const { return by_share || zone == Zone::others; }
};

// The first of these values whose sum reaches the share of the sum of all.
std::size_t reaching(const std::vector<double>& s, double share) {
  double all = 0, sum = 0;
  for (const double value : s) all += value;
  for (std::size_t k = 0; k < s.size(); ++k) {
    sum += s[k];
    if (sum >= share * all) return k + 1;
  }
  return s.size();
}

// Of a change perpendicular to the first r vectors on both sides: what lies in the span of the
// base's others. A side of which the base has all directions has nothing outside of it.
template <class T>
void keep_span(const Svd<T>& svd, std::size_t r, MatrixView<T> change) {
  const std::size_t others = svd.rank() - r;
  if (svd.rank() < change.rows) {
    const MatrixView<const T> u = svd.ut.view().row_block(r, others);
    Matrix<T> inside(others, change.cols);
    multiply<T>(1, u, Transposed::no, change, Transposed::no, 0, inside.view());
    multiply<T>(1, u, Transposed::yes, inside.view(), Transposed::no, 0, change);
  }
  if (svd.rank() < change.cols) {
    const MatrixView<const T> v = svd.vt.view().row_block(r, others);
    Matrix<T> inside(change.rows, others);
    multiply<T>(1, change, Transposed::no, v, Transposed::yes, 0, inside.view());
    multiply<T>(1, inside.view(), Transposed::no, v, Transposed::no, 0, change);
  }
}

// The change becomes its part in the zone.
template <class T>
std::vector<Fact> project(const Wish& wish, MatrixView<const T> base, MatrixView<T> change) {
  const double energy = squared_norm<T>(change);
  if (!std::isfinite(energy) || !std::isfinite(squared_norm<T>(base))) {
    throw Error(ErrorKind::unsupported, "a matrix with NaN or infinity cannot be merged as one");
  }
  if (energy == 0) return {};
  const Svd<T> svd = thin_svd<T>(base, {.most = wish.most});
  const std::size_t r =
      wish.by_share ? reaching(svd.s, wish.share) : std::min(wish.rank, svd.rank());
  const MatrixView<const T> u = svd.ut.view().row_block(0, r), v = svd.vt.view().row_block(0, r);
  Matrix<T> left(r, change.cols), right(change.rows, r), core(r, r);
  multiply<T>(1, u, Transposed::no, change, Transposed::no, 0, left.view());
  multiply<T>(1, change, Transposed::no, v, Transposed::yes, 0, right.view());
  multiply<T>(1, left.view(), Transposed::no, v, Transposed::yes, 0, core.view());
  const double in_first = squared_norm<T>(core.view());
  double in_complement = std::max(
      0.0, energy - squared_norm<T>(left.view()) - squared_norm<T>(right.view()) + in_first);
  if (wish.zone == Zone::first) {
    multiply<T>(1, core.view(), Transposed::no, v, Transposed::no, 0, left.view());
    multiply<T>(1, u, Transposed::yes, left.view(), Transposed::no, 0, change);
  } else {
    // (1 - U U^T) D (1 - V V^T) = D - U (U^T D - U^T D V V^T) - D V V^T: the full bases that the
    // paper takes for this are never needed.
    multiply<T>(-1, core.view(), Transposed::no, v, Transposed::no, 1, left.view());
    multiply<T>(-1, u, Transposed::yes, left.view(), Transposed::no, 1, change);
    multiply<T>(-1, right.view(), Transposed::no, v, Transposed::no, 1, change);
    in_complement = squared_norm<T>(change);
    if (wish.zone == Zone::others) keep_span(svd, r, change);
  }
  std::vector<Fact> facts{{"rank", {static_cast<double>(r)}}};
  if (wish.decomposes_all()) {
    facts.push_back({"numerical_rank", {static_cast<double>(svd.rank())}});
  }
  facts.push_back({"energy_kept", {squared_norm<T>(change) / energy}});
  facts.push_back({"energy_I", {in_first / energy}});
  facts.push_back({"energy_II_III", {in_complement / energy}});
  return facts;
}

template <class T>
class SingularProjection final : public Merger<T> {
 public:
  explicit SingularProjection(MergeGroup group)
      : tensors_(std::move(group.tensors)), facts_(tensors_.size()) {}

  void write(const Block<T>& block, Cursor*, T* out) const override {
    const MergeTensor& tensor = tensors_[block.tensor];
    const auto rows = static_cast<std::size_t>(tensor.shape[0]);
    const auto cols = static_cast<std::size_t>(tensor.shape[1]);
    T* change = block.inputs[0];
    try {
      facts_[block.tensor] =
          project<T>(Wish(tensor.settings, std::min(rows, cols)),
                     matrix_view(block.base, rows, cols), matrix_view(change, rows, cols));
    } catch (Error& error) {
      throw error.in_tensor(tensor.name);
    }
    add<T>(block.base, change, out, block.size);
  }

  std::vector<Fact> facts(std::size_t tensor) const override { return facts_[tensor]; }

 private:
  std::vector<MergeTensor> tensors_;
  // A matrix is one block, so each is written by one call, before facts() is asked.
  mutable std::vector<std::vector<Fact>> facts_;
};

std::uint64_t workspace(std::uint64_t rows, std::uint64_t cols, std::uint64_t most) {
  // The singular vectors, and as much again of the change in them.
  const std::uint64_t projection = sizeof(float) * (2 * most * (rows + cols) + most * most);
  return std::max(svd_workspace(rows, cols, most, sizeof(float)), projection);
}

Outline outline(const MergeTensor& tensor) {
  const Settings& settings = tensor.settings;
  const std::size_t inputs = settings.per_input.size();
  if (!merged_as_matrix(tensor)) {
    const bool tokens = tensor.vocabulary && settings.choice("vocabulary") != "spectral";
    const char* const name = tokens ? "vocabulary" : "vectors";
    if (settings.choice(name) == "base") {
      return Outline::copy_of(Outline::kCopyBase, inputs, std::string(name) + ": base");
    }
    return Outline::copy_of(0, inputs, std::string(name) + ": fine_tuned");
  }
  const Wish wish(settings, std::min(tensor.shape[0], tensor.shape[1]));
  if (!wish.by_share && wish.rank == 0) {
    if (wish.zone == Zone::first) {
      return Outline::copy_of(Outline::kCopyBase, inputs, "zone I is empty: the base is copied");
    }
    if (wish.zone == Zone::complement) {
      return Outline::copy_of(0, inputs, "zone II+III is everything: copied");
    }
  }
  Outline outline = Outline::of_all(inputs, 1);
  outline.unit = Unit::tensor;
  outline.workspace = workspace(tensor.shape[0], tensor.shape[1], wish.most);
  return outline;
}

}  // namespace

extern const Descriptor singular_projection;
const Descriptor singular_projection = {
    .name = "singular_projection",
    .title = "Singular projection merging",
    .summary =
        "Keeps of one fine-tune's change of a matrix the part that lies in a zone of the "
        "base's singular vectors: its strongest ones, its others, or all that is "
        "perpendicular to the strongest.",
    .formula =
        "b = U S V^T;  y = b + U_a (U_a^T (x - b) V_a) V_a^T;  zone I: a = the first r vectors;  "
        "II: the others with s > 0;  II+III: all of the full bases but the first r;  r = rank, or "
        "the least with s_1 + .. + s_r >= share sum_j s_j;  no matrix: y = x",
    .paper = "Tang et al. 2024, SMILE, arXiv 2408.10174; FusionBench's singular_projection_merging",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .min_inputs = 1,
    .max_inputs = 1,
    .parameters =
        {{.name = "zone",
          .summary = "I: the base's first r singular vectors (FusionBench's rank: low); II: its "
                     "others (rank: high); II+III: those and what the base does not span (rank: "
                     "high with full_matrices).",
          .type = ParameterType::choice,
          .fallback = Value{"I"},
          .choices = {"I", "II", "II+III"}},
         {.name = "rank",
          .summary = "The r of the zones, FusionBench's k, cut to the rank that the base has; -1 "
                     "finds it by share.",
          .fallback = Value{-1.0},
          .low = -1,
          .integer = true},
         {.name = "share",
          .summary = "rank -1: r is the least for which the first r singular values of the base "
                     "have this share of their sum.",
          .fallback = Value{0.5},
          .low = 0,
          .high = 1},
         {.name = "vectors",
          .summary = "Tensors that are no matrices (norms, biases, convolutions): the fine-tune's, "
                     "as in FusionBench, or the base's.",
          .type = ParameterType::choice,
          .fallback = Value{"fine_tuned"},
          .choices = {"fine_tuned", "base"}},
         {.name = "vocabulary",
          .summary = "Embeddings and output heads: the fine-tune's, the base's, or projected like "
                     "the other matrices (slow; FusionBench does so with heads).",
          .type = ParameterType::choice,
          .fallback = Value{"fine_tuned"},
          .choices = {"fine_tuned", "base", "spectral"}}},
    .blas = true,
    .outline = outline,
    .make_f32 = make_merger<SingularProjection, float>,
    .make_f64 = make_merger<SingularProjection, double>,
};

}  // namespace merganser::methods
