#include "architecture/infer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "architecture/config_path.h"
#include "base/text.h"

namespace merganser {
namespace {

// Names longer or more numbered than any real one are hostile; they stay loose.
constexpr std::size_t longest_name = 2048;
constexpr std::size_t most_numbers = 6;
// Beyond this the "stacks" are something else, and every look-up would go through all of them.
constexpr std::size_t most_stacks = 64;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

bool contains_any(std::string_view text, std::span<const std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return text.find(word) != text.npos; });
}

bool is_any(std::string_view text, std::span<const std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

std::optional<std::size_t> layer_number(std::string_view text) {
  if (text.empty() || text.size() > 6 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  std::size_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<std::size_t>(c - '0');
  }
  if (number >= max_layers) return std::nullopt;
  return number;
}

// The blocks under one prefix: number -> what its members are called, inner numbers as '*'.
using Blocks = std::map<std::size_t, std::set<std::string>>;

std::map<std::string, Blocks> all_blocks(std::span<const TensorInfo> tensors) {
  std::map<std::string, Blocks> found;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.name.size() > longest_name) continue;
    const std::vector<std::string_view> parts = split(tensor.name, '.');
    std::size_t numbers = 0;
    std::size_t start = 0;  // of the part in the name
    for (std::size_t i = 0; i < parts.size(); start += parts[i].size() + 1, ++i) {
      const auto number = layer_number(parts[i]);
      if (!number || i == 0 || i + 1 == parts.size()) continue;
      if (++numbers > most_numbers) break;
      std::string suffix;
      for (std::size_t j = i + 1; j < parts.size(); ++j) {
        if (j > i + 1) suffix += '.';
        suffix += layer_number(parts[j]) ? "*" : std::string(parts[j]);
      }
      found[tensor.name.substr(0, start - 1)][*number].insert(std::move(suffix));
    }
  }
  return found;
}

bool named_like_layers(std::string_view prefix) {
  static constexpr std::string_view exact[] = {"h",       "stages",  "stage",    "transformer",
                                               "encoder", "decoder", "encoders", "decoders",
                                               "units",   "cells",   "trunk",    "backbone"};
  static constexpr std::string_view part[] = {"layer", "block"};
  const std::string last = lower(prefix.substr(prefix.rfind('.') + 1));
  return is_any(last, exact) || contains_any(last, part);
}

// Lists that repeat without being depth: experts, heads, norms beside each other.
bool named_otherwise(std::string_view prefix) {
  static constexpr std::string_view words[] = {"expert",  "head",     "norm",     "embed",
                                               "adapter", "codebook", "quantizer"};
  return contains_any(lower(prefix.substr(prefix.rfind('.') + 1)), words);
}

// How many of the numbers share their most common dotted member ("attn.qkv.weight").
std::size_t most_shared(const Blocks& blocks) {
  std::map<std::string_view, std::size_t> count;
  std::size_t most = 0;
  for (const auto& [number, members] : blocks) {
    for (const std::string& member : members) {
      if (member.find('.') != member.npos) most = std::max(most, ++count[member]);
    }
  }
  return most;
}

double likeness(const std::set<std::string>& a, const std::set<std::string>& b) {
  std::size_t both = 0;
  for (const std::string& member : a) both += b.count(member);
  const std::size_t either = a.size() + b.size() - both;
  return either == 0 ? 0 : static_cast<double>(both) / static_cast<double>(either);
}

bool is_stack(const std::string& prefix, const Blocks& blocks) {
  if (named_otherwise(prefix)) return false;
  const std::size_t layers = blocks.rbegin()->first + 1;
  // Pruned models have gaps; mostly gaps means that the numbers are no layer numbers.
  if (blocks.size() * 8 < layers) return false;
  const bool contiguous = blocks.size() == layers;
  std::set<std::string> members;
  for (const auto& [number, own] : blocks) members.insert(own.begin(), own.end());
  const auto dotted = std::count_if(members.begin(), members.end(), [](const std::string& member) {
    return member.find('.') != member.npos;
  });
  if (named_like_layers(prefix)) {
    if (blocks.size() == 1) return contiguous && dotted >= 2;
    if (dotted >= 2) return most_shared(blocks) * 2 >= blocks.size();
    // Layers of one weight each ("layers.3.weight"): only where all look the same.
    return contiguous && std::all_of(blocks.begin(), blocks.end(),
                                     [&](const auto& block) { return block.second == members; });
  }
  if (blocks.size() < 2 || !contiguous || dotted < 2) return false;
  double sum = 0;
  for (auto it = std::next(blocks.begin()); it != blocks.end(); ++it) {
    sum += likeness(std::prev(it)->second, it->second);
  }
  if (sum / static_cast<double>(blocks.size() - 1) >= 0.5) return true;
  // Hybrids: blocks of a few kinds that take turns; every kind occurs more than once.
  std::map<std::set<std::string>, std::size_t> kinds;
  for (const auto& [number, own] : blocks) ++kinds[own];
  return std::all_of(kinds.begin(), kinds.end(), [](const auto& kind) { return kind.second > 1; });
}

// The numbered lists that a prefix lies in: "a.0.b.1.c" gives "a" and "a.0.b".
std::vector<std::string_view> outer_lists(std::string_view prefix) {
  std::vector<std::string_view> lists;
  std::size_t start = 0;
  for (const std::string_view part : split(prefix, '.')) {
    if (start > 0 && layer_number(part)) lists.push_back(prefix.substr(0, start - 1));
    start += part.size() + 1;
  }
  return lists;
}

bool looks_like_count(std::string_view key) {
  static constexpr std::string_view not_counts[] = {
      "size", "type",  "norm",   "scale", "window", "drop",   "interval", "period",  "offset",
      "kv",   "dense", "shared", "nextn", "mtp",    "freq",   "init",     "warm",    "first",
      "dim",  "index", "group",  "start", "skip",   "sparse", "feature",  "adapter", "per_"};
  static constexpr std::string_view words[] = {"layer", "block", "depth"};
  const std::string text = lower(key);
  return contains_any(text, words) && !contains_any(text, not_counts);
}

void collect_counts(const Json& at, const std::string& path, int depth, std::size_t layers,
                    std::vector<std::string>& out) {
  if (!at.is_object() || depth > 3) return;
  for (const auto& [key, value] : at.items()) {
    if (key.find('.') != std::string::npos) continue;  // no dotted path leads there
    if (value.is_object()) {
      collect_counts(value, join_path(path, key), depth + 1, layers, out);
    } else if (whole_number(value) == layers && looks_like_count(key)) {
      out.push_back(join_path(path, key));
    }
  }
}

constexpr std::string_view stack_words[] = {"encoder", "decoder", "vision", "text",   "audio",
                                            "single",  "double",  "down",   "visual", "up_"};

}  // namespace

LayerSplit split_layer(std::string_view name, std::string_view form) {
  const std::size_t brace = form.find("{}");
  if (brace == form.npos || !name.starts_with(form.substr(0, brace))) return {};
  const std::string_view tail = form.substr(brace + 2);
  const std::size_t end = name.find('.', brace);
  if (end == name.npos || !name.substr(end).starts_with(tail)) return {};
  const auto number = layer_number(name.substr(brace, end - brace));
  if (!number) return {};
  return {*number, name.substr(end + tail.size())};
}

std::vector<LayerStack> infer_stacks(std::span<const TensorInfo> tensors) {
  std::map<std::string, std::size_t, std::less<>> candidates;  // prefix -> layers
  for (const auto& [prefix, blocks] : all_blocks(tensors)) {
    if (is_stack(prefix, blocks)) candidates.emplace(prefix, blocks.rbegin()->first + 1);
  }
  // "encoder.0.layers.5": a single outer block that holds a named stack is only a wrapper.
  std::set<std::string, std::less<>> wrappers;
  for (const auto& [prefix, layers] : candidates) {
    if (layers < 2 || !named_like_layers(prefix)) continue;
    for (const std::string_view outer : outer_lists(prefix)) {
      const auto found = candidates.find(outer);
      if (found != candidates.end() && found->second == 1) wrappers.emplace(outer);
    }
  }
  for (const std::string& wrapper : wrappers) candidates.erase(wrapper);
  std::vector<LayerStack> stacks;
  for (const auto& [prefix, layers] : candidates) {
    const std::vector<std::string_view> outer = outer_lists(prefix);
    const bool nested = std::any_of(outer.begin(), outer.end(), [&](std::string_view list) {
      return candidates.find(list) != candidates.end();
    });
    if (!nested) stacks.push_back({prefix, layers});
  }
  if (stacks.size() > most_stacks) stacks.clear();
  return stacks;
}

Place guess_place(std::string_view name) {
  static constexpr std::string_view surely_head[] = {"lm_head", "embed_out", "unembed"};
  static constexpr std::string_view embed[] = {
      "embed",       "wte",        "wpe",        "patch",   "position", "pos_",        "cls_token",
      "class_token", "token_type", "mask_token", "conv_in", "ln_pre",   "pre_layrnorm"};
  static constexpr std::string_view embed_parts[] = {"stem", "shared", "pre_norm", "prenet", "tok"};
  static constexpr std::string_view head[] = {
      "head",     "classifier", "score",         "logits",     "pooler",
      "final",    "ln_f",       "norm_f",        "ln_post",    "post_layernorm",
      "proj_out", "conv_out",   "conv_norm_out", "qa_outputs", "fc_norm"};
  static constexpr std::string_view head_parts[] = {"output", "out", "fc", "post_norm",
                                                    "to_logits"};
  if (name.size() > longest_name) return Place::other;
  const std::string text = lower(name);
  const std::vector<std::string_view> parts = split(text, '.');
  const auto any_part = [&](std::span<const std::string_view> words) {
    return std::any_of(parts.begin(), parts.end(), [&](auto part) { return is_any(part, words); });
  };
  if (contains_any(text, surely_head) || parts[0] == "head") return Place::head;
  if (contains_any(text, embed) || any_part(embed_parts)) return Place::embed;
  if (contains_any(text, head) || any_part(head_parts)) return Place::head;
  // A norm near the root stands after the layers: "model.norm.weight".
  static constexpr std::string_view norms[] = {"norm", "layernorm", "layer_norm", "ln"};
  if (parts.size() >= 2 && parts.size() <= 3 && is_any(parts[parts.size() - 2], norms)) {
    return Place::head;
  }
  return Place::other;
}

std::string infer_count_key(const Json& config, std::string_view prefix, std::size_t layers) {
  std::vector<std::string> fits;
  collect_counts(config, "", 0, layers, fits);
  if (fits.size() == 1) return fits[0];
  // Encoder and decoder of the same depth: a word of the prefix decides.
  std::erase_if(fits, [&](const std::string& path) {
    return std::none_of(std::begin(stack_words), std::end(stack_words), [&](std::string_view word) {
      return path.find(word) != path.npos && prefix.find(word) != prefix.npos;
    });
  });
  return fits.size() == 1 ? fits[0] : "";
}

std::set<std::string> infer_vocabulary(const Json* config, std::span<const TensorInfo> tensors,
                                       const std::vector<LayerStack>& stacks) {
  static constexpr std::string_view words[] = {
      "embed_tokens",  "word_embeddings", "token_embedding", "tok_embeddings",
      "wte",           "lm_head",         "embed_out",       "embed_in",
      "shared.weight", "to_logits",       "output.weight"};
  const Json* size = config == nullptr ? nullptr : find_path(*config, "vocab_size");
  if (config != nullptr && size == nullptr) size = find_path(*config, "text_config.vocab_size");
  std::set<std::string> names;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.shape.empty() || tensor.name.size() > longest_name) continue;
    if (!contains_any(lower(tensor.name), words)) continue;
    if (std::any_of(stacks.begin(), stacks.end(), [&](const LayerStack& stack) {
          return static_cast<bool>(split_layer(tensor.name, stack.prefix + ".{}."));
        })) {
      continue;
    }
    if (size != nullptr && whole_number(*size).value_or(tensor.shape[0]) != tensor.shape[0]) {
      continue;
    }
    names.insert(tensor.name);
  }
  return names;
}

}  // namespace merganser
