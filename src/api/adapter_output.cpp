#include "api/adapter_output.h"
#include "api/report_text.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/hash_file.h"
#include "linalg/blas_info.h"
#include "lora/card.h"
#include "merganser/merganser.h"

namespace merganser {
namespace {

const char* name_of(AdapterModule::Kind kind) {
  switch (kind) {
    case AdapterModule::Kind::linear:
      return "linear";
    case AdapterModule::Kind::embedding:
      return "embedding";
    case AdapterModule::Kind::convolution:
      return "convolution";
  }
  return "";
}

std::string text_of(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void describe(const TermStore& store, AdapterReport& report) {
  double lost = 0, all = 0;
  for (const TermStore::Entry& entry : store.entries()) {
    if (entry.rank == 0) continue;
    const LoraModule& module = entry.module;
    AdapterReport::Module row{module.name,      name_of(module.kind), module.out,
                              module.columns(), entry.rank,           {}};
    if (!entry.s.empty()) {
      row.residual = residual(entry.s, entry.rank, entry.energy);
      lost += *row.residual * *row.residual * entry.energy;
      all += entry.energy;
    }
    report.r = std::max<std::uint64_t>(report.r, entry.rank);
    report.parameters += entry.rank * (module.out + module.columns());
    report.modules.push_back(std::move(row));
  }
  if (all > 0) report.residual = std::sqrt(lost / all);
}

Json modules_json(const AdapterReport& report) {
  Json modules = Json::array();
  for (const AdapterReport::Module& module : report.modules) {
    Json json = {{"name", module.name},
                 {"kind", module.kind},
                 {"out", module.out},
                 {"in", module.in},
                 {"rank", module.rank}};
    if (module.residual) json["residual"] = *module.residual;
    modules.push_back(std::move(json));
  }
  return modules;
}

Json left_out_json(const AdapterReport& report) {
  Json list = Json::array();
  for (const AdapterReport::LeftOut& tensor : report.left_out) {
    list.push_back({{"name", tensor.name}, {"reason", tensor.reason}});
  }
  return list;
}

}  // namespace

void finish_adapter(AdapterOutput output, Json config, const Json& provenance, OutputFolder& folder,
                    bool sync, bool force, AdapterReport& report, Progress& progress) {
  describe(output.store, report);
  if (report.modules.empty()) {
    throw Error(ErrorKind::usage, "no module has a change that factors could hold")
        .hint("the inputs are equal in all linear modules, or the options leave all of them out");
  }
  progress.stage("writing");
  const auto written =
      write_adapter_weights(output.store, output.distribute_scale, std::move(output.whole),
                            folder.path(), sync, progress);
  set_ranks(output.store, config);
  const std::filesystem::path config_path = folder.path() / "adapter_config.json";
  write_text(config_path, text_of(config));
  const auto named = config.find("base_model_name_or_path");
  const bool has_base = named != config.end() && named->is_string();
  const std::string base = has_base ? named->get<std::string>() : "";
  write_text(folder.path() / "README.md", card_text({folder.title(), base, output.sentence,
                                                     output.facts, &output.store, version()}));
  Json outputs = Json::array();
  for (const WrittenTensor& tensor : written) {
    report.bytes_written += tensor.info.bytes();
    outputs.push_back({{"name", tensor.info.name},
                       {"dtype", safetensors_name(tensor.info.dtype)},
                       {"shape", tensor.info.shape},
                       {"hash", tensor.hash}});
  }
  Json record = {{"merganser", version()}, {"format", 1}};
  record.update(provenance);
  const BlasInfo blas = blas_info();  // on which the last bits of singular vectors depend
  record["blas"] = {{"library", blas.library}, {"kernel", blas.kernel}, {"threads", blas.threads}};
  if (report.residual) record["residual"] = *report.residual;
  record["modules"] = modules_json(report);
  record["saved_modules"] = report.saved_modules;
  record["unchanged"] = report.unchanged;
  record["left_out"] = left_out_json(report);
  record["tensors"] = std::move(outputs);
  record["files"] = {{"adapter_config.json", hash_file(config_path, HashKind::sha256)}};
  write_text(folder.path() / "merganser_provenance.json", text_of(record));
  if (progress.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
  folder.install(force);
}

std::optional<DType> parse_factor_dtype(const std::string& name) {
  if (name.empty()) return std::nullopt;
  const auto dtype = from_torch_name(name);
  if (dtype && is_float(*dtype) && size_of(*dtype) >= 2) return dtype;
  throw Error(ErrorKind::usage, "factors cannot be of the type '" + name + "'")
      .hint("float32, bfloat16, float16 or float64");
}

void check_energy(double energy) {
  if (energy > 0 && energy <= 1) return;
  throw Error(ErrorKind::usage, "--energy must be above 0 and at most 1")
      .hint("0.95: the fewest singular values that hold 95 % of a change's squared norm");
}

void use_threads(unsigned threads) {
  set_blas_threads(threads > 0 ? threads : std::max(1u, std::thread::hardware_concurrency()));
}

Json to_json(const std::vector<ReadTensor>& tensors) {
  Json list = Json::array();
  for (const ReadTensor& tensor : tensors) {
    list.push_back({{"name", tensor.name}, {"hash", tensor.hash}});
  }
  return list;
}

std::string AdapterReport::json() const {
  Json json = {{"output", output}, {"method", method}, {"r", r}, {"parameters", parameters}};
  if (residual) json["residual"] = *residual;
  json["modules"] = modules_json(*this);
  json["saved_modules"] = saved_modules;
  json["unchanged"] = unchanged;
  json["left_out"] = left_out_json(*this);
  json["notes"] = notes;
  json["bytes_read"] = bytes_read;
  json["bytes_written"] = bytes_written;
  json["seconds"] = seconds;
  return report_text(json);
}

}  // namespace merganser
