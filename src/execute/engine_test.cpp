#include "execute/engine.h"

#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>
#include <numeric>
#include <random>
#include <set>

#include "execute/folder_sink.h"
#include "method/merger.h"
#include "plan/testing.h"

namespace merganser::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Bytes = std::vector<std::vector<std::byte>>;

std::string random_bytes(DType dtype, std::size_t n, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> draw;
  std::string bytes;
  for (std::size_t i = 0; i < n; ++i) {
    const float x = draw(engine);
    if (dtype == DType::bf16) {  // few mantissa bits: many ties
      std::uint32_t bits;
      std::memcpy(&bits, &x, 4);
      bytes.append(reinterpret_cast<const char*>(&bits) + 2, 2);
    } else if (dtype == DType::f64) {
      const double wide = x;
      bytes.append(reinterpret_cast<const char*>(&wide), 8);
    } else {
      bytes.append(reinterpret_cast<const char*>(&x), 4);
    }
  }
  return bytes;
}

TestTensor filled(std::string name, DType dtype, Shape shape, unsigned seed) {
  const std::size_t n = elements(shape);
  return {std::move(name), dtype, shape, random_bytes(dtype, n, seed)};
}

TestTensor values(std::string name, const std::vector<float>& numbers) {
  return {std::move(name), DType::f32, {numbers.size()}, bytes_of<float>(numbers)};
}

struct Outcome {
  Bytes bytes;
  EngineReport report;
};

Outcome run(const Plan& plan, const Budget& budget, const EngineOptions& options = {}) {
  MemorySink sink(plan);
  Progress progress;
  Outcome outcome;
  outcome.report = run_plan(plan, budget, options, sink, progress);
  const MemorySource source = sink.take("merged");
  for (std::size_t i = 0; i < source.headers().size(); ++i) {
    EXPECT_EQ(source.headers()[i].name, plan.jobs[i].output.name);
    std::vector<std::byte> bytes(source.headers()[i].bytes());
    source.read(i, 0, bytes);
    outcome.bytes.push_back(std::move(bytes));
  }
  return outcome;
}

Outcome run_small(const Plan& plan, const EngineOptions& options = {}) {
  return run(plan, {.threads = 2, .chunk_elements = kBlock, .peak_bytes = 0}, options);
}

std::vector<float> floats(const std::vector<std::byte>& bytes) {
  std::vector<float> numbers(bytes.size() / sizeof(float));
  std::memcpy(numbers.data(), bytes.data(), bytes.size());
  return numbers;
}

std::string hash_of(std::span<const std::byte> bytes, HashKind kind) {
  const auto hasher = Hasher::make(kind);
  hasher->update(bytes);
  return hasher->finish();
}

// Three models of tensors that end in the middle of blocks and chunks.
class Engine : public ::testing::Test {
 protected:
  void SetUp() override {
    unsigned seed = 0;
    for (const char* name : {"model_a", "model_b", "model_c"}) {
      bench.model(name, {filled("bf16.large", DType::bf16, {101, 199}, ++seed),
                         filled("f32.3d", DType::f32, {3, 41, 53}, ++seed),
                         filled("f32.one", DType::f32, {1}, ++seed),
                         filled("f32.scalar", DType::f32, {}, ++seed),
                         filled("f32.empty", DType::f32, {0, 7}, ++seed),
                         filled("f64.some", DType::f64, {4099}, ++seed),
                         {"ids", DType::i64, {5000}},
                         {"no.ids", DType::i64, {0}}});
    }
  }

  Plan plan(const std::string& method, const std::string& parameters) const {
    const bool two = method == "slerp";
    return bench.plan("merge_method: " + method + "\nbase_model: model_a\n" +
                      "models: [{model: model_a}, {model: model_b}" +
                      (two ? "" : ", {model: model_c}") + "]\nparameters: {" + parameters + "}\n");
  }

  Bench bench;
};

class Recipes : public Engine,
                public ::testing::WithParamInterface<std::pair<const char*, const char*>> {};

TEST_P(Recipes, GiveTheSameBytesForAnyThreadsAndChunks) {
  const Plan merged = plan(GetParam().first, GetParam().second);
  const Outcome first = run(merged, {.threads = 1, .chunk_elements = kBlock, .peak_bytes = 0});
  for (const unsigned threads : {1u, 2u, 16u}) {
    for (const std::size_t chunk : {kBlock, 3 * kBlock, std::size_t{1} << 18}) {
      const Outcome other =
          run(merged, {.threads = threads, .chunk_elements = chunk, .peak_bytes = 0});
      EXPECT_TRUE(other.bytes == first.bytes) << threads << " threads, chunks of " << chunk;
      EXPECT_EQ(other.report.output_hashes, first.report.output_hashes);
      EXPECT_EQ(other.report.input_hashes, first.report.input_hashes);
    }
  }
  // Something was merged: neither the base nor nothing.
  std::vector<std::byte> base(first.bytes[0].size());
  merged.models[0].source->read(0, 0, base);
  EXPECT_FALSE(first.bytes[0] == base);
  EXPECT_FALSE(first.bytes[0] == std::vector<std::byte>(base.size()));
}

TEST_P(Recipes, HashInputsAndOutputsOnTheWay) {
  const Plan merged = plan(GetParam().first, GetParam().second);
  for (const HashKind kind : {HashKind::xxh3, HashKind::sha256, HashKind::none}) {
    const Outcome outcome = run_small(merged, {.hash = kind});
    for (std::size_t i = 0; i < merged.jobs.size(); ++i) {
      EXPECT_EQ(outcome.report.output_hashes[i],
                kind == HashKind::none ? "" : hash_of(outcome.bytes[i], kind));
    }
    std::size_t inputs = 0;
    for (const auto& [key, hash] : outcome.report.input_hashes) {
      const Source& source = *merged.models[key.first].source;
      std::vector<std::byte> bytes(source.headers()[key.second].bytes());
      source.read(key.second, 0, bytes);
      EXPECT_EQ(hash, kind == HashKind::none ? "" : hash_of(bytes, kind));
      ++inputs;
    }
    EXPECT_EQ(inputs, merged.jobs.size() * merged.models.size());  // each once
  }
}

INSTANTIATE_TEST_SUITE_P(
    Methods, Recipes,
    ::testing::Values(
        std::pair("linear", "weight: 1"), std::pair("slerp", "t: 0.3"),
        std::pair("slerp", "t: 0.3, scope: model"), std::pair("task_arithmetic", "weight: 0.5"),
        std::pair("ties", "weight: 0.5, density: 0.2"),
        std::pair("ties", "weight: 0.5, density: 0.3, rescale: true, zero_sign: majority"),
        std::pair("ties", "weight: 0.5, density: 0.2, trim_scope: model, zero_sign: majority"),
        std::pair("dare_linear", "weight: 0.5, density: 0.4"),
        std::pair("dare_ties", "weight: 0.5, density: 0.4, rescale_mode: inverse")));

TEST_F(Engine, CopiesBitForBit) {
  const Plan copied = bench.plan(
      "merge_method: linear\nmodels: [{model: model_a, parameters: {weight: 1}}, "
      "{model: model_b, parameters: {weight: 0}}]\n");
  const Outcome outcome = run_small(copied);
  for (std::size_t i = 0; i < copied.jobs.size(); ++i) {
    std::vector<std::byte> bytes(outcome.bytes[i].size());
    copied.models[0].source->read(copied.jobs[i].inputs[0].tensor, 0, bytes);
    EXPECT_TRUE(bytes == outcome.bytes[i]) << copied.jobs[i].output.name;
  }
}

TEST_F(Engine, ASeedChangesOnlyRandomMethods) {
  Plan random = plan("dare_linear", "weight: 0.5, density: 0.4");
  const Bytes first = run_small(random).bytes;
  random.recipe.seed = 1;
  EXPECT_FALSE(run_small(random).bytes == first);
}

TEST_F(Engine, WritesFilesOfTheSameBytes) {
  const Plan merged = plan("ties", "weight: 0.5, density: 0.2");
  const Outcome outcome = run_small(merged);
  const auto folder = bench.path() / "out";
  std::filesystem::create_directories(folder);
  {
    FolderSink sink(merged, folder);
    Progress progress;
    run_plan(merged, {.threads = 3, .chunk_elements = 2 * kBlock, .peak_bytes = 0}, {}, sink,
             progress);
    sink.sync();
  }
  const FileSource written(Checkpoint::open(folder));
  ASSERT_EQ(written.headers().size(), merged.jobs.size());
  for (std::size_t i = 0; i < merged.jobs.size(); ++i) {
    std::vector<std::byte> bytes(written.headers()[i].bytes());
    written.read(i, 0, bytes);
    EXPECT_TRUE(bytes == outcome.bytes[i]) << written.headers()[i].name;
  }
}

// --- stopping

class StopsAt final : public Progress {
 public:
  explicit StopsAt(int reads) : left_(reads) {}
  void advance(std::uint64_t) override {
    if (--left_ == 0) stop();
  }

 private:
  std::atomic<int> left_;
};

TEST_F(Engine, StopsWhenAsked) {
  for (const char* scope : {"tensor", "model"}) {
    const Plan merged =
        plan("ties", std::string("weight: 0.5, density: 0.2, trim_scope: ") + scope);
    for (const unsigned threads : {1u, 2u, 16u}) {
      for (const int reads : {1, 5, 20, 60}) {
        MemorySink sink(merged);
        StopsAt progress(reads);
        const auto error = error_of([&] {
          run_plan(merged, {.threads = threads, .chunk_elements = kBlock, .peak_bytes = 0}, {},
                   sink, progress);
        });
        ASSERT_TRUE(error) << threads << " threads, stopped after " << reads << " reads";
        EXPECT_EQ(error->kind(), ErrorKind::interrupted);
      }
    }
  }
}

class FailingSink final : public Sink {
 public:
  explicit FailingSink(int writes) : left_(writes) {}
  void write(std::size_t, std::uint64_t, std::span<const std::byte>) override {
    if (--left_ <= 0) throw Error(ErrorKind::io, "disk full");
  }

 private:
  std::atomic<int> left_;
};

TEST_F(Engine, PassesOnTheSinksError) {
  const Plan merged = plan("linear", "weight: 1");
  for (const unsigned threads : {1u, 2u, 16u}) {
    for (const int writes : {1, 2, 7, 15}) {
      FailingSink sink(writes);
      Progress progress;
      const auto error = error_of([&] {
        run_plan(merged, {.threads = threads, .chunk_elements = kBlock, .peak_bytes = 0}, {}, sink,
                 progress);
      });
      ASSERT_TRUE(error);
      EXPECT_EQ(error->kind(), ErrorKind::io);
      EXPECT_EQ(error->message(), "disk full");
    }
  }
}

TEST_F(Engine, ReportsAFileThatWasCutShort) {
  const Plan merged = plan("ties", "weight: 0.5, density: 0.2");
  const auto file = bench.path() / "model_b/model.safetensors";
  std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
  for (const unsigned threads : {1u, 2u, 16u}) {
    MemorySink sink(merged);
    Progress progress;
    const auto error = error_of([&] {
      run_plan(merged, {.threads = threads, .chunk_elements = kBlock, .peak_bytes = 0}, {}, sink,
               progress);
    });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind(), ErrorKind::corrupt);
    EXPECT_THAT(error->file(), HasSubstr("model_b"));
  }
}

// --- what numbers may be

class Numbers : public ::testing::Test {
 protected:
  Plan plan(const std::string& rest) const {
    return bench.plan("models: [{model: model_a}, {model: model_b}]\n" + rest);
  }
  Bench bench;
};

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

TEST_F(Numbers, ThatAreNotFiniteFollowThePolicy) {
  std::vector<float> bad(5000, 1);
  bad[3] = kNaN;
  bad[4000] = kInf;
  bench.model("model_a", {values("v", {1, 2}), values("w", std::vector<float>(5000, 1))});
  bench.model("model_b", {values("v", {1, 2}), values("w", bad)});
  const Plan merged = plan("merge_method: linear\nparameters: {weight: 1}\n");
  const auto error = error_of([&] { run_small(merged); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::corrupt);
  EXPECT_EQ(error->tensor(), "w");
  EXPECT_THAT(error->file(), HasSubstr("model_b"));

  const Outcome warned = run_small(merged, {.non_finite = NonFinite::warn});
  EXPECT_THAT(warned.report.input_non_finite,
              ElementsAre(std::pair(std::pair(std::size_t{1}, std::size_t{1}), 2u)));
  EXPECT_THAT(warned.report.output_non_finite, ElementsAre(0, 2));
  const Outcome ignored = run_small(merged, {.non_finite = NonFinite::ignore});
  EXPECT_TRUE(ignored.report.input_non_finite.empty());
  EXPECT_TRUE(ignored.bytes == warned.bytes);
  EXPECT_TRUE(std::isnan(floats(ignored.bytes[1])[3]));
}

TEST_F(Numbers, ThatOverflowTheOutputsType) {
  bench.model("model_a", {values("w", {60000, 1})});
  bench.model("model_b", {values("w", {60000, 1})});
  const std::string sum = "merge_method: linear\nparameters: {weight: 1, normalize: false}\n";
  EXPECT_EQ(run_small(plan(sum)).report.output_non_finite[0], 0u);
  const Plan narrow = plan(sum + "dtype: float16\n");
  const auto error = error_of([&] { run_small(narrow); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->tensor(), "w");
  EXPECT_EQ(error->file(), "output");
  EXPECT_THAT(run_small(narrow, {.non_finite = NonFinite::warn}).report.output_non_finite,
              ElementsAre(1));
}

TEST_F(Numbers, ThatOverflowInAConvertedCopy) {
  bench.model("model_a", {values("w", {1e6f, 1, -1e6f})});
  const Plan copied =
      bench.plan("merge_method: passthrough\nmodels: [{model: model_a}]\ndtype: float16\n");
  ASSERT_EQ(copied.jobs[0].action, PlanJob::Action::copy);
  EXPECT_TRUE(error_of([&] { run_small(copied); }));
  EXPECT_THAT(run_small(copied, {.non_finite = NonFinite::warn}).report.output_non_finite,
              ElementsAre(2));
}

TEST_F(Numbers, OfF64OverflowF32) {
  const TestTensor huge{"w", DType::f64, {2}, bytes_of<double>({1e300, 1})};
  bench.model("model_a", {huge});
  bench.model("model_b", {huge});
  const std::string mean = "merge_method: linear\nparameters: {weight: 1}\n";
  EXPECT_EQ(run_small(plan(mean)).report.output_non_finite[0], 0u);
  EXPECT_TRUE(error_of([&] { run_small(plan(mean + "dtype: float32\n")); }));
}

TEST_F(Numbers, OfWeightZeroAreNotRead) {
  bench.model("model_a", {values("w", {1, 2})});
  bench.model("model_b", {values("w", {kNaN, kInf})});
  bench.model("model_c", {values("w", {3, 4})});
  const Plan merged = bench.plan(
      "merge_method: linear\nmodels: [{model: model_a, parameters: {weight: 1}}, "
      "{model: model_b, parameters: {weight: 0}}, {model: model_c, parameters: {weight: 1}}]\n");
  const auto file = bench.path() / "model_b/model.safetensors";
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 8);  // nothing left to read
  const Outcome outcome = run_small(merged);
  EXPECT_THAT(floats(outcome.bytes[0]), ElementsAre(2, 3));
  EXPECT_EQ(outcome.report.input_hashes.size(), 2u);
  EXPECT_EQ(outcome.report.bytes_read, 16u);
}

TEST_F(Numbers, OfNoModelAreASumOfNothing) {
  bench.model("model_a", {values("w", {1, 2})});
  bench.model("model_b", {values("w", {1, 2})});
  const Outcome outcome =
      run_small(plan("merge_method: linear\nparameters: {weight: 0, normalize: false}\n"));
  EXPECT_THAT(floats(outcome.bytes[0]), ElementsAre(0, 0));
}

TEST_F(Numbers, ThatAreIntegersFollowTheRule) {
  std::vector<std::int64_t> ids(5000, 7);
  bench.model("model_a", {{"ids", DType::i64, {5000}, bytes_of(ids)}});
  bench.model("model_c", {{"ids", DType::i64, {5000}, bytes_of(ids)}});
  ids[4444] = 8;
  bench.model("model_b", {{"ids", DType::i64, {5000}, bytes_of(ids)}});
  const auto planned = [&](const std::string& models, const std::string& rule) {
    return bench.plan("merge_method: linear\nmodels: [" + models + "]\nbase_model: model_b\n" +
                      "parameters: {weight: 1}\nintegers: " + rule + "\n");
  };
  const std::string three = "{model: model_a}, {model: model_b}, {model: model_c}";
  const auto error = error_of([&] { run_small(planned(three, "error")); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::mismatch);
  EXPECT_EQ(error->tensor(), "ids");
  EXPECT_THAT(error->message(), HasSubstr("model_b"));
  const auto last_but_many = [&](const Outcome& outcome) {
    std::int64_t id;
    std::memcpy(&id, outcome.bytes[0].data() + 4444 * 8, 8);
    return id;
  };
  EXPECT_EQ(last_but_many(run_small(planned(three, "first"))), 7);
  EXPECT_EQ(last_but_many(run_small(planned(three, "base"))), 8);
  const Plan equal = bench.plan(
      "merge_method: linear\nmodels: [{model: model_a}, {model: model_c}]\n"
      "parameters: {weight: 1}\n");
  EXPECT_EQ(last_but_many(run_small(equal)), 7);
}

TEST_F(Numbers, ComeOutAsWrittenOut) {
  bench.model("model_a", {values("w", {1, 2, 3, 4})});
  bench.model("model_b", {values("w", {3, 2, -3, 8})});
  EXPECT_THAT(floats(run_small(plan("merge_method: linear\nparameters: {weight: 1}\n")).bytes[0]),
              ElementsAre(2, 2, 0, 6));
  EXPECT_THAT(floats(run_small(plan("merge_method: ties\nbase_model: model_a\n"
                                    "parameters: {weight: 1, density: 0.5}\n"))
                         .bytes[0]),
              ElementsAre(1, 2, -3, 8));
}

// A sink that keeps what the outputs were made of.
class InputsSink final : public Sink {
 public:
  void write(std::size_t, std::uint64_t, std::span<const std::byte>) override {}
  void write_from(std::size_t, std::uint64_t begin, std::span<const std::byte>,
                  std::span<const std::span<const std::byte>> inputs) override {
    std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (i == made_of.size()) made_of.emplace_back();
      made_of[i].resize(std::max<std::size_t>(made_of[i].size(), begin + inputs[i].size()));
      std::ranges::copy(inputs[i], made_of[i].begin() + static_cast<std::ptrdiff_t>(begin));
    }
  }
  Bytes made_of;  // of the one tensor, stored as wide as its output

 private:
  std::mutex mutex_;
};

TEST_F(Numbers, GoToTheSinkWithWhatTheyAreMadeOf) {
  std::vector<float> a(3 * kBlock + 7), b(a.size());
  std::iota(a.begin(), a.end(), 1.0F);
  std::iota(b.begin(), b.end(), 0.5F);
  bench.model("model_a", {values("w", a)});
  bench.model("model_b", {values("w", b)});
  const auto made_of = [](const Plan& plan) {
    InputsSink sink;
    Progress progress;
    run_plan(plan, {.threads = 2, .chunk_elements = kBlock, .peak_bytes = 0}, {}, sink, progress);
    std::vector<std::vector<float>> inputs;
    for (const auto& bytes : sink.made_of) inputs.push_back(floats(bytes));
    return inputs;
  };
  EXPECT_THAT(made_of(plan("merge_method: task_arithmetic\nbase_model: model_a\n"
                           "parameters: {weight: 1}\n")),
              ElementsAre(b, a));
  EXPECT_THAT(made_of(bench.plan("merge_method: passthrough\nmodels: [{model: model_b}]\n")),
              ElementsAre(b));
}

// A sink that knows what was finished.
class RecordingSink final : public Sink {
 public:
  explicit RecordingSink(const Plan& plan) : memory_(plan) {}
  void write(std::size_t job, std::uint64_t begin, std::span<const std::byte> bytes) override {
    memory_.write(job, begin, bytes);
    std::lock_guard lock(mutex_);
    written.insert(job);
  }
  void finish(const JobRecord& record) override {
    std::lock_guard lock(mutex_);
    records.push_back(record);
  }
  std::set<std::size_t> written;
  std::vector<JobRecord> records;

 private:
  MemorySink memory_;
  std::mutex mutex_;
};

// Whatever was done before, the rest is merged, nothing else is written, and the reports add up to
// that of an uninterrupted run.
TEST_F(Numbers, GoOnWhereARunStopped) {
  for (const std::string folder : {"model_a", "model_b", "model_c"}) {
    const unsigned seed = static_cast<unsigned char>(folder.back());
    bench.model(folder, {filled("u", DType::bf16, {70, 50}, seed),
                         filled("v", DType::f32, {3000}, seed + 100),
                         filled("w", DType::f32, {9, 9}, seed + 200)});
  }
  for (const std::string scope : {"tensor", "model"}) {
    const Plan merged = bench.plan(
        "merge_method: ties\nbase_model: model_a\nmodels: [{model: model_b}, {model: model_c}]\n"
        "parameters: {weight: 0.5, density: 0.3, trim_scope: " +
        scope + "}\n");
    const auto run_recording = [&](std::vector<JobRecord> done, RecordingSink& sink) {
      EngineOptions options;
      options.done = std::move(done);
      Progress progress;
      const Budget budget{.threads = 2, .chunk_elements = kBlock, .peak_bytes = 0};
      return run_plan(merged, budget, options, sink, progress);
    };
    RecordingSink whole(merged);
    const EngineReport full = run_recording({}, whole);
    ASSERT_EQ(whole.records.size(), 3u);
    for (unsigned subset = 0; subset < 7; ++subset) {
      std::vector<JobRecord> done;
      for (const JobRecord& record : whole.records) {
        if ((subset >> record.job & 1) != 0) done.push_back(record);
      }
      RecordingSink rest(merged);
      const EngineReport report = run_recording(done, rest);
      EXPECT_EQ(report.output_hashes, full.output_hashes) << scope << subset;
      EXPECT_EQ(report.input_hashes, full.input_hashes) << scope << subset;
      EXPECT_EQ(rest.records.size() + done.size(), 3u);
      for (const JobRecord& record : done) EXPECT_FALSE(rest.written.contains(record.job));
      EXPECT_LE(report.bytes_read, full.bytes_read);
    }
  }
}

}  // namespace
}  // namespace merganser::test
