#include "lora/combine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "kernels/convert.h"

namespace merganser {
namespace {

using Form = CombineMethod::Form;
std::string place_of(const Adapter& adapter) { return adapter.weights().files().front().string(); }

// What factors of this type cannot hold beside the largest: less than its rounding.
double resolution(DType dtype) {
  if (dtype == DType::f64) return 0x1p-48;
  return dtype == DType::f32 ? 0x1p-26 : 0x1p-13;
}

Matrix<double> as_matrix(const std::vector<double>& values, std::uint64_t rows, bool transpose) {
  const std::size_t cols = values.size() / rows;
  Matrix<double> m(transpose ? cols : rows, transpose ? rows : cols);
  for (std::size_t i = 0; i < values.size(); ++i) {
    m(transpose ? i % cols : i / cols, transpose ? i / cols : i % cols) = values[i];
  }
  return m;
}

class Combiner {
 public:
  Combiner(const std::vector<Adapter>& adapters, const CombineOptions& options, TermStore& store,
           Progress& progress)
      : adapters_(adapters), options_(options), store_(store), progress_(progress) {
    result_.read.resize(adapters.size());
  }

  CombineResult run() {
    std::map<std::string, std::vector<const AdapterModule*>> modules;
    std::uint64_t bytes = 0, largest = 1;
    for (std::size_t i = 0; i < adapters_.size(); ++i) {
      bytes += adapters_[i].weights().bytes();
      result_.lora_bias = result_.lora_bias || adapters_[i].config().lora_bias;
      for (const AdapterModule& module : adapters_[i].modules()) {
        refuse_magnitude(module, adapters_[i]);
        auto& places = modules[module.name];
        places.resize(adapters_.size(), nullptr);
        places[i] = &module;
        largest = std::max(largest, module.rank);
      }
    }
    rank_rule_.most = options_.rank;
    if (rank_rule_.most == 0) {
      rank_rule_.most = options_.method->form == Form::exact ? RankRule().most : largest;
    }
    rank_rule_.energy = options_.energy;
    progress_.begin(bytes);
    for (const auto& [name, places] : modules) {
      if (progress_.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
      add(name, places);
    }
    keep_whole();
    store_.choose(rank_rule_);
    for (const auto& entry : store_.entries()) {
      if (entry.rank == 0) result_.empty.push_back(entry.module.name);
    }
    return std::move(result_);
  }

 private:
  static void refuse_magnitude(const AdapterModule& module, const Adapter& adapter) {
    if (!module.magnitude) return;
    throw Error(ErrorKind::unsupported,
                "an adapter with magnitudes (DoRA), whose change is no product of factors")
        .in_file(place_of(adapter))
        .in_tensor(module.name)
        .hint("merge it into its base and extract a LoRA from that: merganser extract-lora");
  }

  const TensorInfo& info(std::size_t adapter, std::size_t tensor) const {
    return adapters_[adapter].weights().tensors()[tensor].info;
  }

  std::vector<double> read(std::size_t adapter, std::size_t tensor) {
    const Checkpoint& weights = adapters_[adapter].weights();
    const StoredTensor& stored = weights.tensors()[tensor];
    std::vector<std::byte> bytes(stored.info.bytes());
    weights.read(stored, 0, bytes);
    const auto hasher = Hasher::make(HashKind::xxh3);
    hasher->update(bytes);
    result_.read[adapter].push_back({stored.info.name, hasher->finish()});
    result_.bytes_read += bytes.size();
    progress_.advance(bytes.size());
    std::vector<double> values(stored.info.size());
    widen(stored.info.dtype, bytes.data(), values.data(), values.size());
    if (!std::ranges::all_of(values, [](double x) { return std::isfinite(x); })) {
      throw Error(ErrorKind::corrupt, "holds NaN or Inf")
          .in_file(place_of(adapters_[adapter]))
          .in_tensor(stored.info.name);
    }
    return values;
  }

  void add(const std::string& name, const std::vector<const AdapterModule*>& places) {
    LoraModule out{.name = name};
    std::vector<ModuleFactors> factors;
    std::optional<DType> dtype;
    std::size_t first = 0;
    while (places[first] == nullptr) ++first;
    for (std::size_t i = first; i < places.size(); ++i) {
      const AdapterModule* module = places[i];
      if (module == nullptr) continue;
      check_alike(*places[first], first, *module, i);
      for (const std::size_t tensor : {module->a, module->b}) {
        const DType own = info(i, tensor).dtype;
        dtype = dtype ? promote(*dtype, own) : own;
      }
      out.out = info(i, module->b).shape[0];
      factors.push_back({i, options_.weights[i], module->scale,
                         as_matrix(read(i, module->a), module->rank, false),
                         as_matrix(read(i, module->b), out.out, true)});
    }
    const Shape& a = info(first, places[first]->a).shape;
    out.kind = places[first]->kind;
    out.in.assign(a.begin() + 1, a.end());
    out.dtype = options_.dtype.value_or(size_of(*dtype) >= 2 ? *dtype : DType::bf16);
    ModuleMerge how{*options_.method, options_.rule,        options_.seed,
                    rank_rule_.most,  *dtype == DType::f64, resolution(out.dtype)};
    how.rule.pruning = options_.method->pruning;
    how.rule.elect = options_.method->elect;
    store_.add(out, merge_module(name, how, factors));
    if (result_.lora_bias && out.kind != AdapterModule::Kind::embedding) add_bias(out, places);
  }

  void check_alike(const AdapterModule& first, std::size_t first_adapter,
                   const AdapterModule& module, std::size_t adapter) const {
    const auto fail = [&](const std::string& what, const std::string& hint) {
      throw Error(ErrorKind::mismatch,
                  fmt::format("{} in '{}'", what, place_of(adapters_[first_adapter])))
          .in_file(place_of(adapters_[adapter]))
          .in_tensor(module.name)
          .hint(hint);
    };
    if (module.kind != first.kind || module.shape != first.shape) {
      fail(fmt::format("this module is {} here and {}", to_string(module.shape),
                       to_string(first.shape)),
           "adapters that are merged must belong to one base");
    }
    if (options_.method->form == Form::factors && module.rank != first.rank) {
      fail(fmt::format("its rank is {} here and {}", module.rank, first.rank),
           fmt::format("{} adds factors of one rank; exact, cat and svd take any",
                       options_.method->name));
    }
  }

  // b' = b + s bias in each adapter; the sum is weighted like the products. PEFT wants one for
  // every linear module once the config says lora_bias.
  void add_bias(const LoraModule& module, const std::vector<const AdapterModule*>& places) {
    std::vector<double> sum(module.out, 0);
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (places[i] == nullptr || !places[i]->bias) continue;
      const std::vector<double> bias = read(i, *places[i]->bias);
      const double weighted = options_.weights[i] * places[i]->scale;
      for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += weighted * bias[k];
    }
    add_values({kPeftPrefix + module.name + ".lora_B.bias", module.dtype, {module.out}}, sum);
  }

  void add_values(TensorInfo tensor, const std::vector<double>& values) {
    auto bytes = std::make_shared<std::vector<std::byte>>(tensor.bytes());
    narrow(values.data(), tensor.dtype, bytes->data(), values.size());
    result_.whole.push_back(
        {std::move(tensor), [bytes](std::uint64_t begin, std::span<std::byte> out) {
           std::copy_n(bytes->begin() + static_cast<std::ptrdiff_t>(begin), out.size(),
                       out.begin());
         }});
  }

  void keep_whole() {
    std::map<std::string, std::vector<std::size_t>> tensors;  // by name, of each adapter in order
    for (const Adapter& adapter : adapters_) {
      for (const AdapterTensor& each : adapter.replaced())
        tensors[each.name].push_back(each.tensor);
    }
    double sum = 0;
    for (const double weight : options_.weights) sum += weight;
    for (const auto& [name, places] : tensors) {
      if (progress_.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
      if (places.size() != adapters_.size()) refuse_missing(name);
      if (sum == 0) {
        throw Error(ErrorKind::usage,
                    "the weights sum to 0, and this tensor's weighted mean is wanted")
            .in_tensor(name)
            .hint("adapters with modules_to_save need weights with another sum");
      }
      mean(name, places, sum);
    }
  }

  void refuse_missing(const std::string& name) const {
    for (const Adapter& adapter : adapters_) {
      if (std::ranges::find(adapter.replaced(), name, &AdapterTensor::name) !=
          adapter.replaced().end()) {
        continue;
      }
      throw Error(ErrorKind::mismatch,
                  "another adapter brings this tensor whole (modules_to_save or a bias), this one "
                  "does not")
          .in_file(place_of(adapter))
          .in_tensor(name)
          .hint("merge each adapter into its base, and the checkpoints with one another");
    }
  }

  void mean(const std::string& name, const std::vector<std::size_t>& places, double sum) {
    TensorInfo out = info(0, places[0]);
    out.name = stored_name(name);
    std::vector<double> mean(out.size(), 0);
    for (std::size_t i = 0; i < places.size(); ++i) {
      const TensorInfo& own = info(i, places[i]);
      if (own.shape != out.shape || !is_float(own.dtype) || !is_float(out.dtype)) {
        throw Error(ErrorKind::mismatch,
                    fmt::format("its shape is {} here and {} in '{}'; floats of one shape have a "
                                "mean",
                                to_string(own.shape), to_string(out.shape), place_of(adapters_[0])))
            .in_file(place_of(adapters_[i]))
            .in_tensor(own.name);
      }
      out.dtype = promote(out.dtype, own.dtype);
      const std::vector<double> values = read(i, places[i]);
      const double weight = options_.weights[i] / sum;
      for (std::size_t k = 0; k < mean.size(); ++k) mean[k] += weight * values[k];
    }
    add_values(std::move(out), mean);
  }

  // Biases of modules with factors stand behind what PEFT wraps around the module.
  std::string stored_name(const std::string& name) const {
    const std::size_t dot = name.rfind('.');
    const std::string module = name.substr(0, dot == name.npos ? 0 : dot);
    const bool wrapped = std::ranges::any_of(store_.entries(), [&](const TermStore::Entry& entry) {
      return entry.module.name == module;
    });
    return kPeftPrefix + (wrapped ? module + ".base_layer" + name.substr(dot) : name);
  }

  const std::vector<Adapter>& adapters_;
  const CombineOptions& options_;
  TermStore& store_;
  Progress& progress_;
  RankRule rank_rule_;
  CombineResult result_;
};

}  // namespace

CombineResult combine(const std::vector<Adapter>& adapters, const CombineOptions& options,
                      TermStore& store, Progress& progress) {
  return Combiner(adapters, options, store, progress).run();
}

}  // namespace merganser
