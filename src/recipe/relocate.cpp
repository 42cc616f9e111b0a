#include "recipe/relocate.h"

#include <memory>
#include <system_error>

namespace merganser {
namespace {

namespace fs = std::filesystem;

class Relocation {
 public:
  Relocation(const Recipe& final, const fs::path& folder)
      : final_(final),
        from_(fs::absolute(fs::path(final.file)).parent_path()),
        to_(fs::absolute(folder)) {}

  void recipe(Recipe& recipe) const {
    if (recipe.base_model) model(*recipe.base_model);
    if (recipe.heads.from) model(*recipe.heads.from);
    for (RecipeModule& module : recipe.modules) {
      for (RecipeSource& source : module.models) model(source.model);
      for (RecipeSlice& slice : module.slices) {
        if (slice.base_model) model(*slice.base_model);
        for (RecipeSource& source : slice.sources) model(source.model);
      }
    }
  }

 private:
  void model(ModelRef& ref) const {
    if (final_.document(ref) != nullptr) return;
    path(ref.path);
    path(ref.lora_path);
    path(ref.task_base);
  }

  void path(std::string& text) const {
    std::error_code code;
    if (text.empty() || fs::path(text).is_absolute() || fs::exists(text, code)) return;
    const fs::path found = from_ / text;
    if (!fs::exists(found, code)) return;
    const fs::path seen = fs::relative(found, to_, code);
    text = code || seen.empty() ? found.lexically_normal().string() : seen.string();
  }

  const Recipe& final_;
  fs::path from_, to_;
};

}  // namespace

void relocate(Recipe& recipe, const fs::path& folder) {
  if (recipe.file.empty()) return;
  const Relocation relocation(recipe, folder.empty() ? fs::path(".") : folder);
  for (std::shared_ptr<const Recipe>& document : recipe.documents) {
    auto moved = std::make_shared<Recipe>(*document);
    relocation.recipe(*moved);
    document = std::move(moved);
  }
  relocation.recipe(recipe);
}

}  // namespace merganser
