#include "methods/registry.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace merganser {
namespace methods {
#define MERGANSER_METHOD(name) extern const Descriptor name;
#include "methods/list.inc"
#undef MERGANSER_METHOD
}  // namespace methods

namespace {
const Descriptor* const kAll[] = {
#define MERGANSER_METHOD(name) &methods::name,
#include "methods/list.inc"
#undef MERGANSER_METHOD
};
}  // namespace

std::span<const Descriptor* const> all_methods() { return kAll; }

const Descriptor* find_method(std::string_view name) {
  for (const Descriptor* method : kAll) {
    if (method->name == name) return method;
  }
  return nullptr;
}

const Descriptor& require_method(std::string_view name) {
  if (const Descriptor* method = find_method(name)) return *method;
  throw Error(ErrorKind::recipe, fmt::format("merge method '{}' is unknown", name))
      .hint(suggestion(name, method_names()));
}

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const Descriptor* method : kAll) names.emplace_back(method->name);
  return names;
}

}  // namespace merganser
