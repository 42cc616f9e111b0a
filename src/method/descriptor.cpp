#include "method/descriptor.h"

namespace merganser {

Outline Outline::copy_of(std::size_t input, std::size_t inputs, std::string note) {
  Outline outline;
  outline.copy = input;
  outline.reads.assign(inputs, false);
  if (input < inputs) outline.reads[input] = true;
  outline.note = std::move(note);
  return outline;
}

Outline Outline::of_all(std::size_t inputs, unsigned sweeps) {
  Outline outline;
  outline.reads.assign(inputs, true);
  outline.sweeps = sweeps;
  return outline;
}

const Parameter* Descriptor::find(std::string_view parameter) const {
  for (const Parameter& p : parameters) {
    if (p.name == parameter) return &p;
  }
  return nullptr;
}

std::vector<std::string> Descriptor::parameter_names() const {
  std::vector<std::string> names;
  for (const Parameter& p : parameters) names.emplace_back(p.name);
  return names;
}

}  // namespace merganser
