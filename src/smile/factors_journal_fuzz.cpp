// libFuzzer: whatever the bytes, a journal of factors is read up to its first damaged line or
// refused with an Error; what is taken over fits the layers of the plan, and lies where it says.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/hashed_lines_testing.h"
#include "base/text.h"
#include "smile/factors_journal.h"

namespace {

using namespace merganser;

// A base and two fine-tunes; three layers [4, 3]: ranks known, ranks to be chosen in f64, and whole
// differences of a weight that lies the other way round.
struct Small {
  Plan plan;
  SmileModules modules;
  RunIdentity identity{"sha256:merge", {}};

  Small() {
    for (int i = 0; i < 3; ++i) {
      PlanModel& model = plan.models.emplace_back();
      model.document = std::make_shared<Plan>();  // headers without files
      for (const char* name : {"a", "b", "c"}) {
        model.document_headers.push_back({name, DType::f32, {4, 3}});
      }
    }
    modules.models = {1, 2};
    for (std::size_t i = 0; i < 3; ++i) {
      PlanJob& job = plan.jobs.emplace_back();
      job.output = plan.models[0].document_headers[i];
      job.f64 = i == 1;
      SmileModule& module = modules.modules.emplace_back();
      module.name = job.output.name;
      module.weight = i;
      module.out = 4;
      module.in = 3;
      module.experts.resize(2);
      module.router_rank = 1;
      module.ranks = {2, 1};
      if (i == 1) module.rank_limit = 3;
      if (i == 2) module.dense = module.transposed = true;
    }
    FileIdentity& file = identity.inputs.emplace_back();
    file.path = "/in/a.safetensors";
    file.size = 96;
    file.inode = 7;
    file.mtime_ns = -1;
  }
};

constexpr std::string_view kRest = R"({"biases":[0.0,0.0],"rest":[0.0,1.5],"hashes":[]})";

bool lies_in(std::uint64_t offset, std::uint64_t bytes, const ModuleRecord& record) {
  const std::uint64_t end = record.end - record.value_bytes();
  return bytes == 0 || (offset >= record.begin && offset <= end && bytes <= end - offset);
}

void check(const FactorsJournal& found, const Small& small, std::size_t size) {
  if (found.valid_bytes() > size || found.ends.size() != found.modules.size()) std::abort();
  if (found.modules.size() > 3 || (!found.rest && !found.modules.empty())) std::abort();
  std::uint64_t begin = 0;
  for (std::size_t i = 0; i < found.modules.size(); ++i) {
    const ModuleRecord& record = found.modules[i];
    const SmileModule& module = small.modules.modules[i];
    const std::uint64_t width = i == 1 ? 8 : 4;
    if (record.begin != begin || record.end < begin) std::abort();
    begin = record.end;
    if (record.experts.size() != 2 || record.values.size() != 2) std::abort();
    for (std::size_t e = 0; e < 2; ++e) {
      const Expert& expert = record.experts[e];
      if (expert.rank > module.most_kept(e) || expert.rank > record.values[e] ||
          record.values[e] > 3 || expert.router > 1 || !(expert.energy >= 0) ||
          !lies_in(expert.u, expert.rank * 4 * width, record) ||
          !lies_in(expert.sv, expert.rank * 3 * width, record) ||
          !lies_in(expert.vectors, expert.router * 3 * width, record) ||
          expert.dense.has_value() != module.dense ||
          (expert.dense && !lies_in(*expert.dense, 12 * width, record))) {
        std::abort();
      }
    }
    for (const InputHash& each : record.hashes) {
      if (each.input.model >= 3 || each.input.tensor >= 3) std::abort();
    }
  }
}

}  // namespace

// The first byte: a journal as it is, its lines without their hashes, or its records alone.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Small small;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string text;
  if (data[0] == 'j') {
    text = rest;
  } else {
    if (data[0] != 'l') text = factors_identity_line(small.identity) + test::with_hash(kRest);
    for (const std::string_view line : split(rest, '\n')) text += test::with_hash(line);
  }
  try {
    check(parse_factors_journal(text, small.identity, small.plan, small.modules, "fuzz"), small,
          text.size());
  } catch (const Error&) {
    // The identity is the plan's own: then nothing is refused.
    if (data[0] != 'j' && data[0] != 'l') std::abort();
  }
  return 0;
}
