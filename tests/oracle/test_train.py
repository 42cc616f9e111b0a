"""`merganser train` takes the steps that PyTorch takes, on the same batches of the same model; PEFT reads
its adapters. In f64, so that AdamW's division by tiny gradients hides nothing."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from support import row_order, runtime
from support.program import program, succeed

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

STEPS, BATCH, RATE, WARMUP = 5, 4, 1e-3, 2
SIZES = {"vocab_size": 40, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
         "num_attention_heads": 2, "max_position_embeddings": 32}
COMMON = ["--compute-dtype", "float64", "--batch", BATCH, "--lr", RATE, "--warmup", WARMUP,
          "--threads", 1, "--quiet"]


@pytest.fixture(autouse=True)
def _runtime():
    runtime.need_runtime(program())


def llama(**options):
    torch.manual_seed(1)
    config = transformers.LlamaConfig(**SIZES, num_key_value_heads=1, **options)
    return transformers.LlamaForCausalLM(config)


def bert():
    torch.manual_seed(1)
    config = transformers.BertConfig(**SIZES, num_labels=3, hidden_dropout_prob=0.0,
                                     attention_probs_dropout_prob=0.0)
    return transformers.BertForSequenceClassification(config)


def text_task(folder, name="text", tokens=100, length=9):
    ids = np.random.default_rng(3).integers(0, 40, tokens).astype(np.int32)
    save_file({"ids": ids}, folder / f"{name}.safetensors")
    (folder / f"{name}.yml").write_text(
        f"task: {name}\ntype: language_modelling\nlength: {length}\n"
        f"train: {{file: {name}.safetensors}}\nvalidation: {{file: {name}.safetensors}}\n"
        f"test: {{file: {name}.safetensors}}\n")
    count = (tokens - 1) // length
    windows = torch.tensor(
        np.stack([ids[i * length : (i + 1) * length + 1] for i in range(count)]).astype(np.int64))

    def loss(model, rows, smoothing):
        chosen = windows[rows]
        logits = model(input_ids=chosen[:, :-1]).logits
        return torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), chosen[:, 1:].flatten(), label_smoothing=smoothing)

    return folder / f"{name}.yml", count, loss


def labelled_task(folder, name="labels", rows=11):
    random = np.random.default_rng(4)
    lengths = random.integers(2, 9, rows)
    mask = np.arange(lengths.max()) < lengths[:, None]
    ids = np.where(mask, random.integers(1, 40, mask.shape), 0).astype(np.int32)
    labels = random.integers(0, 3, rows).astype(np.int32)
    save_file({"ids": ids, "mask": mask.astype(np.uint8), "labels": labels},
              folder / f"{name}.safetensors")
    (folder / f"{name}.yml").write_text(
        f"task: {name}\ntype: classification\n"
        f"train: {{file: {name}.safetensors, mask: mask}}\n")

    def loss(model, chosen, smoothing):
        logits = model(input_ids=torch.tensor(ids[chosen].astype(np.int64)),
                       attention_mask=torch.tensor(mask[chosen].astype(np.int64))).logits
        return torch.nn.functional.cross_entropy(
            logits, torch.tensor(labels[chosen].astype(np.int64)), label_smoothing=smoothing)

    return folder / f"{name}.yml", rows, loss


def steps_of(model, losses, orders, optimiser, share, smoothing=0.0, clip=0.0):
    """PyTorch's own steps; `losses` and `orders` of each task, together in every step."""
    weights = [w for group in optimiser.param_groups for w in group["params"]]
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / WARMUP) * share(step / STEPS)
        optimiser.zero_grad()
        total = sum(loss(model, next(order), smoothing)
                    for loss, order in zip(losses, orders, strict=True)) / len(losses)
        total.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(weights, clip)
        optimiser.step()


def groups(model, decay):
    weights = [w for w in model.parameters() if w.requires_grad]
    return [{"params": [w for w in weights if w.dim() < 2], "weight_decay": 0.0},
            {"params": [w for w in weights if w.dim() >= 2], "weight_decay": decay}]


def expect_weights(folder, model, before):
    """As near as the rounding to the stored f32 and the families' agreement in f64 allow."""
    written = load_file(folder / "model.safetensors")
    expected = {name: tensor.numpy() for name, tensor in model.state_dict().items()
                if name in written}
    assert set(written) == set(before)
    moved = 0
    for name, values in written.items():
        np.testing.assert_allclose(values, expected[name], rtol=0, atol=2e-6, err_msg=name)
        moved += not np.array_equal(values, before[name])
    assert moved > len(written) / 2, "training moves the weights"


def saved(model, folder):
    model.save_pretrained(folder)
    return load_file(folder / "model.safetensors")


def linear(done):
    return 1 - done


@pytest.mark.parametrize("tied", [False, True])
def test_adamw_on_llama(tmp_path, tied):
    model = llama(tie_word_embeddings=tied)
    before = saved(model, tmp_path / "base")
    task, count, loss = text_task(tmp_path)
    succeed("train", tmp_path / "base", "-t", task, "-o", tmp_path / "out", "--steps", STEPS,
            "--weight-decay", 0.1, "--clip", 0.5, "--smoothing", 0.1, "--seed", 7, *COMMON)
    model.double().train()
    order = row_order.batches("text", count, BATCH, 7)
    steps_of(model, [loss], [order], torch.optim.AdamW(groups(model, 0.1)), linear, 0.1, 0.5)
    expect_weights(tmp_path / "out", model, before)


def test_adamw_on_bert_with_its_own_head(tmp_path):
    model = bert()
    before = saved(model, tmp_path / "base")
    task, count, loss = labelled_task(tmp_path)
    succeed("train", tmp_path / "base", "-t", task, "-o", tmp_path / "out", "--steps", STEPS,
            "--schedule", "cosine", "--clip", 0, *COMMON)
    model.double().train()
    order = row_order.batches("labels", count, BATCH)
    steps_of(model, [loss], [order], torch.optim.AdamW(groups(model, 0)),
             lambda done: (1 + np.cos(np.pi * done)) / 2)
    expect_weights(tmp_path / "out", model, before)


def test_sgd_with_momentum_and_frozen_tensors(tmp_path):
    model = llama(tie_word_embeddings=False)
    before = saved(model, tmp_path / "base")
    task, count, loss = text_task(tmp_path)
    succeed("train", tmp_path / "base", "-t", task, "-o", tmp_path / "out", "--steps", STEPS,
            "--optimizer", "sgd", "--momentum", 0.8, "--weight-decay", 0.01, "--schedule", "constant",
            "--freeze", "*embed*", "--clip", 0, *COMMON)
    model.double().train().model.embed_tokens.weight.requires_grad_(False)
    order = row_order.batches("text", count, BATCH)
    steps_of(model, [loss], [order], torch.optim.SGD(groups(model, 0.01), RATE, momentum=0.8),
             lambda done: 1)
    expect_weights(tmp_path / "out", model, before)
    written = load_file(tmp_path / "out/model.safetensors")
    name = "model.embed_tokens.weight"
    assert np.array_equal(written[name], before[name])


def test_two_tasks_together(tmp_path):
    model = llama(tie_word_embeddings=False)
    before = saved(model, tmp_path / "base")
    tasks = [text_task(tmp_path, "long", 100, 9), text_task(tmp_path, "short", 80, 5)]
    succeed("train", tmp_path / "base", "-t", tasks[0][0], "-t", tasks[1][0], "-o", tmp_path / "out",
            "--steps", STEPS, *COMMON)
    model.double().train()
    orders = [row_order.batches(name, count, BATCH)
              for name, (_, count, _) in zip(["long", "short"], tasks, strict=True)]
    steps_of(model, [loss for _, _, loss in tasks], orders, torch.optim.AdamW(groups(model, 0)),
             linear, clip=1.0)
    expect_weights(tmp_path / "out", model, before)


def test_lora_is_trained_as_peft_trains_it_and_read_by_peft(tmp_path):
    saved(llama(tie_word_embeddings=False), tmp_path / "base")
    task, count, loss = text_task(tmp_path)
    lora = ["--lora-rank", 3, "--lora-alpha", 6, "--seed", 5]
    # A rate of next to nothing writes the factors that training begins with.
    succeed("train", tmp_path / "base", "-t", task, "-o", tmp_path / "begin", "--steps", 1, *lora,
            *[1e-30 if each == RATE else each for each in COMMON])
    succeed("train", tmp_path / "base", "-t", task, "-o", tmp_path / "out", "--steps", STEPS, *lora,
            *COMMON)
    begin = load_file(tmp_path / "begin/adapter_model.safetensors")
    for name, values in begin.items():
        if ".lora_A." in name:
            half = values.shape[1] ** -0.5
            assert np.abs(values).max() <= half and np.abs(values).max() > 0.7 * half
        else:
            assert np.abs(values).max() < 1e-20

    base = transformers.LlamaForCausalLM.from_pretrained(tmp_path / "base")
    model = peft.PeftModel.from_pretrained(base, tmp_path / "begin", is_trainable=True).double()
    trainable = [name for name, w in model.named_parameters() if w.requires_grad]
    assert len(trainable) == 2 * 7 * 2 and not any("lm_head" in name for name in trainable)
    order = row_order.batches("text", count, BATCH, 5)
    steps_of(model, [loss], [order], torch.optim.AdamW(groups(model, 0)), linear, clip=1.0)
    written = load_file(tmp_path / "out/adapter_model.safetensors")
    expected = peft.get_peft_model_state_dict(model)
    assert set(written) == set(expected)
    for name, values in written.items():
        np.testing.assert_allclose(values, expected[name].numpy(), rtol=0, atol=2e-6, err_msg=name)

    # Read by PEFT, and by merganser as base+adapter.
    base = transformers.LlamaForCausalLM.from_pretrained(tmp_path / "base")
    read = peft.PeftModel.from_pretrained(base, tmp_path / "out").eval()
    ids = torch.arange(12).view(2, 6)
    with torch.no_grad():
        logits = read(input_ids=ids).logits.numpy()
    save_file({"ids": ids.to(torch.int32).numpy()}, tmp_path / "ids.safetensors")
    succeed("logits", f"{tmp_path / 'base'}+{tmp_path / 'out'}", "--input", tmp_path / "ids.safetensors",
            "-o", tmp_path / "logits.safetensors", "--quiet")
    ours = next(iter(load_file(tmp_path / "logits.safetensors").values()))
    np.testing.assert_allclose(ours, logits, rtol=0, atol=1e-5)
    with torch.no_grad():
        plain = read.get_base_model()
        with read.disable_adapter():
            assert np.abs(plain(input_ids=ids).logits.numpy() - logits).max() > 1e-3


def test_lora_on_gpt2_lies_as_its_layers_do(tmp_path):
    torch.manual_seed(1)
    model = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=40, n_positions=32, n_embd=16, n_layer=2, n_head=2))
    saved(model, tmp_path / "base")
    task, _, _ = text_task(tmp_path)
    succeed("train", tmp_path / "base", "-t", task, "-o", tmp_path / "out", "--steps", STEPS,
            "--lora-rank", 2, *[1e-2 if each == RATE else each for each in COMMON])
    read = peft.PeftModel.from_pretrained(model, tmp_path / "out").merge_and_unload().state_dict()
    succeed("merge", "--method", "passthrough", f"{tmp_path / 'base'}+{tmp_path / 'out'}", "-o",
            tmp_path / "merged", "--quiet")
    for name, values in load_file(tmp_path / "merged/model.safetensors").items():
        np.testing.assert_allclose(values, read[name].numpy(), rtol=0, atol=1e-6, err_msg=name)


def test_the_head_of_a_task_is_fitted_to_the_end(tmp_path):
    """On features as transformers computes them, the gradient there is nothing."""
    model = transformers.BertModel(transformers.BertConfig(**SIZES)).eval()
    saved(model, tmp_path / "base")
    task, rows, _ = labelled_task(tmp_path, rows=60)
    task.write_text(task.read_text().replace("train:", "head: head.safetensors\nnormalise: true\ntrain:")
                    + "validation: {file: labels.safetensors, mask: mask, rows: [0, 20]}\n")
    succeed("fit-head", tmp_path / "base", "-t", task, "--penalties", "1e-3", "--quiet")
    stored = load_file(tmp_path / "labels.safetensors")
    mask = torch.tensor(stored["mask"].astype(np.int64))
    with torch.no_grad():
        states = model(input_ids=torch.tensor(stored["ids"].astype(np.int64)),
                       attention_mask=mask).last_hidden_state
    x = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    x = torch.nn.functional.normalize(x, dim=-1).double()
    y = torch.tensor(stored["labels"].astype(np.int64))

    def objective(weight, bias):
        return (torch.nn.functional.cross_entropy(x @ weight.T + bias, y)
                + 1e-3 * weight.square().sum())

    head = {name: torch.tensor(values).double().requires_grad_()
            for name, values in load_file(tmp_path / "head.safetensors").items()}
    objective(head["weight"], head["bias"]).backward()
    assert max(t.grad.abs().max().item() for t in head.values()) < 5e-6
    assert head["weight"].abs().max() > 0.1


