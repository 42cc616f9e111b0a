// Several merges in one text: a model path that equals another document's name is its output.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "recipe/parse_parts.h"

namespace merganser {
namespace {

class Orderer {
 public:
  Orderer(std::vector<Recipe> documents, const std::string& file)
      : documents_(std::move(documents)), file_(file), state_(documents_.size(), State::unseen) {
    for (std::size_t i = 0; i < documents_.size(); ++i) {
      const std::string& name = documents_[i].name;
      if (name.empty()) continue;
      if (const auto [first, fresh] = named_.emplace(name, i); !fresh) {
        yaml::fail(file_, documents_[i].name_mark,
                   fmt::format("two documents are named '{}', the first on line {}", name,
                               documents_[first->second].name_mark.line),
                   "give each its own name");
      }
    }
  }

  Recipe run() {
    const std::size_t last = final_document();
    visit(last, nullptr);
    for (std::size_t i = 0; i < documents_.size(); ++i) {
      if (state_[i] == State::done) continue;
      yaml::fail(file_, documents_[i].method_mark,
                 fmt::format("document '{}' is not used by the final merge", documents_[i].name),
                 "leave it out, or name it as a model");
    }
    Recipe recipe = std::move(documents_[last]);
    order_.pop_back();
    for (const std::size_t i : order_) {
      recipe.documents.push_back(std::make_shared<const Recipe>(std::move(documents_[i])));
    }
    return recipe;
  }

 private:
  enum class State { unseen, open, done };

  std::optional<std::size_t> document_of(const ModelRef& model) const {
    const auto found = named_.find(model.path);
    if (found == named_.end()) return std::nullopt;
    return found->second;
  }

  // The unnamed one; where all have names, the one that no other uses.
  std::size_t final_document() const {
    std::vector<bool> used(documents_.size());
    std::vector<std::size_t> unnamed, unused;
    for (const Recipe& recipe : documents_) {
      for (const ModelRef& model : recipe.referenced_models()) {
        if (const auto document = document_of(model)) used[*document] = true;
      }
    }
    for (std::size_t i = 0; i < documents_.size(); ++i) {
      if (documents_[i].name.empty()) unnamed.push_back(i);
      if (!used[i]) unused.push_back(i);
    }
    if (unnamed.size() > 1) {
      yaml::fail(file_, documents_[unnamed[1]].method_mark,
                 fmt::format("a second document without a name, the first is on line {}",
                             documents_[unnamed[0]].method_mark.line),
                 "only the final merge may be without one: add 'name: NAME' to the others");
    }
    if (!unnamed.empty()) return unnamed[0];
    if (unused.size() == 1) return unused[0];
    if (unused.empty()) return 0;  // a cycle: visit() says where
    yaml::fail(file_, documents_[unused[1]].name_mark,
               fmt::format("'{}' and '{}' are both final: no document uses them",
                           documents_[unused[0]].name, documents_[unused[1]].name),
               "one recipe makes one output");
  }

  void visit(std::size_t index, const ModelRef* from) {
    if (state_[index] == State::done) return;
    if (state_[index] == State::open) {
      yaml::fail(file_, from->mark,
                 fmt::format("document '{}' needs its own output", documents_[index].name),
                 "documents must not form a circle");
    }
    state_[index] = State::open;
    for (const ModelRef& model : documents_[index].referenced_models()) {
      const auto document = document_of(model);
      if (!document) continue;
      if (!model.revision.empty() || !model.lora_path.empty() || !model.task.empty()) {
        yaml::fail(file_, model.mark,
                   fmt::format("'{}' is the document on line {}, which has no revision, "
                               "adapter or task",
                               model.path, documents_[*document].method_mark.line),
                   "rename the document, or write the path as ./PATH");
      }
      visit(*document, &model);
    }
    state_[index] = State::done;
    order_.push_back(index);
  }

  std::vector<Recipe> documents_;
  const std::string& file_;
  std::map<std::string, std::size_t, std::less<>> named_;
  std::vector<State> state_;
  std::vector<std::size_t> order_;
};

}  // namespace

Recipe join_documents(std::vector<Recipe> documents, const std::string& file) {
  return Orderer(std::move(documents), file).run();
}

const Recipe* Recipe::document(const ModelRef& model) const {
  for (const auto& document : documents) {
    if (document->name == model.path) return document.get();
  }
  return nullptr;
}

}  // namespace merganser
