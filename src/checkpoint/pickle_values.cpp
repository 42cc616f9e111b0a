#include "checkpoint/pickle_values.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace merganser::pickle {
namespace {

constexpr std::size_t kShownName = 80;  // bytes of a class's name in a message

}  // namespace

Values::Values() {
  add({Kind::none});
  add({Kind::boolean, 0, 0});
  add({Kind::boolean, 0, 1});
  add({Kind::tuple});
}

Id Values::add(Node node) {
  if (nodes_.size() >= kMost) {
    throw Error(ErrorKind::unsupported, fmt::format("the pickle holds more than {} values", kMost));
  }
  nodes_.push_back(node);
  return static_cast<Id>(nodes_.size() - 1);
}

void Values::add_items(std::span<const Id> items) {
  if (items.size() > kMostItems - items_.size()) {
    throw Error(ErrorKind::unsupported,
                fmt::format("the containers of the pickle hold more than {} items", kMostItems));
  }
  items_.insert(items_.end(), items.begin(), items.end());
}

Id Values::add_integer(std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  return add(
      {Kind::integer, 0, static_cast<std::uint32_t>(bits), static_cast<std::uint32_t>(bits >> 32)});
}

Id Values::add_real() { return add({Kind::real}); }

Id Values::add_text(Kind kind, std::string_view text) {
  const Id id = add(
      {kind, static_cast<std::uint32_t>(text.size()), static_cast<std::uint32_t>(texts_.size())});
  texts_ += text;
  return id;
}

Id Values::add_tuple(std::span<const Id> items) {
  if (items.empty()) return kEmptyTuple;
  const Id id = add({Kind::tuple, static_cast<std::uint32_t>(items.size()),
                     static_cast<std::uint32_t>(items_.size())});
  add_items(items);
  return id;
}

Id Values::add_container(Kind kind) { return add({kind}); }

void Values::extend(Id container, std::span<const Id> items) {
  if (items.empty()) return;
  Node& node = nodes_[container];
  segments_.push_back(
      {static_cast<std::uint32_t>(items_.size()), static_cast<std::uint32_t>(items.size()), 0});
  const auto made = static_cast<std::uint32_t>(segments_.size());
  (node.b == 0 ? node.a : segments_[node.b - 1].next) = made;
  node.b = made;
  node.count += static_cast<std::uint32_t>(items.size());
  add_items(items);
}

Id Values::add_pair(Kind kind, Id first, Id second) { return add({kind, 0, first, second}); }

std::optional<std::int64_t> Values::integer(Id id) const {
  const Node& node = nodes_[id];
  if (node.kind != Kind::integer) return std::nullopt;
  return static_cast<std::int64_t>(std::uint64_t{node.b} << 32 | node.a);
}

std::string_view Values::text(Id id) const {
  const Node& node = nodes_[id];
  if (node.kind != Kind::text && node.kind != Kind::bytes && node.kind != Kind::big_integer) {
    return {};
  }
  return std::string_view(texts_).substr(node.a, node.count);
}

std::size_t Values::count(Id id) const {
  const Kind kind = nodes_[id].kind;
  const bool holds =
      kind == Kind::tuple || kind == Kind::list || kind == Kind::dict || kind == Kind::set;
  return holds ? nodes_[id].count : 0;
}

std::vector<Id> Values::items(Id id) const {
  std::vector<Id> result;
  result.reserve(count(id));
  const Node& node = nodes_[id];
  const auto append = [&](std::uint32_t begin, std::uint32_t size) {
    result.insert(result.end(), items_.begin() + begin, items_.begin() + begin + size);
  };
  if (node.kind == Kind::tuple) {
    append(node.a, node.count);
  } else if (count(id) > 0) {
    for (std::uint32_t at = node.a; at != 0; at = segments_[at - 1].next) {
      append(segments_[at - 1].begin, segments_[at - 1].count);
    }
  }
  return result;
}

Id Values::function(Id call) const { return is(call, Kind::call) ? nodes_[call].a : kNone; }
Id Values::arguments(Id call) const { return is(call, Kind::call) ? nodes_[call].b : kEmptyTuple; }
Id Values::reference(Id id) const { return is(id, Kind::persistent) ? nodes_[id].a : kNone; }

bool Values::is_global(Id id, std::string_view module, std::string_view name) const {
  const Node& node = nodes_[id];
  return node.kind == Kind::global && text(node.a) == module && text(node.b) == name;
}

std::string Values::global_name(Id global) const {
  if (!is(global, Kind::global)) return "?";
  const Node& node = nodes_[global];
  const auto part = [&](Id id) { return printable(text(id).substr(0, kShownName)); };
  return fmt::format("{}.{}", part(node.a), part(node.b));
}

std::string Values::describe(Id id) const {
  switch (kind(id)) {
    case Kind::none:
      return "None";
    case Kind::boolean:
      return "a truth value";
    case Kind::integer:
    case Kind::big_integer:
    case Kind::real:
      return "a number";
    case Kind::text:
      return "text";
    case Kind::bytes:
      return "bytes";
    case Kind::tuple:
      return "a tuple";
    case Kind::list:
      return "a list";
    case Kind::dict:
      return "a dict";
    case Kind::set:
      return "a set";
    case Kind::global:
      return "the name " + global_name(id);
    case Kind::persistent:
      return "a storage";
    case Kind::call:
      break;
  }
  Id made = function(id);
  // These make an object of the class that is their first argument.
  if (is_global(made, "copyreg", "_reconstructor") ||
      is_global(made, "copy_reg", "_reconstructor")) {
    const std::vector<Id> arguments_of = items(arguments(id));
    if (!arguments_of.empty()) made = arguments_of.front();
  }
  // The class of a module, in archives of the legacy form: ("module", class, …).
  if (is(made, Kind::persistent)) {
    const std::vector<Id> told = items(reference(made));
    if (told.size() > 1 && text(told[0]) == "module") made = told[1];
  }
  return "an object of " + global_name(made);
}

}  // namespace merganser::pickle
