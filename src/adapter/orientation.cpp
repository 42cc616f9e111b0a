#include "adapter/orientation.h"

#include <map>
#include <optional>
#include <string_view>

#include "base/error.h"

namespace merganser {
namespace {

struct Votes {
  bool plain = false, transposed = false;

  void add(bool vote) { (vote ? transposed : plain) = true; }
  std::optional<bool> result() const {
    if (plain == transposed) return std::nullopt;
    return transposed;
  }
};

std::string_view last_name(const AdapterModule& module) {
  const std::string_view name = module.name;
  return name.substr(name.rfind('.') + 1);
}

}  // namespace

void orient(const std::vector<LinearShape>& modules, bool fan_in_fan_out, const std::string& file) {
  Votes all;
  std::map<std::string_view, Votes> by_name;
  const auto square = [](const LinearShape& linear) {
    return linear.module->shape[0] == linear.module->shape[1];
  };
  for (const LinearShape& linear : modules) {
    if (square(linear)) continue;
    *linear.transposed = *linear.weight != linear.module->shape;
    all.add(*linear.transposed);
    by_name[last_name(*linear.module)].add(*linear.transposed);
  }
  for (const LinearShape& linear : modules) {
    if (!square(linear)) continue;
    std::optional<bool> found = all.result();
    if (!all.plain && !all.transposed) found = fan_in_fan_out;
    if (!found) found = by_name[last_name(*linear.module)].result();
    if (!found) {
      throw Error(ErrorKind::unsupported,
                  "the base mixes weights [out, in] and [in, out]; how this square one lies cannot "
                  "be told")
          .in_file(file)
          .in_tensor(linear.module->name)
          .hint("merge the adapter into its base in PEFT (merge_and_unload)");
    }
    *linear.transposed = *found;
  }
}

}  // namespace merganser
