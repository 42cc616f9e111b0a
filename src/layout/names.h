// Files that this program writes beside the weights. Private to this layer.
#pragma once

namespace merganser::names {

inline constexpr const char* kConfig = "config.json";
inline constexpr const char* kCard = "README.md";
inline constexpr const char* kRecipe = "merganser_recipe.yml";
inline constexpr const char* kProvenance = "merganser_provenance.json";
inline constexpr const char* kJournal = "merganser_journal";  // until the output is whole
// Of a mixture's experts, until then too.
inline constexpr const char* kFactors = "merganser_factors";
inline constexpr const char* kFactorsJournal = "merganser_factors_journal";
// What `merganser train` did.
inline constexpr const char* kTraining = "train.json";
inline constexpr const char* kTemplate = "chat_template.jinja";

}  // namespace merganser::names
