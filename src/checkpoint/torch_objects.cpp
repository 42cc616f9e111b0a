#include "checkpoint/torch_objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "checkpoint/torch_tensor.h"

namespace merganser::torch_objects {
namespace {

using pickle::Id;
using pickle::Kind;
using pickle::Values;

constexpr std::array<std::string_view, 9> kWrappers = {
    "state_dict", "model_state_dict", "model",          "module", "params_ema", "params",
    "net",        "weights",          "ema_state_dict",
};
constexpr std::size_t kLongestName = 4096;                  // bytes, as in safetensors files
constexpr std::size_t kMostTensors = std::size_t{1} << 20;  // of one file
constexpr std::size_t kMostAxes = std::size_t{1} << 23;     // of all tensors of one file
constexpr std::size_t kShown = 5;                           // entries in a message

struct Item {
  Id key = 0, value = 0;
};

// Escaped: what cannot be shown, or is no UTF-8, would break the notes' readers.
std::string shown_key(const Values& values, Id key) {
  const auto number = values.integer(key);
  if (number) return fmt::format("{}", *number);
  const std::string_view text = values.text(key);
  return values.is(key, Kind::text) ? printable(text.substr(0, 80)) : values.describe(key);
}

bool is_utf8(std::string_view text) {
  try {
    (void)nlohmann::json(std::string(text)).dump();
    return true;
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

class Finder {
 public:
  Finder(const Values& values, const std::string& file) : values_(values), file_(file) {}

  StateDict run(Id root) {
    if (!values_.is(root, Kind::dict)) refuse_root(root);
    const Id dict = choose(root);
    read(dict);
    return std::move(result_);
  }

 private:
  Error unsupported(std::string what) const {
    return Error(ErrorKind::unsupported, std::move(what)).in_file(file_);
  }

  [[noreturn]] void refuse_root(Id root) const {
    if (tensor_call(values_, root).kind != TensorCall::Kind::none) {
      throw unsupported("the archive holds one tensor without a name, not a state dict")
          .hint("save a dict: torch.save({'name': tensor}, …)");
    }
    throw unsupported(fmt::format("the archive holds {}, not a state dict", values_.describe(root)))
        .hint("load it in PyTorch and save model.state_dict()");
  }

  // Of equal keys the last counts, in the place of the first, as in Python.
  std::vector<Item> items_of(Id dict) const {
    const std::vector<Id> flat = values_.items(dict);
    std::vector<Item> items;
    std::unordered_map<std::string_view, std::size_t> places;
    for (std::size_t i = 0; i + 1 < flat.size(); i += 2) {
      if (values_.is(flat[i], Kind::text)) {
        const auto [at, is_new] = places.emplace(values_.text(flat[i]), items.size());
        if (!is_new) {
          items[at->second].value = flat[i + 1];
          continue;
        }
      }
      items.push_back({flat[i], flat[i + 1]});
    }
    return items;
  }

  bool holds_tensors(Id dict) const {
    if (!values_.is(dict, Kind::dict)) return false;
    const std::vector<Id> flat = values_.items(dict);
    for (std::size_t i = 1; i < flat.size(); i += 2) {
      if (tensor_call(values_, flat[i]).kind != TensorCall::Kind::none) return true;
    }
    return false;
  }

  Id choose(Id root) {
    const std::vector<Item> items = items_of(root);
    const auto under = [&](std::string_view key) {
      return std::ranges::find_if(items, [&](const Item& item) {
        return values_.is(item.key, Kind::text) && values_.text(item.key) == key;
      });
    };
    for (const std::string_view wrapper : kWrappers) {
      const auto at = under(wrapper);
      if (at != items.end() && holds_tensors(at->value)) {
        note_chosen(items, *at);
        return at->value;
      }
    }
    if (holds_tensors(root)) return root;

    std::vector<Item> candidates;
    std::unordered_set<Id> seen;  // a dict may be there under many keys: it is looked at once
    for (const Item& item : items) {
      if (seen.insert(item.value).second && holds_tensors(item.value)) candidates.push_back(item);
    }
    if (candidates.size() == 1) {
      note_chosen(items, candidates.front());
      return candidates.front().value;
    }
    if (candidates.size() > 1) {
      throw unsupported(
          fmt::format("several dicts of the archive hold tensors: {}", list(candidates, false)))
          .hint("save one of them alone, or under the key 'state_dict'");
    }
    if (items.empty()) throw unsupported("the archive holds an empty dict");
    throw unsupported(
        fmt::format("no dict of the archive holds tensors; it has {}", list(items, true)))
        .hint("load it in PyTorch and save model.state_dict()");
  }

  std::string list(const std::vector<Item>& items, bool kinds) const {
    std::vector<std::string> names;
    for (const Item& item : items) {
      if (names.size() == kShown) {
        names.push_back(fmt::format("{} more", items.size() - kShown));
        break;
      }
      names.push_back(shown_key(values_, item.key));
      if (kinds) names.back() += fmt::format(" ({})", values_.describe(item.value));
    }
    return join(names, ", ");
  }

  void note_chosen(const std::vector<Item>& items, const Item& chosen) {
    std::vector<Item> rest;
    std::ranges::copy_if(items, std::back_inserter(rest),
                         [&](const Item& item) { return item.key != chosen.key; });
    std::string note = fmt::format("{}: the weights are those under '{}'", short_name(),
                                   shown_key(values_, chosen.key));
    if (!rest.empty()) note += "; left out beside them: " + list(rest, true);
    result_.notes.push_back(std::move(note));
  }

  void read(Id dict) {
    std::vector<Item> left_out;
    std::size_t axes = 0;
    for (const Item& item : items_of(dict)) {
      const TensorCall call = tensor_call(values_, item.value);
      if (call.kind == TensorCall::Kind::none) {
        left_out.push_back(item);
        continue;
      }
      const std::string name = checked_name(item.key);
      if (call.kind == TensorCall::Kind::foreign) {
        throw unsupported(call.why + ", not plain numbers")
            .in_tensor(name)
            .hint("save it as an ordinary dense tensor");
      }
      try {
        result_.tensors.push_back(make_tensor(values_, call));
      } catch (Error& error) {
        error.in_file(file_).in_tensor(name);
        throw;
      }
      result_.tensors.back().info.name = name;
      axes += result_.tensors.back().info.shape.size();
      if (result_.tensors.size() > kMostTensors || axes > kMostAxes) {
        throw unsupported(fmt::format("the archive has more than {} tensors, or {} axes of them",
                                      kMostTensors, kMostAxes));
      }
    }
    if (!left_out.empty()) {
      result_.notes.push_back(fmt::format("{}: {} entries are no tensors, left out: {}",
                                          short_name(), left_out.size(), list(left_out, true)));
    }
  }

  std::string checked_name(Id key) const {
    const std::string_view name = values_.text(key);
    if (!values_.is(key, Kind::text)) {
      throw unsupported(
          fmt::format("a tensor is stored under {}, not under a name", values_.describe(key)));
    }
    if (name.empty()) throw unsupported("a tensor has an empty name");
    if (name.size() > kLongestName) {
      throw unsupported(fmt::format("a tensor's name has {} bytes, at most {} are read",
                                    name.size(), kLongestName));
    }
    if (!is_utf8(name)) throw unsupported("a tensor's name is not valid UTF-8");
    return std::string(name);
  }

  std::string short_name() const { return printable(file_.substr(file_.rfind('/') + 1)); }

  const Values& values_;
  const std::string& file_;
  StateDict result_;
};

}  // namespace

StateDict read_state_dict(const Values& values, Id root, const std::string& file) {
  return Finder(values, file).run(root);
}

}  // namespace merganser::torch_objects
