#include "smile/candidates.h"

#include <cctype>
#include <string>

namespace merganser {
namespace {

constexpr std::string_view kWeight = ".weight";

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool is_mixture(const TensorPlace& place, std::string_view name) {
  return place.role.starts_with("mlp.experts.") || place.role.starts_with("mlp.router") ||
         contains(name, ".experts.");
}

}  // namespace

bool is_table(const TensorPlace& place, std::string_view name) {
  const std::string own = lower(name);
  return contains(place.role, "relative_bias") || place.role.starts_with("embed.") ||
         contains(own, "embed") || contains(own, "relative_attention_bias");
}

bool can_have_experts(const TensorPlace& place, std::string_view name, const Shape& shape) {
  return shape.size() == 2 && elements(shape) > 0 && name.ends_with(kWeight) &&
         !place.role.starts_with("norm.") && !is_table(place, name) &&
         !is_mixture(place, lower(name));
}

}  // namespace merganser
