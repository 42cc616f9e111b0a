// A merge in memory against the same merge as `merganser merge` writes it.
#include "search/candidate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/testing.h"
#include "runtime/weights.h"
#include "source/source.h"

namespace merganser::rt {
namespace {

using test::TestTensor;
using ::testing::HasSubstr;

const char* const kConfig = R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama",
  "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2,
  "num_key_value_heads": 1, "vocab_size": 16, "max_position_embeddings": 32, "rms_norm_eps": 1e-5,
  "tie_word_embeddings": true, "torch_dtype": "float32"})";

TestTensor drawn(const std::string& name, Shape shape, DType dtype, std::mt19937& engine) {
  std::normal_distribution<float> normal;
  std::string bytes;
  for (std::size_t i = 0; i < elements(shape); ++i) {
    const float x = normal(engine);
    const char* data = reinterpret_cast<const char*>(&x);
    bytes.append(dtype == DType::bf16 ? data + 2 : data, dtype == DType::bf16 ? 2 : 4);
  }
  return {name, dtype, std::move(shape), std::move(bytes)};
}

std::vector<TestTensor> llama(unsigned seed, DType dtype) {
  std::mt19937 engine(seed);
  std::vector<TestTensor> tensors;
  const auto add = [&](const std::string& name, Shape shape) {
    tensors.push_back(drawn(name, std::move(shape), dtype, engine));
  };
  add("model.embed_tokens.weight", {16, 8});
  add("model.norm.weight", {8});
  for (int l = 0; l < 2; ++l) {
    const std::string layer = "model.layers." + std::to_string(l) + ".";
    add(layer + "input_layernorm.weight", {8});
    add(layer + "post_attention_layernorm.weight", {8});
    add(layer + "self_attn.q_proj.weight", {8, 8});
    add(layer + "self_attn.k_proj.weight", {4, 8});
    add(layer + "self_attn.v_proj.weight", {4, 8});
    add(layer + "self_attn.o_proj.weight", {8, 8});
    add(layer + "mlp.gate_proj.weight", {12, 8});
    add(layer + "mlp.up_proj.weight", {12, 8});
    add(layer + "mlp.down_proj.weight", {8, 12});
  }
  return tensors;
}

class CandidateTest : public ::testing::Test {
 protected:
  CandidateTest() {
    unsigned seed = 1;
    for (const char* name : {"base", "a", "b", "c"}) write(name, llama(seed++, DType::f32));
  }

  void write(const std::string& name, const std::vector<TestTensor>& tensors) const {
    test::write_safetensors(folder_ / name / "model.safetensors", tensors);
    test::write_file(folder_ / name / "config.json", kConfig);
  }

  Request request(const std::string& recipe) const {
    Request request;
    request.recipe_text = recipe;
    request.recipe_place = (folder_ / "recipe.yml").string();
    request.threads = 2;
    return request;
  }

  // Bit for bit what loading the written output gives.
  void expect_as_written(const Model& model, const std::string& recipe) const {
    Request written = request(recipe);
    written.output = (folder_ / "out").string();
    written.force = true;
    Progress progress;
    merge(written, progress);
    const FileSource source(Checkpoint::open(folder_ / "out"));
    Weights weights(source, model.placement());
    ASSERT_EQ(model.tensors().size(), source.headers().size());
    for (const TensorInfo& info : source.headers()) {
      const std::vector<std::int64_t> shape(info.shape.begin(), info.shape.end());
      EXPECT_TRUE(weights.tensor(info.name, shape, {}).equal(model.tensors().at(info.name)))
          << info.name;
    }
  }

  static std::string recipe(const std::string& method, const std::string& parameters,
                            const std::string& more = "") {
    return "merge_method: " + method +
           "\nbase_model: base\nmodels:\n  - {model: a, parameters: {weight: 0.6}}\n"
           "  - {model: b, parameters: {weight: 0.4}}\n  - {model: c, parameters: {weight: 0.3}}\n"
           "parameters: {" +
           parameters + "}\n" + more;
  }

  test::TemporaryFolder folder_;
  Progress progress_;
};

TEST_F(CandidateTest, EqualsTheWrittenMergeBitForBit) {
  const std::vector<std::string> recipes = {
      recipe("task_arithmetic", "lambda: 0.7"),
      recipe("ties", "density: 0.5"),
      recipe("ties", "density: 0.3, trim_scope: model"),
      recipe("dare_ties", "density: 0.5", "seed: 5\n"),
      recipe("della", "density: 0.5"),
      recipe("breadcrumbs", "density: 0.8"),
      recipe("linear", "weight: 1"),
      recipe("task_arithmetic", "lambda: 0.7", "lines: {alpha: 0.2, beta: 0.8}\n"),
      recipe("task_arithmetic", "lambda: [0.1, 0.9]", "out_dtype: bfloat16\n"),
      "merge_method: sce\nbase_model: base\nmodels: [{model: a}, {model: b}]\n"
      "parameters: {select_topk: 0.4}\n",
      "merge_method: isotropic\nbase_model: base\nmodels: [{model: a}, {model: b}]\n",
      "merge_method: tsv\nbase_model: base\nmodels: [{model: a}, {model: b}]\n",
      "merge_method: slerp\nbase_model: a\nmodels: [{model: a}, {model: b}]\nparameters: {t: "
      "0.3}\n",
      "merge_method: model_stock\nbase_model: base\nmodels: [{model: a}, {model: b}]\n",
      "name: first\nmerge_method: ties\nbase_model: base\nmodels: [{model: a}, {model: b}]\n"
      "parameters: {weight: 1, density: 0.4}\n---\nmerge_method: slerp\nbase_model: first\n"
      "models: [{model: first}, {model: c}]\nparameters: {t: [0, 1]}\n",
  };
  Candidate candidate({}, 2);  // the same for all: each begins with what the last one left
  for (const std::string& text : recipes) {
    SCOPED_TRACE(text);
    expect_as_written(candidate.merge(request(text), progress_), text);
  }
}

TEST_F(CandidateTest, OnlyWhatChangedIsMergedAgain) {
  const auto text = [](const std::string& value) {
    return recipe("ties",
                  "density: 0.5, lambda: [{filter: mlp, value: " + value + "}, {value: 1}]");
  };
  Candidate candidate({}, 2);
  candidate.merge(request(text("0.5")), progress_);
  EXPECT_EQ(candidate.work().merged, 20U);
  const Model& model = candidate.merge(request(text("0.8")), progress_);
  EXPECT_EQ(candidate.work().merged, 6U);
  EXPECT_EQ(candidate.work().kept, 14U);
  expect_as_written(model, text("0.8"));
  candidate.merge(request(text("0.8")), progress_);
  EXPECT_EQ(candidate.work().merged, 0U);
}

TEST_F(CandidateTest, AModelOfAnotherShapeIsBuiltAnew) {
  const std::string stacked =
      "merge_method: passthrough\nslices:\n  - sources: [{model: a, layer_range: [0, 2]}]\n"
      "  - sources: [{model: b, layer_range: [1, 2]}]\n";
  Candidate candidate({}, 2);
  candidate.merge(request(recipe("linear", "weight: 1")), progress_);
  const Model& model = candidate.merge(request(stacked), progress_);
  EXPECT_EQ(model.tensors().size(), 29U);
  expect_as_written(model, stacked);
}

TEST_F(CandidateTest, NarrowOutputsAreRoundedAsFilesAre) {
  for (const char* name : {"base", "a", "b", "c"}) write(name, llama(name[0], DType::bf16));
  const std::string text = recipe("task_arithmetic", "lambda: 0.7");
  Candidate wide({}, 2);  // computes in f32
  const Model& model = wide.merge(request(text), progress_);
  EXPECT_EQ(model.tensors().begin()->second.scalar_type(), at::kFloat);
  expect_as_written(model, text);
  Candidate narrow({at::kCPU, at::kBFloat16}, 2);
  expect_as_written(narrow.merge(request(text), progress_), text);
}

TEST_F(CandidateTest, TensorsThatTheModelDoesNotUseAreNotMerged) {
  for (const char* name : {"base", "a", "b", "c"}) {
    std::vector<TestTensor> own = llama(static_cast<unsigned>(name[0]), DType::f32);
    own.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq",
                   DType::f32,
                   {2},
                   test::bytes_of<float>({1, static_cast<float>(name[0])})});
    write(name, own);
  }
  Candidate candidate({}, 2);
  candidate.merge(request(recipe("linear", "weight: 1")), progress_);
  EXPECT_EQ(candidate.work().unused, 1U);
  EXPECT_EQ(candidate.work().merged, 20U);
}

TEST_F(CandidateTest, AfterAnInterruptionEverythingIsMerged) {
  Candidate candidate({}, 2);
  candidate.merge(request(recipe("ties", "density: 0.5")), progress_);
  Progress stopped;
  stopped.stop();
  EXPECT_THROW(candidate.merge(request(recipe("ties", "density: 0.6")), stopped), Error);
  const Model& model = candidate.merge(request(recipe("ties", "density: 0.5")), progress_);
  EXPECT_EQ(candidate.work().merged, 20U);
  expect_as_written(model, recipe("ties", "density: 0.5"));
}

TEST_F(CandidateTest, NeedsAConfig) {
  for (const char* name : {"a", "b"}) std::filesystem::remove(folder_ / name / "config.json");
  Candidate candidate({}, 2);
  const std::string said = test::complaint([&] {
    candidate.merge(request("merge_method: linear\nmodels: [{model: a}, {model: b}]\n"
                            "parameters: {weight: 1}\n"),
                    progress_);
  });
  EXPECT_THAT(said, HasSubstr("config.json"));
}

}  // namespace
}  // namespace merganser::rt
