#include "adapter/lora_source.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "adapter/magnitudes.h"
#include "kernels/blend.h"
#include "kernels/convert.h"

namespace merganser {
namespace {

// Elements computed at once: of a wide matrix still some rows, which share the right factor.
constexpr std::size_t kPiece = std::size_t{1} << 17;
constexpr std::uint64_t kCacheBytes = std::uint64_t{32} << 20;

std::uint64_t largest_factors(const Adapter& adapter, std::size_t width) {
  std::uint64_t largest = 0;
  for (const AdapterModule& module : adapter.modules()) {
    largest = std::max(largest, factor_bytes(module, width));
  }
  return largest;
}

// Room for two modules: chunks of the next are begun while the last ones of another are under way.
std::uint64_t cache_limit(const Adapter& adapter, std::size_t width) {
  return std::max(kCacheBytes, 2 * largest_factors(adapter, width));
}

}  // namespace

std::shared_ptr<const LoraSource> LoraSource::open(std::shared_ptr<const Source> base,
                                                   Adapter adapter, double factor,
                                                   const TensorAliases& aliases) {
  return std::shared_ptr<const LoraSource>(
      new LoraSource(std::move(base), std::move(adapter), factor, aliases));
}

LoraSource::LoraSource(std::shared_ptr<const Source> base, Adapter adapter, double factor,
                       const TensorAliases& aliases)
    : label_(base->label() + "+" + adapter.weights().path().parent_path().string()),
      base_(std::move(base)),
      adapter_(std::move(adapter)),
      weights_(adapter_.weights()),
      factor_(factor),
      binding_(bind_adapter(adapter_, base_->headers(), base_->label(), aliases)),
      f32_(adapter_, cache_limit(adapter_, sizeof(float))),
      f64_(adapter_, cache_limit(adapter_, sizeof(double))),
      ratios_(binding_.headers.size()) {
  for (std::size_t i = 0; i < binding_.headers.size(); ++i) {
    delivered_.push_back(delivery(i));
    if (dora(i) != nullptr) ratios_[i] = std::make_unique<Ratios>();
  }
}

bool LoraSource::same_size(std::size_t tensor) const {
  const AdapterChange& change = binding_.changes[tensor];
  return change.base && base_->headers()[*change.base].shape == binding_.headers[tensor].shape;
}

bool LoraSource::changes(std::string_view name) const {
  const auto at = std::ranges::lower_bound(binding_.headers, name, {}, &TensorInfo::name);
  if (at == binding_.headers.end() || at->name != name) return false;
  return delivered_[static_cast<std::size_t>(at - binding_.headers.begin())].way != Way::base;
}

std::optional<LoraSource::Product> LoraSource::change_of(std::size_t tensor) const {
  if (delivered_[tensor].way == Way::base) return Product{};
  const AdapterChange& change = binding_.changes[tensor];
  if (change.replaced || change.bias || !change.module || dora(tensor) != nullptr) {
    return std::nullopt;
  }
  return Product{f64_.get(*change.module, change.transposed),
                 factor_ * adapter_.modules()[*change.module].scale};
}

const AdapterModule* LoraSource::dora(std::size_t tensor) const {
  const auto& module = binding_.changes[tensor].module;
  if (!module || !adapter_.modules()[*module].magnitude) return nullptr;
  return &adapter_.modules()[*module];
}

bool LoraSource::by_column(std::size_t tensor) const {
  const AdapterChange& change = binding_.changes[tensor];
  return change.transposed ||
         adapter_.modules()[*change.module].kind == AdapterModule::Kind::embedding;
}

LoraSource::Delivered LoraSource::delivery(std::size_t tensor) const {
  const AdapterChange& change = binding_.changes[tensor];
  if (!change.any() || (factor_ == 0 && same_size(tensor))) {
    return {Way::base, base_->read_dtype(*change.base)};
  }
  const auto& tensors = adapter_.weights().tensors();
  const bool plain = !change.module && !change.bias;
  const bool floats = is_float(binding_.headers[tensor].dtype);
  if (plain && (factor_ == 1 || !floats || !same_size(tensor))) {
    return {Way::adapter, tensors[*change.replaced].info.dtype};
  }
  std::vector<DType> taken;
  if (change.base) taken.push_back(base_->read_dtype(*change.base));
  if (change.replaced) taken.push_back(tensors[*change.replaced].info.dtype);
  for (const auto& index : {change.module, change.bias}) {
    if (!index) continue;
    const AdapterModule& module = adapter_.modules()[*index];
    taken.push_back(tensors[module.a].info.dtype);
    taken.push_back(tensors[module.b].info.dtype);
    if (module.magnitude) taken.push_back(tensors[*module.magnitude].info.dtype);
    if (module.bias) taken.push_back(tensors[*module.bias].info.dtype);
  }
  const bool f64 = std::ranges::find(taken, DType::f64) != taken.end();
  return {Way::computed, f64 ? DType::f64 : DType::f32};
}

template <class T>
void LoraSource::widened(const Source& source, std::size_t tensor, std::uint64_t first,
                         std::span<T> values) const {
  const DType dtype = source.read_dtype(tensor);
  // Large enough for the allocator to fetch it from the system each time, page by page.
  thread_local std::vector<std::byte> stored;
  stored.resize(values.size() * size_of(dtype));
  source.read(tensor, first * size_of(dtype), stored);
  widen(dtype, stored.data(), values.data(), values.size());
}

template <class T>
void LoraSource::add_product(std::size_t tensor, double factor, std::uint64_t first,
                             std::span<T> values) const {
  const AdapterChange& change = binding_.changes[tensor];
  if (change.bias) {
    const AdapterModule& module = adapter_.modules()[*change.bias];
    const std::vector<T> bias = read_floats<T>(adapter_.weights(), *module.bias);
    add_scaled(static_cast<T>(factor * module.scale), bias.data() + first, values.data(),
               values.size());
  }
  if (!change.module) return;
  const double scale = factor * adapter_.modules()[*change.module].scale;
  const auto add = [&](auto& cache) {
    const auto factors = cache.get(*change.module, change.transposed);
    add_low_rank(factors->product(scale), first, values.data(), values.size());
  };
  if constexpr (std::is_same_v<T, float>) {
    add(f32_);
  } else {
    add(f64_);
  }
}

template <class T>
const std::vector<T>& LoraSource::ratios(std::size_t tensor) const {
  Ratios& kept = *ratios_[tensor];
  std::vector<T>* made = nullptr;
  if constexpr (std::is_same_v<T, float>) {
    made = &kept.f32;
  } else {
    made = &kept.f64;
  }
  std::lock_guard lock(kept.mutex);
  if (!made->empty()) return *made;
  const AdapterChange& change = binding_.changes[tensor];
  const TensorInfo& header = binding_.headers[tensor];
  const std::uint64_t size = header.size();
  const auto rows = static_cast<std::size_t>(header.shape[0]);
  SquareSums sums(rows, static_cast<std::size_t>(size / rows), by_column(tensor));
  std::vector<T> piece(static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, size)));
  for (std::uint64_t first = 0; first < size; first += piece.size()) {
    const std::span<T> values(piece.data(), static_cast<std::size_t>(std::min<std::uint64_t>(
                                                piece.size(), size - first)));
    if (change.replaced) {
      widened(weights_, *change.replaced, first, values);
    } else {
      widened(*base_, *change.base, first, values);
    }
    add_product(tensor, 1, first, values);
    sums.add(first, std::span<const T>(values));
  }
  *made = sums.ratios<T>(read_floats<double>(adapter_.weights(), *dora(tensor)->magnitude));
  return *made;
}

template <class T>
void LoraSource::compute(std::size_t tensor, std::uint64_t first, std::span<T> values) const {
  const AdapterChange& change = binding_.changes[tensor];
  const bool with_dora = dora(tensor) != nullptr;
  // Only a product: it takes the factor along.
  if (!change.replaced && !with_dora) {
    widened(*base_, *change.base, first, values);
    return add_product(tensor, factor_, first, values);
  }
  if (change.replaced) {
    widened(weights_, *change.replaced, first, values);
  } else {
    widened(*base_, *change.base, first, values);
  }
  add_product(tensor, 1, first, values);
  if (with_dora) {
    const TensorInfo& header = binding_.headers[tensor];
    apply_ratios<T>(ratios<T>(tensor), by_column(tensor),
                    static_cast<std::size_t>(header.size() / header.shape[0]), first, values);
  }
  if (factor_ == 1 || !same_size(tensor)) return;
  std::vector<T> start(values.size());
  widened(*base_, *change.base, first, std::span<T>(start));
  subtract(values.data(), start.data(), values.data(), values.size());
  scale(static_cast<T>(factor_), values.data(), values.data(), values.size());
  add(start.data(), values.data(), values.data(), values.size());
}

template <class T>
void LoraSource::compute_bytes(std::size_t tensor, std::uint64_t begin,
                               std::span<std::byte> out) const {
  const std::uint64_t end = begin + out.size();
  const std::uint64_t last = (end + sizeof(T) - 1) / sizeof(T);
  std::vector<T> piece;
  for (std::uint64_t first = begin / sizeof(T); first < last;) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, last - first));
    const std::uint64_t from = std::max(begin, first * sizeof(T));
    const std::uint64_t to = std::min(end, (first + count) * sizeof(T));
    std::byte* target = out.data() + (from - begin);
    const bool whole = to - from == count * sizeof(T) &&
                       reinterpret_cast<std::uintptr_t>(target) % alignof(T) == 0;
    if (whole) {
      compute<T>(tensor, first, {reinterpret_cast<T*>(target), count});
    } else {
      piece.resize(count);
      compute<T>(tensor, first, piece);
      const auto* bytes = reinterpret_cast<const std::byte*>(piece.data());
      std::memcpy(target, bytes + (from - first * sizeof(T)), to - from);
    }
    first += count;
  }
}

void LoraSource::read(std::size_t tensor, std::uint64_t begin, std::span<std::byte> out) const {
  if (out.empty()) return;
  const AdapterChange& change = binding_.changes[tensor];
  const auto [way, dtype] = delivered_[tensor];
  if (way == Way::base) return base_->read(*change.base, begin, out);
  if (way == Way::adapter) return weights_.read(*change.replaced, begin, out);
  if (dtype == DType::f64) return compute_bytes<double>(tensor, begin, out);
  compute_bytes<float>(tensor, begin, out);
}

std::uint64_t LoraSource::bytes_to_read(std::size_t tensor) const {
  const AdapterChange& change = binding_.changes[tensor];
  const auto own = [&](std::size_t index) { return weights_.headers()[index].bytes(); };
  const Way way = delivered_[tensor].way;
  if (way == Way::base) return base_->bytes_to_read(*change.base);
  if (way == Way::adapter) return own(*change.replaced);
  const std::uint64_t base = change.base ? base_->bytes_to_read(*change.base) : 0;
  std::uint64_t weight = change.replaced ? own(*change.replaced) : base;
  if (dora(tensor) != nullptr) weight *= 2;  // once for the norms
  std::uint64_t total = weight;
  if (change.replaced && factor_ != 1 && same_size(tensor)) total += base;
  if (change.bias) total += own(*adapter_.modules()[*change.bias].bias);
  if (!change.module) return total;
  const AdapterModule& module = adapter_.modules()[*change.module];
  total += own(module.a) + own(module.b);
  return total + (module.magnitude ? own(*module.magnitude) : 0);
}

std::uint64_t LoraSource::memory(unsigned threads) const {
  std::uint64_t ratios = 0, widest = 0;
  std::size_t width = sizeof(float);
  for (std::size_t i = 0; i < delivered_.size(); ++i) {
    if (delivered_[i].way != Way::computed) continue;
    const TensorInfo& header = binding_.headers[i];
    width = std::max(width, size_of(delivered_[i].dtype));
    widest = std::max(widest, header.size());
    if (dora(i) != nullptr) ratios += header.shape[by_column(i) ? 1 : 0] * sizeof(double);
  }
  if (widest == 0) return 0;
  std::uint64_t factors = 0;
  for (const AdapterModule& module : adapter_.modules()) factors += factor_bytes(module, width);
  // Each thread may hold a module that the cache has dropped, or turn a factor that it loads; and
  // the allocator keeps about as much of what was freed.
  const std::uint64_t held = std::min(2 * factors, 2 * threads * largest_factors(adapter_, width));
  // Stored bytes, and for some forms a copy of the base's values.
  const std::uint64_t piece = std::min<std::uint64_t>(kPiece, widest) * 3 * width;
  return std::min(factors, cache_limit(adapter_, width)) + held + ratios + threads * piece;
}

}  // namespace merganser
