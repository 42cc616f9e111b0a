"""Models that run here put out what transformers puts out."""

import json

import numpy as np
import pytest

from oracle.runtime_models import CASES, build, tokens
from support import program
from support.runtime import need_runtime

transformers = pytest.importorskip("transformers", reason="no transformers: tests/setup_venv.sh")
torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.numpy")

TOLERANCE = 1e-4


@pytest.fixture(autouse=True)
def runtime(merganser):
    need_runtime(merganser)


def ours(model, folder, what, *flags, **arrays):
    """The tensor that `merganser logits` writes: "logits" or "hidden"."""
    given, made = folder / "inputs.safetensors", folder / f"{what}.safetensors"
    safetensors.save_file(arrays, given)
    if what == "hidden":
        flags = (*flags, "--hidden")
    program.succeed("logits", model, "--input", given, "-o", made, "--force", "--quiet", *flags)
    (name, values), *others = safetensors.load_file(made).items()
    assert name == what and not others and values.dtype == np.float32
    return values


def forward(model, ids, mask, types=None):
    inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
    if types is not None:
        inputs["token_type_ids"] = torch.from_numpy(types)
    with torch.no_grad():
        return model(**inputs)


def agree(ours, theirs, mask):
    theirs = theirs.numpy()
    assert ours.shape == theirs.shape
    if ours.ndim == 3:
        there = mask.astype(bool)
        assert not ours[~there].any(), "padding is 0"
        ours, theirs = ours[there], theirs[there]
    assert np.abs(theirs).max() > 0.1, "nothing to compare"
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", CASES)
def test_logits_and_hidden_states(name, tmp_path):
    case = CASES[name]
    model = build(case)
    model.save_pretrained(tmp_path / "model")
    ids, mask = tokens(case)
    whole = ids[:1, : case.lengths[0]]  # without a mask
    hidden = forward(model.base_model, ids, mask).last_hidden_state
    agree(ours(tmp_path / "model", tmp_path, "hidden", ids=ids, mask=mask), hidden, mask)
    if case.head in ("ForCausalLM", "LMHeadModel", "ForSequenceClassification"):
        logits = forward(model, ids, mask).logits
        agree(ours(tmp_path / "model", tmp_path, "logits", ids=ids, mask=mask), logits, mask)
        ones = np.ones_like(whole)
        logits = forward(model, whole, ones).logits
        agree(ours(tmp_path / "model", tmp_path, "logits", ids=whole), logits, ones)


@pytest.mark.parametrize("name", ["bert, bare", "bert, relu, odd sizes", "roberta, bare"])
def test_token_types(name, tmp_path):
    case = CASES[name]
    model = build(case)
    model.save_pretrained(tmp_path / "model")
    ids, mask = tokens(case)
    types = np.random.default_rng(2).integers(0, model.config.type_vocab_size, ids.shape)
    hidden = forward(model.base_model, ids, mask, types).last_hidden_state
    made = ours(tmp_path / "model", tmp_path, "hidden", ids=ids, mask=mask, types=types)
    agree(made, hidden, mask)
    without = ours(tmp_path / "model", tmp_path, "hidden", ids=ids, mask=mask)
    assert np.abs(made - without).max() > 0.01


def test_batches_do_not_matter(tmp_path):
    case = CASES["bert, classifier"]
    build(case).save_pretrained(tmp_path / "model")
    ids, mask = tokens(case)
    many = ours(tmp_path / "model", tmp_path, "logits", ids=ids, mask=mask)
    one = ours(tmp_path / "model", tmp_path, "logits", "--batch", "1", ids=ids, mask=mask)
    np.testing.assert_allclose(one, many, rtol=0, atol=1e-5)


def old_form(config):
    """config.json as transformers 4 wrote it."""
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    kind = rope.pop("rope_type")
    if kind != "default":
        config["rope_scaling"] = {"type": kind, **rope}
    return config


@pytest.mark.parametrize("name", ["llama", "llama 3", "llama, linear"])
def test_rotary_positions_in_the_form_of_transformers_4(name, tmp_path):
    case = CASES[name]
    model = build(case)
    model.save_pretrained(tmp_path / "model")
    path = tmp_path / "model/config.json"
    path.write_text(json.dumps(old_form(json.loads(path.read_text()))))
    ids, mask = tokens(case)
    logits = forward(model, ids, mask).logits
    agree(ours(tmp_path / "model", tmp_path, "logits", ids=ids, mask=mask), logits, mask)


def test_a_config_without_a_window_has_mistrals_own(tmp_path):
    case = CASES["mistral, no window"]
    model = build(case)
    model.save_pretrained(tmp_path / "model")
    path = tmp_path / "model/config.json"
    config = json.loads(path.read_text())
    config.pop("sliding_window", None)
    path.write_text(json.dumps(config))
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert again.config.sliding_window == 4096
    ids, mask = tokens(case)
    logits = forward(again, ids, mask).logits
    agree(ours(tmp_path / "model", tmp_path, "logits", ids=ids, mask=mask), logits, mask)


def test_old_gpt2_checkpoints_have_masks_and_no_prefix(tmp_path):
    case = CASES["gpt2"]
    model = build(case)
    model.save_pretrained(tmp_path / "model")
    path = tmp_path / "model/model.safetensors"
    tensors = {n.removeprefix("transformer."): t for n, t in safetensors.load_file(path).items()}
    for layer in range(case.config["n_layer"]):
        tensors[f"h.{layer}.attn.bias"] = np.tril(np.ones((1, 1, 48, 48), np.float32))
        tensors[f"h.{layer}.attn.masked_bias"] = np.full((), -1e4, np.float32)
    safetensors.save_file(tensors, path)
    ids, mask = tokens(case)
    logits = forward(model, ids, mask).logits
    agree(ours(tmp_path / "model", tmp_path, "logits", ids=ids, mask=mask), logits, mask)


def test_the_real_minilm(minilm, tmp_path):
    model = transformers.AutoModel.from_pretrained(minilm).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm)
    texts = [
        "a gripping movie, played with performances that are all understated and touching.",
        "dull.",
        "It is not a bad film; it is, however, far longer than it has any right to be " * 3,
    ]
    batch = tokenizer(texts, padding=True, return_tensors="np")
    ids, mask = batch["input_ids"].astype(np.int64), batch["attention_mask"].astype(np.int64)
    hidden = forward(model, ids, mask).last_hidden_state
    agree(ours(minilm, tmp_path, "hidden", ids=ids, mask=mask), hidden, mask)


@pytest.mark.parametrize("which", ["base", "shakespeare", "inaugural"])
def test_the_real_stories(stories, which, tmp_path):
    model = transformers.AutoModelForCausalLM.from_pretrained(stories / which).eval()
    ids = np.random.default_rng(0).integers(0, 512, (2, 128))
    logits = forward(model, ids, np.ones_like(ids)).logits
    agree(ours(stories / which, tmp_path, "logits", ids=ids), logits, np.ones_like(ids))


GENERATING = [
    "llama",
    "llama, tied",
    "llama 3",
    "mistral, window",
    "qwen2",
    "qwen2, windows",
    "qwen2, layer types",
    "qwen3",
    "gpt2",
    "gpt2, scaled by layer",
]


def theirs_generated(model, ids, count, **options):
    with torch.no_grad():
        out = model.generate(
            torch.from_numpy(ids),
            attention_mask=torch.ones(ids.shape, dtype=torch.long),
            max_new_tokens=count,
            do_sample=False,
            pad_token_id=0,
            **options,
        )
    return out[0, ids.shape[1] :].tolist()


def generated(model, ids, count, *flags):
    prompt = ",".join(map(str, ids[0]))
    out = program.succeed("generate", model, "--ids", prompt, "-n", count, "--json", *flags)
    return json.loads(out)["texts"][0]


@pytest.mark.parametrize("name", GENERATING)
def test_greedy_generation_token_for_token(name, tmp_path):
    case = CASES[name]
    model = build(case)
    model.generation_config.eos_token_id = None
    model.save_pretrained(tmp_path / "model")
    random = np.random.default_rng(4)
    for length in (1, 7):  # windows are of 3 to 5 tokens
        ids = random.integers(6, case.config["vocab_size"], (1, length))
        made = generated(tmp_path / "model", ids, 30, "--no-eos")
        assert made["new"] == theirs_generated(model, ids, 30)


def test_generation_of_the_real_stories(stories):
    model = transformers.AutoModelForCausalLM.from_pretrained(stories / "base").eval()
    ids = np.array([[1, 403, 407, 261, 378]])  # <s> Once upon a time, about
    made = generated(stories / "base", ids, 200)
    assert made["new"] == theirs_generated(model, ids, 200)


def test_generation_ends_where_transformers_ends(tmp_path):
    case = CASES["llama"]
    model = build(case)
    ids = np.array([[7, 8, 9]])
    free = theirs_generated(model, ids, 20, eos_token_id=None)
    end = free[5]
    model.generation_config.eos_token_id = [96, end]
    model.save_pretrained(tmp_path / "model")
    made = generated(tmp_path / "model", ids, 20)
    assert made["stopped"] and made["new"] == theirs_generated(model, ids, 20)
    assert made["new"] == free[: free.index(end) + 1]


# README of the shared data: nats per token over the first 40 windows, and over all.
FIGURES = {
    "base": (4.5425, 4.0098, 4.5892, 3.6790),
    "shakespeare": (2.7456, 2.9953, 2.7897, 2.9272),
    "inaugural": (4.1992, 2.3204, 4.3759, 2.2177),
}


@pytest.mark.parametrize("windows", [40, 0])
def test_the_losses_of_the_stories(data, stories, windows, tmp_path):
    for text in ("shakespeare", "inaugural"):
        file = data / "tokens" / f"{text}.safetensors"
        limit = f"windows: {windows}\n" if windows else ""
        (tmp_path / f"{text}.yml").write_text(
            f"task: {text}\ntype: language_modelling\nmetric: loss\nlength: 128\n{limit}"
            f"test: {{file: {file}, inputs: heldout}}\n"
        )
    out = program.succeed(
        "evaluate", *(stories / name for name in FIGURES), "--json",
        "-t", tmp_path / "shakespeare.yml", "-t", tmp_path / "inaugural.yml",
    )  # fmt: skip
    for (name, figures), row in zip(FIGURES.items(), json.loads(out)["rows"]):
        wanted = figures[:2] if windows else figures[2:]
        found = [row["tasks"][text]["value"] for text in ("shakespeare", "inaugural")]
        np.testing.assert_allclose(found, wanted, rtol=0, atol=6e-5, err_msg=name)


def write_task(folder, case, **settings):
    """Random labels for tokens of many lengths; the task's file, ids, mask and labels."""
    random = np.random.default_rng(5)
    longest = 12
    lengths = random.integers(1, longest + 1, 50)
    wide = case._replace(lengths=(*lengths[:-1], longest))
    ids, mask = tokens(wide)
    labels = random.integers(0, case.config.get("num_labels", 2), len(ids))
    safetensors.save_file({"ids": ids, "mask": mask, "labels": labels}, folder / "data.safetensors")
    lines = {"task": "t", "type": "classification", "metric": "loss", **settings}
    text = "".join(f"{key}: {value}\n" for key, value in lines.items())
    (folder / "t.yml").write_text(f"{text}test: {{file: data.safetensors, mask: mask}}\n")
    return folder / "t.yml", ids, mask, labels


def evaluated(model, task):
    out = program.succeed("evaluate", model, "-t", task, "--json", "--batch", 7)
    return json.loads(out)["rows"][0]["tasks"]["t"]["value"]


def cross_entropy(logits, labels):
    return torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels)).item()


@pytest.mark.parametrize(
    "name", ["bert, classifier", "roberta, classifier", "distilbert, classifier", "llama, classifier"]
)
def test_tasks_with_the_checkpoints_own_head(name, tmp_path):
    case = CASES[name]
    model = build(case)
    model.save_pretrained(tmp_path / "model")
    task, ids, mask, labels = write_task(tmp_path, case)
    expected = cross_entropy(forward(model, ids, mask).logits, labels)
    np.testing.assert_allclose(evaluated(tmp_path / "model", task), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
@pytest.mark.parametrize("name", ["bert, bare", "llama"])
def test_tasks_with_a_head_of_their_own(name, pooling, tmp_path):
    case = CASES[name]
    model = build(case)
    model.save_pretrained(tmp_path / "model")
    random = np.random.default_rng(6)
    weight = random.standard_normal((2, case.config["hidden_size"])).astype(np.float32)
    bias = random.standard_normal(2).astype(np.float32)
    safetensors.save_file({"weight": weight, "bias": bias}, tmp_path / "head.safetensors")
    task, ids, mask, labels = write_task(tmp_path, case, head="head.safetensors", pooling=pooling)
    hidden = forward(model.base_model, ids, mask).last_hidden_state.numpy()
    lengths = mask.sum(1)
    if pooling == "mean":
        pooled = np.stack([row[:n].mean(0) for row, n in zip(hidden, lengths)])
    else:
        where = lengths - 1 if pooling == "last" else np.zeros_like(lengths)
        pooled = hidden[np.arange(len(ids)), where]
    expected = cross_entropy(torch.from_numpy(pooled @ weight.T + bias), labels)
    np.testing.assert_allclose(evaluated(tmp_path / "model", task), expected, rtol=0, atol=1e-4)


def test_tasks_that_a_models_head_is_not_made_for(tmp_path):
    build(CASES["llama"]).save_pretrained(tmp_path / "decoder")
    task, ids, _, _ = write_task(tmp_path, CASES["llama"])
    said = program.fail("evaluate", tmp_path / "decoder", "-t", task)
    assert "classifies" in said and "head" in said
    build(CASES["llama, classifier"]).save_pretrained(tmp_path / "classifier")
    safetensors.save_file({"text": ids.ravel()}, tmp_path / "text.safetensors")
    (tmp_path / "lm.yml").write_text(
        "type: language_modelling\nmetric: loss\nlength: 8\n"
        "test: {file: text.safetensors, inputs: text}\n"
    )
    assert "decoder" in program.fail("evaluate", tmp_path / "classifier", "-t", tmp_path / "lm.yml")
