#include "recipe/edit.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/text.h"
#include "recipe/scalar.h"
#include "recipe/yaml_walk.h"

namespace merganser {
namespace {

using yaml::Entry;
using yaml::Node;
using yaml::NodePtr;
using Step = RecipePath::Step;

class PathParser {
 public:
  explicit PathParser(std::string_view text) : text_(text) {}

  RecipePath parse() {
    RecipePath path;
    path.text = text_;
    std::string first = key();
    if (next(':')) {
      path.document = std::move(first);
      while (next(' ')) {
      }
      first = key();
    }
    path.steps.push_back({Step::Kind::key, std::move(first), 0});
    while (at_ < text_.size()) {
      if (next('.')) {
        path.steps.push_back({Step::Kind::key, key(), 0});
      } else if (next('[')) {
        path.steps.push_back(place());
      } else {
        refuse("expected '.' or '['");
      }
    }
    return path;
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(ErrorKind::usage, fmt::format("'{}' is no path of a recipe: {} at character {}",
                                              text_, what, at_ + 1))
        .hint("parameters.lambda, models[0].parameters.weight, models[*].parameters.density");
  }

  bool next(char wanted) {
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  std::string key() {
    std::size_t begin = at_, end = at_;
    if (next('"')) {
      begin = at_;
      end = text_.find('"', begin);
      if (end == std::string_view::npos) refuse("a quotation mark is not closed");
      at_ = end + 1;
    } else {
      end = at_ = std::min(text_.size(), text_.find_first_of(".[]:\" ", begin));
    }
    if (begin == end) refuse("expected a key");
    return std::string(text_.substr(begin, end - begin));
  }

  Step place() {
    Step step{Step::Kind::all, "", 0};
    if (!next('*')) {
      step.kind = Step::Kind::index;
      const char* begin = text_.data() + at_;
      const auto [stop, code] = std::from_chars(begin, text_.data() + text_.size(), step.index);
      if (code != std::errc{}) refuse("expected a number from 0, or *,");
      at_ += static_cast<std::size_t>(stop - begin);
    }
    if (!next(']')) refuse("expected ']'");
    return step;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// Copies what is on the way, so that another place that repeats it by an alias stays as it is.
class Walk {
 public:
  Walk(const RecipePath& path, const std::string& file) : path_(path), file_(file) {}

  std::vector<std::string> values(const Node& root) {
    visit(root, 0, nullptr);
    return std::move(found_);
  }

  NodePtr set(const Node& root, const std::string& value) {
    Node scalar;
    scalar.kind = Node::Kind::scalar;
    scalar.plain = true;
    scalar.text = value;
    const auto leaf = std::make_shared<const Node>(std::move(scalar));
    return visit(root, 0, &leaf);
  }

 private:
  static Node empty_mapping() {
    Node node;
    node.kind = Node::Kind::mapping;
    return node;
  }

  std::string upto(std::size_t depth) const {
    std::string text;
    for (std::size_t i = 0; i < depth; ++i) {
      const Step& step = path_.steps[i];
      if (step.kind == Step::Kind::key) {
        text += (text.empty() ? "" : ".") + step.key;
      } else {
        text += step.kind == Step::Kind::all ? "[*]" : fmt::format("[{}]", step.index);
      }
    }
    return text.empty() ? "the recipe" : fmt::format("'{}'", text);
  }

  [[noreturn]] void refuse(const std::string& what, const std::string& hint) const {
    throw Error(ErrorKind::usage, fmt::format("the path '{}' leads nowhere: {}", path_.text, what))
        .in_file(file_)
        .hint(hint);
  }

  // A method's parameters that have their defaults are not in the text.
  bool may_be_added(std::size_t depth) const {
    const auto key = [&](std::size_t i) { return path_.steps[i].key; };
    const bool last = depth + 1 == path_.steps.size();
    if (last && depth > 0 && (key(depth - 1) == "parameters" || key(depth - 1) == "lines")) {
      return true;
    }
    if (last && depth == 0) return key(0) == "seed";
    return depth + 2 == path_.steps.size() && key(depth) == "parameters" &&
           path_.steps[depth + 1].kind == Step::Kind::key;
  }

  // The node with the leaf put in; `leaf` null: only looked at.
  NodePtr visit(const Node& node, std::size_t depth, const NodePtr* leaf) {
    if (depth == path_.steps.size()) {
      found_.push_back(node.kind == Node::Kind::scalar ? node.text : "");
      return leaf == nullptr ? nullptr : *leaf;
    }
    Node copy = node;
    const Step& step = path_.steps[depth];
    if (step.kind == Step::Kind::key) {
      take_key(copy, step, depth, leaf);
    } else {
      take_items(copy, step, depth, leaf);
    }
    return leaf == nullptr ? nullptr : std::make_shared<const Node>(std::move(copy));
  }

  void take_key(Node& node, const Step& step, std::size_t depth, const NodePtr* leaf) {
    if (node.kind == Node::Kind::null) node = empty_mapping();
    if (node.kind != Node::Kind::mapping) {
      refuse(fmt::format("{} is {}, without keys", upto(depth), describe(node)), "");
    }
    auto entry = std::find_if(node.entries.begin(), node.entries.end(),
                              [&](const Entry& each) { return each.key == step.key; });
    if (entry == node.entries.end()) {
      if (!may_be_added(depth)) {
        std::vector<std::string> keys;
        for (const Entry& each : node.entries) keys.push_back(each.key);
        refuse(fmt::format("{} has no '{}'", upto(depth), step.key), suggestion(step.key, keys));
      }
      Entry fresh;
      fresh.key = step.key;
      fresh.value =
          std::make_shared<const Node>(depth + 1 < path_.steps.size() ? empty_mapping() : Node());
      entry = node.entries.insert(node.entries.end(), std::move(fresh));
    }
    NodePtr changed = visit(*entry->value, depth + 1, leaf);
    if (leaf != nullptr) entry->value = std::move(changed);
  }

  void take_items(Node& node, const Step& step, std::size_t depth, const NodePtr* leaf) {
    if (node.kind != Node::Kind::sequence) {
      refuse(fmt::format("{} is {}, not a list", upto(depth), describe(node)), "");
    }
    const bool all = step.kind == Step::Kind::all;
    if (all ? node.items.empty() : step.index >= node.items.size()) {
      refuse(fmt::format("{} has {} entries", upto(depth), node.items.size()),
             "the first one is [0]");
    }
    for (std::size_t i = all ? 0 : step.index; i < (all ? node.items.size() : step.index + 1);
         ++i) {
      NodePtr changed = visit(*node.items[i], depth + 1, leaf);
      if (leaf != nullptr) node.items[i] = std::move(changed);
    }
  }

  const RecipePath& path_;
  const std::string& file_;
  std::vector<std::string> found_;
};

void write_quoted(const std::string& text, std::string& out) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  out += '"';
}

// Flow style, all but numbers and flags in quotes: nothing can be read as something else.
void write(const Node& node, std::string& out) {
  const char* separator = "";
  const auto separate = [&] {
    out += separator;
    separator = ", ";
  };
  switch (node.kind) {
    case Node::Kind::null:
      out += "null";
      return;
    case Node::Kind::scalar:
      if (node.plain && (to_number(node.text) || to_flag(node.text))) {
        out += node.text;
      } else {
        write_quoted(node.text, out);
      }
      return;
    case Node::Kind::sequence:
      out += '[';
      for (const NodePtr& item : node.items) {
        separate();
        write(*item, out);
      }
      out += ']';
      return;
    case Node::Kind::mapping:
      out += '{';
      for (const Entry& entry : node.entries) {
        separate();
        write_quoted(entry.key, out);
        out += ": ";
        write(*entry.value, out);
      }
      out += '}';
  }
}

}  // namespace

RecipePath parse_recipe_path(std::string_view text) { return PathParser(text).parse(); }

EditableRecipe::EditableRecipe(std::string_view text, std::string file)
    : documents_(yaml::read(text, file)), file_(std::move(file)) {
  for (const NodePtr& document : documents_) {
    if (document == nullptr || document->kind != Node::Kind::mapping) {
      throw Error(ErrorKind::recipe, "the recipe has an empty document").in_file(file_);
    }
  }
}

std::size_t EditableRecipe::document(const RecipePath& path) const {
  std::vector<std::string> names;
  std::optional<std::size_t> unnamed;
  for (std::size_t i = 0; i < documents_.size(); ++i) {
    const auto& entries = documents_[i]->entries;
    const auto name = std::find_if(entries.begin(), entries.end(),
                                   [](const Entry& entry) { return entry.key == "name"; });
    if (name == entries.end()) {
      unnamed = i;
      continue;
    }
    if (!path.document.empty() && name->value->text == path.document) return i;
    names.push_back(name->value->text);
  }
  if (path.document.empty() && unnamed) return *unnamed;
  if (path.document.empty() && documents_.size() == 1) return 0;
  if (path.document.empty()) {
    throw Error(ErrorKind::usage,
                fmt::format("the path '{}' does not say which document it is of", path.text))
        .in_file(file_)
        .hint(fmt::format("'{}: {}'; documents: {}", names.front(), path.text, join(names, ", ")));
  }
  throw Error(ErrorKind::usage, fmt::format("the path '{}' names no document", path.text))
      .in_file(file_)
      .hint(names.empty() ? "the recipe is one document" : suggestion(path.document, names));
}

std::vector<std::string> EditableRecipe::values(const RecipePath& path) const {
  return Walk(path, file_).values(*documents_[document(path)]);
}

void EditableRecipe::set(const RecipePath& path, const std::string& value) {
  NodePtr& root = documents_[document(path)];
  root = Walk(path, file_).set(*root, value);
}

std::string EditableRecipe::text() const {
  std::string out;
  for (const NodePtr& document : documents_) {
    if (!out.empty()) out += "---\n";
    write(*document, out);
    out += '\n';
  }
  return out;
}

}  // namespace merganser
