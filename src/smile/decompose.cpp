#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "base/error.h"
#include "kernels/blend.h"
#include "kernels/reduce.h"
#include "linalg/multiply.h"
#include "smile/changes.h"
#include "smile/expert_store.h"
#include "smile/experts.h"
#include "smile/input_stream.h"

namespace merganser {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 18;  // elements read at once

class Decomposition {
 public:
  Decomposition(const Plan& plan, const SmileModules& modules, ExpertStore& store, HashKind hash,
                Progress& progress)
      : plan_(plan), modules_(modules), store_(store), hash_(hash), progress_(progress) {
    experts_.file = store.file();
    const std::size_t count = modules.models.size();
    experts_.weights.resize(count);
    experts_.biases.resize(count);
    experts_.rest.resize(count);
  }

  Experts run() {
    take_over();
    progress_.begin(bytes_left());
    if (!store_.rest()) {
      read_rest();
      store_.add({experts_.biases, experts_.rest, take_hashes()});
    }
    while (experts_.of_module.size() < modules_.modules.size()) {
      const SmileModule& module = modules_.modules[experts_.of_module.size()];
      const PlanJob& job = plan_.jobs[module.weight];
      std::vector<Expert> found = job.f64 ? experts_of<double>(module) : experts_of<float>(module);
      store_.add(module, found, take_hashes());
      experts_.of_module.push_back(std::move(found));
    }
    return std::move(experts_);
  }

 private:
  void check_stop() const {
    if (progress_.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
  }

  InputStream stream(const PlanInput& input) const {
    return InputStream(plan_.models[input.model], input, hash_);
  }

  void finish(InputStream& stream) {
    const PlanInput& input = stream.input();
    std::string hash = stream.finish();
    if (!hash.empty()) hashes_.push_back({input, std::move(hash)});
    const std::uint64_t bytes = plan_.models[input.model].bytes_to_read(input.tensor);
    experts_.bytes_read += bytes;
    progress_.advance(bytes);
  }

  void keep(const std::vector<InputHash>& hashes) {
    for (const InputHash& each : hashes) {
      experts_.hashes[{each.input.model, each.input.tensor}] = each.hash;
    }
  }

  // Of what was read since the last call.
  std::vector<InputHash> take_hashes() {
    keep(hashes_);
    return std::exchange(hashes_, {});
  }

  // In the order of decomposing, so that the sums have the same bits.
  void take_over() {
    if (!store_.rest()) return;
    experts_.biases = store_.rest()->biases;
    experts_.rest = store_.rest()->rest;
    keep(store_.rest()->hashes);
    for (const ModuleRecord& record : store_.taken()) {
      for (std::size_t e = 0; e < record.experts.size(); ++e) {
        experts_.weights[e] += record.experts[e].energy;
      }
      keep(record.hashes);
      experts_.of_module.push_back(record.experts);
    }
  }

  std::uint64_t bytes_left() const {
    if (!store_.rest()) return bytes_to_decompose(plan_);
    std::uint64_t bytes = 0;
    for (std::size_t i = experts_.of_module.size(); i < modules_.modules.size(); ++i) {
      bytes += bytes_to_decompose(plan_, plan_.jobs[modules_.modules[i].weight]);
    }
    return bytes;
  }

  // What no expert carries is measured before anything is decomposed: it may refuse the merge.
  void read_rest() {
    const std::set<std::size_t> upscaled = upscaled_jobs(modules_);
    for (std::size_t i = 0; i < plan_.jobs.size(); ++i) {
      const PlanJob& job = plan_.jobs[i];
      if (job.action != PlanJob::Action::merge || !job.base || upscaled.contains(i)) continue;
      const bool refuse = rest_of(job) == "error";
      compare(job.inputs, *job.base, [&](std::size_t expert, double change) {
        experts_.rest[expert] += change;
        if (change == 0 || !refuse) return;
        throw Error(ErrorKind::mismatch, "differs from the base's, and no expert carries it")
            .in_file(plan_.models[job.inputs[expert].model].path.string())
            .in_tensor(job.output.name)
            .hint("'rest: base' drops the change, 'rest: average' averages it over the fine-tunes");
      });
    }
    for (const SmileModule& module : modules_.modules) {
      if (!module.bias) continue;
      const PlanJob& job = plan_.jobs[*module.bias];
      compare(job.inputs, *job.base,
              [&](std::size_t expert, double change) { experts_.biases[expert] += change; });
    }
  }

  // use(expert, squared norm of its change), of those that change the tensor.
  template <class Use>
  void compare(const std::vector<PlanInput>& inputs, const PlanInput& origin, Use use) {
    std::vector<std::size_t> numbers;
    std::vector<InputStream> streams;
    for (std::size_t e = 0; e < inputs.size(); ++e) {
      const PlanModel& model = plan_.models[inputs[e].model];
      const auto product = product_of(plan_, inputs[e], origin);
      if (product && !product->factors) {
        progress_.advance(model.bytes_to_read(inputs[e].tensor));
        continue;
      }
      numbers.push_back(e);
      streams.push_back(stream(inputs[e]));
    }
    if (streams.empty()) return;
    InputStream base = stream(origin);
    std::vector<double> sums(streams.size()), start, values;
    const std::uint64_t size = plan_.models[origin.model].headers()[origin.tensor].size();
    for (std::uint64_t first = 0; first < size; first += kPiece) {
      check_stop();
      start.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, size - first)));
      values.resize(start.size());
      base.next(std::span(start));
      for (std::size_t i = 0; i < streams.size(); ++i) {
        streams[i].next(std::span(values));
        subtract(values.data(), start.data(), values.data(), values.size());
        sums[i] += dot<double>(values.data(), values.data(), values.size());
      }
    }
    finish(base);
    for (std::size_t i = 0; i < streams.size(); ++i) {
      finish(streams[i]);
      if (!std::isfinite(sums[i])) refuse_not_finite(streams[i].input());
      use(numbers[i], sums[i]);
    }
  }

  [[noreturn]] void refuse_not_finite(const PlanInput& input) const {
    const PlanModel& model = plan_.models[input.model];
    throw Error(ErrorKind::corrupt,
                "it or the base's holds NaN or Inf, which has no singular values")
        .in_file(model.path.string())
        .in_tensor(model.headers()[input.tensor].name)
        .hint("mend the checkpoint, or leave this layer out with 'upscale: false'");
  }

  // [rows, cols] as the weight is stored.
  template <class T>
  Matrix<T> stored_matrix(const SmileModule& module, const PlanInput& input) {
    Matrix<T> matrix(static_cast<std::size_t>(module.transposed ? module.in : module.out),
                     static_cast<std::size_t>(module.transposed ? module.out : module.in));
    InputStream from = stream(input);
    const std::size_t size = matrix.rows() * matrix.cols();
    for (std::size_t first = 0; first < size; first += kPiece) {
      check_stop();
      from.next(std::span(matrix.data() + first, std::min(kPiece, size - first)));
    }
    finish(from);
    return matrix;
  }

  template <class T>
  std::vector<Expert> experts_of(const SmileModule& module) {
    std::vector<Expert> found;
    std::optional<Matrix<T>> base;
    for (std::size_t e = 0; e < module.experts.size(); ++e) {
      check_stop();
      Expert expert;
      expert.dtype = std::is_same_v<T, double> ? DType::f64 : DType::f32;
      if (!module.empty) {
        const auto product = product_of(plan_, module.experts[e], module.base);
        if (product && !module.dense && !module.route_by_weight) {
          if (product->factors) by_product<T>(module, *product, expert, e);
          progress_.advance(
              plan_.models[module.experts[e].model].bytes_to_read(module.experts[e].tensor));
        } else {
          if (!base) base = stored_matrix<T>(module, module.base);
          by_difference<T>(module, *base, e, expert);
        }
        experts_.weights[e] += expert.energy;
      }
      if (!expert.changed && module.unit_vectors) add_unit_vectors<T>(module, expert);
      found.push_back(std::move(expert));
    }
    return found;
  }

  template <class T>
  void by_product(const SmileModule& module, const LoraSource::Product& product, Expert& expert,
                  std::size_t number) {
    const Factors<double>& factors = *product.factors;
    Matrix<double> left(factors.rows, factors.rank);
    scale(product.scale, factors.left.data(), left.data(), factors.left.size());
    const MatrixView<const double> right{factors.right.data(), factors.rank, factors.columns,
                                         factors.columns};
    try {
      put_aside(module, product_svd<T>(std::as_const(left).view(), right, wanted(module, number)),
                expert, number);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::unsupported) throw;
      refuse_not_finite(module.experts[number]);
    }
  }

  static std::size_t wanted(const SmileModule& module, std::size_t expert) {
    return static_cast<std::size_t>(
        std::min(module.full_rank(), std::max(module.most_kept(expert), module.router_rank)));
  }

  template <class T>
  void by_difference(const SmileModule& module, const Matrix<T>& base, std::size_t number,
                     Expert& expert) {
    const PlanInput& input = module.experts[number];
    Matrix<T> weight = stored_matrix<T>(module, input);
    TruncatedSvd<T> routing;
    try {
      if (module.route_by_weight) {
        routing =
            truncated_svd<T>(std::as_const(weight).view(), options(module, module.router_rank));
      }
      subtract(weight.data(), base.data(), weight.data(), weight.rows() * weight.cols());
      const std::size_t rank = module.route_by_weight
                                   ? static_cast<std::size_t>(module.most_kept(number))
                                   : wanted(module, number);
      put_aside(module, truncated_svd<T>(std::as_const(weight).view(), options(module, rank)),
                expert, number);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::unsupported) throw;
      refuse_not_finite(input);
    }
    if (module.route_by_weight) put_router<T>(module, routing, expert);
    if (module.dense && module.transposed) {
      Matrix<T> turned(weight.cols(), weight.rows());
      for (std::size_t r = 0; r < weight.rows(); ++r) {
        for (std::size_t c = 0; c < weight.cols(); ++c) turned(c, r) = weight(r, c);
      }
      expert.dense = append<T>(turned.data(), turned.rows() * turned.cols());
    }
  }

  TruncatedOptions options(const SmileModule& module, std::uint64_t rank) const {
    TruncatedOptions options;
    options.rank = static_cast<std::size_t>(std::min(rank, module.full_rank()));
    options.leading = static_cast<std::size_t>(std::min(module.router_rank, rank));
    options.excess = module.tolerance;
    options.certify = module.certify;
    options.seed = plan_.recipe.seed;
    options.alone = true;
    return options;
  }

  template <class T>
  std::uint64_t append(const T* values, std::size_t count) {
    return store_.append(std::as_bytes(std::span(values, count)));
  }

  // The vectors of the input side stand on the other side of a weight that is stored [n, m].
  template <class T>
  void put_router(const SmileModule& module, const TruncatedSvd<T>& svd, Expert& expert) {
    const Matrix<T>& side = module.transposed ? svd.ut : svd.vt;
    expert.router =
        static_cast<std::size_t>(std::min<std::uint64_t>(module.router_rank, side.rows()));
    expert.vectors = append<T>(side.data(), expert.router * side.cols());
    expert.router_resolved = svd.leading_resolved;
  }

  template <class T>
  void put_aside(const SmileModule& module, TruncatedSvd<T> svd, Expert& expert,
                 std::size_t number) {
    if (module.transposed) std::swap(svd.ut, svd.vt);
    expert.energy = svd.energy;
    expert.excess = svd.excess;
    expert.way = svd.way;
    expert.changed = svd.energy > 0;
    if (!module.route_by_weight) {
      expert.router =
          static_cast<std::size_t>(std::min<std::uint64_t>(module.router_rank, svd.vt.rows()));
      expert.vectors = append<T>(svd.vt.data(), expert.router * svd.vt.cols());
      expert.router_resolved = svd.leading_resolved;
    }
    expert.rank =
        static_cast<std::size_t>(std::min<std::uint64_t>(module.most_kept(number), svd.s.size()));
    expert.u = append<T>(svd.ut.data(), expert.rank * svd.ut.cols());
    for (std::size_t r = 0; r < expert.rank; ++r) {
      scale<T>(static_cast<T>(svd.s[r]), svd.vt.row(r), svd.vt.row(r), svd.vt.cols());
    }
    expert.sv = append<T>(svd.vt.data(), expert.rank * svd.vt.cols());
    expert.s = std::move(svd.s);
  }

  // LAPACK decomposes a zero matrix into unit vectors, and FusionBench keeps them.
  template <class T>
  void add_unit_vectors(const SmileModule& module, Expert& expert) {
    expert.router =
        static_cast<std::size_t>(std::min<std::uint64_t>(module.router_rank, module.full_rank()));
    Matrix<T> rows(expert.router, static_cast<std::size_t>(module.in));
    fill<T>(rows.view(), T{0});
    for (std::size_t r = 0; r < expert.router; ++r) rows(r, r) = 1;
    expert.vectors = append<T>(rows.data(), rows.rows() * rows.cols());
  }

  const Plan& plan_;
  const SmileModules& modules_;
  ExpertStore& store_;
  const HashKind hash_;
  Progress& progress_;
  Experts experts_;
  std::vector<InputHash> hashes_;  // not yet recorded
};

}  // namespace

Experts decompose(const Plan& plan, const SmileModules& modules, ExpertStore& store, HashKind hash,
                  Progress& progress) {
  return Decomposition(plan, modules, store, hash, progress).run();
}

}  // namespace merganser
