#include "layout/card.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "base/text.h"
#include "layout/lineage.h"
#include "layout/names.h"
#include "layout/provenance.h"
#include "source/task_source.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostListed = 20;

bool is_plain(std::string_view text) {
  return !text.empty() && text.find_first_not_of(".") != text.npos &&
         std::ranges::all_of(text, [](unsigned char c) {
           return std::isalnum(c) || c == '-' || c == '_' || c == '.';
         });
}

// A scalar of YAML: as it is where nothing can be misread, else in JSON's quotes, which YAML reads.
std::string yaml_scalar(const std::string& text) {
  static const std::set<std::string> words = {"true", "false", "null", "yes", "no",
                                              "on",   "off",   "y",    "n"};
  std::string small = text;
  std::ranges::transform(small, small.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const bool plain = !text.empty() && std::isalpha(static_cast<unsigned char>(text[0])) &&
                     !words.contains(small) && std::ranges::all_of(text, [](unsigned char c) {
                       return std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '/';
                     });
  return plain ? text : json_line(Json(text));
}

// In running text and in a table's cell: one line, no mark-up of its own.
std::string markdown(std::string_view text) {
  std::string result;
  for (const char c : printable(text)) {
    if (std::string_view("|\\`*_<>[]#").find(c) != std::string_view::npos) result += '\\';
    result += c;
  }
  return result;
}

std::string code_block(std::string_view text, std::string_view language) {
  std::size_t longest = 0, run = 0;
  for (const char c : text) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  const std::string fence(std::max<std::size_t>(3, longest + 1), '`');
  return fmt::format("{}{}\n{}{}{}\n", fence, language, text, text.ends_with('\n') ? "" : "\n",
                     fence);
}

// Of a model or an adapter, as written and as found.
std::string place_name(const std::string& written, const fs::path& path) {
  const std::vector<std::string_view> parts = split(written, '/');
  if (parts.size() == 2 && is_plain(parts[0]) && is_plain(parts[1])) return written;
  for (const fs::path& part : path) {  // …/models--org--name/snapshots/<revision>
    std::string name = part.string();
    if (!name.starts_with("models--")) continue;
    name.erase(0, 8);
    if (const auto dashes = name.find("--"); dashes != name.npos)
      return name.replace(dashes, 2, "/");
  }
  std::error_code code;
  fs::path full = fs::absolute(path, code).lexically_normal();
  if (!full.has_filename()) full = full.parent_path();
  return full.filename().string();
}

std::string front_matter(const Plan& plan) {
  std::string text = "---\nbase_model:\n";
  std::set<std::string> listed;
  for (const PlanModel* model : plan.checkpoints()) {
    std::vector<std::string> names = {place_name(model->ref.path, model->path)};
    if (model->adapted) names.push_back(place_name(model->ref.lora_path, model->adapter_path));
    for (const std::string& name : names) {
      if (listed.insert(name).second) text += fmt::format("- {}\n", yaml_scalar(name));
    }
  }
  if (plan.config != nullptr && plan.config->is_object() &&
      plan.config->contains("architectures")) {
    text += "library_name: transformers\n";
  }
  return text + "tags:\n- merganser\n- merge\n---\n";
}

// A parameter's values over all tensors: one number, a range, or the few choices.
class Values {
 public:
  void add(const Value& value) {
    if (const double* number = std::get_if<double>(&value)) {
      low_ = any_number_ ? std::min(low_, *number) : *number;
      high_ = any_number_ ? std::max(high_, *number) : *number;
      any_number_ = true;
    } else {
      others_.insert(to_string(value));
    }
  }

  std::string text() const {
    std::vector<std::string> parts(others_.begin(), others_.end());
    if (any_number_) {
      parts.insert(parts.begin(), low_ == high_ ? to_string(Value(low_))
                                                : fmt::format("{} to {}", to_string(Value(low_)),
                                                              to_string(Value(high_))));
    }
    return join(parts, ", ");
  }

 private:
  bool any_number_ = false;
  double low_ = 0, high_ = 0;
  std::set<std::string> others_;
};

// Of merged tensors: for a copied one the settings no longer stand in the inputs' order.
std::vector<std::map<std::string, Values>> values_by_model(const Plan& plan) {
  std::vector<std::map<std::string, Values>> values(plan.models.size());
  for (const PlanJob& job : plan.jobs) {
    if (job.settings.per_input.size() != job.inputs.size()) continue;
    for (std::size_t i = 0; i < job.inputs.size(); ++i) {
      for (const auto& [name, value] : job.settings.per_input[i]) {
        values[job.inputs[i].model][name].add(value);
      }
    }
  }
  return values;
}

std::string model_table(const Plan& plan) {
  const auto values = values_by_model(plan);
  std::set<std::string> columns;
  for (const auto& of_model : values) {
    for (const auto& [name, unused] : of_model) columns.insert(name);
  }
  std::string text = "| model | role |", line = "|---|---|";
  for (const std::string& name : columns) {
    text += fmt::format(" {} |", markdown(name));
    line += "---|";
  }
  text += "\n" + line + "\n";
  for (std::size_t i = 0; i < plan.models.size(); ++i) {
    const PlanModel& model = plan.models[i];
    const bool base = plan.recipe.base_model && model.ref.same_as(*plan.recipe.base_model);
    text += fmt::format("| {} | {} |", markdown(public_name(model)), base ? "base" : "input");
    for (const std::string& name : columns) {
      const auto found = values[i].find(name);
      text += fmt::format(" {} |", found == values[i].end() ? "" : markdown(found->second.text()));
    }
    text += "\n";
  }
  return text;
}

std::string bullets(const std::vector<std::string>& items) {
  std::string text;
  for (std::size_t i = 0; i < items.size() && i < kMostListed; ++i) text += "- " + items[i] + "\n";
  if (items.size() > kMostListed) {
    text += fmt::format("- and {} more, listed in {}\n", items.size() - kMostListed,
                        markdown(names::kProvenance));
  }
  return text;
}

std::string method_section(const Descriptor& method) {
  std::string text = fmt::format("## Method\n\n**{}** (`{}`): {}\n", markdown(method.title),
                                 method.name, markdown(method.summary));
  if (!method.formula.empty()) text += "\n" + code_block(method.formula, "text");
  if (!method.paper.empty()) text += fmt::format("\nSource: {}\n", markdown(method.paper));
  return text;
}

std::string left_out_section(const Plan& plan) {
  if (plan.left_out.empty()) return "";
  std::vector<std::string> items;
  for (const LeftOut& entry : plan.left_out) {
    items.push_back(fmt::format("{} of {}: {}", markdown(entry.tensor),
                                markdown(public_name(plan.models[entry.model])),
                                markdown(as_written(plan, entry.reason))));
  }
  return "\n## Tensors that were left out\n\n" + bullets(items);
}

std::string warning_section(const Plan& plan) {
  if (plan.warnings.empty()) return "";
  std::vector<std::string> items;
  for (const std::string& warning : plan.warnings) {
    items.push_back(markdown(as_written(plan, warning)));
  }
  return "\n## Warnings\n\n" + bullets(items);
}

// What the command line added to the recipe.
std::string flags_of(const PlanOptions& options) {
  std::string flags;
  if (options.seed) flags += fmt::format(" --seed {}", *options.seed);
  if (!options.only.empty()) flags += " --only …";  // a glob may hold what ends a code span
  if (options.allow_mixed_architectures) flags += " --allow-mixed-architectures";
  return flags;
}

// Of a task-switched output: what its masks are for.
std::string task_section(const Plan& plan) {
  if (plan.tasks.empty()) return "";
  std::string text = fmt::format(
      "\n## Tasks\n\nThe weights are the unified model; `{}` holds a mask for each task. "
      "`merganser materialise FOLDER TASK OUTPUT` makes a task's own checkpoint.\n\n",
      kTaskMaskFile);
  for (const Task& task : plan.tasks) text += fmt::format("- {}\n", markdown(task.name));
  return text;
}

}  // namespace

std::string public_name(const PlanModel& model) {
  if (model.document) return model.document->recipe.name;
  std::string name = place_name(model.ref.path, model.path);
  if (!model.adapted) return name;
  name += fmt::format(" + {}", place_name(model.ref.lora_path, model.adapter_path));
  if (model.ref.lora_scale != 1) name += fmt::format(" * {}", model.ref.lora_scale);
  return name;
}

std::string card_text(const Plan& plan, const std::string& version, const std::string& title) {
  std::string text = front_matter(plan);
  text += fmt::format("# {}\n\n", markdown(title));
  const std::size_t models = plan.checkpoints().size();
  text += fmt::format("A merge of {} model{}, made with merganser {}.\n\n", models,
                      models == 1 ? "" : "s", version);
  if (!plan.options.only.empty()) {
    text += fmt::format(
        "**This is a part only**: the tensors whose names match {}, not a whole "
        "model.\n\n",
        markdown(plan.options.only));
  }
  text += method_section(*plan.method);
  text += "\n## Models\n\n" + model_table(plan);
  text += task_section(plan);
  text += "\n## Recipe\n\n" + code_block(recipe_text(plan), "yaml");
  text += left_out_section(plan) + warning_section(plan);
  text += fmt::format(
      "\n## How to make it again\n\n"
      "With the models of the recipe in place, `merganser merge {} OUTPUT{}` gives the same "
      "weights. "
      "`{}` holds the settings of each tensor and the hashes of all that went in and came out.\n",
      names::kRecipe, flags_of(plan.options), names::kProvenance);
  return text;
}

}  // namespace merganser
