#include "adapter/bind.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "adapter/orientation.h"
#include "base/error.h"
#include "base/text.h"

namespace merganser {
namespace {

constexpr std::size_t kMostPrefixes = 200;
constexpr std::size_t kMostListed = 3;

// From an adapter's names to the base's.
struct Prefix {
  std::string removed, added;

  std::string apply(const std::string& name) const {
    if (!removed.empty() && name.starts_with(removed)) return name.substr(removed.size());
    return added + name;
  }
};

void add_prefixes(std::set<std::string>& prefixes, const std::string& name) {
  std::size_t dot = name.find('.');
  for (int depth = 0; depth < 2 && dot != std::string::npos; ++depth) {
    prefixes.insert(name.substr(0, dot + 1));
    dot = name.find('.', dot + 1);
  }
}

// The one prefix that brings more names together than any other, and than none does.
Prefix find_prefix(const std::vector<std::string>& names, const std::vector<TensorInfo>& base) {
  std::unordered_set<std::string_view> known;
  std::set<std::string> removable, addable;
  for (const TensorInfo& tensor : base) {
    known.insert(tensor.name);
    add_prefixes(addable, tensor.name);
  }
  for (const std::string& name : names) add_prefixes(removable, name);
  const auto matches = [&](const Prefix& prefix) {
    return static_cast<std::size_t>(std::ranges::count_if(
        names, [&](const std::string& name) { return known.contains(prefix.apply(name)); }));
  };
  std::size_t best = matches({});
  if (best == names.size() || removable.size() + addable.size() > kMostPrefixes) return {};
  Prefix chosen;
  const auto consider = [&](const Prefix& prefix) {
    const std::size_t found = matches(prefix);
    if (found == best) chosen = {};
    if (found > best) {
      best = found;
      chosen = prefix;
    }
  };
  for (const std::string& prefix : removable) consider({prefix, ""});
  for (const std::string& prefix : addable) consider({"", prefix});
  return chosen;
}

class Binder {
 public:
  Binder(const Adapter& adapter, const std::vector<TensorInfo>& base, const std::string& base_path,
         const TensorAliases& aliases)
      : adapter_(adapter), base_(base), base_path_(base_path), aliases_(aliases) {}

  AdapterBinding run() {
    for (std::size_t i = 0; i < base_.size(); ++i) {
      made_[base_[i].name] = {base_[i], {.base = i}};
    }
    choose_prefix();
    for (const AdapterTensor& tensor : adapter_.replaced()) replace(tensor);
    std::vector<LinearShape> linear;
    for (std::size_t i = 0; i < adapter_.modules().size(); ++i) {
      Made& weight = claim_weight(i);
      if (adapter_.modules()[i].kind == AdapterModule::Kind::linear) {
        linear.push_back({&adapter_.modules()[i], &weight.first.shape, &weight.second.transposed});
      }
      if (adapter_.modules()[i].bias) claim_bias(i);
    }
    orient(linear, adapter_.config().fan_in_fan_out, file());
    list("not in its base", new_);
    list("of another size than in its base", resized_);
    for (auto& [name, made] : made_) {
      binding_.headers.push_back(std::move(made.first));
      binding_.changes.push_back(made.second);
    }
    return std::move(binding_);
  }

 private:
  using Made = std::pair<TensorInfo, AdapterChange>;

  std::string file() const { return adapter_.weights().files().front().string(); }

  const TensorInfo& stored(std::size_t tensor) const {
    return adapter_.weights().tensors()[tensor].info;
  }

  Error misfit(const TensorInfo& tensor, std::string what) const {
    return Error(ErrorKind::mismatch, std::move(what)).in_file(file()).in_tensor(tensor.name);
  }

  void choose_prefix() {
    std::vector<std::string> names;
    for (const AdapterModule& module : adapter_.modules()) names.push_back(module.name + ".weight");
    if (names.empty()) {
      for (const AdapterTensor& tensor : adapter_.replaced()) names.push_back(tensor.name);
    }
    prefix_ = find_prefix(names, base_);
    if (prefix_.removed.empty() && prefix_.added.empty()) return;
    const bool added = prefix_.removed.empty();
    binding_.notes.push_back(fmt::format("names of the adapter are read {} the prefix '{}'",
                                         added ? "with" : "without",
                                         added ? prefix_.added : prefix_.removed));
  }

  // Null if the base does not have it.
  Made* find(const std::string& name) {
    const std::string own = prefix_.apply(name);
    if (const auto at = made_.find(own); at != made_.end()) return &at->second;
    for (const std::string& alias : aliases_(own)) {
      if (const auto at = made_.find(alias); at != made_.end()) return &at->second;
    }
    return nullptr;
  }

  void replace(const AdapterTensor& tensor) {
    const TensorInfo& own = stored(tensor.tensor);
    Made* made = find(tensor.name);
    if (made == nullptr) {
      const std::string name = prefix_.apply(tensor.name);
      new_.push_back(name);
      made_[name] = {{name, own.dtype, own.shape}, {.base = {}, .replaced = tensor.tensor}};
      return;
    }
    auto& [info, change] = *made;
    if (change.replaced) throw misfit(own, fmt::format("'{}' is replaced twice", info.name));
    if (is_float(own.dtype) != is_float(info.dtype) ||
        (!is_float(own.dtype) && own.dtype != info.dtype)) {
      throw misfit(own, fmt::format("its type is {}, but {} in {}", torch_name(own.dtype),
                                    torch_name(info.dtype), base_path_));
    }
    if (own.shape != info.shape) {
      // More rows: a vocabulary that was resized, a head of other labels.
      const bool rows = own.shape.size() == info.shape.size() && !own.shape.empty() &&
                        std::equal(own.shape.begin() + 1, own.shape.end(), info.shape.begin() + 1);
      if (!rows) {
        throw misfit(own, fmt::format("its shape is {}, but {} in {}", to_string(own.shape),
                                      to_string(info.shape), base_path_))
            .hint("is this the adapter's base?");
      }
      resized_.push_back(info.name);
      info.shape = own.shape;
    }
    change.replaced = tensor.tensor;
  }

  Made& claim_weight(std::size_t index) {
    const AdapterModule& module = adapter_.modules()[index];
    Made* made = find(module.name + ".weight");
    if (made == nullptr) refuse_missing(module, ".weight");
    auto& [info, change] = *made;
    if (change.module || change.bias) {
      throw misfit(stored(module.a), fmt::format("'{}' is changed twice", info.name));
    }
    if (!is_float(info.dtype)) {
      throw misfit(stored(module.a), fmt::format("the weight in {} is of the type {}", base_path_,
                                                 torch_name(info.dtype)));
    }
    Shape turned = module.shape;
    if (module.kind == AdapterModule::Kind::linear) std::ranges::reverse(turned);
    if (info.shape != module.shape && info.shape != turned) {
      throw misfit(stored(module.a),
                   fmt::format("it changes a weight of shape {}, but that of {} is {}",
                               to_string(module.shape), base_path_, to_string(info.shape)))
          .hint("is this the adapter's base?");
    }
    change.module = index;
    return *made;
  }

  void claim_bias(std::size_t index) {
    const AdapterModule& module = adapter_.modules()[index];
    Made* made = find(module.name + ".bias");
    if (made == nullptr) refuse_missing(module, ".bias");
    auto& [info, change] = *made;
    if (info.shape != Shape{module.shape[0]} || !is_float(info.dtype) || change.any()) {
      throw misfit(stored(*module.bias), fmt::format("it does not fit the bias of shape {} in {}",
                                                     to_string(info.shape), base_path_));
    }
    change.bias = index;
  }

  [[noreturn]] void refuse_missing(const AdapterModule& module, std::string_view part) const {
    const std::string name = prefix_.apply(module.name);
    std::vector<std::string> weights;
    for (const TensorInfo& tensor : base_) {
      if (tensor.name.ends_with(part)) {
        weights.push_back(tensor.name.substr(0, tensor.name.size() - part.size()));
      }
    }
    const auto near = nearest(name, weights);
    throw misfit(stored(module.a), fmt::format("{} has no tensor '{}{}'", base_path_, name, part))
        .hint(near && *near != name
                  ? fmt::format("the nearest module there is '{}'; is this the adapter's base?",
                                *near)
                  : "is this the adapter's base? (A head that is tied to the embeddings must be "
                    "stored by itself to be adapted.)");
  }

  void list(std::string_view what, const std::vector<std::string>& names) {
    if (names.empty()) return;
    const std::size_t shown = std::min(names.size(), kMostListed);
    binding_.notes.push_back(fmt::format(
        "{} {} of the adapter {} {}: {}{}", names.size(), names.size() == 1 ? "tensor" : "tensors",
        names.size() == 1 ? "is" : "are", what, join(std::span(names).first(shown), ", "),
        shown < names.size() ? ", …" : ""));
  }

  const Adapter& adapter_;
  const std::vector<TensorInfo>& base_;
  const std::string& base_path_;
  const TensorAliases& aliases_;
  Prefix prefix_;
  std::map<std::string, Made> made_;
  std::vector<std::string> new_, resized_;
  AdapterBinding binding_;
};

}  // namespace

AdapterBinding bind_adapter(const Adapter& adapter, const std::vector<TensorInfo>& base,
                            const std::string& base_path, const TensorAliases& aliases) {
  return Binder(adapter, base, base_path, aliases).run();
}

}  // namespace merganser
