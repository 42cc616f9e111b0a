// libFuzzer: whatever the bytes, a journal is read up to its first damaged line or refused with an
// Error; records name jobs and tensors of the plan, and each job once.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/hashed_lines_testing.h"
#include "base/text.h"
#include "execute/journal.h"

namespace {

using namespace merganser;

// Two models of three tensors; every job has two masks.
Plan small_plan() {
  Plan plan;
  for (int i = 0; i < 2; ++i) {
    PlanModel& model = plan.models.emplace_back();
    model.document = std::make_shared<Plan>();  // headers without files
    for (const char* name : {"a", "b", "c"}) {
      model.document_headers.push_back({name, DType::f32, {2, 2}});
    }
  }
  for (const TensorInfo& header : plan.models[0].document_headers) {
    PlanJob& job = plan.jobs.emplace_back();
    job.output = header;
    job.masks = {0, 1};
  }
  return plan;
}

RunIdentity small_identity() {
  RunIdentity identity{"sha256:merge", {}};
  for (const char* path : {"/in/a.safetensors", "/in/b.safetensors"}) {
    FileIdentity& file = identity.inputs.emplace_back();
    file.path = path;
    file.size = 96;
    file.inode = 7;
    file.mtime_ns = -1;
  }
  return identity;
}

constexpr std::string_view kFirstLine =
    R"({"merganser_journal":1,"merge":"sha256:merge","inputs":[)"
    R"({"path":"/in/a.safetensors","size":96,"inode":7,"mtime_ns":-1},)"
    R"({"path":"/in/b.safetensors","size":96,"inode":7,"mtime_ns":-1}]})";

void check(const JournalContent& content, const Plan& plan, std::size_t size) {
  if (content.valid_bytes > size) std::abort();
  std::set<std::size_t> jobs;
  for (const JobRecord& record : content.records) {
    if (record.job >= plan.jobs.size() || !jobs.insert(record.job).second) std::abort();
    if (record.mask_hashes.size() > plan.jobs[record.job].masks.size()) std::abort();
    for (const JobRecord::Input& input : record.inputs) {
      if (input.input.model >= plan.models.size() ||
          input.input.tensor >= plan.models[input.input.model].headers().size()) {
        std::abort();
      }
    }
  }
}

}  // namespace

// The first byte: a journal as it is, its lines without their hashes, or its records alone.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Plan plan = small_plan();
  static const RunIdentity identity = small_identity();
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string text;
  if (data[0] == 'j') {
    text = rest;
  } else {
    if (data[0] != 'l') text += test::with_hash(kFirstLine);
    for (const std::string_view line : split(rest, '\n')) text += test::with_hash(line);
  }
  try {
    check(parse_journal(text, identity, plan, "fuzz"), plan, text.size());
  } catch (const Error&) {
    // The identity is the plan's own: then nothing is refused.
    if (data[0] != 'j' && data[0] != 'l') std::abort();
  }
  return 0;
}
