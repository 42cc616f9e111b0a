"""Tiny models of many architectures, with fine-tunes, for SMILE."""

import copy

from support.checkpoint import read_checkpoint

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 64}
LLM = {**SMALL, "intermediate_size": 48, "num_key_value_heads": 2, "max_position_embeddings": 64}
BERT = {**SMALL, "intermediate_size": 48, "max_position_embeddings": 32, "num_labels": 3}
TOWER = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "projection_dim": 24,
}
TEXT = {**TOWER, "vocab_size": 64, "max_position_embeddings": 16, "eos_token_id": 63}
VISION = {**TOWER, "image_size": 8, "patch_size": 4}
T5 = {
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 48,
    "num_layers": 2,
    "num_heads": 4,
    "vocab_size": 64,
    "feed_forward_proj": "gated-gelu",
    "decoder_start_token_id": 0,
    "tie_word_embeddings": False,
}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 64, "n_positions": 64}

# name: class, configuration class, its settings, Auto class.
KINDS = {
    "llama": ("LlamaForCausalLM", "LlamaConfig", LLM, "AutoModelForCausalLM"),
    "mistral": ("MistralForCausalLM", "MistralConfig", LLM, "AutoModelForCausalLM"),
    "qwen2": ("Qwen2ForCausalLM", "Qwen2Config", LLM, "AutoModelForCausalLM"),
    "qwen3": ("Qwen3ForCausalLM", "Qwen3Config", {**LLM, "head_dim": 8}, "AutoModelForCausalLM"),
    "gemma2": (
        "Gemma2ForCausalLM",
        "Gemma2Config",
        {**LLM, "head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 4},
        "AutoModelForCausalLM",
    ),
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", GPT2, "AutoModelForCausalLM"),
    "clip": (
        "CLIPModel",
        "CLIPConfig",
        {"text_config": TEXT, "vision_config": VISION, "projection_dim": 24},
        "AutoModel",
    ),
    "clip vision": ("CLIPVisionModel", "CLIPVisionConfig", VISION, "AutoModel"),
    "clip vision projection": (
        "CLIPVisionModelWithProjection",
        "CLIPVisionConfig",
        VISION,
        "AutoModel",
    ),
    "clip text": ("CLIPTextModel", "CLIPTextConfig", TEXT, "AutoModel"),
    "vit": (
        "ViTForImageClassification",
        "ViTConfig",
        {**VISION, "num_labels": 3},
        "AutoModelForImageClassification",
    ),
    "vit backbone": ("ViTModel", "ViTConfig", VISION, "AutoModel"),
    "flan-t5": ("T5ForConditionalGeneration", "T5Config", T5, "AutoModelForSeq2SeqLM"),
    "t5 encoder": ("T5EncoderModel", "T5Config", T5, "AutoModel"),
    "bert": ("BertModel", "BertConfig", BERT, "AutoModel"),
    "bert classifier": (
        "BertForSequenceClassification",
        "BertConfig",
        BERT,
        "AutoModelForSequenceClassification",
    ),
    "bert masked": ("BertForMaskedLM", "BertConfig", BERT, "AutoModelForMaskedLM"),
    # In its checkpoints each expert of the base has tensors of its own, in the model all are one.
    "mixtral": (
        "MixtralForCausalLM",
        "MixtralConfig",
        {**LLM, "num_local_experts": 4, "sliding_window": None},
        "AutoModelForCausalLM",
    ),
    "llava": (
        "LlavaForConditionalGeneration",
        "LlavaConfig",
        {
            "text_config": {**LLM, "model_type": "llama", "tie_word_embeddings": False},
            "vision_config": {**VISION, "model_type": "clip_vision_model"},
            "image_token_index": 63,
            "vision_feature_layer": -1,
        },
        "AutoModelForImageTextToText",
    ),
    "llama classifier": (
        "LlamaForSequenceClassification",
        "LlamaConfig",
        {**LLM, "pad_token_id": 0, "num_labels": 3},
        "AutoModelForSequenceClassification",
    ),
}
LANGUAGE = ["llama", "mistral", "qwen2", "qwen3", "gemma2", "gpt2"]


def disturb(model, seed, scale):
    """Adds noise to every parameter, biases and norms too; not to lengths and counts."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim():
                parameter += scale * torch.randn(parameter.shape, generator=generator)
    return model


def make(kind, seed=0, **settings):
    import torch
    import transformers

    name, config, values, _ = KINDS[kind]
    torch.manual_seed(seed)
    config = getattr(transformers, config)(**{**values, **settings})
    # Larger than fresh weights, so that experts differ by more than rounding.
    return disturb(getattr(transformers, name)(config).eval(), seed, 0.1)


def family(kind, folder, tunes=3, scale=0.1, dtype=None, **settings):
    """A base and its fine-tunes: [(model, folder)], the base first."""
    base = make(kind, **settings)
    models = [base, *(disturb(copy.deepcopy(base), 100 + i, scale) for i in range(tunes))]
    found = []
    for i, model in enumerate(models):
        if dtype is not None:
            model = model.to(dtype)
        path = folder / ("base" if i == 0 else f"tune{i - 1}")
        model.save_pretrained(path)
        found.append((model, path))
    return found


def tensors(members):
    base, *tunes = (read_checkpoint(path) for _, path in members)
    return base, tunes


def inputs(kind, seed=0):
    """A batch of two for the model, in f32."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, 60, (2, 9), generator=generator)
    pixels = torch.randn(2, 3, 8, 8, generator=generator)
    if kind in ("clip", "clip text"):
        ids[:, -1] = 63  # where the text tower reads
    if kind == "clip":
        return {"input_ids": ids, "pixel_values": pixels}
    if kind.startswith(("clip vision", "vit")):
        return {"pixel_values": pixels}
    if kind == "llava":
        ids[:, 1:5] = 63  # four patches
        return {"input_ids": ids, "pixel_values": pixels}
    if kind == "flan-t5":
        return {"input_ids": ids, "decoder_input_ids": ids[:, :5]}
    return {"input_ids": ids}


def output(model, batch):
    """All that the model says, as one vector in f64."""
    import torch

    if getattr(model.config, "num_local_experts", None):
        model.set_experts_implementation("eager")  # the grouped ones cannot compute in f64
    batch = {k: v.to(model.dtype) if v.is_floating_point() else v for k, v in batch.items()}
    with torch.no_grad():
        said = model(**batch)
    keys = ("logits", "logits_per_image", "last_hidden_state", "pooler_output", "image_embeds")
    parts = [said[key].flatten().double() for key in keys if said.get(key) is not None]
    assert parts
    return torch.cat(parts).numpy()
