#include "lora/extract.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "kernels/convert.h"
#include "linalg/svd.h"

namespace merganser {
namespace {

constexpr std::size_t kChunk = std::size_t{4} << 20;  // bytes compared at once
void stop_if_asked(const Progress& progress) {
  if (progress.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
}

// Factors in a type that PEFT computes in.
DType factor_dtype(DType base, DType tuned) {
  const DType both = promote(base, tuned);
  return size_of(both) >= 2 ? both : DType::bf16;
}

template <class T>
Terms terms_of(MatrixView<const T> difference, std::uint64_t most, bool transposed) {
  SvdOptions options;
  options.most = static_cast<std::size_t>(std::min<std::uint64_t>(most, options.most));
  Svd<T> svd = thin_svd<T>(difference, options);
  const auto wide = [](const Matrix<T>& rows) {
    Matrix<double> copy(rows.rows(), rows.cols());
    std::copy_n(rows.data(), rows.rows() * rows.cols(), copy.data());
    return copy;
  };
  Terms terms{wide(svd.ut), wide(svd.vt), std::move(svd.s), svd.energy};
  if (transposed) std::swap(terms.left, terms.right);
  return terms;
}

class Extraction {
 public:
  Extraction(const ExtractPlan& plan, const std::vector<TensorPair>& pairs, const Source& base,
             const Source& tuned, const ExtractOptions& options, TermStore& store,
             Progress& progress)
      : plan_(plan),
        pairs_(pairs),
        base_(base),
        tuned_(tuned),
        options_(options),
        store_(store),
        progress_(progress) {}

  ExtractResult run() {
    progress_.begin(bytes_to_read());
    for (const ExtractModule& module : plan_.modules) {
      stop_if_asked(progress_);
      if (module.fate == ExtractModule::Fate::whole) {
        keep_whole(module);
      } else {
        decompose(module);
      }
    }
    for (const Skipped& tensor : plan_.left_out) {
      if (differs(tensor.name)) result_.left_out.push_back(tensor);
    }
    choose();
    return std::move(result_);
  }

 private:
  std::uint64_t bytes_to_read() const {
    std::uint64_t bytes = 0;
    for (const TensorPair& pair : pairs_) {
      if (pair.base) bytes += pair.base_info->bytes();
      if (pair.tuned) bytes += pair.tuned_info->bytes();
    }
    return bytes;
  }

  void count(std::uint64_t bytes) {
    result_.bytes_read += bytes;
    progress_.advance(bytes);
  }

  // Whole, hashed.
  std::vector<std::byte> read(const Source& source, std::size_t index,
                              std::vector<ReadTensor>& record) {
    const TensorInfo& info = source.headers()[index];
    std::vector<std::byte> bytes(info.bytes());
    source.read(index, 0, bytes);
    const auto hasher = Hasher::make(HashKind::xxh3);
    hasher->update(bytes);
    record.push_back({info.name, hasher->finish()});
    count(bytes.size());
    return bytes;
  }

  // In pieces, hashed; an absent base differs.
  bool changed(const TensorPair& pair) {
    if (!pair.tuned) return false;
    const bool alike = pair.base && pair.base_info->dtype == pair.tuned_info->dtype &&
                       pair.base_info->shape == pair.tuned_info->shape;
    const auto tuned_hash = Hasher::make(HashKind::xxh3), base_hash = Hasher::make(HashKind::xxh3);
    bool same = alike;
    std::vector<std::byte> tuned, base;
    const std::uint64_t size = pair.tuned_info->bytes();
    for (std::uint64_t begin = 0; begin < size; begin += tuned.size()) {
      stop_if_asked(progress_);
      tuned.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kChunk, size - begin)));
      tuned_.read(*pair.tuned, begin, tuned);
      tuned_hash->update(tuned);
      count(tuned.size());
      if (!alike) continue;
      base.resize(tuned.size());
      base_.read(*pair.base, begin, base);
      base_hash->update(base);
      count(base.size());
      same = same && tuned == base;
    }
    result_.tuned_read.push_back({pair.tuned_info->name, tuned_hash->finish()});
    if (alike) result_.base_read.push_back({pair.base_info->name, base_hash->finish()});
    return !same;
  }

  bool differs(const std::string& name) {
    const auto at = std::ranges::lower_bound(pairs_, name, {}, &TensorPair::name);
    if (!at->tuned) return true;
    return changed(*at);
  }

  void add_whole(const std::string& name, std::size_t tensor) {
    TensorInfo info = tuned_.headers()[tensor];
    info.name = kPeftPrefix + name;
    result_.whole.push_back({std::move(info), [source = &tuned_, tensor](std::uint64_t begin,
                                                                         std::span<std::byte> out) {
                               source->read(tensor, begin, out);
                             }});
  }

  void keep_whole(const ExtractModule& module) {
    bool any = false;
    for (const std::size_t i : module.tensors) any = changed(pairs_[i]) || any;
    if (!any) {
      result_.unchanged.push_back(module.name);
      return;
    }
    save(module.name, module);
    for (const auto& [name, source] : plan_.tied) {
      if (source == module.name) save(name, module);
    }
  }

  void save(const std::string& name, const ExtractModule& module) {
    result_.saved_modules.push_back(name);
    for (const std::size_t i : module.tensors) {
      const std::string& own = pairs_[i].name;
      add_whole(name + own.substr(own.rfind('.')), *pairs_[i].tuned);
    }
  }

  void decompose(const ExtractModule& module) {
    const TensorPair& pair = pairs_[*module.weight];
    const DType type = factor_dtype(pair.base_info->dtype, pair.tuned_info->dtype);
    Terms terms = type == DType::f64 ? difference<double>(module) : difference<float>(module);
    const bool same = terms.energy == 0;
    bool bias_changed = false;
    for (const std::size_t i : module.tensors) bias_changed = changed(pairs_[i]) || bias_changed;
    if (same && bias_changed) {  // no factors for PEFT to hang a bias on
      save(module.name, module);
      add_whole(module.name + ".weight", *pair.tuned);
      return;
    }
    if (same) {
      result_.unchanged.push_back(module.name);
      return;
    }
    const Shape& shape = pair.tuned_info->shape;
    store_.add({module.kind,
                module.name,
                shape[module.transposed ? 1 : 0],
                {shape[module.transposed ? 0 : 1]},
                options_.dtype.value_or(type)},
               terms);
    if (bias_changed) biases_.emplace_back(module.name, module.tensors);
  }

  template <class T>
  Terms difference(const ExtractModule& module) {
    const TensorPair& pair = pairs_[*module.weight];
    const Shape& shape = pair.tuned_info->shape;
    Matrix<T> tuned(shape[0], shape[1]);
    const std::size_t size = tuned.rows() * tuned.cols();
    {
      const auto stored = read(tuned_, *pair.tuned, result_.tuned_read);
      widen(pair.tuned_info->dtype, stored.data(), tuned.data(), size);
    }
    const auto stored = read(base_, *pair.base, result_.base_read);
    std::vector<T> piece;
    const std::size_t width = size_of(pair.base_info->dtype);
    for (std::size_t begin = 0; begin < size; begin += piece.size()) {
      piece.resize(std::min(kChunk, size - begin));
      widen(pair.base_info->dtype, stored.data() + begin * width, piece.data(), piece.size());
      for (std::size_t i = 0; i < piece.size(); ++i) tuned.data()[begin + i] -= piece[i];
    }
    stop_if_asked(progress_);
    try {
      return terms_of<T>(tuned.view(), options_.rule.most, module.transposed);
    } catch (Error& error) {
      throw error.in_tensor(pair.name);
    }
  }

  void choose() {
    store_.choose(options_.rule);
    auto& entries = store_.entries();
    if (options_.budget > 0) {
      std::vector<ModuleSpectrum> spectra;
      for (const auto& entry : entries) {
        spectra.push_back({std::span(entry.s).first(entry.rank), entry.module.term_bytes()});
      }
      const auto ranks = spread_budget(spectra, options_.budget);
      for (std::size_t i = 0; i < entries.size(); ++i) entries[i].rank = ranks[i];
    }
    std::set<std::string> empty;
    for (const auto& entry : entries) {
      if (entry.rank > 0) continue;
      empty.insert(entry.module.name);
      result_.left_out.push_back({entry.module.name, "changed, but no singular value is kept"});
    }
    for (const auto& [name, tensors] : biases_) {
      for (const std::size_t i : tensors) {
        if (empty.contains(name)) {
          result_.left_out.push_back({pairs_[i].name, "its module has no factors"});
          continue;
        }
        result_.biases = true;
        add_whole(name + ".base_layer.bias", *pairs_[i].tuned);
      }
    }
  }

  const ExtractPlan& plan_;
  const std::vector<TensorPair>& pairs_;
  const Source& base_;
  const Source& tuned_;
  const ExtractOptions& options_;
  TermStore& store_;
  Progress& progress_;
  ExtractResult result_;
  std::vector<std::pair<std::string, std::vector<std::size_t>>> biases_;
};

}  // namespace

ExtractResult extract(const ExtractPlan& plan, const std::vector<TensorPair>& pairs,
                      const Source& base, const Source& tuned, const ExtractOptions& options,
                      TermStore& store, Progress& progress) {
  return Extraction(plan, pairs, base, tuned, options, store, progress).run();
}

}  // namespace merganser
