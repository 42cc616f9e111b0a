#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "api/report_text.h"
#include "base/json.h"
#include "kernels/target.h"
#include "merganser/merganser.h"
#include "methods/registry.h"

namespace merganser {
namespace {

std::string type_name(const Parameter& parameter) {
  switch (parameter.type) {
    case ParameterType::number:
      return parameter.integer ? "integer" : "number";
    case ParameterType::flag:
      return "bool";
    case ParameterType::choice:
      return "choice";
  }
  return "";
}

std::string range_of(const Parameter& parameter) {
  if (parameter.type != ParameterType::number) return "";
  if (std::isinf(parameter.low) && std::isinf(parameter.high)) return "";
  return fmt::format("{}..{}", parameter.low, parameter.high);
}

std::string fallback_of(const Parameter& parameter) {
  if (parameter.fallback) return to_string(*parameter.fallback);
  return parameter.optional ? "none" : "required";
}

MethodInfo describe(const Descriptor& method) {
  MethodInfo info;
  info.name = method.name;
  info.title = method.title;
  info.summary = method.summary;
  info.formula = method.formula;
  info.paper = method.paper;
  const bool required = method.base == BaseRole::required;
  const bool optional = method.base == BaseRole::optional;
  info.base = required ? "required" : optional ? "optional" : "an ordinary input";
  info.inputs = method.min_inputs == method.max_inputs
                    ? fmt::format("{}", method.min_inputs)
                    : fmt::format("{} or more", method.min_inputs);
  if (required || optional) info.inputs += " besides the base";
  for (const Parameter& parameter : method.parameters) {
    ParameterInfo& described = info.parameters.emplace_back();
    described.name = parameter.name;
    described.summary = parameter.summary;
    described.type = type_name(parameter);
    described.scope = parameter.scope == ParameterScope::per_input ? "per model" : "shared";
    described.fallback = fallback_of(parameter);
    described.range = range_of(parameter);
    described.choices.assign(parameter.choices.begin(), parameter.choices.end());
  }
  return info;
}

// A pipe would end a cell of a Markdown table.
std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) {
    text.replace(at, 1, "\\|");
  }
  return text;
}

}  // namespace

std::string version() { return MERGANSER_VERSION; }

std::vector<MethodInfo> methods() {
  std::vector<MethodInfo> infos;
  for (const Descriptor* method : all_methods()) infos.push_back(describe(*method));
  return infos;
}

MethodInfo method(const std::string& name) { return describe(require_method(name)); }

std::string to_json(const std::vector<MethodInfo>& methods) {
  Json list = Json::array();
  for (const MethodInfo& info : methods) {
    Json parameters = Json::array();
    for (const ParameterInfo& p : info.parameters) {
      Json parameter = {{"name", p.name},
                        {"summary", p.summary},
                        {"type", p.type},
                        {"scope", p.scope},
                        {"default", p.fallback}};
      if (!p.range.empty()) parameter["range"] = p.range;
      if (!p.choices.empty()) parameter["choices"] = p.choices;
      parameters.push_back(std::move(parameter));
    }
    list.push_back({{"name", info.name},
                    {"title", info.title},
                    {"summary", info.summary},
                    {"formula", info.formula},
                    {"paper", info.paper},
                    {"base", info.base},
                    {"inputs", info.inputs},
                    {"parameters", std::move(parameters)}});
  }
  return report_text(Json{{"methods", std::move(list)}});
}

std::string to_markdown(const std::vector<MethodInfo>& methods) {
  std::string text =
      "# Merge methods\n\n"
      "Written by `merganser methods --markdown`; `make docs` renews it.\n\n"
      "x_i: a model, b: the base, w_i: weight. A parameter *per model* stands under the model or, "
      "for all of them, under the recipe's `parameters`; a *shared* one under `parameters` of the "
      "recipe or a slice.\n\n"
      "| method | what it does |\n|---|---|\n";
  for (const MethodInfo& info : methods) {
    text += fmt::format("| [{0}](#{0}) | {1} |\n", info.name, cell(info.summary));
  }
  for (const MethodInfo& info : methods) {
    text += fmt::format("\n## {}\n\n{}: {}\n\n    {}\n\n", info.name, info.title, info.summary,
                        info.formula);
    text +=
        fmt::format("Source: {}. Base: {}. Models: {}.\n\n", info.paper, info.base, info.inputs);
    text += "| parameter | type | default | scope | meaning |\n|---|---|---|---|---|\n";
    for (const ParameterInfo& p : info.parameters) {
      std::string type = p.type;
      if (!p.choices.empty()) type = fmt::format("{}", fmt::join(p.choices, ", "));
      if (!p.range.empty()) type += " " + p.range;
      text += fmt::format("| `{}` | {} | {} | {} | {} |\n", p.name, cell(type), p.fallback, p.scope,
                          cell(p.summary));
    }
  }
  return text;
}

}  // namespace merganser
