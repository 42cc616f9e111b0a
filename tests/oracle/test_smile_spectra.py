"""How near to the best approximation the experts are, on differences that training made.

The optimum is that of NumPy's decomposition in f64 (LAPACK's gesdd); the router's lengths are held
against its vectors wherever the gap behind them is more than a hundredth.
"""

import json

import numpy as np
import pytest

from oracle import adapters
from support import checkpoint
from support.recipe import models

TOLERANCE = 1e-3


def check(merge, base, tunes, rank, router, every=1):
    """Looks at every so-manieth layer: the reference takes long. Returns the bounds of all."""
    recipe = {
        "merge_method": "smile",
        "base_model": str(base),
        "models": models(*tunes),
        "parameters": {"rank_of_expert": rank, "rank_of_router": router,
                       "svd_tolerance": TOLERANCE, "svd_certify": True},
    }  # fmt: skip
    out = merge(recipe, out="smile")
    tensors = checkpoint.read_checkpoint(out)
    told = json.loads((out / "config.json").read_text())["smile"]["modules"]
    recorded = json.loads((out / "merganser_provenance.json").read_text())["tensors"]
    bounds = {each["name"]: each["facts"]["error_bound_beyond_best"] for each in recorded
              if each["name"].endswith(".smile_in")}  # fmt: skip
    before = checkpoint.read_checkpoint(base)
    after = [checkpoint.read_checkpoint(tune) for tune in tunes]
    generator = np.random.default_rng(0)
    gaps = 0
    for name, module in list(told.items())[::every]:
        ends = np.cumsum([0, *module["ranks"]])
        for e, (a, b) in enumerate(zip(ends, ends[1:])):
            weight = name + ".weight"
            delta = after[e][weight].astype(np.float64) - before[weight].astype(np.float64)
            _, s, vt = np.linalg.svd(delta, full_matrices=False)
            best = np.linalg.norm(s[rank:])
            inside, outside = (tensors[f"{name}.smile_{side}"][a:b].astype(np.float64)
                               for side in ("in", "out"))  # fmt: skip
            error = np.linalg.norm(delta - outside.T @ inside)
            # Both factors are rounded to f32.
            rounding = 1e-6 * np.linalg.norm(delta)
            assert bounds[name + ".smile_in"][e] <= TOLERANCE
            for allowed in (TOLERANCE, bounds[name + ".smile_in"][e]):
                assert error <= (1 + allowed) * best + rounding, (name, e)
            if (s[router - 1] - s[router]) / s[router - 1] > 1e-2:
                gaps += 1
                rows = tensors[name + ".smile_router"][e * router : (e + 1) * router]
                x = generator.standard_normal((8, delta.shape[1]))
                expected = np.linalg.norm(x @ vt[:router].T, axis=1)
                found = np.linalg.norm(x @ rows.astype(np.float64).T, axis=1)
                assert np.abs(found / expected - 1).max() <= 1e-4, (name, e)
    assert gaps > 10, "hardly a gap: the router's vectors were not looked at"
    return np.concatenate(list(bounds.values()))


def fine_tune(model, loss, rate, folder):
    """A few steps, saved."""
    import torch

    optimiser = torch.optim.AdamW(model.parameters(), lr=rate)
    for _ in range(6):
        optimiser.zero_grad()
        loss(model).backward()
        optimiser.step()
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("rank, router", [(8, 4), (24, 8)])
def test_stories260k(merge, stories, rank, router):
    tunes = [stories / "shakespeare", stories / "inaugural"]
    check(merge, stories / "base", tunes, rank, router)


def test_minilm(merge, minilm, tmp_path):
    """Layers of 384 and 1536, fine-tuned for a few steps by two objectives."""
    torch = pytest.importorskip("torch")
    from transformers import AutoModel

    tunes = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        model = AutoModel.from_pretrained(minilm, dtype=torch.float32)
        loss = adapters.contrastive_loss(minilm)
        tunes.append(fine_tune(model, loss, 1e-4 * seed, tmp_path / f"tune{seed}"))
    check(merge, minilm, tunes, 32, 8, every=4)


def test_wide_layers(merge, tmp_path):
    """Layers of 768, where ranks are small enough for Krylov spaces: what those leave to
    the optimum is not zero, and proven."""
    torch = pytest.importorskip("torch")
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    base = BertModel(BertConfig(vocab_size=500, hidden_size=768, num_hidden_layers=1, num_attention_heads=12,
                                intermediate_size=768, max_position_embeddings=32))  # fmt: skip
    base.save_pretrained(tmp_path / "base")
    words = torch.randint(500, (8, 16))

    def contrastive(model):
        model.train()
        first, second = (torch.nn.functional.normalize(model(words).last_hidden_state.mean(1), dim=-1)
                         for _ in range(2))  # fmt: skip
        return torch.nn.functional.cross_entropy(first @ second.T / 0.05, torch.arange(len(words)))

    tunes = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        model = BertModel.from_pretrained(tmp_path / "base")
        tunes.append(fine_tune(model, contrastive, 1e-4 * seed, tmp_path / f"tune{seed}"))
    bounds = check(merge, tmp_path / "base", tunes, 32, 8)
    assert (bounds > 0).sum() >= 5, "all decomposed exactly: no space was looked at"
