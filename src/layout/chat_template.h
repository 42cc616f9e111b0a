// The recipe's chat_template in the output. Private to this layer.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plan/plan.h"

namespace merganser {

// The template of a known name: alpaca, chatml, exaone, llama3, mistral.
std::optional<std::string_view> known_chat_template(std::string_view name);

// What the recipe asks for; nothing where it asks for none, or for the most common one and no input
// has any. `notes` gets what a person should see.
std::optional<std::string> wanted_chat_template(const Plan& plan, std::vector<std::string>& notes);

// Into chat_template.jinja, and wherever the folder's files hold one already. Returns the names of
// the files it wrote.
std::vector<std::string> write_chat_template(const std::filesystem::path& folder,
                                             std::string_view text,
                                             std::vector<std::string>& notes);

// The JSON text of an object with the value of a top-level key replaced, every other byte kept: a
// tokenizer's config holds integers that no JSON library in C++ gives back as they were (10^30).
// Nothing where the key is absent. The text must be valid JSON.
std::optional<std::string> replace_member(std::string_view json, std::string_view key,
                                          std::string_view value_json);

}  // namespace merganser
