#include "methods/parts/add_to_first.h"

namespace merganser::methods {

Parameter alpha_parameter(double fallback, std::string_view summary) {
  return {.name = "alpha", .summary = summary, .fallback = Value{fallback}};
}

Outline add_to_first_outline(const MergeTensor& tensor, unsigned sweeps) {
  if (tensor.settings.number("alpha") == 0) {
    return Outline::copy_of(kA, 2, "alpha = 0: the first model is copied");
  }
  return Outline::of_all(2, sweeps);
}

}  // namespace merganser::methods
