#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "smile/layout_impl.h"
#include "smile/remote_code.h"

namespace merganser::transformers {
namespace {

using What = MadeSpec::What;

constexpr int kVersion = 1;  // of the form that remote_code reads

struct AutoClass {
  std::string_view end;    // of the model class's name; the first that fits counts
  std::string_view names;  // separated by spaces
};
// The same table as AUTO_CLASSES of remote_code/configuration_smile.py; a test compares them.
constexpr std::array kAutoClasses = {
    AutoClass{"ForCausalLM", "AutoModelForCausalLM"},
    AutoClass{"LMHeadModel", "AutoModelForCausalLM"},
    AutoClass{"ForConditionalGeneration",
              "AutoModelForSeq2SeqLM AutoModelForImageTextToText AutoModelForSpeechSeq2Seq "
              "AutoModelForMultimodalLM"},
    AutoClass{"ForMaskedLM", "AutoModelForMaskedLM"},
    AutoClass{"ForPreTraining", "AutoModelForPreTraining"},
    AutoClass{"ForSequenceClassification",
              "AutoModelForSequenceClassification AutoModelForAudioClassification"},
    AutoClass{"ForTokenClassification", "AutoModelForTokenClassification"},
    AutoClass{"ForQuestionAnswering", "AutoModelForQuestionAnswering"},
    AutoClass{"ForMultipleChoice", "AutoModelForMultipleChoice"},
    AutoClass{"ForNextSentencePrediction", "AutoModelForNextSentencePrediction"},
    AutoClass{"ForImageClassification", "AutoModelForImageClassification"},
    AutoClass{"ForMaskedImageModeling", "AutoModelForMaskedImageModeling"},
    AutoClass{"ForSemanticSegmentation", "AutoModelForSemanticSegmentation"},
    AutoClass{"ForObjectDetection", "AutoModelForObjectDetection"},
    AutoClass{"ForDepthEstimation", "AutoModelForDepthEstimation"},
    AutoClass{"ForVideoClassification", "AutoModelForVideoClassification"},
    AutoClass{"ForAudioClassification", "AutoModelForAudioClassification"},
    AutoClass{"ForCTC", "AutoModelForCTC"},
    AutoClass{"ForAudioFrameClassification", "AutoModelForAudioFrameClassification"},
    AutoClass{"ForXVector", "AutoModelForAudioXVector"},
    AutoClass{"ForUniversalSegmentation", "AutoModelForUniversalSegmentation"},
    AutoClass{"ForInstanceSegmentation", "AutoModelForInstanceSegmentation"},
    AutoClass{"CLIPModel", "AutoModelForZeroShotImageClassification"},
    AutoClass{"SiglipModel", "AutoModelForZeroShotImageClassification"},
};

Json auto_map(const std::string& model_class) {
  Json map = {{"AutoConfig", "configuration_smile.SmileConfig"},
              {"AutoModel", "modeling_smile.SmileModel"}};
  for (const AutoClass& each : kAutoClasses) {
    if (!model_class.ends_with(each.end)) continue;
    for (std::size_t begin = 0; begin < each.names.size();) {
      const std::size_t end = std::min(each.names.find(' ', begin), each.names.size());
      map[std::string(each.names.substr(begin, end - begin))] =
          "modeling_smile.Smile" + model_class;
      begin = end + 1;
    }
    break;
  }
  return map;
}

std::string text_of(const Plan& plan, const Json& value, const char* key) {
  if (value.is_string()) return value.get<std::string>();
  throw Error(ErrorKind::unsupported, fmt::format("smile: the base's config.json has no '{}'", key))
      .in_file(plan.models[plan.reference].path.string())
      .hint("transformers finds the classes of a mixture by it");
}

// Of the checkpoint, without what tells where it was found.
std::string expert_name(const PlanModel& model) {
  const std::string& path = model.ref.lora_path.empty() ? model.ref.path : model.ref.lora_path;
  const std::size_t end = path.find_last_not_of('/');
  if (end == path.npos) return path;
  const std::size_t slash = path.find_last_of('/', end);
  return path.substr(slash == path.npos ? 0 : slash + 1,
                     end - (slash == path.npos ? 0 : slash + 1) + 1);
}

Json described(const SmileModule& module, std::uint64_t usual_per_token) {
  Json json = {{"router_rank", module.router_rank},
               {"ranks", module.ranks},
               {"bias", module.bias.has_value()},
               {"dense", module.dense}};
  if (module.per_token != usual_per_token) json["num_experts_per_tok"] = module.per_token;
  return json;
}

}  // namespace

std::vector<MadeSpec> made_tensors(const SmileModule& module) {
  const std::size_t experts = module.experts.size();
  std::vector<MadeSpec> made;
  const auto add = [&](const char* name, Shape shape, What what) {
    made.push_back({module.name + "." + name, std::move(shape), what, 0, experts});
  };
  if (experts > 1) add("smile_router", {experts * module.router_rank, module.in}, What::router);
  const std::uint64_t rank = module.total_rank();
  if (module.dense) {
    add("smile_dense", {experts, module.out, module.in}, What::dense);
  } else if (rank > 0) {
    add("smile_in", {rank, module.in}, What::input_side);
    add("smile_out", {rank, module.out}, What::output_side);
  }
  if (module.bias) add("smile_bias", {experts, module.out}, What::bias);
  return made;
}

Json config(const Plan& plan, const SmileModules& modules) {
  Json config = *plan.config;
  if (config.contains("auto_map")) {
    throw Error(ErrorKind::unsupported,
                "smile: the base comes with code of its own, which the mixture's cannot build on")
        .in_file(plan.models[plan.reference].path.string())
        .hint("a base whose classes are in transformers has no 'auto_map' in its config.json");
  }
  const std::string type = text_of(plan, config.value("model_type", Json()), "model_type");
  const Json architectures = config.value("architectures", Json());
  const std::string model_class =
      text_of(plan, architectures.is_array() && !architectures.empty() ? architectures[0] : Json(),
              "architectures");
  config["architectures"] = {"Smile" + model_class};
  config["model_type"] = "smile_" + type;
  config["auto_map"] = auto_map(model_class);
  Json experts = Json::array(), layers = Json::object();
  for (const std::size_t model : modules.models) {
    experts.push_back(expert_name(plan.models[model]));
  }
  const std::uint64_t per_token = modules.modules.front().per_token;
  for (const SmileModule& module : modules.modules)
    layers[module.name] = described(module, per_token);
  config["smile"] = {{"version", kVersion},
                     {"base_model_type", type},
                     {"num_experts", modules.models.size()},
                     {"num_experts_per_tok", per_token},
                     {"experts", std::move(experts)},
                     {"modules", std::move(layers)}};
  return config;
}

std::vector<std::pair<std::string, std::string>> files() {
  std::vector<std::pair<std::string, std::string>> files;
  for (const EmbeddedText& file : remote_code()) {
    files.emplace_back(std::string(file.name), std::string(file.text));
  }
  return files;
}

}  // namespace merganser::transformers
