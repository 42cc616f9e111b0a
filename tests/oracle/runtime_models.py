"""Tiny random models of every family that the runtime has, as transformers builds them."""

from typing import NamedTuple


class Case(NamedTuple):
    family: str  # the prefix of transformers' classes
    config: dict
    head: str = "ForCausalLM"
    lengths: tuple = (9, 4, 1)  # tokens of each row


_LLAMA = {
    "vocab_size": 97,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
_LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
    "rope_theta": 500.0,
}
_GPT2 = {"vocab_size": 89, "n_embd": 40, "n_layer": 3, "n_head": 5, "n_positions": 48}
_BERT = {
    "vocab_size": 83,
    "hidden_size": 36,
    "intermediate_size": 68,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "max_position_embeddings": 40,
}
_DISTIL = {
    "vocab_size": 83,
    "dim": 36,
    "hidden_dim": 68,
    "n_layers": 2,
    "n_heads": 3,
    "max_position_embeddings": 40,
}
_ODD = {"vocab_size": 31, "hidden_size": 30, "intermediate_size": 17, "num_hidden_layers": 1}


def _llama(**changes):
    return {**_LLAMA, **changes}


CASES = {
    "llama": Case("Llama", _llama()),
    "llama, tied": Case("Llama", _llama(tie_word_embeddings=True)),
    "llama, biases": Case("Llama", _llama(attention_bias=True, mlp_bias=True)),
    "llama, no groups": Case("Llama", _llama(num_key_value_heads=6)),
    "llama, one key head": Case("Llama", _llama(num_key_value_heads=1)),
    "llama, odd sizes": Case(
        "Llama", {**_ODD, "num_attention_heads": 5, "num_key_value_heads": 5, "rms_norm_eps": 1e-3}
    ),
    "llama, heads wider than the model": Case("Llama", _llama(head_dim=20, rope_theta=77.0)),
    "llama 3": Case("Llama", _llama(rope_parameters=_LLAMA3), lengths=(40, 23)),
    "llama, linear": Case(
        "Llama",
        _llama(rope_parameters={"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}),
    ),
    "llama, gelu": Case("Llama", _llama(hidden_act="gelu_pytorch_tanh")),
    "llama, bare": Case("Llama", _llama(), head="Model"),
    "llama, classifier": Case(
        "Llama", _llama(num_labels=3, pad_token_id=0), head="ForSequenceClassification"
    ),
    "mistral, window": Case("Mistral", _llama(sliding_window=5), lengths=(17, 5, 6, 1)),
    "mistral, no window": Case("Mistral", _llama(sliding_window=None)),
    "mistral, classifier": Case(
        "Mistral",
        _llama(num_labels=4, sliding_window=4, pad_token_id=0),
        head="ForSequenceClassification",
    ),
    "qwen2": Case("Qwen2", _llama()),
    "qwen2, tied": Case("Qwen2", _llama(tie_word_embeddings=True)),
    "qwen2, windows": Case(
        "Qwen2",
        _llama(use_sliding_window=True, sliding_window=4, max_window_layers=1),
        lengths=(13, 4, 5),
    ),
    "qwen2, layer types": Case(
        "Qwen2",
        _llama(
            use_sliding_window=True,
            sliding_window=3,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        ),
        lengths=(13, 4, 5),
    ),
    "qwen3": Case("Qwen3", _llama(head_dim=12)),
    "qwen3, biases, tied": Case(
        "Qwen3", _llama(head_dim=8, attention_bias=True, tie_word_embeddings=True)
    ),
    "qwen3, windows": Case(
        "Qwen3",
        _llama(head_dim=8, use_sliding_window=True, sliding_window=4, max_window_layers=2),
        lengths=(13, 4, 5),
    ),
    "gpt2": Case("GPT2", _GPT2, head="LMHeadModel"),
    "gpt2, untied": Case("GPT2", {**_GPT2, "tie_word_embeddings": False}, head="LMHeadModel"),
    "gpt2, scaled by layer": Case(
        "GPT2",
        {**_GPT2, "scale_attn_by_inverse_layer_idx": True, "n_inner": 33},
        head="LMHeadModel",
    ),
    "gpt2, unscaled, relu": Case(
        "GPT2",
        {**_GPT2, "scale_attn_weights": False, "activation_function": "relu"},
        head="LMHeadModel",
    ),
    "gpt2, bare": Case("GPT2", _GPT2, head="Model"),
    "gpt2, classifier": Case(
        "GPT2", {**_GPT2, "num_labels": 5, "pad_token_id": 0}, head="ForSequenceClassification"
    ),
    "bert, bare": Case("Bert", _BERT, head="Model"),
    "bert, classifier": Case("Bert", {**_BERT, "num_labels": 3}, head="ForSequenceClassification"),
    "bert, two classes": Case("Bert", _BERT, head="ForSequenceClassification", lengths=(7, 7)),
    "bert, relu, odd sizes": Case(
        "Bert",
        {
            **_ODD,
            "num_attention_heads": 5,
            "hidden_act": "relu",
            "layer_norm_eps": 1e-3,
            "type_vocab_size": 4,
            "max_position_embeddings": 9,
        },
        head="ForSequenceClassification",
    ),
    "bert, masked language model": Case("Bert", _BERT, head="ForMaskedLM"),
    "bert, pretraining": Case("Bert", _BERT, head="ForPreTraining"),
    "roberta, bare": Case("Roberta", _BERT, head="Model"),
    "roberta, classifier": Case(
        "Roberta", {**_BERT, "num_labels": 3, "type_vocab_size": 1}, head="ForSequenceClassification"
    ),
    "roberta, padding id 5": Case(
        "Roberta", {**_BERT, "pad_token_id": 5}, head="ForSequenceClassification"
    ),
    "roberta, masked language model": Case("Roberta", _BERT, head="ForMaskedLM"),
    "xlm-roberta": Case("XLMRoberta", _BERT, head="ForSequenceClassification"),
    "distilbert, bare": Case("DistilBert", _DISTIL, head="Model"),
    "distilbert, classifier": Case(
        "DistilBert", {**_DISTIL, "num_labels": 4}, head="ForSequenceClassification"
    ),
    "distilbert, masked language model": Case("DistilBert", _DISTIL, head="ForMaskedLM"),
}


def build(case, seed=0):
    """The model, with weights large enough that attention, norms and biases all count."""
    import torch
    import transformers

    torch.manual_seed(seed)
    config = getattr(transformers, f"{case.family}Config")(**case.config)
    model = getattr(transformers, case.family + case.head)(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.normal_(0, 1.2 / weight.shape[-1] ** 0.5)
            elif name.endswith("bias"):
                weight.normal_(0, 0.3)
            else:
                weight.normal_(1, 0.3)
    return model


def tokens(case, seed=1):
    """ids and mask of a batch that is padded on the right."""
    import numpy as np

    random = np.random.default_rng(seed)
    rows, longest = len(case.lengths), max(case.lengths)
    vocabulary = case.config["vocab_size"]
    mask = np.arange(longest)[None, :] < np.array(case.lengths)[:, None]
    # 0, 1 and 5 are padding ids of some models, which those count positions by.
    ids = np.where(mask, random.integers(6, vocabulary, (rows, longest)), 0)
    if case.family in ("Roberta", "XLMRoberta"):
        ids = np.where(mask, ids, case.config.get("pad_token_id", 1))
    return ids.astype(np.int64), mask.astype(np.int64)
