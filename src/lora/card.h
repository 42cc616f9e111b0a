// README.md of an adapter.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lora/store.h"

namespace merganser {

struct AdapterCard {
  std::string title, base;  // base: as in the config
  std::string sentence;     // what it was made from, and how
  std::vector<std::pair<std::string, std::string>> facts;
  const TermStore* store = nullptr;
  std::string version;
};

// Paths are shown by their last names alone.
std::string card_text(const AdapterCard& card);

// The last name of a path, as it may be shown.
std::string shown_name(const std::string& path);

}  // namespace merganser
