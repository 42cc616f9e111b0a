"""The demo's LoRA adapters, which it writes without PEFT: PEFT and the program read what was trained."""

import pytest

from support.program import REPOSITORY
from support.recipe import models

torch = pytest.importorskip("torch")

TEXTS = [[101, 2023, 2003, 102], [101, 7592, 2088, 999, 2748, 102]]


@pytest.fixture
def demo(monkeypatch):
    """The demo's modules adapter and encoder."""
    monkeypatch.syspath_prepend(REPOSITORY / "demo")
    import adapter
    import encoder

    return adapter, encoder


@pytest.fixture
def adapted(demo, minilm, tmp_path):
    """A model with factors as if trained, and the adapter's folder."""
    adapter, encoder = demo
    torch.manual_seed(0)
    model = encoder.load(minilm)
    factors = adapter.attach(model)
    assert len(factors) == 2 * 6 * 6  # six layers of six linear ones
    with torch.no_grad():
        for factor in factors:
            factor.normal_(std=0.05)
    adapter.save(model, tmp_path / "adapter")
    return model, tmp_path / "adapter"


def vectors(demo, model):
    return demo[1].embed(model, TEXTS)


def test_before_training_it_is_the_base(demo, minilm):
    adapter, encoder = demo
    model = encoder.load(minilm)
    before = vectors(demo, model)
    adapter.attach(model)
    assert torch.equal(vectors(demo, model), before)


def test_merganser_applies_it(demo, adapted, minilm, merge):
    model, folder = adapted
    recipe = {"merge_method": "linear", "models": models(f"{minilm}+{folder}"),
              "parameters": {"weight": 1}}
    merged = demo[1].load(merge(recipe))
    wanted = vectors(demo, model)
    assert (vectors(demo, merged) - wanted).abs().max() <= 1e-5
    assert (vectors(demo, demo[1].load(minilm)) - wanted).abs().max() > 0.01


def test_peft_applies_it(demo, adapted, minilm):
    peft = pytest.importorskip("peft")
    import transformers

    model, folder = adapted
    base = transformers.AutoModel.from_pretrained(minilm, local_files_only=True)
    theirs = peft.PeftModel.from_pretrained(base, folder).eval()
    ids, mask = demo[1].pad(TEXTS)
    with torch.no_grad():
        states = theirs(input_ids=ids, attention_mask=mask).last_hidden_state
    weight = mask[:, :, None].to(states.dtype)
    pooled = torch.nn.functional.normalize((states * weight).sum(1) / weight.sum(1), dim=-1)
    assert (pooled - vectors(demo, model)).abs().max() <= 1e-5
