// What a pickle holds, as inert values: numbers, text, containers, and the *names* of classes and
// functions with the arguments they were to be called with. Nothing is imported or called.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace merganser::pickle {

using Id = std::uint32_t;  // of a value, in the order in which they were made

enum class Kind : std::uint8_t {
  none,
  boolean,
  integer,      // of 64 bits
  big_integer,  // of more
  real,
  text,
  bytes,
  tuple,
  list,
  dict,  // items: key, value, key, value, … in the order they were set, a key perhaps repeatedly
  set,
  global,      // a class or function by its name
  call,        // of a function with arguments, or an object of a class
  persistent,  // a reference to something outside of the pickle (in PyTorch: a storage)
};

// An arena: values refer to each other by number, so that neither a deep nesting nor a cycle is
// ever followed by recursion. Takes at most 16 bytes a value, 12 a change of a container, and the
// pickle's own texts.
class Values {
 public:
  static constexpr Id kNone = 0, kFalse = 1, kTrue = 2, kEmptyTuple = 3;
  static constexpr std::size_t kMost = std::size_t{1} << 24;       // values
  static constexpr std::size_t kMostItems = std::size_t{1} << 25;  // of all containers

  Values();

  std::size_t size() const { return nodes_.size(); }
  Kind kind(Id id) const { return nodes_[id].kind; }
  bool is(Id id, Kind kind) const { return nodes_[id].kind == kind; }

  std::optional<std::int64_t> integer(Id id) const;  // of a whole number of 64 bits
  std::string_view text(Id id) const;                // of text, bytes, big_integer (little-endian)
  std::size_t count(Id id) const;                    // items of a tuple, list, dict or set
  std::vector<Id> items(Id id) const;                // of these; empty for other kinds
  Id function(Id call) const;
  Id arguments(Id call) const;
  Id reference(Id persistent) const;
  bool is_global(Id id, std::string_view module, std::string_view name) const;
  // "torch._utils._rebuild_tensor_v2"; escaped, and cut where it is long.
  std::string global_name(Id global) const;
  // "a number", "text", "a dict", "an object of pkg.Class"; for messages.
  std::string describe(Id id) const;

  // For the machine that reads pickles. Each throws Error(unsupported) beyond kMost values or
  // kMostItems items.
  Id add_integer(std::int64_t value);
  Id add_real();
  Id add_text(Kind kind, std::string_view text);
  Id add_tuple(std::span<const Id> items);
  Id add_container(Kind kind);  // an empty list, dict or set
  void extend(Id container, std::span<const Id> items);
  Id add_pair(Kind kind, Id first, Id second);  // global, call; persistent with second 0
  std::size_t total_items() const { return items_.size(); }

 private:
  struct Node {
    Kind kind = Kind::none;
    std::uint32_t count = 0;     // of bytes or items
    std::uint32_t a = 0, b = 0;  // two values; first item; first and last segment, plus 1
  };
  struct Segment {
    std::uint32_t begin = 0, count = 0, next = 0;  // in items_; the next one, plus 1
  };

  Id add(Node node);
  void add_items(std::span<const Id> items);

  std::vector<Node> nodes_;
  std::vector<Id> items_;
  std::vector<Segment> segments_;
  std::string texts_;
};

}  // namespace merganser::pickle
