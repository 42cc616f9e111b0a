#include "runtime/weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>

#include "base/error.h"
#include "base/hash.h"
#include "base/random.h"
#include "runtime/memory.h"
#include "runtime/plain_linear.h"
#include "runtime/smile_linear.h"

namespace merganser::rt {
namespace {

// In (0, 1), of 32 bits: never 0, whose logarithm a normal number takes.
double unit(std::uint32_t bits) { return (bits + 0.5) / 4294967296.0; }

// Two numbers of the distribution from one counter.
std::array<double, 2> pair_of(const Init& init, std::uint64_t seed, std::uint64_t stream,
                              std::uint64_t index) {
  const auto words =
      philox({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
              static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)},
             {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  const double a = unit(words[0]), b = unit(words[1]);
  if (init.kind == Init::Kind::uniform) {
    return {init.scale * (2 * a - 1), init.scale * (2 * b - 1)};
  }
  const double radius = init.scale * std::sqrt(-2 * std::log(a));  // Box and Muller 1958
  return {radius * std::cos(2 * std::numbers::pi * b), radius * std::sin(2 * std::numbers::pi * b)};
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace

Init Init::he(std::int64_t fan_in) {
  return normal(std::sqrt(2.0 / static_cast<double>(std::max<std::int64_t>(fan_in, 1))));
}

at::ScalarType scalar_type(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return at::kDouble;
    case DType::f32:
      return at::kFloat;
    case DType::f16:
      return at::kHalf;
    case DType::bf16:
      return at::kBFloat16;
    case DType::f8_e4m3:
      return at::kFloat8_e4m3fn;
    case DType::f8_e5m2:
      return at::kFloat8_e5m2;
    case DType::i64:
      return at::kLong;
    case DType::i32:
      return at::kInt;
    case DType::i16:
      return at::kShort;
    case DType::i8:
      return at::kChar;
    case DType::u64:
      return at::kUInt64;
    case DType::u32:
      return at::kUInt32;
    case DType::u16:
      return at::kUInt16;
    case DType::u8:
      return at::kByte;
    case DType::boolean:
      return at::kBool;
  }
  throw Error(ErrorKind::unsupported, "an element type that libtorch does not have");
}

Weights::Weights(const Source& source, const Placement& placement)
    : source_(&source), placement_(placement) {}

Weights::Weights(std::uint64_t seed, const Placement& placement)
    : placement_(placement), seed_(seed) {}

const TensorInfo* Weights::find(const std::string& name) const {
  if (source_ == nullptr) return nullptr;
  const std::vector<TensorInfo>& headers = source_->headers();
  const auto found = std::lower_bound(
      headers.begin(), headers.end(), name,
      [](const TensorInfo& info, const std::string& wanted) { return info.name < wanted; });
  return found == headers.end() || found->name != name ? nullptr : &*found;
}

void Weights::optional_prefix(std::string prefix) {
  if (source_ == nullptr) return;
  const std::vector<TensorInfo>& headers = source_->headers();
  const bool there = std::any_of(headers.begin(), headers.end(), [&](const TensorInfo& info) {
    return info.name.starts_with(prefix);
  });
  if (!there) prefix_ = std::move(prefix);
}

std::string Weights::stored(const std::string& name) const {
  return !prefix_.empty() && name.starts_with(prefix_) ? name.substr(prefix_.size()) : name;
}

void Weights::set_smile(SmileSpec spec) {
  if (drawn()) {
    throw Error(ErrorKind::unsupported, "a mixture of experts is not drawn at random")
        .in_file(spec.place)
        .hint("it is made of fine-tunes: merge_method: smile");
  }
  routing_ = std::make_shared<Routing>();
  routing_->experts = spec.experts;
  smile_ = std::move(spec);
}

bool Weights::has(const std::string& name) const { return find(stored(name)) != nullptr; }

std::optional<Shape> Weights::shape_of(const std::string& name) const {
  const TensorInfo* info = find(stored(name));
  return info == nullptr ? std::nullopt : std::optional(info->shape);
}

at::Tensor Weights::tensor(const std::string& name, const std::vector<std::int64_t>& shape,
                           const Init& init) {
  const std::string own = stored(name);
  const auto known = tensors_.find(own);
  if (known != tensors_.end()) return known->second;
  at::Tensor made;
  if (source_ == nullptr) {
    made = draw(own, shape, init);
  } else {
    const TensorInfo* info = find(own);
    if (info == nullptr) {
      throw Error(ErrorKind::not_found, "the checkpoint lacks it")
          .in_file(source_->label())
          .in_tensor(own)
          .hint("its config.json asks for it");
    }
    if (!std::equal(shape.begin(), shape.end(), info->shape.begin(), info->shape.end(),
                    [](std::int64_t a, std::uint64_t b) {
                      return a >= 0 && static_cast<std::uint64_t>(a) == b;
                    })) {
      throw Error(ErrorKind::mismatch, fmt::format("it is {}, by config.json it has to be {}",
                                                   to_string(info->shape), shape_text(shape)))
          .in_file(source_->label())
          .in_tensor(own);
    }
    made = read(static_cast<std::size_t>(info - source_->headers().data()), *info);
  }
  return tensors_.emplace(own, std::move(made)).first->second;
}

at::Tensor Weights::statistic(const std::string& name, const std::vector<std::int64_t>& shape,
                              const Init& init) {
  statistics_.insert(stored(name));
  return tensor(name, shape, init);
}

at::Tensor Weights::read(std::size_t index, const TensorInfo& info) const {
  const DType dtype = source_->read_dtype(index);
  if (!is_float(dtype)) {
    throw Error(ErrorKind::unsupported,
                fmt::format("a parameter of type {} cannot be computed with", torch_name(dtype)))
        .in_file(source_->label())
        .in_tensor(info.name)
        .hint("quantised weights have to be converted to floats first");
  }
  const std::vector<std::int64_t> shape(info.shape.begin(), info.shape.end());
  at::Tensor stored = at::empty(shape, at::TensorOptions().dtype(scalar_type(dtype)));
  source_->read(index, 0,
                std::as_writable_bytes(std::span(static_cast<char*>(stored.data_ptr()),
                                                 static_cast<std::size_t>(stored.nbytes()))));
  return stored.to(placement_.options());
}

at::Tensor Weights::draw(const std::string& name, const std::vector<std::int64_t>& shape,
                         const Init& init) const {
  const TensorInfo info{name, DType::f64, Shape(shape.begin(), shape.end())};
  need_memory(bytes_of({&info, 1}, at::kDouble), at::kCPU, "",
              fmt::format("to draw '{}' takes", name), "");
  if (init.kind == Init::Kind::zeros) return at::zeros(shape, placement_.options());
  if (init.kind == Init::Kind::ones) return at::ones(shape, placement_.options());
  at::Tensor values = at::empty(shape, at::kDouble);
  double* out = values.data_ptr<double>();
  const std::uint64_t stream = hash64(name);
  const std::int64_t count = values.numel();
  for (std::int64_t i = 0; i < count; i += 2) {
    const auto two = pair_of(init, seed_, stream, static_cast<std::uint64_t>(i / 2));
    out[i] = two[0];
    if (i + 1 < count) out[i + 1] = two[1];
  }
  return values.to(placement_.options());
}

std::shared_ptr<Linear> Weights::linear(const std::string& name, std::int64_t in, std::int64_t out,
                                        bool bias, const Init& init, bool transposed) {
  std::shared_ptr<Linear> made = make_smile_linear(*this, name, in, out, bias, transposed);
  if (made == nullptr) {
    const std::vector<std::int64_t> shape =
        transposed ? std::vector{in, out} : std::vector{out, in};
    at::Tensor weight = tensor(name + ".weight", shape, init);
    at::Tensor offset = bias ? tensor(name + ".bias", {out}, Init::zeros()) : at::Tensor();
    made = std::make_shared<PlainLinear>(std::move(weight), std::move(offset), transposed);
  }
  made->name = stored(name);
  made->in = in;
  made->out = out;
  linears_.push_back(made);
  return made;
}

void Weights::ignore(std::string_view suffix) { ignored_.emplace_back(suffix); }

void Weights::finish() const {
  if (source_ == nullptr) return;
  if (smile_) {
    std::set<std::string> built;
    for (const auto& linear : linears_) built.insert(linear->name);
    for (const auto& [name, module] : smile_->modules) {
      if (built.contains(name)) continue;
      throw Error(ErrorKind::mismatch,
                  fmt::format("smile: '{}' is no linear layer of the model", name))
          .in_file(smile_->place)
          .hint(
              "experts beside anything else, and those of a head that is the embedding's, do not "
              "run");
    }
  }
  for (const TensorInfo& info : source_->headers()) {
    if (tensors_.contains(info.name)) continue;
    if (std::any_of(ignored_.begin(), ignored_.end(),
                    [&](const std::string& suffix) { return info.name.ends_with(suffix); })) {
      continue;
    }
    throw Error(ErrorKind::mismatch, "the model has no such tensor")
        .in_file(source_->label())
        .in_tensor(info.name)
        .hint("its config.json does not ask for it: are they of one model?");
  }
}

}  // namespace merganser::rt
