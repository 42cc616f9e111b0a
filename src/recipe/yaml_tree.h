// YAML text → a small tree with marks. The only part of the program that knows the YAML library.
//
// The tree is built from the library's events, not from its own node type, because the events let
// us stop early: nesting is refused before the library recurses, an alias before it is expanded, a
// duplicate key before one of the two is lost.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "recipe/recipe.h"

namespace merganser::yaml {

inline constexpr std::size_t kMaxText = std::size_t{1} << 20;  // bytes
inline constexpr std::size_t kMaxDepth = 64;                   // collections inside each other
inline constexpr std::size_t kMaxNodes = 100000;  // aliases counted as what they repeat
inline constexpr std::size_t kMaxKey = 256;       // bytes

struct Node;
using NodePtr = std::shared_ptr<const Node>;

struct Entry {
  std::string key;
  bool plain = false;  // key written without quotes
  Mark mark;           // of the key
  NodePtr value;
};

struct Node {
  enum class Kind { null, scalar, sequence, mapping };

  Kind kind = Kind::null;
  bool plain = false;  // a scalar without quotes: may be a number or a flag
  std::string text;    // scalars
  std::vector<NodePtr> items;
  std::vector<Entry> entries;  // keys differ; merge keys (<<) are resolved
  Mark mark;                   // where it was written; of an alias: where its anchor is
  std::size_t size = 1;        // nodes, itself included, aliases expanded
  std::size_t height = 0;      // collections from here to the deepest scalar
};

// The text's documents, at least one; null for one without content. Limits hold for all together.
// Throws Error(recipe).
std::vector<NodePtr> read(std::string_view text, const std::string& file);

}  // namespace merganser::yaml
