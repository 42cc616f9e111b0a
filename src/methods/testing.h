// For tests: runs a method on numbers in memory through its Merger, by the contract of
// method/merger.h, and compares with references in long double.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "kernels/blend.h"
#include "method/descriptor.h"
#include "methods/registry.h"

namespace merganser::test {

using Exact = long double;  // of the references

// Parameters with the descriptor's fallbacks filled in, as plan does.
inline Settings settings_of(std::string_view method, Settings::Table shared,
                            std::vector<Settings::Table> per_input) {
  Settings settings{std::move(shared), std::move(per_input)};
  for (const Parameter& parameter : require_method(method).parameters) {
    if (!parameter.fallback) continue;
    const std::string name(parameter.name);
    if (parameter.scope == ParameterScope::shared) {
      settings.shared.try_emplace(name, *parameter.fallback);
    } else {
      for (auto& table : settings.per_input) table.try_emplace(name, *parameter.fallback);
    }
  }
  return settings;
}

inline std::vector<Settings::Table> weights(const std::vector<double>& values) {
  std::vector<Settings::Table> tables;
  for (const double value : values) tables.push_back({{"weight", value}});
  return tables;
}

inline std::vector<Settings::Table> weights(const std::vector<double>& values,
                                            const std::vector<double>& densities) {
  std::vector<Settings::Table> tables = weights(values);
  for (std::size_t i = 0; i < tables.size(); ++i) tables[i]["density"] = densities[i];
  return tables;
}

inline Outline outline_of(const Descriptor& method, const Settings& settings, Shape shape = {8, 8},
                          bool has_base = true) {
  MergeTensor tensor{"w", shape, elements(shape), settings, {}};
  tensor.has_base = has_base && method.base != BaseRole::ordinary;
  return method.outline(tensor);
}

// One output tensor.
template <class T>
struct Made {
  // Written out: GCC 12 falls over the aggregate.
  Made() = default;
  Made(std::vector<T> base_weights, std::vector<std::vector<T>> model_weights, Settings resolved,
       std::string output_name = "w", Shape output_shape = {})
      : base(std::move(base_weights)),
        models(std::move(model_weights)),
        settings(std::move(resolved)),
        name(std::move(output_name)),
        shape(std::move(output_shape)) {}

  std::vector<T> base;                 // of methods that take one; empty: an optional one is absent
  std::vector<std::vector<T>> models;  // weights, never deltas
  Settings settings;
  std::string name = "w";
  Shape shape;  // empty: one axis
  bool vocabulary = false;

  std::size_t size() const { return models.empty() ? base.size() : models[0].size(); }
};

struct Course {
  std::size_t chunk = kBlock;  // elements; cut to whole blocks, at least one
  std::uint64_t seed = 0;
  std::size_t runs = 64, run = 256;  // of the sample pass
};

template <class T>
class GroupRun {
 public:
  using Pass = typename Merger<T>::Pass;

  GroupRun(const Descriptor& method, std::vector<const Made<T>*> tensors, const Course& course)
      : method_(method), tensors_(std::move(tensors)), course_(course) {
    MergeGroup group;
    group.seed = course.seed;
    for (const Made<T>* made : tensors_) {
      MergeTensor tensor = tensor_of(method, *made);
      EXPECT_EQ(elements(tensor.shape), made->size());
      const Outline outline = method.outline(tensor);
      tensor.settings.per_input.clear();
      units_.push_back(block_size(outline.unit, tensor.shape));
      for (std::size_t i = 0; i < made->models.size(); ++i) {
        if (!outline.reads[i]) continue;
        tensor.settings.per_input.push_back(made->settings.per_input[i]);
        tensor.models.push_back(i + 1);  // the base is model 0
      }
      reads_.push_back(tensor.models);
      group.tensors.push_back(std::move(tensor));
    }
    if constexpr (std::is_same_v<T, float>) {
      merger_ = method.make_f32(std::move(group));
    } else {
      merger_ = method.make_f64(std::move(group));
    }
  }

  std::vector<std::vector<T>> run() {
    while (const auto pass = merger_->next_pass()) {
      EXPECT_LT(++passes_, 50u) << "does not end";
      if (passes_ >= 50) break;
      for (std::size_t t = 0; t < tensors_.size(); ++t) {
        const auto partials = *pass == Pass::sample ? sample(t) : reduce(t);
        merger_->fold(t, partials);
      }
      merger_->end_pass();
    }
    std::vector<std::vector<T>> outputs;
    for (std::size_t t = 0; t < tensors_.size(); ++t) outputs.push_back(write(t));
    return outputs;
  }

  unsigned passes() const { return passes_; }
  const Merger<T>& merger() const { return *merger_; }

  // What one merges, with the settings of all inputs.
  static MergeTensor tensor_of(const Descriptor& method, const Made<T>& made) {
    const Shape shape = made.shape.empty() ? Shape{made.size()} : made.shape;
    MergeTensor tensor{made.name, shape, made.size(), made.settings, {}};
    tensor.has_base = method.base != BaseRole::ordinary && !made.base.empty();
    tensor.vocabulary = made.vocabulary;
    return tensor;
  }

 private:
  using Partials = std::vector<std::unique_ptr<Partial>>;

  Block<T> block(std::size_t tensor, std::size_t chunk, std::uint64_t first, std::size_t size) {
    const Made<T>& made = *tensors_[tensor];
    scratch_.resize(reads_[tensor].size());
    pointers_.clear();
    Block<T> block;
    block.tensor = tensor;
    block.chunk = chunk;
    block.first = first;
    block.size = size;
    if (group_has_base(made)) block.base = made.base.data() + first;
    for (std::size_t i = 0; i < scratch_.size(); ++i) {
      const T* from = made.models[reads_[tensor][i] - 1].data() + first;
      scratch_[i].assign(from, from + size);
      if (method_.space == InputSpace::deltas && block.base != nullptr) {
        subtract<T>(scratch_[i].data(), block.base, scratch_[i].data(), size);
      }
      pointers_.push_back(scratch_[i].data());
    }
    block.inputs = pointers_;
    return block;
  }

  Partials sample(std::size_t t) {
    const std::uint64_t size = tensors_[t]->size();
    const std::uint64_t most = std::max<std::uint64_t>(1, (size + course_.run - 1) / course_.run);
    const std::uint64_t runs = std::min<std::uint64_t>(course_.runs, most);
    Partials partials;
    partials.push_back(merger_->partial(t));
    for (std::uint64_t i = 0; i < runs; ++i) {
      const std::uint64_t first = size / runs * i;
      const auto count =
          static_cast<std::size_t>(std::min<std::uint64_t>(course_.run, size - first));
      merger_->reduce(block(t, 0, first, count), *partials[0]);
    }
    return partials;
  }

  template <class Act>
  void each_chunk(std::size_t t, Act act) {
    const std::size_t size = tensors_[t]->size();
    const std::size_t chunk = std::max(units_[t], course_.chunk / units_[t] * units_[t]);
    const std::size_t chunks = std::max<std::size_t>(1, (size + chunk - 1) / chunk);
    for (std::size_t c = 0; c < chunks; ++c) {
      act(c, c * chunk, std::min(size, (c + 1) * chunk));
    }
  }

  Partials reduce(std::size_t t) {
    Partials partials;
    each_chunk(t, [&](std::size_t chunk, std::size_t first, std::size_t last) {
      partials.push_back(merger_->partial(t));
      for (; first < last; first += units_[t]) {
        merger_->reduce(block(t, chunk, first, std::min(units_[t], last - first)),
                        *partials.back());
      }
    });
    return partials;
  }

  std::vector<T> write(std::size_t t) {
    std::vector<T> out(tensors_[t]->size(), std::numeric_limits<T>::quiet_NaN());
    each_chunk(t, [&](std::size_t chunk, std::size_t first, std::size_t last) {
      const auto cursor = merger_->cursor(t, chunk);
      for (; first < last; first += units_[t]) {
        merger_->write(block(t, chunk, first, std::min(units_[t], last - first)), cursor.get(),
                       out.data() + first);
      }
    });
    return out;
  }

  bool group_has_base(const Made<T>& made) const {
    return method_.base != BaseRole::ordinary && !made.base.empty();
  }

  const Descriptor& method_;
  std::vector<const Made<T>*> tensors_;
  Course course_;
  std::vector<std::vector<std::size_t>> reads_;  // models' numbers
  std::vector<std::size_t> units_;               // block sizes
  std::unique_ptr<Merger<T>> merger_;
  std::vector<std::vector<T>> scratch_;
  std::vector<T*> pointers_;
  unsigned passes_ = 0;
};

// As the engine does: copies as the outline says, whole-model tensors as one group.
template <class T>
std::vector<std::vector<T>> merge_once(std::string_view method, const std::vector<Made<T>>& tensors,
                                       const Course& course) {
  const Descriptor& descriptor = require_method(method);
  std::vector<std::vector<T>> outputs(tensors.size());
  std::vector<const Made<T>*> together;
  std::vector<std::size_t> together_at;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Outline outline = descriptor.outline(GroupRun<T>::tensor_of(descriptor, tensors[i]));
    if (outline.copy == Outline::kCopyBase) {
      outputs[i] = tensors[i].base;
    } else if (outline.copy != Outline::kNoCopy) {
      outputs[i] = tensors[i].models.at(outline.copy);
    } else if (outline.whole_model) {
      together.push_back(&tensors[i]);
      together_at.push_back(i);
    } else {
      outputs[i] = GroupRun<T>(descriptor, {&tensors[i]}, course).run()[0];
    }
  }
  if (together.empty()) return outputs;
  auto merged = GroupRun<T>(descriptor, together, course).run();
  for (std::size_t i = 0; i < merged.size(); ++i) outputs[together_at[i]] = std::move(merged[i]);
  return outputs;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](T x, T y) { return std::bit_cast<Bits>(x) == std::bit_cast<Bits>(y); });
}

// With chunks of one block, of three, and of everything, and samples of several densities: the
// bytes must be the same.
template <class T>
std::vector<std::vector<T>> merge(std::string_view method, const std::vector<Made<T>>& tensors,
                                  std::uint64_t seed = 0) {
  std::vector<std::vector<T>> first;
  for (const Course& course :
       {Course{.chunk = kBlock, .seed = seed}, Course{.chunk = 3 * kBlock, .seed = seed},
        Course{.chunk = kBlock << 20, .seed = seed},
        Course{.chunk = 2 * kBlock, .seed = seed, .runs = 1, .run = 4}}) {
    auto outputs = merge_once(method, tensors, course);
    if (first.empty()) first = outputs;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      EXPECT_TRUE(same_bits(outputs[i], first[i]))
          << method << ", tensor " << i << ": chunks of " << course.chunk << " differ";
    }
  }
  return first;
}

template <class T>
std::vector<T> merge_one(std::string_view method, Made<T> made, std::uint64_t seed = 0) {
  return merge<T>(method, {std::move(made)}, seed)[0];
}

// --- numbers

template <class T>
std::vector<T> normal(std::size_t n, unsigned seed, double deviation = 1) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> draw(0, deviation);
  std::vector<T> values(n);
  for (T& value : values) value = static_cast<T>(draw(engine));
  return values;
}

// base + small changes: a fine-tune.
template <class T>
std::vector<T> tuned(const std::vector<T>& base, unsigned seed, double deviation = 0.02) {
  std::vector<T> values = normal<T>(base.size(), seed, deviation);
  for (std::size_t i = 0; i < base.size(); ++i) values[i] += base[i];
  return values;
}

template <class T>
std::vector<T> delta(const std::vector<T>& model, const std::vector<T>& base) {
  std::vector<T> values(model.size());
  for (std::size_t i = 0; i < model.size(); ++i) values[i] = model[i] - base[i];
  return values;
}

inline const std::vector<std::size_t>& odd_sizes() {
  static const std::vector<std::size_t> sizes = {1, 2, 15, 2047, 2048, 2049, 5000, 13001};
  return sizes;
}

// --- references

// What one element should be, and the sum of the absolute values of the terms it is made from: no
// rounding along the way is larger than half an ulp of that.
struct Term {
  Exact value = 0, size = 0;
  void add(Exact x) {
    value += x;
    size += std::abs(x);
  }
};

// `roundings`: operations one after the other on the longest way from an input to the output.
template <class T>
void expect_rounded(const std::vector<T>& out, const std::vector<Term>& terms, int roundings) {
  ASSERT_EQ(out.size(), terms.size());
  const Exact unit = std::numeric_limits<T>::epsilon() / 2;
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const Exact limit = roundings * (unit * terms[i].size + std::numeric_limits<T>::denorm_min());
    const Exact error = std::abs(static_cast<Exact>(out[i]) - terms[i].value);
    if (error <= limit) continue;
    if (++wrong > 3) continue;
    ADD_FAILURE() << "element " << i << " is " << out[i] << ", not " << terms[i].value << " +- "
                  << limit;
  }
  EXPECT_EQ(wrong, 0u);
}

// The k largest magnitudes by a stable sort: ties go to the lowest index.
template <class T>
std::vector<bool> largest(const std::vector<T>& x, std::size_t keep) {
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return std::abs(x[a]) > std::abs(x[b]); });
  std::vector<bool> kept(x.size());
  for (std::size_t i = 0; i < keep; ++i) kept[order[i]] = true;
  return kept;
}

// The share of `density`, as MergeKit counts it.
template <class T>
std::vector<bool> largest_share(const std::vector<T>& x, double density) {
  if (density <= 0) return std::vector<bool>(x.size());
  if (density >= 1) return std::vector<bool>(x.size(), true);
  const auto wanted = static_cast<std::size_t>(density * static_cast<double>(x.size()));
  return largest(x, std::min(x.size(), std::max<std::size_t>(1, wanted)));
}

}  // namespace merganser::test
