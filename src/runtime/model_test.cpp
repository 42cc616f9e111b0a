#include "runtime/model.h"

#include <gmock/gmock.h>

#include "runtime/testing.h"

namespace merganser::rt {
namespace {

using testing::draw;
using testing::error_of;
using ::testing::HasSubstr;
using testing::ids_of;
using testing::tiny_config;
using testing::tiny_types;

bool decodes(const std::string& type) {
  return draw(tiny_config(type))->kind() == ModelKind::decoder;
}

TEST(Model, ReadsWhatItWasDrawnWith) {
  const Batch batch{.ids = ids_of({5, 6, 7, 22, 8})};
  for (const std::string& type : tiny_types()) {
    SCOPED_TRACE(type);
    const Json config = tiny_config(type);
    const auto drawn = draw(config);
    const auto again = testing::read(config, drawn->tensors());
    EXPECT_TRUE(again->logits(batch).equal(drawn->logits(batch)));
    EXPECT_FALSE(draw(config, 8)->logits(batch).allclose(drawn->logits(batch)));
    EXPECT_EQ(again->vocabulary(), 23);
    EXPECT_EQ(again->longest(), type == "roberta" ? 18 : 20);
  }
}

TEST(Model, PaddingChangesNothing) {
  const at::Tensor alone = ids_of({5, 6, 7});
  const at::Tensor mask = at::tensor({1, 1, 1, 0, 0}).to(at::kBool).unsqueeze(0);
  for (const std::string& type : tiny_types()) {
    SCOPED_TRACE(type);
    const auto model = draw(tiny_config(type));
    const Batch padded{.ids = ids_of({5, 6, 7, 9, 9}), .mask = mask};
    const at::Tensor expected = model->hidden({.ids = alone});
    EXPECT_TRUE(model->hidden(padded).narrow(1, 0, 3).allclose(expected, 1e-5, 1e-6));
    if (model->kind() == ModelKind::encoder) {
      EXPECT_TRUE(model->logits(padded).allclose(model->logits({.ids = alone}), 1e-5, 1e-6));
    }
  }
}

TEST(Model, CacheAndNoCacheAgree) {
  const at::Tensor ids = ids_of({5, 6, 7, 22, 8, 0, 3, 14, 9});
  for (const std::string& type : tiny_types()) {
    if (!decodes(type)) continue;
    SCOPED_TRACE(type);
    const auto model = draw(tiny_config(type));
    const at::Tensor whole = model->hidden({.ids = ids});
    for (const auto& steps : std::vector<std::vector<std::int64_t>>{
             {1, 1, 1, 1, 1, 1, 1, 1, 1}, {5, 1, 1, 1, 1}, {3, 6}, {2, 3, 4}}) {
      KvCache cache;
      std::vector<at::Tensor> parts;
      for (const std::int64_t step : steps) {
        parts.push_back(model->extend(ids.narrow(1, cache.length(), step), cache));
      }
      EXPECT_LT((at::cat(parts, 1) - whole).abs().max().item<double>(), 1e-5);
      EXPECT_EQ(cache.length(), 9);
    }
  }
}

TEST(Model, AWindowHidesWhatIsBeforeIt) {
  Json config = tiny_config("mistral");
  config["num_hidden_layers"] = 1;
  const auto model = draw(config);
  const at::Tensor a = model->hidden({.ids = ids_of({1, 2, 3, 4, 5})});
  const at::Tensor b = model->hidden({.ids = ids_of({9, 9, 3, 4, 5})});
  EXPECT_TRUE(a.select(1, 4).allclose(b.select(1, 4), 1e-5, 1e-6));
  EXPECT_FALSE(a.select(1, 3).allclose(b.select(1, 3), 1e-3, 1e-3));
}

TEST(Model, EncodersDoNotExtend) {
  KvCache cache;
  const auto model = draw(tiny_config("bert"));
  EXPECT_EQ(error_of([&] { model->extend(ids_of({1}), cache); }).kind(), ErrorKind::usage);
}

TEST(Model, MissingWeightsAreNamed) {
  for (const std::string& type : tiny_types()) {
    SCOPED_TRACE(type);
    const Json config = tiny_config(type);
    const auto tensors = draw(config)->tensors();
    for (const auto& [name, tensor] : tensors) {
      auto fewer = tensors;
      fewer.erase(name);
      const Error error = error_of([&] { testing::read(config, fewer); });
      EXPECT_EQ(error.kind(), ErrorKind::not_found);
      EXPECT_THAT(error.what(), HasSubstr(name));
    }
  }
}

TEST(Model, ExtraWeightsAreRefused) {
  for (const std::string& type : tiny_types()) {
    SCOPED_TRACE(type);
    const Json config = tiny_config(type);
    auto tensors = draw(config)->tensors();
    tensors["model.layers.7.mlp.up_proj.weight"] = at::zeros({20, 12});
    const Error error = error_of([&] { testing::read(config, tensors); });
    EXPECT_EQ(error.kind(), ErrorKind::mismatch);
    EXPECT_THAT(error.what(), HasSubstr("model.layers.7.mlp.up_proj.weight"));
  }
}

TEST(Model, OtherShapesAndTypesAreRefused) {
  for (const std::string& type : tiny_types()) {
    SCOPED_TRACE(type);
    const Json config = tiny_config(type);
    const auto tensors = draw(config)->tensors();
    for (const auto& [name, tensor] : tensors) {
      auto other = tensors;
      other[name] = at::cat({tensor, tensor});
      Error error = error_of([&] { testing::read(config, other); });
      // The head's classes are the rows of its weight: then the bias does not fit.
      EXPECT_EQ(error.kind(), ErrorKind::mismatch) << name;
      if (!name.ends_with("classifier.weight") && !name.ends_with("out_proj.weight")) {
        EXPECT_THAT(error.what(), HasSubstr(name));
      }
      other[name] = tensor.to(at::kLong);
      error = error_of([&] { testing::read(config, other); });
      EXPECT_EQ(error.kind(), ErrorKind::unsupported) << name;
      EXPECT_THAT(error.what(), HasSubstr(name));
    }
  }
}

// Values that no config of this checkpoint can have: each is an Error, of nothing larger than the
// checkpoint is anything made.
TEST(Model, HostileConfigsAreRefused) {
  const std::vector<Json> sizes = {
      0, -1, -5, 1.5, 1 << 30, "big", {1}, 1LL << 31, 9223372036854775807LL, 1e300};
  for (const std::string& type : tiny_types()) {
    const Json config = tiny_config(type);
    const auto tensors = draw(config)->tensors();
    for (const auto& [key, value] : config.items()) {
      if (!value.is_number_integer() || key.ends_with("window") || key == "max_window_layers") {
        continue;
      }
      for (const Json& size : sizes) {
        // The limit of rotary positions allocates nothing.
        if (key == "max_position_embeddings" && tensors.contains("model.norm.weight")) continue;
        SCOPED_TRACE(type + " " + key + " " + size.dump());
        Json hostile = config;
        hostile[key] = size;
        error_of([&] { testing::read(hostile, tensors); });
      }
    }
  }
}

TEST(Model, OddValuesAreNamed) {
  const auto refused = [](const std::string& type, const std::string& key, const Json& value) {
    SCOPED_TRACE(type + " " + key);
    Json config = tiny_config(type);
    const auto tensors = draw(config)->tensors();
    config[key] = value;
    return error_of([&] { testing::read(config, tensors); });
  };
  EXPECT_THAT(refused("llama", "hidden_act", "sine").what(), HasSubstr("'sine'"));
  EXPECT_THAT(refused("llama", "num_key_value_heads", 4).what(), HasSubstr("6 attention heads"));
  EXPECT_THAT(refused("llama", "head_dim", 3).what(), HasSubstr("not 3"));
  EXPECT_THAT(refused("llama", "rope_scaling", {{"rope_type", "yarn"}, {"factor", 2}}).what(),
              HasSubstr("'yarn'"));
  EXPECT_THAT(refused("llama", "rope_parameters", {{"partial_rotary_factor", 0.5}}).what(),
              HasSubstr("a part of each head"));
  EXPECT_THAT(refused("qwen2", "layer_types", {"full_attention"}).what(), HasSubstr("1 entries"));
  EXPECT_THAT(refused("qwen2", "layer_types", {"full_attention", "linear_attention"}).what(),
              HasSubstr("'linear_attention'"));
  EXPECT_THAT(refused("gpt2", "n_head", 5).what(), HasSubstr("5 heads"));
  EXPECT_THAT(refused("gpt2", "add_cross_attention", true).what(), HasSubstr("cross attention"));
  EXPECT_THAT(refused("bert", "is_decoder", true).what(), HasSubstr("decoders"));
  EXPECT_THAT(refused("bert", "position_embedding_type", "relative_key").what(),
              HasSubstr("'relative_key'"));
  EXPECT_THAT(refused("bert", "id2label", {{"0", "a"}, {"1", "b"}, {"2", "c"}}).what(),
              HasSubstr("classifier.weight"));
  EXPECT_THAT(refused("roberta", "pad_token_id", 19).what(), HasSubstr("'pad_token_id' 19"));
}

TEST(Model, UnknownFamiliesAreRefused) {
  const auto tensors = draw(tiny_config("llama"))->tensors();
  Json config = tiny_config("llama");
  config["model_type"] = "mamba";
  Error error = error_of([&] { testing::read(config, tensors); });
  EXPECT_EQ(error.kind(), ErrorKind::unsupported);
  EXPECT_THAT(error.what(), HasSubstr("'mamba'"));
  config.erase("model_type");
  error = error_of([&] { testing::read(config, tensors); });
  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_EQ(error_of([&] { testing::read(Json::array(), tensors); }).kind(), ErrorKind::corrupt);
}

TEST(Model, ABareModelHasNoHead) {
  for (const std::string type : {"llama", "bert", "roberta"}) {
    SCOPED_TRACE(type);
    Json config = tiny_config(type);
    auto tensors = draw(config)->tensors();
    const Batch batch{.ids = ids_of({5, 6, 7})};
    const at::Tensor expected = draw(config)->hidden(batch);
    config["architectures"] = {"Model"};
    testing::Tensors bare;
    for (const auto& [name, tensor] : tensors) {
      if (name.starts_with("lm_head") || name.starts_with("classifier")) continue;
      const std::string prefix = type == "llama" ? "model." : type + ".";
      bare[name.starts_with(prefix) ? name.substr(prefix.size()) : name] = tensor;
    }
    const auto model = testing::read(config, bare);
    EXPECT_FALSE(model->has_head());
    EXPECT_TRUE(model->hidden(batch).equal(expected));
    EXPECT_EQ(error_of([&] { model->logits(batch); }).kind(), ErrorKind::usage);
    for (const auto& [name, tensor] : model->tensors()) EXPECT_TRUE(bare.contains(name));
  }
}

TEST(Model, WritingIntoItsTensorsChangesIt) {
  for (const std::string& type : tiny_types()) {
    SCOPED_TRACE(type);
    const auto model = draw(tiny_config(type)), other = draw(tiny_config(type), 8);
    for (const auto& [name, tensor] : model->tensors()) {
      at::Tensor live = tensor;
      live.copy_(other->tensors().at(name));
    }
    const Batch batch{.ids = ids_of({5, 6, 7})};
    EXPECT_TRUE(model->logits(batch).equal(other->logits(batch)));
  }
}

TEST(Model, GradientsReachEveryTensor) {
  for (const std::string& type : tiny_types()) {
    SCOPED_TRACE(type);
    const auto model = draw(tiny_config(type));
    for (const auto& [name, tensor] : model->tensors()) at::Tensor(tensor).requires_grad_(true);
    const at::Tensor logits = model->logits({.ids = ids_of({5, 6, 7, 8, 1, 2})});
    (logits * at::rand_like(logits)).sum().backward();
    for (const auto& [name, tensor] : model->tensors()) {
      EXPECT_TRUE(tensor.grad().defined()) << name;
    }
  }
}

}  // namespace
}  // namespace merganser::rt
