#include "adapter/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace merganser {
namespace {

using Part = AdapterName::Part;
using Pieces = std::span<const std::string_view>;

constexpr std::string_view kPrefix = "base_model.model.";

std::string joined(Pieces pieces) {
  std::string text;
  for (const std::string_view piece : pieces) {
    if (!text.empty()) text += '.';
    text += piece;
  }
  return text;
}

[[noreturn]] void refuse(std::string_view name, std::string_view what, std::string_view hint) {
  throw Error(ErrorKind::unsupported, std::string(what)).in_tensor(name).hint(hint);
}

[[noreturn]] void refuse_without_prefix(std::string_view name) {
  for (const std::string_view kohya : {"lora_unet_", "lora_te_", "lora_te1_", "lora_te2_"}) {
    if (name.starts_with(kohya)) {
      refuse(
          name, "this is an adapter in the format of Kohya's sd-scripts, not of PEFT",
          "convert it: load it in diffusers and save it with save_lora_weights, or merge it into "
          "its base there");
    }
  }
  if (name.ends_with(".lora_down.weight") || name.ends_with(".lora_up.weight")) {
    refuse(name, "an adapter with lora_down and lora_up is not of PEFT's format",
           "rename them to lora_A and lora_B, behind base_model.model.");
  }
  if (name.starts_with("unet.") || name.starts_with("text_encoder.") ||
      name.starts_with("transformer.")) {
    refuse(name, "this is an adapter in the format of diffusers, not of PEFT",
           "merge it into its base in diffusers: fuse_lora and save_pretrained");
  }
  refuse(name, fmt::format("names of an adapter's tensors begin with {}", kPrefix),
         "is this the adapter_model file that PEFT wrote?");
}

// What stands behind the module, from the end: "lora_A.weight", "lora_A.default.weight".
struct Tail {
  std::string_view adapter;
  std::size_t length = 0;  // 0: none
};

Tail tail(Pieces pieces, std::string_view key, std::string_view last) {
  const std::size_t n = pieces.size();
  if (n >= 2 && pieces[n - 1] == last && pieces[n - 2] == key) return {"", 2};
  if (n >= 3 && pieces[n - 1] == last && pieces[n - 3] == key) return {pieces[n - 2], 3};
  return {};
}

// A parameter, which has no ".weight" of its own.
Tail bare_tail(Pieces pieces, std::string_view key) {
  const std::size_t n = pieces.size();
  if (n >= 1 && pieces[n - 1] == key) return {"", 1};
  if (n >= 2 && pieces[n - 2] == key) return {pieces[n - 1], 2};
  return {};
}

struct Form {
  Part part;
  std::string_view key, last;  // last "": a parameter
};

constexpr std::array kForms = {
    Form{Part::a, "lora_A", "weight"},
    Form{Part::b, "lora_B", "weight"},
    Form{Part::b_bias, "lora_B", "bias"},
    Form{Part::embedding_a, "lora_embedding_A", ""},
    Form{Part::embedding_b, "lora_embedding_B", ""},
    Form{Part::magnitude, "lora_magnitude_vector", "weight"},
    Form{Part::magnitude, "lora_magnitude_vector", ""},
};

}  // namespace

AdapterName parse_adapter_name(std::string_view name) {
  if (!name.starts_with(kPrefix)) refuse_without_prefix(name);
  const std::vector<std::string_view> all = split(name.substr(kPrefix.size()), '.');
  const Pieces pieces(all);
  if (std::ranges::any_of(pieces, &std::string_view::empty)) {
    refuse(name, "a part of this name is empty", "the file is no adapter that PEFT wrote");
  }
  for (const Form& form : kForms) {
    const Tail found =
        form.last.empty() ? bare_tail(pieces, form.key) : tail(pieces, form.key, form.last);
    if (found.length == 0 || found.length == pieces.size()) continue;
    const Pieces module = pieces.first(pieces.size() - found.length);
    if (std::ranges::find(module, "base_layer") != module.end()) {
      refuse(name, "an adapter around another one, as of fused experts, is not computed here",
             "merge it into its base in PEFT (merge_and_unload) and give that checkpoint");
    }
    return {form.part, joined(module), std::string(found.adapter), false};
  }
  if (std::ranges::find(pieces, "token_adapter") != pieces.end()) {
    refuse(name, "rows of embeddings that were trained alone are not computed here",
           "merge it into its base in PEFT (merge_and_unload) and give that checkpoint");
  }
  for (const std::string_view piece : pieces) {
    if (piece.starts_with("lora_")) {
      refuse(name, fmt::format("'{}' is a part of LoRA that this version does not know", piece),
             "merge it into its base in PEFT (merge_and_unload) and give that checkpoint");
    }
  }

  // A tensor of the base. What PEFT wraps around its module is no part of its name there.
  AdapterName whole;
  std::vector<std::string_view> own;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const bool inside = !own.empty() && i + 1 < pieces.size();
    if (inside && pieces[i] == "base_layer") continue;
    if (inside && pieces[i] == "original_module") {
      whole.part = Part::original;
      continue;
    }
    if (inside && pieces[i] == "modules_to_save") {
      whole.saved = true;
      // Its content is at least one name; before that the adapter's, where it was kept.
      if (i + 2 < pieces.size()) whole.adapter = pieces[++i];
      continue;
    }
    own.push_back(pieces[i]);
  }
  whole.module = joined(own);
  return whole;
}

}  // namespace merganser
