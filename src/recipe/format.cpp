#include "recipe/format.h"

#include <fmt/format.h>

#include <cctype>

#include "recipe/scalar.h"

namespace merganser {
namespace {

// Plain where nothing in it could be read as YAML, a number or a flag; else in double quotes.
std::string scalar(std::string_view text) {
  bool plain = text.starts_with("./") || text.starts_with("../") || text.starts_with('/') ||
               (!text.empty() && std::isalpha(static_cast<unsigned char>(text[0])));
  for (const char c : text) {
    plain &= std::isalnum(static_cast<unsigned char>(c)) ||
             std::string_view("_-./+@").find(c) != std::string_view::npos;
  }
  const bool other_meaning = to_flag(text) || text == "null" || text == "Null" || text == "NULL";
  if (plain && !other_meaning) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string to_yaml(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return scalar(*text);
  return to_string(value);
}

std::string place(const std::string& path, const std::string& revision) {
  if (revision.empty()) return fmt::format("{{path: {}}}", scalar(path));
  return fmt::format("{{path: {}, revision: {}}}", scalar(path), scalar(revision));
}

std::string to_yaml(const ModelRef& model) {
  const auto has_sign = [](const std::string& text) {
    return text.find_first_of("@+") != std::string::npos;
  };
  if (model.override_architecture.empty() && model.task.empty() && model.lora_scale == 1 &&
      !has_sign(model.path) && !has_sign(model.revision) && !has_sign(model.lora_path) &&
      !has_sign(model.lora_revision)) {
    return scalar(model.to_string());
  }
  std::string out = fmt::format("{{model: {}", place(model.path, model.revision));
  if (!model.lora_path.empty()) {
    std::string lora = place(model.lora_path, model.lora_revision);
    if (model.lora_scale != 1) {
      lora.insert(lora.size() - 1, fmt::format(", scale: {}", to_string(Value(model.lora_scale))));
    }
    out += ", lora: " + lora;
  }
  if (!model.override_architecture.empty()) {
    out += fmt::format(", override_architecture: {}", scalar(model.override_architecture));
  }
  if (!model.task.empty()) out += fmt::format(", task: {}", scalar(model.task));
  if (!model.task_base.empty()) out += fmt::format(", base: {}", scalar(model.task_base));
  return out + '}';
}

std::string to_yaml(const SettingCase& one) {
  if (const auto* value = std::get_if<Value>(&one.value)) return to_yaml(*value);
  std::string out;
  const auto item = [&](const std::string& text) { out += (out.empty() ? "" : ", ") + text; };
  if (const auto* list = std::get_if<std::vector<Value>>(&one.value)) {
    for (const Value& value : *list) item(to_yaml(value));
    return '[' + out + ']';
  }
  const auto& blocks = std::get<BlockWeights>(one.value);
  for (const BlockWeights::Range& range : blocks.ranges) {
    const std::string key = range.first == range.last
                                ? fmt::format("{}", range.first)
                                : fmt::format("{}-{}", range.first, range.last);
    item(key + ": " + to_yaml(range.value));
  }
  for (const auto& [name, value] : blocks.places) item(name + ": " + to_yaml(value));
  return "{blocks: {" + out + "}}";
}

std::string to_yaml(const Filter& filter) {
  std::string pattern = scalar(filter.pattern);
  switch (filter.kind) {
    case Filter::Kind::substring:
      return pattern;
    case Filter::Kind::glob:
      return fmt::format("{{glob: {}}}", pattern);
    case Filter::Kind::regex:
      return fmt::format("{{regex: {}}}", pattern);
  }
  return pattern;
}

std::string to_yaml(const Setting& setting) {
  if (setting.cases.size() == 1 && !setting.cases[0].filter) return to_yaml(setting.cases[0]);
  std::string out;
  for (const SettingCase& one : setting.cases) {
    if (!out.empty()) out += ", ";
    out += "{value: " + to_yaml(one);
    if (one.filter) out += ", filter: " + to_yaml(*one.filter);
    out += '}';
  }
  return '[' + out + ']';
}

class Writer {
 public:
  std::string write(const Recipe& recipe) {
    if (!recipe.name.empty()) line(0, "name: " + scalar(recipe.name));
    line(0, "merge_method: " + scalar(recipe.method));
    if (recipe.base_model) line(0, "base_model: " + to_yaml(*recipe.base_model));
    const bool whole = recipe.modules.size() == 1 && recipe.modules[0].name.empty();
    if (whole) {
      contents(0, recipe.modules[0]);
    } else if (!recipe.modules.empty()) {
      line(0, "modules:");
      for (const RecipeModule& module : recipe.modules) {
        line(2, scalar(module.name) + ":");
        contents(4, module);
        parameters(4, module.parameters);
      }
    }
    Parameters global = recipe.parameters;
    if (whole) {  // what is set for the only module is set for the recipe
      for (const auto& [name, setting] : recipe.modules[0].parameters) global[name] = setting;
    }
    parameters(0, global);
    options(recipe);
    return std::move(out_);
  }

 private:
  void line(std::size_t indent, std::string_view text) {
    out_.append(indent, ' ').append(text).append("\n");
  }

  void parameters(std::size_t indent, const Parameters& table) {
    if (table.empty()) return;
    line(indent, "parameters:");
    for (const auto& [name, setting] : table) {
      line(indent + 2, scalar(name) + ": " + to_yaml(setting));
    }
  }

  void source(std::size_t indent, const RecipeSource& one) {
    line(indent, "- model: " + to_yaml(one.model));
    if (one.layers) {
      line(indent + 2, fmt::format("layer_range: [{}, {}]", (*one.layers)[0], (*one.layers)[1]));
    }
    parameters(indent + 2, one.parameters);
  }

  void contents(std::size_t indent, const RecipeModule& module) {
    if (!module.models.empty()) line(indent, "models:");
    for (const RecipeSource& model : module.models) source(indent + 2, model);
    if (!module.slices.empty()) line(indent, "slices:");
    for (const RecipeSlice& slice : module.slices) {
      line(indent + 2, "- sources:");
      for (const RecipeSource& one : slice.sources) source(indent + 6, one);
      if (slice.base_model) line(indent + 4, "base_model: " + to_yaml(*slice.base_model));
      parameters(indent + 4, slice.parameters);
    }
  }

  void options(const Recipe& recipe) {
    if (recipe.dtype) line(0, fmt::format("dtype: {}", torch_name(*recipe.dtype)));
    if (recipe.out_dtype) line(0, fmt::format("out_dtype: {}", torch_name(*recipe.out_dtype)));
    if (recipe.chat_template) line(0, "chat_template: " + scalar(*recipe.chat_template));
    if (recipe.lines) {
      line(0,
           fmt::format("lines: {{alpha: {}, beta: {}}}", recipe.lines->alpha, recipe.lines->beta));
    }
    if (recipe.seed != 0) line(0, fmt::format("seed: {}", recipe.seed));
    if (recipe.integers != IntegerRule::error) {
      line(0, recipe.integers == IntegerRule::first ? "integers: first" : "integers: base");
    }
    if (recipe.heads.kind == HeadRule::Kind::drop) line(0, "heads: drop");
    if (recipe.heads.kind == HeadRule::Kind::keep_from && recipe.heads.from) {
      line(0, "heads: {keep_from: " + to_yaml(*recipe.heads.from) + "}");
    }
  }

  std::string out_;
};

}  // namespace

std::string to_yaml(const Recipe& recipe) {
  std::string text;
  for (const auto& document : recipe.documents) text += Writer().write(*document) + "---\n";
  return text += Writer().write(recipe);
}

}  // namespace merganser
