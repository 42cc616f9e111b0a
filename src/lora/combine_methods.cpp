#include "lora/combine_methods.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "linalg/multiply.h"
#include "linalg/svd.h"

namespace merganser {
namespace {

using Form = CombineMethod::Form;

constexpr std::array kMethods = {
    CombineMethod{"exact", "the weighted sum, at the rank that it has", Form::exact},
    CombineMethod{"svd", "the weighted sum, cut to a rank", Form::svd},
    CombineMethod{"cat", "the weighted sum, factors side by side", Form::concatenation},
    CombineMethod{"linear", "weighted sums of the factors", Form::factors},
    CombineMethod{"ties", "TIES of the factors", Form::factors, Pruning::magnitude, true},
    CombineMethod{"ties_svd", "TIES of the changes", Form::product, Pruning::magnitude, true},
    CombineMethod{"dare_linear", "DARE of the factors", Form::factors, Pruning::random},
    CombineMethod{"dare_linear_svd", "DARE of the changes", Form::product, Pruning::random},
    CombineMethod{"dare_ties", "DARE and signs of the factors", Form::factors, Pruning::random,
                  true},
    CombineMethod{"dare_ties_svd", "DARE and signs of the changes", Form::product, Pruning::random,
                  true},
    CombineMethod{"magnitude_prune", "the largest elements of the factors", Form::factors,
                  Pruning::magnitude},
    CombineMethod{"magnitude_prune_svd", "the largest elements of the changes", Form::product,
                  Pruning::magnitude},
};

Matrix<double> transposed(const Matrix<double>& a) {
  Matrix<double> t(a.cols(), a.rows());
  for (std::size_t r = 0; r < a.rows(); ++r) {
    for (std::size_t c = 0; c < a.cols(); ++c) t(c, r) = a(r, c);
  }
  return t;
}

template <class T>
std::span<T> all_of(Matrix<T>& matrix) {
  return {matrix.data(), matrix.rows() * matrix.cols()};
}

template <class T>
Matrix<T> converted(const Matrix<double>& a, double factor) {
  Matrix<T> b(a.rows(), a.cols());
  std::transform(a.data(), a.data() + a.rows() * a.cols(), b.data(),
                 [&](double x) { return static_cast<T>(factor * x); });
  return b;
}

std::vector<RandomStream> streams(const std::string& module, std::uint64_t seed,
                                  std::span<const ModuleFactors> factors, std::string_view part) {
  std::vector<RandomStream> streams;
  for (const ModuleFactors& each : factors) {
    streams.push_back({seed, hash64(fmt::format("lora\n{}\n{}\n{}", module, each.adapter, part))});
  }
  return streams;
}

Terms side_by_side(std::span<const ModuleFactors> factors) {
  std::size_t rank = 0, row = 0;
  for (const ModuleFactors& each : factors) rank += each.a.rows();
  Terms terms{
      Matrix<double>(rank, factors[0].bt.cols()), Matrix<double>(rank, factors[0].a.cols()), {}};
  for (const ModuleFactors& each : factors) {
    const double weighted = each.weight * each.scale;
    for (std::size_t r = 0; r < each.a.rows(); ++r, ++row) {
      std::copy_n(each.bt.row(r), each.bt.cols(), terms.left.row(row));
      std::transform(each.a.row(r), each.a.row(r) + each.a.cols(), terms.right.row(row),
                     [&](double x) { return weighted * x; });
    }
  }
  return terms;
}

Terms factor_by_factor(const std::string& module, const ModuleMerge& how,
                       std::span<const ModuleFactors> factors) {
  std::vector<double> a_weights, b_weights;
  for (const ModuleFactors& each : factors) {
    const double weighted = each.weight * each.scale, root = std::sqrt(std::abs(weighted));
    a_weights.push_back(weighted < 0 ? -root : root);  // the sign once, or it would vanish
    b_weights.push_back(root);
  }
  Terms terms;
  terms.right = Matrix<double>(factors[0].a.rows(), factors[0].a.cols());
  combine_tensors<double>(
      a_weights, how.rule, streams(module, how.seed, factors, "A"),
      [&](std::size_t i, std::span<double> t) {
        std::copy_n(factors[i].a.data(), t.size(), t.begin());
      },
      all_of(terms.right));
  // Equal magnitudes and masks go by the elements' places in B as it is stored.
  Matrix<double> b(factors[0].bt.cols(), factors[0].bt.rows());
  combine_tensors<double>(
      b_weights, how.rule, streams(module, how.seed, factors, "B"),
      [&](std::size_t i, std::span<double> t) {
        const Matrix<double> stored = transposed(factors[i].bt);
        std::copy_n(stored.data(), t.size(), t.begin());
      },
      all_of(b));
  terms.left = transposed(b);
  return terms;
}

// A small file can hold the factors of a matrix that no memory holds.
constexpr std::uint64_t kMostDense = std::uint64_t{1} << 32;  // elements

void check_dense(const std::string& module, const ModuleMerge& how, std::uint64_t rows,
                 std::uint64_t cols) {
  if (rows <= kMostDense / cols) return;
  throw Error(ErrorKind::unsupported,
              fmt::format("a change of {} x {} elements is too large to be formed, as {} does",
                          rows, cols, how.method.name))
      .in_tensor(module)
      .hint("exact, svd and cat work on the factors");
}

template <class T>
Terms of_products(const std::string& module, const ModuleMerge& how,
                  std::span<const ModuleFactors> factors) {
  check_dense(module, how, factors[0].bt.cols(), factors[0].a.cols());
  std::vector<double> weights;
  std::vector<std::pair<Matrix<T>, Matrix<T>>> own;  // s B^T, A
  for (const ModuleFactors& each : factors) {
    weights.push_back(each.weight);
    own.emplace_back(converted<T>(each.bt, each.scale), converted<T>(each.a, 1));
  }
  Matrix<T> sum(factors[0].bt.cols(), factors[0].a.cols());
  combine_tensors<T>(
      weights, how.rule, streams(module, how.seed, factors, "BA"),
      [&](std::size_t i, std::span<T> t) {
        multiply<T>(1, own[i].first.view(), Transposed::yes, own[i].second.view(), Transposed::no,
                    0, matrix_view(t.data(), sum.rows(), sum.cols()));
      },
      all_of(sum));
  SvdOptions options;
  options.most = static_cast<std::size_t>(std::min<std::uint64_t>(how.most, options.most));
  Svd<T> svd = thin_svd<T>(sum.view(), options);
  Terms terms{Matrix<double>(svd.ut.rows(), svd.ut.cols()),
              Matrix<double>(svd.vt.rows(), svd.vt.cols()), std::move(svd.s), svd.energy};
  std::ranges::copy(all_of(svd.ut), terms.left.data());
  std::ranges::copy(all_of(svd.vt), terms.right.data());
  return terms;
}

}  // namespace

std::span<const CombineMethod> combine_methods() { return kMethods; }

const CombineMethod& combine_method(const std::string& name) {
  const auto at = std::ranges::find(kMethods, name, &CombineMethod::name);
  if (at != kMethods.end()) return *at;
  std::vector<std::string> names;
  for (const CombineMethod& method : kMethods) names.emplace_back(method.name);
  throw Error(ErrorKind::usage, fmt::format("adapters are not merged by '{}'", name))
      .hint(suggestion(name, names));
}

Terms merge_module(const std::string& module, const ModuleMerge& how,
                   std::span<const ModuleFactors> factors) {
  switch (how.method.form) {
    case Form::concatenation:
      return side_by_side(factors);
    case Form::exact:
    case Form::svd: {
      Terms stacked = side_by_side(factors);
      return singular_terms(std::move(stacked.left), std::move(stacked.right), how.resolution);
    }
    case Form::factors:
      return factor_by_factor(module, how, factors);
    case Form::product:
      return how.wide ? of_products<double>(module, how, factors)
                      : of_products<float>(module, how, factors);
  }
  return {};
}

}  // namespace merganser
