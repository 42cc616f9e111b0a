#include "smile/factors_journal.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "base/hashed_lines.h"

namespace merganser {
namespace {

constexpr std::string_view kKind = "merganser_factors";

Json to_json(const std::vector<InputHash>& hashes) {
  Json lines = Json::array();
  for (const InputHash& each : hashes) {
    lines.push_back({each.input.model, each.input.tensor, each.hash});
  }
  return lines;
}

Json to_json(const Expert& expert, std::size_t values) {
  Json line = {{"values", values},
               {"rank", expert.rank},
               {"router", expert.router},
               {"u", expert.u},
               {"sv", expert.sv},
               {"vectors", expert.vectors},
               {"energy", expert.energy},
               // JSON has no infinity: null, where nothing was proven.
               {"excess", std::isfinite(expert.excess) ? Json(expert.excess) : Json()},
               {"resolved", expert.router_resolved},
               {"way", name_of(expert.way)}};
  if (expert.dense) line["dense"] = *expert.dense;
  return line;
}

// What follows throws Json::exception, or nothing comes back, for what is no such record.

std::optional<double> norm_of(const Json& value) {
  const double number = value.get_ref<const Json::number_float_t&>();
  return std::isfinite(number) && number >= 0 ? std::optional(number) : std::nullopt;
}

std::optional<std::vector<double>> norms_of(const Json& values, std::size_t count) {
  std::vector<double> norms;
  for (const Json& value : values) {
    const auto norm = norm_of(value);
    if (!norm) return std::nullopt;
    norms.push_back(*norm);
  }
  return norms.size() == count ? std::optional(std::move(norms)) : std::nullopt;
}

std::optional<SvdWay> way_of(const std::string& name) {
  for (const SvdWay way :
       {SvdWay::none, SvdWay::exact, SvdWay::gram, SvdWay::krylov, SvdWay::factors}) {
    if (name == name_of(way)) return way;
  }
  return std::nullopt;
}

std::optional<std::vector<InputHash>> hashes_of(const Json& lines, const Plan& plan) {
  std::vector<InputHash> hashes;
  for (const Json& line : lines) {
    const PlanInput input{count_of(line.at(0)), count_of(line.at(1))};
    if (input.model >= plan.models.size() ||
        input.tensor >= plan.models[input.model].headers().size()) {
      return std::nullopt;
    }
    hashes.push_back({input, line.at(2).get<std::string>()});
  }
  return hashes;
}

std::optional<RestRecord> rest_of(const Json& line, const Plan& plan, std::size_t experts) {
  auto biases = norms_of(line.at("biases"), experts), rest = norms_of(line.at("rest"), experts);
  auto hashes = hashes_of(line.at("hashes"), plan);
  if (!biases || !rest || !hashes) return std::nullopt;
  return RestRecord{std::move(*biases), std::move(*rest), std::move(*hashes)};
}

// Reads a record's experts, and holds their sizes and places against the layer.
class ModuleReader {
 public:
  ModuleReader(const Plan& plan, const SmileModule& module, std::uint64_t begin)
      : plan_(plan), module_(module), wide_(plan.jobs[module.weight].f64), begin_(begin) {}

  std::optional<ModuleRecord> read(const Json& line) {
    ModuleRecord record;
    record.begin = begin_;
    record.end = count_of(line.at("end"));
    record.bytes = line.at("bytes").get<std::string>();
    const Json& experts = line.at("experts");
    if (line.at("module") != module_.name || record.end < begin_ || !experts.is_array() ||
        experts.size() != module_.experts.size()) {
      return std::nullopt;
    }
    auto hashes = hashes_of(line.at("hashes"), plan_);
    if (!hashes) return std::nullopt;
    record.hashes = std::move(*hashes);
    for (const Json& each : experts) {
      record.values.push_back(count_of(each.at("values")));
      if (record.values.back() > module_.full_rank()) return std::nullopt;
    }
    if (record.value_bytes() > record.end - begin_) return std::nullopt;
    end_ = record.end - record.value_bytes();
    for (std::size_t e = 0; e < experts.size(); ++e) {
      auto expert = read_expert(experts[e], e, record.values[e]);
      if (!expert) return std::nullopt;
      record.experts.push_back(std::move(*expert));
    }
    return record;
  }

 private:
  std::optional<Expert> read_expert(const Json& line, std::size_t number,
                                    std::size_t values) const {
    Expert expert;
    expert.dtype = wide_ ? DType::f64 : DType::f32;
    expert.rank = count_of(line.at("rank"));
    expert.router = count_of(line.at("router"));
    expert.u = count_of(line.at("u"));
    expert.sv = count_of(line.at("sv"));
    expert.vectors = count_of(line.at("vectors"));
    if (line.contains("dense")) expert.dense = count_of(line.at("dense"));
    const auto energy = norm_of(line.at("energy"));
    const auto way = way_of(line.at("way").get<std::string>());
    if (!energy || !way) return std::nullopt;
    expert.energy = *energy;
    expert.way = *way;
    expert.changed = expert.energy > 0;
    const Json& excess = line.at("excess");
    const auto proven =
        excess.is_null() ? std::numeric_limits<double>::infinity() : norm_of(excess);
    if (!proven) return std::nullopt;
    expert.excess = *proven;
    expert.router_resolved = line.at("resolved").get<bool>();
    return fits(expert, number, values) ? std::optional(std::move(expert)) : std::nullopt;
  }

  bool fits(const Expert& expert, std::size_t number, std::size_t values) const {
    const bool turned = module_.dense && module_.transposed && !module_.empty;
    return expert.rank <= std::min<std::uint64_t>(module_.most_kept(number), values) &&
           expert.router <= std::min(module_.router_rank, module_.full_rank()) &&
           expert.dense.has_value() == turned && lies_in(expert.u, expert.rank, module_.out) &&
           lies_in(expert.sv, expert.rank, module_.in) &&
           lies_in(expert.vectors, expert.router, module_.in) &&
           (!turned || lies_in(*expert.dense, module_.out, module_.in));
  }

  // The products cannot overflow: no matrix is larger than a tensor of the plan.
  bool lies_in(std::uint64_t offset, std::uint64_t rows, std::uint64_t cols) const {
    const std::uint64_t bytes = rows * cols * (wide_ ? 8 : 4);
    if (bytes == 0) return true;
    return offset >= begin_ && offset <= end_ && bytes <= end_ - offset;
  }

  const Plan& plan_;
  const SmileModule& module_;
  const bool wide_;
  const std::uint64_t begin_;
  std::uint64_t end_ = 0;  // of the factors; singular values follow
};

}  // namespace

std::uint64_t ModuleRecord::value_bytes() const {
  return std::accumulate(values.begin(), values.end(), std::uint64_t{0}) * sizeof(double);
}

std::string factors_identity_line(const RunIdentity& identity) {
  return identity_line(identity, kKind);
}

std::string line_of(const RestRecord& record) {
  return hashed_line(
      {{"biases", record.biases}, {"rest", record.rest}, {"hashes", to_json(record.hashes)}});
}

std::string line_of(const ModuleRecord& record, const SmileModule& module) {
  Json experts = Json::array();
  for (std::size_t e = 0; e < record.experts.size(); ++e) {
    experts.push_back(to_json(record.experts[e], record.values[e]));
  }
  return hashed_line({{"module", module.name},
                      {"end", record.end},
                      {"bytes", record.bytes},
                      {"experts", std::move(experts)},
                      {"hashes", to_json(record.hashes)}});
}

FactorsJournal parse_factors_journal(std::string_view text, const RunIdentity& identity,
                                     const Plan& plan, const SmileModules& modules,
                                     const std::string& name) {
  FactorsJournal found;
  std::size_t at = check_identity(text, identity, kKind, name);
  found.head = at;
  try {
    const auto first = next_hashed_line(text, at, name);
    if (first) found.rest = rest_of(*first, plan, modules.models.size());
    if (!found.rest) return found;
    found.head = at;
    for (const SmileModule& module : modules.modules) {
      const auto line = next_hashed_line(text, at, name);
      if (!line) break;
      const std::uint64_t begin = found.modules.empty() ? 0 : found.modules.back().end;
      auto record = ModuleReader(plan, module, begin).read(*line);
      if (!record) break;
      found.modules.push_back(std::move(*record));
      found.ends.push_back(at);
    }
  } catch (const Json::exception&) {
    // Up to here.
  }
  return found;
}

}  // namespace merganser
