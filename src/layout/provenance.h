// merganser_provenance.json: what the output was made from, tensor by tensor. Private to this
// layer.
#pragma once

#include <string>
#include <vector>

#include "layout/companions.h"
#include "layout/lineage.h"
#include "layout/output_folder.h"

namespace merganser {

// What became of the files beside the weights.
struct FolderContents {
  Companions companions;
  std::vector<std::string> written;  // by this program, sorted
  // SHA-256 of all of them but the card, which is there to be edited; sorted by name.
  std::vector<std::pair<std::string, std::string>> hashes;
};

// One tensor, model and ancestor a line. Equal for equal inputs.
std::string provenance_text(const Plan& plan, const ProvenanceFacts& facts, const Lineage& lineage,
                            const FolderContents& contents);

// A plan's sentence with every model named as in the recipe, not by the path it was found at: that
// depends on where the program was started.
std::string as_written(const Plan& plan, std::string sentence);

// The recipe's text, or what stands for it.
std::string recipe_text(const Plan& plan);

}  // namespace merganser
