#include "recipe/yaml_tree.h"

#include <fmt/format.h>
#include <yaml-cpp/anchor.h>
#include <yaml-cpp/emitterstyle.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "recipe/yaml_text.h"
#include "recipe/yaml_walk.h"

namespace merganser::yaml {
namespace {

Mark from_library(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {static_cast<std::size_t>(mark.line) + 1, static_cast<std::size_t>(mark.column) + 1};
}

class Builder : public YAML::EventHandler {
 public:
  Builder(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  std::vector<NodePtr> take() { return std::move(documents_); }

  void OnDocumentStart(const YAML::Mark& library_mark) override {
    const Mark mark = from_library(library_mark);
    if (!documents_.empty() && !line_of(text_, mark.line).starts_with("---")) {
      fail(file_, mark, "text after the end of the recipe", "check the indentation of this line");
    }
    anchors_.clear();
    documents_.emplace_back();
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node;
    node.mark = from_library(mark);
    finish(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {  // the library refuses unknown names, so it is still open
      fail(file_, from_library(mark), "an alias stands inside its own anchor");
    }
    count(found->second->size, from_library(mark));
    if (stack_.size() + found->second->height > kMaxDepth) too_deep(from_library(mark));
    add(found->second);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node;
    node.kind = Node::Kind::scalar;
    node.mark = from_library(mark);
    node.text = value;
    node.plain = tag_is(tag, {"int", "float", "bool", "null"}) || tag.empty() || tag == "?";
    if (!node.plain && tag != "!" && !tag_is(tag, {"str"})) unknown_tag(node.mark, tag);
    finish(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::Kind::sequence, from_library(mark), tag, anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Node::Kind::mapping, from_library(mark), tag, anchor);
  }
  void OnMapEnd() override {
    resolve_merge_keys(stack_.back().node);
    close();
  }

 private:
  struct Frame {
    Node node;
    YAML::anchor_t anchor = YAML::NullAnchor;
    bool has_key = false;  // mappings: the next node is the value of `key`
    Entry key;
    std::unordered_map<std::string, Mark> seen;  // mappings: keys so far
  };

  static bool tag_is(const std::string& tag, std::initializer_list<std::string_view> names) {
    static constexpr std::string_view prefix = "tag:yaml.org,2002:";
    if (!tag.starts_with(prefix)) return false;
    const std::string_view name = std::string_view(tag).substr(prefix.size());
    return std::find(names.begin(), names.end(), name) != names.end();
  }

  [[noreturn]] void unknown_tag(Mark mark, const std::string& tag) const {
    fail(file_, mark, fmt::format("the YAML tag {} has no meaning in a recipe", yaml::quoted(tag)),
         "leave it out");
  }

  [[noreturn]] void too_deep(Mark mark) const {
    fail(file_, mark, fmt::format("nested deeper than {} levels", kMaxDepth));
  }

  void count(std::size_t nodes, Mark mark) {
    total_ += nodes;
    if (total_ > kMaxNodes) {
      fail(file_, mark, fmt::format("more than {} values, aliases expanded", kMaxNodes));
    }
  }

  void open(Node::Kind kind, Mark mark, const std::string& tag, YAML::anchor_t anchor) {
    if (!tag.empty() && tag != "?" && tag != "!" && !tag_is(tag, {"map", "seq"})) {
      unknown_tag(mark, tag);
    }
    count(1, mark);
    if (stack_.size() >= kMaxDepth) too_deep(mark);
    Frame frame;
    frame.node.kind = kind;
    frame.node.mark = mark;
    frame.anchor = anchor;
    stack_.push_back(std::move(frame));
  }

  void close() {
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    frame.node.height += 1;
    remember(std::make_shared<const Node>(std::move(frame.node)), frame.anchor);
  }

  void finish(Node node, YAML::anchor_t anchor) {
    count(1, node.mark);
    remember(std::make_shared<const Node>(std::move(node)), anchor);
  }

  void remember(NodePtr node, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) anchors_[anchor] = node;
    add(std::move(node));
  }

  void add(NodePtr node) {
    if (stack_.empty()) {
      documents_.back() = std::move(node);
      return;
    }
    Frame& frame = stack_.back();
    frame.node.size += node->size;
    frame.node.height = std::max(frame.node.height, node->height);
    if (frame.node.kind == Node::Kind::sequence) {
      frame.node.items.push_back(std::move(node));
    } else if (frame.has_key) {
      frame.key.value = std::move(node);
      frame.node.entries.push_back(std::move(frame.key));
      frame.has_key = false;
    } else {
      add_key(frame, *node);
    }
  }

  void add_key(Frame& frame, const Node& key) const {
    if (key.kind != Node::Kind::scalar) {
      fail(file_, key.mark, fmt::format("a key must be a word, not {}", describe(key)));
    }
    if (key.text.size() > kMaxKey) {
      fail(file_, key.mark,
           fmt::format("a key of {} characters; the limit is {}", key.text.size(), kMaxKey));
    }
    const auto [first, fresh] = frame.seen.emplace(key.text, key.mark);
    if (!fresh) {
      fail(file_, key.mark,
           fmt::format("key {} stands twice in one mapping, first on line {}",
                       yaml::quoted(key.text), first->second.line),
           "keep one of them");
    }
    frame.key = Entry{key.text, key.plain, key.mark, nullptr};
    frame.has_key = true;
  }

  // `<<: *defaults` and `<<: [*a, *b]`: what is written in the mapping itself wins, then the first.
  void resolve_merge_keys(Node& node) const {
    const auto merge = std::find_if(node.entries.begin(), node.entries.end(),
                                    [](const Entry& e) { return e.plain && e.key == "<<"; });
    if (merge == node.entries.end()) return;
    const NodePtr value = merge->value;
    node.entries.erase(merge);
    std::unordered_map<std::string, Mark> seen;
    for (const Entry& entry : node.entries) seen.emplace(entry.key, entry.mark);
    const auto take_from = [&](const Node& from) {
      if (from.kind != Node::Kind::mapping) {
        fail(file_, from.mark,
             fmt::format("the merge key << takes mappings, not {}", describe(from)));
      }
      for (const Entry& entry : from.entries) {
        if (seen.emplace(entry.key, entry.mark).second) node.entries.push_back(entry);
      }
    };
    if (value->kind == Node::Kind::sequence) {
      for (const NodePtr& item : value->items) take_from(*item);
    } else {
      take_from(*value);
    }
  }

  std::string_view text_;
  const std::string& file_;
  std::vector<Frame> stack_;
  std::unordered_map<YAML::anchor_t, NodePtr> anchors_;
  std::vector<NodePtr> documents_;
  std::size_t total_ = 0;
};

[[noreturn]] void translate(const YAML::Exception& error, std::string_view text,
                            const std::string& file) {
  const Mark mark = from_library(error.mark);
  const std::string_view line = line_of(text, mark.line);
  const std::string_view indent = line.substr(0, line.find_first_not_of(" \t"));
  if (error.msg == YAML::ErrorMsg::EOF_IN_SCALAR || error.msg == YAML::ErrorMsg::DOC_IN_SCALAR) {
    fail(file, mark, "this is not YAML: a quotation mark is opened and never closed");
  }
  fail(file, mark, fmt::format("this is not YAML: {}", error.msg),
       indent.find('\t') != std::string_view::npos
           ? "the line is indented with a tab; YAML wants spaces"
           : "check the indentation, quotes and brackets up to this place");
}

// The library takes the end of the text for the end of a quotation if a line break stands before
// it, and so reads a recipe that was cut short. A document end marker makes that an error; it is
// added only where it cannot change the value of a last block scalar.
std::string with_end_marker(std::string_view text) {
  std::string marked(text);
  const std::size_t last = text.find_last_not_of(" \t");
  if (last == std::string_view::npos) return marked;
  if (text[last] != '\n' && text[last] != '\r') return marked;
  marked += last + 1 == text.size() ? "...\n" : "\n...\n";
  return marked;
}

}  // namespace

std::vector<NodePtr> read(std::string_view text, const std::string& file) {
  check_text(text, file);
  try {
    std::istringstream stream{with_end_marker(text)};
    YAML::Parser parser(stream);
    Builder builder(text, file);
    while (parser.HandleNextDocument(builder)) {
    }
    std::vector<NodePtr> documents = builder.take();
    if (documents.empty()) documents.emplace_back();
    return documents;
  } catch (const YAML::Exception& error) {
    translate(error, text, file);
  }
}

}  // namespace merganser::yaml
