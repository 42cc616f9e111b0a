#include "runtime/rotary.h"

#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "base/error.h"

namespace merganser::rt {
namespace {

// Before the weights show a config's head_dim to be wrong, so that it allocates little.
constexpr std::int64_t kWidest = 65536;

// Llama 3.1: long wavelengths are divided by `factor`, short ones kept, those between blended.
at::Tensor llama3(const at::Tensor& frequencies, const Config& scaling) {
  const double factor = scaling.number("factor", 8);
  const double low = scaling.number("low_freq_factor", 1);
  const double high = scaling.number("high_freq_factor", 4);
  const double trained = scaling.number("original_max_position_embeddings", 8192);
  const at::Tensor wavelength = 2 * std::numbers::pi / frequencies;
  const at::Tensor slowed = frequencies / factor;
  const at::Tensor smooth = (trained / wavelength - low) / (high - low);
  const at::Tensor blended = (1 - smooth) * slowed + smooth * frequencies;
  at::Tensor result = at::where(wavelength > trained / low, slowed, frequencies);
  const at::Tensor between =
      wavelength.ge(trained / high).logical_and(wavelength.le(trained / low));
  return at::where(between, blended, result);
}

}  // namespace

Rotary::Rotary(const Config& config, std::int64_t head_dim) {
  auto parameters = config.find_object("rope_parameters");
  if (!parameters) parameters = config.find_object("rope_scaling");
  double theta = config.number("rope_theta", 10000);
  std::string type = "default";
  if (parameters) {
    theta = parameters->number("rope_theta", theta);
    type = parameters->text("rope_type", parameters->text("type", "default"));
  }
  const double part = parameters ? parameters->number("partial_rotary_factor", 1) : 1;
  if (config.number("partial_rotary_factor", part) != 1) {
    throw Error(ErrorKind::unsupported, "rotary positions of a part of each head are not computed")
        .in_file(config.place());
  }
  if (head_dim < 2 || head_dim % 2 != 0 || head_dim > kWidest) {
    throw Error(ErrorKind::unsupported,
                fmt::format("rotary positions need heads of even width up to {}, not {}", kWidest,
                            head_dim))
        .in_file(config.place());
  }
  const at::Tensor exponents =
      at::arange(0, head_dim, 2, at::kFloat) / static_cast<double>(head_dim);
  frequencies_ = 1.0 / at::pow(at::scalar_tensor(theta, at::kFloat), exponents);
  if (type == "linear") {
    frequencies_ = frequencies_ / parameters->number("factor", 1);
  } else if (type == "llama3") {
    frequencies_ = llama3(frequencies_, *parameters);
  } else if (type != "default") {
    throw Error(ErrorKind::unsupported,
                fmt::format("rotary positions of type '{}' are not computed here", type))
        .in_file(config.place())
        .hint("default, linear and llama3 are");
  }
}

Rotary::Angles Rotary::angles(std::int64_t begin, std::int64_t count,
                              const at::TensorOptions& options) const {
  const at::Tensor positions = at::arange(begin, begin + count, at::kFloat);
  const at::Tensor half = at::outer(positions, frequencies_);
  const at::Tensor whole = at::cat({half, half}, -1);
  return {whole.cos().to(options), whole.sin().to(options)};
}

at::Tensor Rotary::rotate(const at::Tensor& x, const Angles& angles) {
  const auto halves = x.chunk(2, -1);
  return x * angles.cos + at::cat({-halves[1], halves[0]}, -1) * angles.sin;
}

}  // namespace merganser::rt
