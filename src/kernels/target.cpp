#include "kernels/target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/target.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace merganser {
namespace HWY_NAMESPACE {

const char* Name() { return hwy::TargetName(HWY_TARGET); }

}  // namespace HWY_NAMESPACE
}  // namespace merganser
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace merganser {

HWY_EXPORT(Name);

namespace {

void use(std::int64_t targets) {
  hwy::SetSupportedTargetsForTest(targets);  // 0: what the machine has
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace

// Public, but declared by this layer for those below the API.
[[gnu::visibility("default")]] std::string simd_target() { return HWY_DYNAMIC_DISPATCH(Name)(); }

std::vector<std::string> simd_targets() {
  // SupportedTargets() shrinks while a target is forced; it only affects tests that ask then.
  std::vector<std::string> names;
  for (std::int64_t left = HWY_TARGETS & hwy::SupportedTargets(); left != 0; left &= left - 1) {
    names.emplace_back(hwy::TargetName(left & ~(left - 1)));
  }
  const std::string baseline = hwy::TargetName(HWY_STATIC_TARGET);
  if (names.empty() || names.back() != baseline) names.push_back(baseline);
  return names;
}

bool force_simd_target(std::string_view name) {
  use(0);
  if (name.empty()) return true;
  if (name == hwy::TargetName(HWY_STATIC_TARGET)) {
    use(HWY_STATIC_TARGET);
    return true;
  }
  for (std::int64_t left = HWY_TARGETS & hwy::SupportedTargets(); left != 0; left &= left - 1) {
    const std::int64_t target = left & ~(left - 1);
    if (name == hwy::TargetName(target)) {
      use(target);
      return true;
    }
  }
  return false;
}

}  // namespace merganser
#endif
