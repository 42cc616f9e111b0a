// stacked_config: the config.json of a model whose layers were taken from others.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "architecture/architecture.h"
#include "architecture/architecture_impl.h"
#include "architecture/config_path.h"
#include "base/error.h"

namespace merganser {
namespace {

using Origins = std::span<const Architecture::LayerOrigin>;

class Edit {
 public:
  Edit(const Architecture::Impl& impl, const Json& config, std::size_t module, Origins origins,
       std::vector<std::string>& warnings)
      : impl_(impl),
        before_(config),
        after_(config),
        module_(impl.modules[module]),
        origins_(origins),
        warnings_(warnings) {}

  Json run() {
    same_ = origins_.size() == module_.info.layers;
    for (std::size_t i = 0; i < origins_.size(); ++i) {
      moved_ |= origins_[i].layer != i;
      same_ &= origins_[i].layer == i;
    }
    lists();
    indices();
    counts();
    if (!same_) {
      whole_counts();
      positions();
      first_layer();
      if (module_.extra > 0) {
        warnings_.push_back(fmt::format(
            "the {} token prediction block(s) after the layers keep their old numbers; they do not "
            "fit behind {} layers",
            module_.extra, origins_.size()));
      }
    }
    return std::move(after_);
  }

 private:
  static const std::vector<std::string>& none() {
    static const std::vector<std::string> empty;
    return empty;
  }
  const std::vector<std::string>& keys(std::vector<std::string> ModuleData::*member) const {
    return module_.data == nullptr ? none() : module_.data->*member;
  }
  std::string path(std::string_view key) const { return join_path(module_.root, key); }

  // A config of another file may keep the part elsewhere: nested, or not.
  const Json* in_origin(std::size_t i, const std::string& key) const {
    const Json* config = origins_[i].config == nullptr ? &before_ : origins_[i].config;
    if (const Json* found = find_path(*config, path(key))) return found;
    if (const Json* found = find_path(*config, key)) return found;
    return find_path(*config, "text_config." + key);
  }

  // The count, and what else in this config repeats it ("encoder_layers" and "num_hidden_layers").
  void counts() {
    const std::string& main = module_.info.layers_key;
    const std::size_t count = origins_.size();
    if (main.empty()) {
      if (count != module_.info.layers) {
        warnings_.push_back(fmt::format(
            "no field of config.json is known to count the layers of '{}': set it to {} "
            "by hand (it was {})",
            module_.info.name, count, module_.info.layers));
      }
      return;
    }
    if (count == module_.info.layers) return;
    keep_other_modules();
    std::string target = main;
    std::vector<std::string> own;
    for (const std::string& key : keys(&ModuleData::counts)) {
      if (!shared(path(key))) own.push_back(path(key));
    }
    // A count that another module falls back to stays; this module gets its own field.
    if (shared(main) && !own.empty()) target = own.front();
    set_path(after_, target, count);
    for (const std::string& key : own) {
      const Json* value = find_path(before_, key);
      if (key != target && value != nullptr && *value == Json(module_.info.layers)) {
        set_path(after_, key, count);
      }
    }
  }

  // True if another module reads its count from this field, or would do so first.
  bool shared(const std::string& key) const {
    for (const ModuleState& other : impl_.modules) {
      if (&other == &module_ || other.data == nullptr || other.data->counts.empty()) continue;
      if (join_path(other.root, other.data->counts.front()) == key) return true;
    }
    return false;
  }

  // Modules that fell back to this module's field keep their count in their own.
  void keep_other_modules() {
    for (const ModuleState& other : impl_.modules) {
      if (&other == &module_ || other.data == nullptr || other.data->counts.empty()) continue;
      if (other.info.layers_key != module_.info.layers_key) continue;
      const std::string own = join_path(other.root, other.data->counts.front());
      if (own != module_.info.layers_key) set_path(after_, own, other.info.layers);
    }
  }

  void lists() {
    const Json* part = find_path(before_, module_.root);
    if (part == nullptr || !part->is_object() || same_origin_everywhere()) return;
    const std::vector<std::string>& known = keys(&ModuleData::lists);
    const std::vector<std::string>& numbers = keys(&ModuleData::indices);
    for (const auto& [key, value] : part->items()) {
      if (!value.is_array() || key.find('.') != std::string::npos) continue;
      if (std::find(numbers.begin(), numbers.end(), key) != numbers.end()) continue;
      const bool listed = std::find(known.begin(), known.end(), key) != known.end();
      const std::size_t layers = module_.info.layers;
      const bool named = key.find("layer") != std::string::npos ||
                         key.find("block") != std::string::npos || key.starts_with("num_") ||
                         key.find("multipliers") != std::string::npos;
      if (listed || (named && layers > 0 && value.size() == layers)) {
        take_entries(key, value);
      } else if (layers > 2 && value.size() == layers && !same_) {
        warnings_.push_back(fmt::format(
            "config.json's list '{}' has one entry a layer ({}) by its length, but is not known to "
            "go by layers: it was left as it is",
            path(key), layers));
      }
    }
  }

  // Every layer in its old place and from this very config: nothing can change.
  bool same_origin_everywhere() const {
    return same_ && std::all_of(origins_.begin(), origins_.end(), [&](const auto& origin) {
             return origin.config == nullptr || origin.config == &before_ ||
                    *origin.config == before_;
           });
  }

  void take_entries(const std::string& key, const Json& own) {
    Json list = Json::array();
    std::size_t missing = 0;
    for (std::size_t i = 0; i < origins_.size(); ++i) {
      const std::size_t layer = origins_[i].layer;
      const Json* theirs = in_origin(i, key);
      if (theirs != nullptr && theirs->is_array() && layer < theirs->size()) {
        list.push_back((*theirs)[layer]);
        continue;
      }
      ++missing;
      if (layer < own.size()) {
        list.push_back(own[layer]);
      } else if (!own.empty()) {
        list.push_back(own.back());
      }
    }
    if (missing > 0) {
      warnings_.push_back(fmt::format(
          "config.json's list '{}' has no entry for {} of the {} layers in the configs they come "
          "from: those entries were taken from the base's config",
          path(key), missing, origins_.size()));
    }
    set_path(after_, path(key), std::move(list));
  }

  // Lists of layer numbers: a layer is listed if it was listed where it comes from.
  void indices() {
    for (const std::string& key : keys(&ModuleData::indices)) {
      const Json* own = find_path(before_, path(key));
      if (own == nullptr || !own->is_array() || same_origin_everywhere()) continue;
      std::vector<std::size_t> numbers;
      for (std::size_t i = 0; i < origins_.size(); ++i) {
        const Json* theirs = in_origin(i, key);
        if (theirs == nullptr || !theirs->is_array()) continue;
        const Json wanted = origins_[i].layer;
        if (std::find(theirs->begin(), theirs->end(), wanted) != theirs->end())
          numbers.push_back(i);
      }
      set_path(after_, path(key), numbers);
    }
  }

  void whole_counts() {
    const std::size_t count = origins_.size();
    for (const std::string& key : keys(&ModuleData::whole)) {
      const Json* value = find_path(before_, path(key));
      if (value == nullptr || !whole_number(*value)) continue;
      const std::uint64_t old = *whole_number(*value);
      if (old == module_.info.layers) {
        set_path(after_, path(key), count);  // it meant all layers
        continue;
      }
      const Json* sliding = find_path(before_, path("use_sliding_window"));
      const bool in_use = sliding != nullptr && sliding->is_boolean() && sliding->get<bool>();
      if (in_use) {
        warnings_.push_back(
            fmt::format("config.json's '{}' stays {}: it counts layers from the first one, please "
                        "check what it "
                        "should be for {} layers",
                        path(key), old, count));
      }
    }
  }

  void positions() {
    if (!moved_) return;  // layers dropped from the end change no other layer
    const Json* types = find_path(before_, path("layer_types"));
    for (const std::string& key : keys(&ModuleData::by_position)) {
      const Json* value = find_path(before_, path(key));
      const bool idle = value == nullptr || *value == Json(0) || *value == Json(1) ||
                        *value == Json(false) || (types != nullptr && types->is_array());
      if (idle) continue;
      warnings_.push_back(
          fmt::format("config.json's '{}' ({}) makes a layer's kind depend on its number: layers "
                      "that moved may be run as another kind than they were trained as",
                      path(key), show(*value)));
    }
  }

  void first_layer() {
    for (const std::string& stem : keys(&ModuleData::first_layer_only)) {
      if (origins_.empty()) return;
      if (origins_[0].layer != 0) {
        warnings_.push_back(fmt::format(
            "only layer 0 has '{}', and the stack does not begin with a layer 0", stem));
      }
      if (std::any_of(origins_.begin() + 1, origins_.end(),
                      [](const Architecture::LayerOrigin& origin) { return origin.layer == 0; })) {
        warnings_.push_back(fmt::format(
            "only layer 0 has a place for '{}': the copy of a layer 0 further up does not use it",
            stem));
      }
    }
  }

  const Architecture::Impl& impl_;
  const Json& before_;
  Json after_;
  const ModuleState& module_;
  Origins origins_;
  std::vector<std::string>& warnings_;
  bool same_ = false;   // as many layers, each where it was
  bool moved_ = false;  // some layer has another number than before
};

}  // namespace

Json Architecture::stacked_config(const Json& config, std::size_t module,
                                  std::span<const LayerOrigin> layers,
                                  std::vector<std::string>& warnings) const {
  if (!config.is_object()) {
    throw Error(ErrorKind::corrupt, fmt::format("config.json is {}, not an object", show(config)));
  }
  if (module >= impl_->modules.size()) {
    throw Error(ErrorKind::usage,
                fmt::format("module {} of {} does not exist", module, impl_->modules.size()));
  }
  return Edit(*impl_, config, module, layers, warnings).run();
}

}  // namespace merganser
