#include "execute/journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "base/hashed_lines_testing.h"
#include "execute/folder_sink.h"
#include "plan/testing.h"

namespace merganser::test {
namespace {

using ::testing::HasSubstr;

struct Recorded {
  JobRecord record(std::size_t job) const {
    JobRecord result;
    result.job = job;
    result.output_hash = "xxh3:" + std::to_string(job);
    result.output_non_finite = job;
    for (const PlanInput& input : plan.jobs[job].inputs) {
      result.inputs.push_back({input, "xxh3:in", 2});
    }
    result.facts = {{"angle", {0.1 + static_cast<double>(job)}}, {"ratios", {1.0 / 3, -0.0}}};
    return result;
  }

  JournalContent read() const { return read_journal(path, identity, plan); }

  // The journal of these jobs.
  void write(const std::vector<std::size_t>& jobs, std::uint64_t valid_bytes = 0) const {
    Journal journal(path, identity, plan, valid_bytes, [](const auto&) {});
    for (const std::size_t job : jobs) journal.add(record(job));
    journal.close();
  }

  Bench bench;
  Plan plan = bench_plan();
  RunIdentity identity{"sha256:merge", input_identities(plan)};
  std::filesystem::path path = bench.path() / "journal";

 private:
  Plan bench_plan() {
    bench.llama_model("a", 2);
    bench.llama_model("b", 2);
    return bench.plan(
        "merge_method: linear\nmodels: [{model: a}, {model: b}]\nparameters: {weight: 1}\n");
  }
};

void expect_equal(const JobRecord& a, const JobRecord& b) {
  EXPECT_EQ(a.job, b.job);
  EXPECT_EQ(a.output_hash, b.output_hash);
  EXPECT_EQ(a.output_non_finite, b.output_non_finite);
  ASSERT_EQ(a.inputs.size(), b.inputs.size());
  for (std::size_t i = 0; i < a.inputs.size(); ++i) {
    EXPECT_EQ(a.inputs[i].input.model, b.inputs[i].input.model);
    EXPECT_EQ(a.inputs[i].input.tensor, b.inputs[i].input.tensor);
    EXPECT_EQ(a.inputs[i].hash, b.inputs[i].hash);
    EXPECT_EQ(a.inputs[i].non_finite, b.inputs[i].non_finite);
  }
  ASSERT_EQ(a.facts.size(), b.facts.size());
  for (std::size_t i = 0; i < a.facts.size(); ++i) {
    EXPECT_EQ(a.facts[i].name, b.facts[i].name);
    // Bit for bit: they go into the provenance.
    EXPECT_EQ(a.facts[i].values, b.facts[i].values);
  }
}

TEST(Journal, ComesBackAsWritten) {
  const Recorded of;
  of.write({3, 0, 5});
  const JournalContent content = of.read();
  ASSERT_EQ(content.records.size(), 3u);
  EXPECT_EQ(content.valid_bytes, std::filesystem::file_size(of.path));
  for (const JobRecord& record : content.records) expect_equal(record, of.record(record.job));
}

TEST(Journal, GoesOnBehindWhatIsValid) {
  const Recorded of;
  of.write({0, 1});
  const std::uint64_t good = std::filesystem::file_size(of.path);
  write_file(of.path, read_file(of.path) + "{\"tensor\": \"half");
  EXPECT_EQ(of.read().valid_bytes, good);
  of.write({2}, good);
  const JournalContent content = of.read();
  ASSERT_EQ(content.records.size(), 3u);
  EXPECT_EQ(content.records[2].job, 2u);
}

TEST(Journal, RecordsComeAfterTheirBytes) {
  const Recorded of;
  std::vector<std::size_t> synced;
  {
    Journal journal(of.path, of.identity, of.plan, 0, [&](const std::vector<std::size_t>& jobs) {
      // What stands there has been made durable before.
      for (const JobRecord& record : of.read().records) {
        EXPECT_THAT(synced, ::testing::Contains(record.job));
      }
      synced.insert(synced.end(), jobs.begin(), jobs.end());
    });
    for (std::size_t job = 0; job < of.plan.jobs.size(); ++job) journal.add(of.record(job));
    journal.close();
    EXPECT_EQ(journal.written(), of.plan.jobs.size());
  }
  EXPECT_EQ(synced.size(), of.plan.jobs.size());
}

TEST(Journal, TellsOfADiskThatFails) {
  const Recorded of;
  Journal journal(of.path, of.identity, of.plan, 0,
                  [](const auto&) { throw Error(ErrorKind::io, "the disk is gone"); });
  journal.add(of.record(0));
  EXPECT_THAT(complaint([&] { journal.close(); }), HasSubstr("the disk is gone"));
  EXPECT_TRUE(of.read().records.empty());
}

TEST(Journal, WithoutAPlaceIsNoneAtAll) {
  const Recorded of;
  Journal journal(of.bench.path() / "absent/journal", of.identity, of.plan, 0, [](const auto&) {});
  journal.add(of.record(0));
  journal.close();
  EXPECT_EQ(journal.written(), 0u);
}

TEST(Journal, OfAnotherMergeIsRefused) {
  const Recorded of;
  of.write({0});
  RunIdentity other = of.identity;
  other.merge = "sha256:other";
  EXPECT_THAT(complaint([&] { read_journal(of.path, other, of.plan); }),
              HasSubstr("another merge"));
  for (const auto change : {0, 1, 2}) {
    other = of.identity;
    if (change == 0) ++other.inputs[1].size;
    if (change == 1) --other.inputs[1].mtime_ns;
    if (change == 2) ++other.inputs[1].inode;
    EXPECT_THAT(complaint([&] { read_journal(of.path, other, of.plan); }),
                AllOf(HasSubstr(other.inputs[1].path.string()), HasSubstr("changed")));
  }
  other = of.identity;
  other.inputs.pop_back();
  EXPECT_THAT(complaint([&] { read_journal(of.path, other, of.plan); }), HasSubstr("other files"));
  other = of.identity;
  ++other.inputs[0].device;  // may change when the machine is started again
  EXPECT_EQ(read_journal(of.path, other, of.plan).records.size(), 1u);
}

TEST(Journal, AnyDamageEndsIt) {
  const Recorded of;
  of.write({0, 1, 2});
  const std::string whole = read_file(of.path);
  const std::size_t first = whole.find('\n') + 1;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    if (at < first) {
      EXPECT_THROW(parse_journal(damaged, of.identity, of.plan, "j"), Error) << at;
      continue;
    }
    const JournalContent content = parse_journal(damaged, of.identity, of.plan, "j");
    EXPECT_LT(content.records.size(), 3u) << at;
    for (const JobRecord& record : content.records) expect_equal(record, of.record(record.job));
  }
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string_view cut = std::string_view(whole).substr(0, size);
    if (size < first) {
      EXPECT_THROW(parse_journal(cut, of.identity, of.plan, "j"), Error) << size;
    } else {
      EXPECT_LE(parse_journal(cut, of.identity, of.plan, "j").valid_bytes, size);
    }
  }
}

TEST(Journal, NumbersThatAreNoCountsEndIt) {
  const Recorded of;
  of.write({0});
  const std::string good = read_file(of.path);
  const auto records_with = [&](const std::string& line) {
    return parse_journal(good + with_hash(line), of.identity, of.plan, "j").records.size();
  };
  const std::string start =
      fmt::format(R"({{"tensor":"{}","inputs":[)", of.plan.jobs[1].output.name);
  EXPECT_EQ(records_with(start + R"([0,0,"x",7]],"non_finite":1})"), 2u);
  for (const char* input : {R"([1e300,0,"x",7])", R"([0,-1,"x",7])", R"([0,0.5,"x",7])",
                            R"([0,0,"x",1e300])", R"([0,0,"x",-7])", R"([true,0,"x",7])"}) {
    EXPECT_EQ(records_with(start + input + "]}"), 1u) << input;
  }
  EXPECT_EQ(records_with(start + R"(],"non_finite":1e300})"), 1u);
  EXPECT_EQ(records_with(start + R"(],"non_finite":-1})"), 1u);
}

TEST(FolderSink, TakesOverOnlyItsOwnFiles) {
  const Recorded of;
  const std::filesystem::path folder = of.bench.path() / "out";
  std::filesystem::create_directory(folder);
  { const FolderSink sink(of.plan, folder); }
  { const FolderSink again(of.plan, folder, true); }
  const std::filesystem::path file = folder / of.plan.shards.files[0].name;
  std::string bytes = read_file(file);
  bytes[20] = '?';
  write_file(file, bytes);
  EXPECT_THAT(complaint([&] { FolderSink sink(of.plan, folder, true); }),
              HasSubstr("another merge"));
  std::filesystem::resize_file(file, 100);
  EXPECT_THAT(complaint([&] { FolderSink sink(of.plan, folder, true); }), HasSubstr("unfinished"));
  std::filesystem::remove(file);
  EXPECT_THROW(FolderSink(of.plan, folder, true), Error);
}

}  // namespace
}  // namespace merganser::test
