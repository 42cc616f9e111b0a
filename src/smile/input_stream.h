// One input tensor, read from its first element to its last in working precision, hashed on the
// way.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/hash.h"
#include "plan/plan.h"

namespace merganser {

class InputStream {
 public:
  InputStream(const PlanModel& model, const PlanInput& input, HashKind hash);

  // The next elements. float takes all types but f64.
  template <class T>
  void next(std::span<T> values);
  std::string finish();  // the hash of all that was read; "" where none is taken
  const PlanInput& input() const { return input_; }

 private:
  PlanInput input_;
  const Source& source_;
  DType dtype_;
  std::unique_ptr<Hasher> hasher_;
  std::vector<std::byte> stored_;
  std::uint64_t at_ = 0;  // bytes
};

}  // namespace merganser
