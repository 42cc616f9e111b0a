// A parameter's value for one tensor: levels, filters, gradients, then type and range.
#include "base/error.h"
#include "recipe/check_value.h"
#include "recipe/validate.h"

namespace merganser {

std::optional<Value> resolve(const Parameter& parameter,
                             std::initializer_list<const Parameters*> levels,
                             const Position& position, const std::string& file) {
  for (const Parameters* level : levels) {
    if (!level) continue;
    const auto found = level->find(parameter.name);
    if (found == level->end()) continue;
    const Setting& setting = found->second;
    const SettingCase* from = setting.match(position);
    if (!from) continue;
    try {
      const std::optional<Value> value = setting.evaluate(position, parameter.type);
      if (value) return check_value(parameter, *value, {from->line, from->column}, file);
    } catch (Error& error) {
      throw error.in_file(file);
    }
  }
  return parameter.fallback;
}

}  // namespace merganser
