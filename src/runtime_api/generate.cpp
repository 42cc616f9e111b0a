#include "merganser/generate.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "evaluate/arrays.h"
#include "runtime/generate.h"
#include "runtime_api/functions.h"
#include "runtime_api/open_model.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<std::int64_t>;

constexpr std::uint64_t kLargestConfig = 16 << 20;

Ids row_of(const at::Tensor& ids, std::int64_t length) {
  const std::int64_t* begin = ids.data_ptr<std::int64_t>();
  return {begin, begin + length};
}

std::vector<Ids> read_prompts(const std::string& file) {
  const Checkpoint checkpoint = Checkpoint::open(file);
  at::Tensor ids = rt::read_integers(checkpoint, "ids");
  if (ids.dim() == 1) ids = ids.unsqueeze(0);
  if (ids.dim() != 2 || ids.numel() == 0) {
    throw Error(ErrorKind::mismatch, "prompts are token ids [rows, length] or [length]")
        .in_file(file)
        .in_tensor("ids");
  }
  at::Tensor lengths;
  if (checkpoint.find("mask") != nullptr) {
    lengths = rt::read_lengths(checkpoint, "mask", ids.sizes());
  }
  std::vector<Ids> prompts;
  for (std::int64_t row = 0; row < ids.size(0); ++row) {
    prompts.push_back(
        row_of(ids[row], lengths.defined() ? lengths[row].item<std::int64_t>() : ids.size(1)));
  }
  return prompts;
}

// eos_token_id is a number, a list of numbers, or null.
std::optional<Ids> eos_of(const Json& json, const std::string& place) {
  const auto found = json.is_object() ? json.find("eos_token_id") : json.end();
  if (found == json.end() || found->is_null()) return std::nullopt;
  const rt::Config config(json, place);
  if (found->is_array()) return config.integers("eos_token_id");
  return Ids{config.integer("eos_token_id")};
}

Ids eos_ids(const OpenModel& opened) {
  const fs::path file = fs::path(opened.config_place).parent_path() / "generation_config.json";
  if (std::error_code code; fs::exists(file, code)) {
    const Json json = Json::parse(read_text(file, kLargestConfig), nullptr, false);
    if (json.is_discarded()) {
      throw Error(ErrorKind::corrupt, "it is no JSON").in_file(file.string());
    }
    if (const auto ids = eos_of(json, file.string())) return *ids;
  }
  return eos_of(*opened.config, opened.config_place).value_or(Ids());
}

}  // namespace

GenerateReport runtime_generate(const GenerateRequest& request, Progress& progress) {
  if (request.ids.empty() == request.ids_file.empty()) {
    throw Error(ErrorKind::usage, "either ids or a file of them is the prompt");
  }
  const rt::Placement placement = place_runtime(request.runtime);
  const std::vector<Ids> prompts =
      request.ids_file.empty() ? std::vector<Ids>{request.ids} : read_prompts(request.ids_file);
  const OpenModel opened = open_model(request.model, placement);

  rt::GenerateOptions options;
  options.max_new_tokens = request.max_new_tokens;
  options.temperature = request.temperature;
  options.top_k = request.top_k;
  options.seed = request.seed;
  options.stop = request.stop;
  if (request.eos) {
    const Ids eos = eos_ids(opened);
    options.stop.insert(options.stop.end(), eos.begin(), eos.end());
  }
  for (const Ids& prompt : prompts) rt::check_prompt(*opened.model, prompt, options);

  GenerateReport report{.model = request.model, .stop = options.stop};
  const auto most = static_cast<std::uint64_t>(request.max_new_tokens);
  progress.begin(most * prompts.size(), ProgressUnit::tokens);
  progress.stage("generating");
  const auto begin = std::chrono::steady_clock::now();
  for (const Ids& prompt : prompts) {
    Ids made = rt::generate(*opened.model, prompt, options, [&] {
      if (progress.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
      progress.advance(1);
      return true;
    });
    progress.advance(most - made.size());
    const bool stopped =
        std::find(options.stop.begin(), options.stop.end(), made.back()) != options.stop.end();
    report.texts.push_back({prompt, std::move(made), stopped});
    ++options.stream;
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

}  // namespace merganser
