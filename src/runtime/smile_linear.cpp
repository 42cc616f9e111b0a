#include "runtime/smile_linear.h"

#include "runtime/weights.h"

namespace merganser::rt {

std::shared_ptr<Linear> make_smile_linear(Weights& /*weights*/, const std::string& /*name*/,
                                          std::int64_t /*in*/, std::int64_t /*out*/, bool /*bias*/,
                                          bool /*transposed*/) {
  return nullptr;
}

}  // namespace merganser::rt
