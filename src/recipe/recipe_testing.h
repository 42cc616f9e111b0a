// For this layer's tests: where an Error points, and descriptors of made-up methods.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "base/error.h"
#include "method/descriptor.h"
#include "recipe/parse.h"
#include "recipe/validate.h"

namespace merganser::testing {

inline void expect_error(const std::function<void()>& act, ErrorKind kind, std::size_t line,
                         std::size_t column, const std::string& part) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_EQ(error.line(), line) << error.what();
    EXPECT_EQ(error.column(), column) << error.what();
    EXPECT_THAT(std::string(error.what()), ::testing::HasSubstr(part));
    return;
  }
  ADD_FAILURE() << "no error, expected: " << part;
}

inline Recipe parse(std::string_view text) { return parse_recipe(text, "r.yml"); }

inline Parameter number(std::string_view name, ParameterScope scope,
                        std::optional<Value> fallback = std::nullopt) {
  Parameter parameter;
  parameter.name = name;
  parameter.scope = scope;
  parameter.fallback = std::move(fallback);
  return parameter;
}

inline Parameter flag(std::string_view name, bool fallback) {
  Parameter parameter = number(name, ParameterScope::shared, Value(fallback));
  parameter.type = ParameterType::flag;
  return parameter;
}

inline Descriptor linear() {
  Descriptor d;
  d.name = "linear";
  d.parameters = {number("weight", ParameterScope::per_input), flag("normalize", true)};
  return d;
}

inline Descriptor slerp() {
  Descriptor d;
  d.name = "slerp";
  d.base = BaseRole::required;
  d.min_inputs = d.max_inputs = 1;
  d.parameters = {number("t", ParameterScope::shared)};
  return d;
}

inline Descriptor ties() {
  Descriptor d;
  d.name = "ties";
  d.base = BaseRole::required;
  Parameter density = number("density", ParameterScope::per_input, Value(1.0));
  density.low = 0;
  density.high = 1;
  Parameter sign = flag("sign", true);
  sign.type = ParameterType::choice;
  sign.fallback = Value(std::string("mass"));
  sign.choices = {"mass", "count"};
  Parameter scope = sign;
  scope.name = "scope";
  scope.fallback = Value(std::string("tensor"));
  scope.choices = {"tensor", "model"};
  scope.constant = true;
  Parameter steps = number("steps", ParameterScope::shared, Value(10.0));
  steps.integer = true;
  steps.low = 1;
  d.parameters = {number("weight", ParameterScope::per_input),
                  density,
                  flag("normalize", true),
                  flag("int8_mask", false),
                  number("lambda", ParameterScope::shared, Value(1.0)),
                  sign,
                  scope,
                  steps};
  return d;
}

inline Descriptor passthrough() {
  Descriptor d;
  d.name = "passthrough";
  d.max_inputs = 1;
  Parameter scale = number("scale", ParameterScope::per_input);
  scale.optional = true;
  d.parameters = {scale};
  return d;
}

}  // namespace merganser::testing
