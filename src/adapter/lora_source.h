// A base with an adapter, as one model: base + factor * (adapted - base), computed as it is read.
// What the adapter makes of a weight stands in adapter.h. Values are delivered in f32 (f64 where
// base or adapter have f64), not rounded to the base's type: that happens once, after the merge.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/adapter.h"
#include "adapter/bind.h"
#include "adapter/factors.h"
#include "source/source.h"

namespace merganser {

class LoraSource final : public Source {
 public:
  // `factor`: finite; 1 is the adapter as trained. 0 leaves the base's tensors as they are, bit for
  // bit. Tensors that the base has in another size, or not at all, are the adapter's for any
  // factor. `aliases`: other names of a base's tensor. Throws Error where the two do not fit.
  static std::shared_ptr<const LoraSource> open(std::shared_ptr<const Source> base, Adapter adapter,
                                                double factor, const TensorAliases& aliases);

  std::string label() const override { return label_; }
  const std::vector<TensorInfo>& headers() const override { return binding_.headers; }
  void read(std::size_t tensor, std::uint64_t begin, std::span<std::byte> out) const override;
  DType read_dtype(std::size_t tensor) const override { return delivered_[tensor].dtype; }
  std::uint64_t bytes_to_read(std::size_t tensor) const override;
  std::uint64_t memory(unsigned threads) const override;

  const Adapter& adapter() const { return adapter_; }
  double factor() const { return factor_; }
  // Whether the adapter changes a tensor of this name.
  bool changes(std::string_view name) const;
  // The change of a tensor from the base's, where it is a product of two factors and nothing else:
  // scale * left * right in the orientation that the weight is stored in. A null product: it is
  // unchanged. None: it is changed in another way (DoRA, a replaced tensor, a bias).
  struct Product {
    std::shared_ptr<const Factors<double>> factors;
    double scale = 0;
  };
  std::optional<Product> change_of(std::size_t tensor) const;
  const std::vector<std::string>& notes() const { return binding_.notes; }

 private:
  enum class Way { base, adapter, computed };  // where a tensor's bytes come from

  struct Delivered {
    Way way = Way::base;
    DType dtype = DType::f32;
  };

  // The factors m / |W'| of one tensor, made when first needed.
  struct Ratios {
    std::mutex mutex;
    std::vector<float> f32;
    std::vector<double> f64;
  };

  LoraSource(std::shared_ptr<const Source> base, Adapter adapter, double factor,
             const TensorAliases& aliases);

  Delivered delivery(std::size_t tensor) const;
  bool same_size(std::size_t tensor) const;
  const AdapterModule* dora(std::size_t tensor) const;
  bool by_column(std::size_t tensor) const;

  template <class T>
  void compute_bytes(std::size_t tensor, std::uint64_t begin, std::span<std::byte> out) const;
  template <class T>
  void compute(std::size_t tensor, std::uint64_t first, std::span<T> values) const;
  template <class T>
  void widened(const Source& source, std::size_t tensor, std::uint64_t first,
               std::span<T> values) const;
  template <class T>
  void add_product(std::size_t tensor, double factor, std::uint64_t first,
                   std::span<T> values) const;
  template <class T>
  const std::vector<T>& ratios(std::size_t tensor) const;

  std::string label_;
  std::shared_ptr<const Source> base_;
  Adapter adapter_;
  FileSource weights_;
  double factor_;
  AdapterBinding binding_;
  std::vector<Delivered> delivered_;
  mutable FactorCache<float> f32_;
  mutable FactorCache<double> f64_;
  mutable std::vector<std::unique_ptr<Ratios>> ratios_;  // by tensor; null without DoRA
};

}  // namespace merganser
