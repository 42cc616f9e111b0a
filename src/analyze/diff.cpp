#include "analyze/diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "analyze/work.h"
#include "base/error.h"
#include "kernels/blend.h"
#include "kernels/convert.h"
#include "kernels/reduce.h"

namespace merganser {
namespace {

constexpr std::size_t kBlock = 2048;                      // elements a sum is taken over
constexpr std::size_t kChunk = std::size_t{64} * kBlock;  // elements read at once

// One side's chunk: stored bytes, and a block of it widened. f64 holds every stored type exactly.
struct Side {
  const Source* source = nullptr;
  std::size_t tensor = 0;
  DType dtype = DType::f32;
  std::vector<std::byte> stored;
  std::vector<double> block = std::vector<double>(kBlock);

  void open(const Source& from, std::size_t index) {
    source = &from;
    tensor = index;
    dtype = from.read_dtype(index);
  }
  void read(std::uint64_t first, std::size_t count) {
    stored.resize(count * size_of(dtype));
    source->read(tensor, first * size_of(dtype), stored);
  }
  double* widened(std::size_t begin, std::size_t size) {
    widen(dtype, stored.data() + begin * size_of(dtype), block.data(), size);
    return block.data();
  }
};

struct Sums {
  double dot = 0, a2 = 0, b2 = 0, diff2 = 0, norm_a2 = 0, max = 0;
};

class TensorComparison {
 public:
  TensorComparison(const Source& a, const Source& b, const Source* base, Progress& progress)
      : a_source_(a), b_source_(b), base_source_(base), progress_(progress) {}

  TensorDifference run(const DiffPair& pair) {
    TensorDifference result;
    result.name = pair.name;
    result.problem = problem(pair);
    if (!result.problem.empty()) return result;
    a_.open(a_source_, pair.a);
    b_.open(b_source_, pair.b);
    const bool with_base = base_source_ != nullptr && pair.base != DiffPair::kMissing;
    if (with_base) base_.open(*base_source_, pair.base);
    result.elements = a_source_.headers()[pair.a].size();
    result.identical = a_.dtype == b_.dtype;
    const bool floats = is_float(a_.dtype);
    Sums sums;
    for (std::uint64_t first = 0; first < result.elements; first += kChunk) {
      if (progress_.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
      const auto count =
          static_cast<std::size_t>(std::min<std::uint64_t>(kChunk, result.elements - first));
      a_.read(first, count);
      b_.read(first, count);
      if (with_base && floats) base_.read(first, count);
      result.identical = result.identical && a_.stored == b_.stored;
      if (floats) add(sums, count, with_base, result);
      progress_.advance(a_.stored.size() + b_.stored.size());
    }
    if (floats) settle(sums, result);
    if (!floats && !result.identical) result.problem = "integer values differ";
    return result;
  }

 private:
  std::string problem(const DiffPair& pair) const {
    if (pair.b == DiffPair::kMissing) return "only in the first";
    if (pair.a == DiffPair::kMissing) return "only in the second";
    const TensorInfo& a = a_source_.headers()[pair.a];
    const TensorInfo& b = b_source_.headers()[pair.b];
    if (a.shape != b.shape) {
      return fmt::format("shapes {} and {}", to_string(a.shape), to_string(b.shape));
    }
    if (is_float(a.dtype) != is_float(b.dtype) || (!is_float(a.dtype) && a.dtype != b.dtype)) {
      return fmt::format("types {} and {}", torch_name(a.dtype), torch_name(b.dtype));
    }
    if (base_source_ != nullptr && pair.base != DiffPair::kMissing &&
        base_source_->headers()[pair.base].shape != a.shape) {
      return "the base's shape differs";
    }
    return "";
  }

  void add(Sums& sums, std::size_t count, bool with_base, TensorDifference& result) {
    for (std::size_t begin = 0; begin < count; begin += kBlock) {
      const std::size_t size = std::min(kBlock, count - begin);
      double* a = a_.widened(begin, size);
      double* b = b_.widened(begin, size);
      result.non_finite += count_nonfinite<double>(a, size) + count_nonfinite<double>(b, size);
      const Difference plain = difference<double>(a, b, size);
      sums.diff2 += plain.diff2;
      sums.norm_a2 += plain.norm_a2;
      sums.max = std::max(sums.max, plain.max_abs);
      Difference compared = plain;
      if (with_base) {
        const double* base = base_.widened(begin, size);
        subtract<double>(a, base, a, size);
        subtract<double>(b, base, b, size);
        compared = difference<double>(a, b, size);
      }
      sums.dot += compared.dot;
      sums.a2 += compared.norm_a2;
      sums.b2 += compared.norm_b2;
    }
  }

  static void settle(const Sums& sums, TensorDifference& result) {
    // One root is exact where two would round; the product can overflow only beyond any checkpoint.
    const double product = sums.a2 * sums.b2;
    const double norms =
        std::isfinite(product) ? std::sqrt(product) : std::sqrt(sums.a2) * std::sqrt(sums.b2);
    if (result.identical) {
      result.cosine = 1;
    } else {
      result.cosine = norms > 0 ? std::clamp(sums.dot / norms, -1.0, 1.0) : 0;
    }
    result.max = sums.max;
    const auto n = static_cast<double>(std::max<std::uint64_t>(1, result.elements));
    result.rms = std::sqrt(sums.diff2 / n);
    result.relative =
        sums.norm_a2 > 0 ? std::sqrt(sums.diff2 / sums.norm_a2) : (sums.diff2 > 0 ? HUGE_VAL : 0);
  }

  const Source& a_source_;
  const Source& b_source_;
  const Source* base_source_;
  Progress& progress_;
  Side a_, b_, base_;
};

}  // namespace

std::vector<TensorDifference> compare(const Source& a, const Source& b, const Source* base,
                                      const std::vector<DiffPair>& pairs, unsigned threads,
                                      Progress& progress) {
  std::uint64_t total = 0;
  for (const DiffPair& pair : pairs) {
    if (pair.a != DiffPair::kMissing) total += a.headers()[pair.a].bytes();
    if (pair.b != DiffPair::kMissing) total += b.headers()[pair.b].bytes();
  }
  progress.begin(total);
  std::vector<TensorDifference> results(pairs.size());
  std::vector<std::size_t> order(pairs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for_each_of(order, threads, [&](std::size_t i) {
    results[i] = TensorComparison(a, b, base, progress).run(pairs[i]);
  });
  return results;
}

}  // namespace merganser
