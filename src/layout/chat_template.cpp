#include "layout/chat_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/text.h"
#include "layout/names.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMost = 64 << 20;  // bytes of a tokenizer's config
constexpr const char* kKey = "chat_template";

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

// Python reads, and writes, keys twice.
Json parse_file(const std::string& text, const fs::path& path) {
  return parse_json(text, path.string(), {.allow_repeats = true});
}

// A text, or a list of named ones of which "default" is meant.
std::optional<std::string> template_in(const Json& config) {
  if (!config.is_object() || !config.contains(kKey)) return std::nullopt;
  const Json& value = config[kKey];
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return std::nullopt;
  for (const Json& item : value) {
    if (item.is_object() && item.contains("name") && item["name"] == "default" &&
        item.contains("template") && item["template"].is_string()) {
      return item["template"].get<std::string>();
    }
  }
  return std::nullopt;
}

std::optional<std::string> template_of(const PlanModel& model, std::vector<std::string>& notes) {
  if (model.document) {
    // What running that document alone would have written.
    if (auto own = wanted_chat_template(*model.document, notes)) return own;
    return template_of(model.document->models[model.document->reference], notes);
  }
  if (model.single_file()) return std::nullopt;
  try {
    // In this order transformers looks for it, too.
    const fs::path jinja = model.path / names::kTemplate;
    if (is_file(jinja)) return read_text(jinja, kMost);
    for (const char* name : {"chat_template.json", "tokenizer_config.json"}) {
      const fs::path path = model.path / name;
      if (!is_file(path)) continue;
      if (auto found = template_in(parse_file(read_text(path, kMost), path))) return found;
    }
  } catch (const Error& error) {
    notes.push_back(fmt::format("chat_template: {} is passed over: {}", model.ref.to_string(),
                                error.message()));
  }
  return std::nullopt;
}

std::optional<std::string> most_common(const Plan& plan, std::vector<std::string>& notes) {
  std::map<std::string, std::size_t> count;
  std::vector<std::optional<std::string>> each;
  for (const PlanModel& model : plan.models) {
    each.push_back(template_of(model, notes));
    if (each.back()) ++count[*each.back()];
  }
  std::size_t most = 0;
  for (const auto& [text, times] : count) most = std::max(most, times);
  const auto wins = [&](const std::optional<std::string>& text) {
    return text && count[*text] == most;
  };
  if (wins(each[plan.reference])) return each[plan.reference];
  const auto first = std::ranges::find_if(each, wins);
  if (first != each.end()) return *first;
  notes.push_back("chat_template: auto, but no input has a chat template");
  return std::nullopt;
}

// Past the string whose opening quote is at `at`.
std::size_t skip_string(std::string_view json, std::size_t at) {
  for (++at; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\') ++at;
  }
  return std::min(at + 1, json.size());
}

std::size_t skip_space(std::string_view json, std::size_t at) {
  return std::min(json.find_first_not_of(" \t\r\n", at), json.size());
}

// Past the value at `at`.
std::size_t skip_value(std::string_view json, std::size_t at) {
  std::size_t depth = 0;
  while (at < json.size()) {
    const char c = json[at];
    if (c == '"') {
      at = skip_string(json, at);
      if (depth == 0) return at;
      continue;
    }
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') {
      if (depth == 0) return at;  // of the object around a number
      if (--depth == 0) return at + 1;
    }
    if (depth == 0 && (c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n')) return at;
    ++at;
  }
  return at;
}

}  // namespace

std::optional<std::string> replace_member(std::string_view json, std::string_view key,
                                          std::string_view value_json) {
  const std::string quoted = fmt::format("\"{}\"", key);
  std::string result;
  std::size_t kept = 0;
  bool found = false;
  std::size_t at = skip_space(json, 0);
  if (at == json.size() || json[at] != '{') return std::nullopt;
  ++at;
  while ((at = skip_space(json, at)) < json.size() && json[at] != '}') {
    if (json[at] == ',') {
      ++at;
      continue;
    }
    const std::size_t key_end = skip_string(json, at);
    const bool wanted = json.substr(at, key_end - at) == quoted;
    at = skip_space(json, key_end);
    at = skip_space(json, at + 1);  // the colon
    const std::size_t end = skip_value(json, at);
    if (wanted) {  // every time, should it be there twice
      result.append(json.substr(kept, at - kept)).append(value_json);
      kept = end;
      found = true;
    }
    if (end == at) return std::nullopt;  // not JSON after all
    at = end;
  }
  if (!found) return std::nullopt;
  return result.append(json.substr(kept));
}

std::optional<std::string> wanted_chat_template(const Plan& plan, std::vector<std::string>& notes) {
  if (!plan.recipe.chat_template) {
    const auto& upstream = plan.models[plan.reference].document;
    return upstream ? wanted_chat_template(*upstream, notes) : std::nullopt;
  }
  const std::string& wish = *plan.recipe.chat_template;
  if (wish == "auto") return most_common(plan, notes);
  if (const auto known = known_chat_template(wish)) return std::string(*known);
  return wish;
}

std::vector<std::string> write_chat_template(const fs::path& folder, std::string_view text,
                                             std::vector<std::string>& notes) {
  std::vector<std::string> written;
  const std::string value =
      Json(std::string(text)).dump(-1, ' ', false, Json::error_handler_t::replace);
  for (const char* name : {"chat_template.json", "tokenizer_config.json"}) {
    const fs::path path = folder / name;
    if (!is_file(path)) continue;
    try {
      const std::string old = read_text(path, kMost);
      const Json config = parse_file(old, path);
      if (!config.is_object() || !config.contains(kKey)) continue;
      if (config[kKey].is_string() && config[kKey] == text) continue;
      const auto changed = replace_member(old, kKey, value);
      if (!changed) continue;
      write_text(path, *changed);
      written.emplace_back(name);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::io) throw;
      notes.push_back(fmt::format("chat_template: {} keeps its own: {}", name, error.message()));
    }
  }
  const fs::path jinja = folder / names::kTemplate;
  if (is_file(jinja) && read_text(jinja, kMost) == text) return written;
  write_text(jinja, text);
  written.emplace_back(names::kTemplate);
  std::ranges::sort(written);
  return written;
}

}  // namespace merganser
