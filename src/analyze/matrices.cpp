#include "analyze/matrices.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <numeric>
#include <optional>
#include <type_traits>
#include <utility>

#include "analyze/angles.h"
#include "analyze/change_reader.h"
#include "analyze/spectrum.h"
#include "analyze/work.h"
#include "analyze/zones.h"
#include "base/error.h"
#include "base/text.h"
#include "linalg/blas_info.h"
#include "linalg/truncated_svd.h"

namespace merganser {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 17;  // elements read at once
// Matrices whose smaller side has at most so many entries are decomposed in f64, exactly.
constexpr std::uint64_t kExact = 256;
// Of one side of a matrix that Gram matrices are made of (fortran.h).
constexpr std::uint64_t kLongest = 32768;

// Lets through as many matrices as memory holds; one alone always.
class MemoryGate {
 public:
  explicit MemoryGate(std::uint64_t bytes) : bytes_(bytes) {}

  class Pass {
   public:
    Pass(MemoryGate& gate, std::uint64_t bytes) : gate_(gate), bytes_(bytes) {
      std::unique_lock lock(gate.mutex_);
      gate.changed_.wait(lock,
                         [&] { return gate.taken_ == 0 || gate.taken_ + bytes <= gate.bytes_; });
      gate.taken_ += bytes;
    }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    ~Pass() {
      std::lock_guard lock(gate_.mutex_);
      gate_.taken_ -= bytes_;
      gate_.changed_.notify_all();
    }

   private:
    MemoryGate& gate_;
    std::uint64_t bytes_;
  };

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t bytes_, taken_ = 0;
};

bool has_spectrum(const AnalysedTensor& tensor) {
  const bool part =
      tensor.part == Part::linear || tensor.part == Part::embedding || tensor.part == Part::head;
  return part && tensor.matrix() && tensor.size() > 0;
}

bool in_f64(const AnalysedTensor& tensor) {
  return std::min(tensor.shape[0], tensor.shape[1]) <= kExact;
}

// What is found of a matrix, and the bytes that it takes meanwhile.
struct Decomposing {
  std::size_t tensor = 0;
  bool zones = false;
  std::uint64_t bytes = 0;
};

Decomposing decomposing(const AnalysisInputs& inputs, std::size_t index, bool zones,
                        const MatrixOptions& options) {
  const AnalysedTensor& tensor = inputs.tensors[index];
  const std::uint64_t rows = tensor.shape[0], cols = tensor.shape[1];
  const std::uint64_t width = in_f64(tensor) ? sizeof(double) : sizeof(float);
  const std::uint64_t rank = std::max<std::uint64_t>(options.rank, options.angles);
  const std::uint64_t matrix = rows * cols * width;
  const std::uint64_t spectrum = truncated_svd_workspace(rows, cols, rank, width);
  if (!zones) return {index, false, matrix + spectrum};
  const ZonesMemory needed = zones_memory(rows, cols, width, options.zone_share);
  return {index, true,
          std::max(matrix + needed.making,
                   2 * matrix + needed.kept + std::max(spectrum, needed.applying))};
}

class MatrixWork {
 public:
  MatrixWork(const AnalysisInputs& inputs, const AnalysedTensor& tensor, bool zones,
             const MatrixOptions& options, TensorFigures& figures, Progress& progress)
      : inputs_(inputs),
        tensor_(tensor),
        zones_(zones),
        options_(options),
        figures_(figures),
        progress_(progress) {}

  void run() {
    if (in_f64(tensor_)) {
      work<double>();
    } else {
      work<float>();
    }
  }

 private:
  void check_stop() const {
    if (progress_.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
  }

  std::size_t rows() const { return static_cast<std::size_t>(tensor_.shape[0]); }
  std::size_t cols() const { return static_cast<std::size_t>(tensor_.shape[1]); }

  // act(first, how many)
  template <class Act>
  void each_piece(Act act) const {
    for (std::size_t first = 0; first < rows() * cols(); first += kPiece) {
      check_stop();
      act(first, std::min(kPiece, rows() * cols() - first));
    }
  }

  template <class T>
  Matrix<T> base_matrix() const {
    Matrix<T> matrix(rows(), cols());
    ValueReader reader(inputs_.plan, tensor_.base);
    std::vector<double> base;
    each_piece([&](std::size_t first, std::size_t count) {
      base.resize(count);
      reader.read(first, base);
      std::ranges::transform(base, matrix.data() + first,
                             [](double x) { return static_cast<T>(x); });
    });
    return matrix;
  }

  // `held`: the base, where it is at hand as it was stored; else it is read once more, unless the
  // change is an adapter's, which needs none.
  template <class T>
  Matrix<T> change_matrix(ChangeReader& reader, const Matrix<T>* held) const {
    Matrix<T> matrix(rows(), cols());
    ValueReader base_reader(inputs_.plan, tensor_.base);
    std::vector<double> base, change;
    each_piece([&](std::size_t first, std::size_t count) {
      if (!reader.product()) {
        base.resize(count);
        if (held != nullptr) {
          std::copy_n(held->data() + first, count, base.begin());
        } else {
          base_reader.read(first, base);
        }
      }
      change.resize(count);
      reader.read(first, base, change);
      std::ranges::transform(change, matrix.data() + first,
                             [](double x) { return static_cast<T>(x); });
    });
    return matrix;
  }

  template <class T>
  void work() {
    const bool with_zones = zones_ && figures_.base_squared > 0;
    // Every type but f64 goes into T and back without a loss.
    const bool exact = std::is_same_v<T, double> || inputs_.plan.dtype(tensor_.base) != DType::f64;
    const SpectrumOptions spectrum{options_.rank, inputs_.models() > 1 ? options_.angles : 0,
                                   options_.seed};
    std::optional<Matrix<T>> base;
    std::optional<BaseZones<T>> zones;
    std::vector<std::optional<Leading>> leading(inputs_.models());
    for (std::size_t i = 0; i < inputs_.models(); ++i) {
      check_stop();
      ChangeSums& sums = figures_.changes[i];
      if (sums.squared == 0) continue;
      ChangeReader reader(inputs_, tensor_, i);
      Decomposed found;
      if (reader.product()) found = decompose(*reader.product(), spectrum);
      if (!reader.product() || with_zones) {
        if (with_zones && !zones) {
          base = base_matrix<T>();
          zones.emplace(std::as_const(*base).view(), options_.zone_share);
          check_stop();
        }
        const Matrix<T> change = change_matrix<T>(reader, base && exact ? &*base : nullptr);
        if (!reader.product()) found = decompose<T>(change.view(), spectrum);
        check_stop();
        if (zones && !zones->empty()) sums.zones = zones->of(change.view(), sums.squared);
      }
      sums.spectrum = std::move(found.spectrum);
      leading[i] = std::move(found.leading);
    }
    if (options_.angles > 0) find_angles(leading);
  }

  void find_angles(const std::vector<std::optional<Leading>>& leading) {
    std::size_t pair = 0;
    for (std::size_t i = 0; i < leading.size(); ++i) {
      for (std::size_t j = i + 1; j < leading.size(); ++j, ++pair) {
        if (!leading[i] || !leading[j]) continue;
        figures_.pairs[pair].angles =
            principal_angles(*leading[i], *leading[j], tensor_.transposed);
      }
    }
  }

  const AnalysisInputs& inputs_;
  const AnalysedTensor& tensor_;
  bool zones_;
  const MatrixOptions& options_;
  TensorFigures& figures_;
  Progress& progress_;
};

// What was not found for want of memory, told once for each shape.
class Misses {
 public:
  explicit Misses(const AnalysisInputs& inputs) : inputs_(inputs) {}

  void add(const Decomposing& wanted) {
    Shape shape = inputs_.tensors[wanted.tensor].shape;
    Miss& miss = misses_[{std::move(shape), wanted.zones}];
    if (miss.count++ == 0) miss.first = wanted;
  }

  void tell(std::vector<std::string>& notes) const {
    for (const auto& [key, miss] : misses_) {
      const auto& [shape, zones] = key;
      const std::string& name = inputs_.tensors[miss.first.tensor].name;
      const std::string who =
          miss.count == 1 ? name : fmt::format("{} and {} more", name, miss.count - 1);
      const std::string why =
          std::ranges::min(shape) > kLongest
              ? fmt::format("as both sides are beyond {}", kLongest)
              : fmt::format("for which {} are needed (--memory)", human_bytes(miss.first.bytes));
      notes.push_back(fmt::format("{}, {}: no {}, {}", who, to_string(shape),
                                  zones ? "zones" : "spectrum, zones and angles", why));
    }
  }

 private:
  struct Miss {
    Decomposing first;
    std::size_t count = 0;
  };

  const AnalysisInputs& inputs_;
  std::map<std::pair<Shape, bool>, Miss> misses_;
};

// What is done of each matrix, the largest first. `memory` grows where options.memory_grows.
std::vector<Decomposing> choose(const AnalysisInputs& inputs, const MatrixOptions& options,
                                std::uint64_t& memory, std::vector<std::string>& notes) {
  std::vector<Decomposing> chosen;
  Misses misses(inputs);
  std::uint64_t largest = 0;
  for (std::size_t t = 0; t < inputs.tensors.size(); ++t) {
    const AnalysedTensor& tensor = inputs.tensors[t];
    if (!has_spectrum(tensor)) continue;
    const Decomposing alone = decomposing(inputs, t, false, options);
    const bool possible = std::min(tensor.shape[0], tensor.shape[1]) <= kLongest;
    if (!possible || (alone.bytes > options.memory && !options.memory_grows)) {
      misses.add(alone);
      continue;
    }
    largest = std::max(largest, alone.bytes);
    chosen.push_back(alone);
  }
  memory = std::max(options.memory, largest);
  for (Decomposing& one : chosen) {
    if (!options.zones || inputs.tensors[one.tensor].part != Part::linear) continue;
    const Decomposing both = decomposing(inputs, one.tensor, true, options);
    if (both.bytes <= memory) {
      one = both;
    } else {
      misses.add(both);
    }
  }
  if (memory > options.memory) {
    notes.push_back(
        fmt::format("matrices take up to {}, which the largest needs (--memory sets a "
                    "limit, and leaves out what is larger)",
                    human_bytes(memory)));
  }
  misses.tell(notes);
  std::ranges::stable_sort(chosen, std::greater<>(), [&](const Decomposing& one) {
    return inputs.tensors[one.tensor].size();
  });
  return chosen;
}

}  // namespace

void compare_matrices(const AnalysisInputs& inputs, const MatrixOptions& options,
                      std::vector<TensorFigures>& figures, std::vector<std::string>& notes,
                      Progress& progress) {
  // Before anything is counted: BLAS's buffers go by its threads.
  set_blas_threads(1);
  std::uint64_t memory = 0;
  const std::vector<Decomposing> chosen = choose(inputs, options, memory, notes);
  std::uint64_t total = 0;
  for (const Decomposing& one : chosen) total += inputs.bytes(inputs.tensors[one.tensor]);
  progress.begin(total);
  MemoryGate gate(memory);
  std::vector<std::size_t> order(chosen.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for_each_of(order, options.threads, [&](std::size_t i) {
    const auto& [t, zones, bytes] = chosen[i];
    const MemoryGate::Pass pass(gate, bytes);
    MatrixWork(inputs, inputs.tensors[t], zones, options, figures[t], progress).run();
    progress.advance(inputs.bytes(inputs.tensors[t]));
  });
}

}  // namespace merganser
