// The families of families/*.json, parsed. The format is described in families/README.md.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "architecture/architecture.h"

namespace merganser {

using NamePair = std::pair<std::string, std::string>;

struct TiedRule {
  std::string name, source;       // relative to the module's prefix; a leading '/' = from the root
  std::vector<std::string> keys;  // config paths of a boolean; none = always tied
  bool otherwise = true;          // what an absent key means in this family
};

// Stems of one kind and the roles they have, in the order of the file.
struct RoleTable {
  std::unordered_map<std::string, std::string> by_stem;
  std::vector<NamePair> in_order;  // stem, role

  // "self_attn.q_proj.weight" by its own entry, else by "self_attn.q_proj" with the leaf kept
  // (gamma and beta are old names of weight and bias). A '*' in the table stands for a number.
  std::string role_of(std::string_view stem) const;
  std::string stem_of(std::string_view role) const;  // "" none
};

struct ModuleData {
  std::string name;
  std::vector<std::string> config_roots;        // where its part of the config may stand
  std::vector<std::string> prefixes;            // "model.", ""; alternatives
  std::vector<std::string> layers;              // "layers.{}.", after the prefix; alternatives
  std::vector<std::string> counts;              // config keys of the number of layers
  std::vector<std::string> lists;               // config lists of one entry a layer
  std::vector<std::string> indices;             // config lists of layer numbers
  std::vector<std::string> whole;               // numbers of layers counted from the first one
  std::vector<std::string> by_position;         // make a layer's number decide what it is
  std::vector<std::string> first_layer_only;    // stems that only layer 0 has
  std::vector<NamePair> layer_aliases;          // two spellings of a stem, without leaf
  RoleTable roles;                              // inside the layers
  RoleTable embed, head, other;                 // outside, relative to the prefix
  RoleTable embed_root, head_root, other_root;  // outside, from the root
  std::vector<TiedRule> tied;
};

struct Family {
  std::string name;
  bool abstract = false;                   // only a basis of others
  std::vector<std::string> architectures;  // globs over config.architectures entries
  std::vector<std::string> model_types;
  std::vector<NamePair> traits;  // what layers must agree on to be mixed
  std::vector<std::pair<std::string, std::vector<std::string>>> fields;  // label, config keys
  std::vector<NamePair> aliases;  // two spellings of a name's end
  std::vector<ModuleData> modules;
};

const std::vector<Family>& families();  // in alphabetical order, abstract ones included
const Family* find_family(std::string_view name);
// By class name ("LlamaForCausalLM"), or by config.model_type; null: none.
const Family* family_of_class(std::string_view architecture);
const Family* family_of_model_type(std::string_view model_type);

}  // namespace merganser
