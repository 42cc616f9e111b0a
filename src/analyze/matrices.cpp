#include "analyze/matrices.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <functional>
#include <mutex>
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

std::uint64_t bytes_at_work(const AnalysedTensor& tensor, const MatrixOptions& options) {
  const std::uint64_t rows = tensor.shape[0], cols = tensor.shape[1];
  const std::uint64_t width = in_f64(tensor) ? sizeof(double) : sizeof(float);
  const std::uint64_t rank = std::max<std::uint64_t>(options.rank, options.angles);
  const std::uint64_t matrix = rows * cols * width;
  const std::uint64_t spectrum = truncated_svd_workspace(rows, cols, rank, width);
  if (!options.zones || tensor.part != Part::linear) return matrix + spectrum;
  const ZonesMemory zones = zones_memory(rows, cols, width, options.zone_share);
  return std::max(matrix + zones.making,
                  2 * matrix + zones.kept + std::max(spectrum, zones.applying));
}

class MatrixWork {
 public:
  MatrixWork(const AnalysisInputs& inputs, const AnalysedTensor& tensor,
             const MatrixOptions& options, TensorFigures& figures, Progress& progress)
      : inputs_(inputs),
        tensor_(tensor),
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

  // take(base's elements, change's elements, first)
  template <class Take>
  void each_piece(ChangeReader* reader, Take take) const {
    ValueReader base_reader(inputs_.plan, tensor_.base);
    std::vector<double> base, change;
    for (std::size_t first = 0; first < rows() * cols(); first += kPiece) {
      check_stop();
      base.resize(std::min(kPiece, rows() * cols() - first));
      base_reader.read(first, base);
      if (reader != nullptr) {
        change.resize(base.size());
        reader->read(first, base, change);
      }
      take(base, change, first);
    }
  }

  template <class T>
  Matrix<T> base_matrix() const {
    Matrix<T> matrix(rows(), cols());
    each_piece(nullptr, [&](const auto& base, const auto&, std::size_t first) {
      std::ranges::transform(base, matrix.data() + first,
                             [](double x) { return static_cast<T>(x); });
    });
    return matrix;
  }

  template <class T>
  Matrix<T> change_matrix(ChangeReader& reader) const {
    Matrix<T> matrix(rows(), cols());
    each_piece(&reader, [&](const auto&, const auto& change, std::size_t first) {
      std::ranges::transform(change, matrix.data() + first,
                             [](double x) { return static_cast<T>(x); });
    });
    return matrix;
  }

  template <class T>
  void work() {
    const bool with_zones =
        options_.zones && tensor_.part == Part::linear && figures_.base_squared > 0;
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
        const Matrix<T> change = change_matrix<T>(reader);
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
  const MatrixOptions& options_;
  TensorFigures& figures_;
  Progress& progress_;
};

}  // namespace

void compare_matrices(const AnalysisInputs& inputs, const MatrixOptions& options,
                      std::vector<TensorFigures>& figures, std::vector<std::string>& notes,
                      Progress& progress) {
  std::vector<std::size_t> order;
  std::vector<std::uint64_t> costs(inputs.tensors.size());
  std::uint64_t total = 0;
  for (std::size_t t = 0; t < inputs.tensors.size(); ++t) {
    const AnalysedTensor& tensor = inputs.tensors[t];
    if (!has_spectrum(tensor)) continue;
    const bool fits = std::min(tensor.shape[0], tensor.shape[1]) <= kLongest &&
                      bytes_at_work(tensor, options) <= options.memory;
    // In f64 the copies are wider; very small matrices take next to nothing all the same.
    if (!fits) {
      notes.push_back(fmt::format("{}: {} takes {} to decompose: no spectrum, zones and angles",
                                  tensor.name, to_string(tensor.shape),
                                  human_bytes(bytes_at_work(tensor, options))));
      continue;
    }
    order.push_back(t);
    costs[t] = inputs.bytes(tensor);
    total += costs[t];
  }
  std::ranges::stable_sort(order, std::greater<>(),
                           [&](std::size_t t) { return inputs.tensors[t].size(); });
  progress.begin(total);
  set_blas_threads(1);
  MemoryGate gate(options.memory);
  for_each_of(order, options.threads, [&](std::size_t t) {
    const MemoryGate::Pass pass(gate, bytes_at_work(inputs.tensors[t], options));
    MatrixWork(inputs, inputs.tensors[t], options, figures[t], progress).run();
    progress.advance(costs[t]);
  });
}

}  // namespace merganser
