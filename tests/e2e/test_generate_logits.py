"""`merganser generate` and `merganser logits`: what they write, and what they refuse."""

import json
import os
import signal
import time

import numpy as np
import pytest

from support import program, safetensors_file
from support.checkpoint import llama_config, llama_shapes, random_tensors, write_checkpoint
from support.runtime import need_runtime

VOCABULARY, LONGEST = 16, 32


@pytest.fixture(autouse=True)
def runtime(merganser):
    need_runtime(merganser)


@pytest.fixture
def model(tmp_path):
    """A tiny Llama; model(name=array) with other weights, model(config={...}) with other settings."""

    def write(config=(), **changes):
        settings = {**llama_config(), **dict(config)}
        tensors = random_tensors(llama_shapes(llama_config()), seed=3)
        folder = tmp_path / "model"
        write_checkpoint(folder, settings, {**tensors, **changes})
        return folder

    return write


@pytest.fixture
def arrays(tmp_path):
    """arrays(ids=...) writes a .safetensors file of these and returns its path."""

    def write(**tensors):
        path = tmp_path / "inputs.safetensors"
        safetensors_file.write(path, {name: np.asarray(array) for name, array in tensors.items()})
        return path

    return write


def generated(*arguments):
    return json.loads(program.succeed("generate", *arguments, "--json"))


def test_ids_come_out_between_commas(model):
    folder = model()
    out = program.succeed("generate", folder, "--ids", "1,2,3", "-n", 5)
    ids = [int(each) for each in out.split(",")]
    assert len(ids) == 5 and all(0 <= each < VOCABULARY for each in ids)
    report = generated(folder, "--ids", "1,2,3", "-n", 5)
    assert report["texts"] == [{"prompt": [1, 2, 3], "new": ids, "stopped": False}]
    assert report["tokens"] == 5


def test_prompts_of_a_file_are_as_alone(model, arrays):
    folder = model()
    prompts = [[1, 2, 3, 4], [5, 6], [7]]
    ids = np.zeros((3, 4), np.int32)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = prompt
    mask = np.arange(4)[None, :] < np.array([[4], [2], [1]])
    texts = generated(folder, "--ids-file", arrays(ids=ids, mask=mask), "-n", 6)["texts"]
    assert [each["prompt"] for each in texts] == prompts
    for text, prompt in zip(texts, prompts):
        assert text == generated(folder, "--ids", ",".join(map(str, prompt)), "-n", 6)["texts"][0]


def test_sampling_follows_the_seed(model):
    folder = model()

    def sampled(*flags):
        texts = generated(folder, "--ids", 1, "-n", 20, "--temperature", 5, *flags)["texts"]
        return texts[0]["new"]

    assert sampled() == sampled("--seed", 0) != sampled("--seed", 1)
    greedy = generated(folder, "--ids", 1, "-n", 20)["texts"][0]["new"]
    assert sampled("--top-k", 1) == greedy


def test_ends_at_the_checkpoints_end_token(model):
    folder = model()
    free = generated(folder, "--ids", 1, "-n", 20)["texts"][0]["new"]
    end = free[4]
    expected = {"prompt": [1], "new": free[: free.index(end) + 1], "stopped": True}
    assert generated(folder, "--ids", 1, "-n", 20, "--stop", end)["texts"] == [expected]
    folder = model(config={"eos_token_id": end})
    assert generated(folder, "--ids", 1, "-n", 20)["texts"] == [expected]
    assert generated(folder, "--ids", 1, "-n", 20, "--no-eos")["texts"][0]["new"] == free
    # generation_config.json goes before config.json.
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [15, free[0]]}))
    assert generated(folder, "--ids", 1, "-n", 20)["texts"][0]["new"] == free[:1]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--ids", 16], "16"),
        (["--ids", -1], "-1"),
        (["--ids", "1,2", "-n", 31], "32"),
        ([], "prompt"),
        (["--ids", "1", "--ids-file", "x.safetensors"], "prompt"),
        (["--ids", "1", "-n", 0], "max-new-tokens"),
        (["--ids", "one"], "one"),
        (["--ids", "1", "--temperature", -1], "temperature"),
        (["--ids", "1", "--device", "nowhere"], "nowhere"),
    ],
)
def test_generate_refuses(model, arguments, said):
    assert said in program.fail("generate", model(), *arguments)


@pytest.mark.parametrize(
    "ids, mask, said",
    [
        (np.zeros((2, 3), np.float32), None, "float"),
        (np.zeros((0, 3), np.int64), None, "rows"),
        (np.zeros((2, 2, 2), np.int64), None, "rows"),
        (np.zeros((2, 3), np.int64), np.array([[1, 0, 1], [1, 1, 1]]), "mask"),
        (np.zeros((2, 3), np.int64), np.array([[0, 0, 0], [1, 1, 1]]), "mask"),
        (np.zeros((2, 3), np.int64), np.ones((2, 2), np.int64), "mask"),
        (np.full((2, 3), 99), None, "99"),
    ],
)
def test_files_of_prompts_are_checked(model, arrays, ids, mask, said):
    file = arrays(ids=ids) if mask is None else arrays(ids=ids, mask=mask)
    folder = model()
    assert said in program.fail("generate", folder, "--ids-file", file)
    assert said in program.fail("logits", folder, "--input", file, "-o", file.with_name("out.safetensors"))


def test_weights_that_are_not_finite_end_it(model):
    head = np.full((16, 8), np.nan, np.float32)
    folder = model(**{"lm_head.weight": head})
    assert "not finite" in program.fail("generate", folder, "--ids", 1, "-n", 4)


def test_models_that_do_not_fit_their_config(model):
    folder = model(**{"model.norm.weight": np.ones(9, np.float32)})
    assert "model.norm.weight" in program.fail("generate", folder, "--ids", "1")
    folder = model(**{"model.layers.1.mlp.side_proj.weight": np.ones((16, 8), np.float32)})
    assert "side_proj" in program.fail("generate", folder, "--ids", "1")
    folder = model(config={"num_attention_heads": 0})
    assert "num_attention_heads" in program.fail("generate", folder, "--ids", "1")
    folder = model(config={"model_type": "mamba"})
    assert "mamba" in program.fail("generate", folder, "--ids", "1")


def logits(folder, given, out, *flags):
    program.succeed("logits", folder, "--input", given, "-o", out, "--quiet", *flags)
    return safetensors_file.read(out)


def test_logits_choose_the_tokens_that_generate_makes(model, arrays, tmp_path):
    folder = model()
    made = generated(folder, "--ids", "1,2,3", "-n", 6)["texts"][0]["new"]
    ids = np.array([[1, 2, 3, *made[:-1]]])
    found = logits(folder, arrays(ids=ids), tmp_path / "out.safetensors")
    assert list(found) == ["logits"] and found["logits"].shape == (1, 8, VOCABULARY)
    assert found["logits"][0, 2:].argmax(-1).tolist() == made


def test_padding_is_zero_and_batches_do_not_matter(model, arrays, tmp_path):
    folder = model()
    ids = np.random.default_rng(0).integers(0, VOCABULARY, (5, 7))
    lengths = np.array([7, 3, 5, 1, 2])
    mask = (np.arange(7) < lengths[:, None]).astype(np.uint8)
    given = arrays(ids=ids, mask=mask)
    whole = logits(folder, given, tmp_path / "a.safetensors", "--hidden")["hidden"]
    parts = logits(folder, given, tmp_path / "b.safetensors", "--hidden", "--batch", 2)["hidden"]
    assert whole.shape == (5, 7, 8) and not whole[mask == 0].any()
    assert np.abs(whole[mask == 1]).min(axis=-1).all()
    np.testing.assert_allclose(parts, whole, rtol=0, atol=1e-6)


def test_the_output_is_whole_or_not_there(model, arrays, tmp_path):
    folder, given = model(), arrays(ids=[[1, 2]])
    out = tmp_path / "out.safetensors"
    logits(folder, given, out)
    before, files = out.read_bytes(), set(os.listdir(tmp_path))
    assert "exists" in program.fail("logits", folder, "--input", given, "-o", out)
    assert "99" in program.fail("logits", folder, "--input", arrays(ids=[[99]]), "-o", out, "--force")
    assert out.read_bytes() == before and set(os.listdir(tmp_path)) == files
    logits(folder, arrays(ids=[[1, 2, 3]]), out, "--force")
    assert safetensors_file.read(out)["logits"].shape == (1, 3, VOCABULARY)


@pytest.mark.parametrize(
    "tensors, said",
    [
        ({"tokens": [[1]]}, "tokens"),
        ({"mask": [[1]]}, "ids"),
        ({"ids": [[1, 2]], "types": [[0, 0]]}, "types"),
        ({"values": np.ones((2, 3), np.float32)}, "arrays"),
        ({"ids": [[1] * 33]}, "33"),
    ],
)
def test_logits_refuses(model, arrays, tmp_path, tensors, said):
    out = tmp_path / "out.safetensors"
    assert said in program.fail("logits", model(), "--input", arrays(**tensors), "-o", out)
    assert not out.exists()


def test_a_bare_model_has_hidden_states_but_no_logits(model, arrays, tmp_path):
    folder = model(config={"architectures": ["LlamaModel"]})
    tensors = safetensors_file.read(folder / "model.safetensors")
    del tensors["lm_head.weight"]
    safetensors_file.write(folder / "model.safetensors", tensors)
    given, out = arrays(ids=[[1, 2]]), tmp_path / "out.safetensors"
    assert "--hidden" in program.fail("logits", folder, "--input", given, "-o", out)
    assert logits(folder, given, out, "--hidden")["hidden"].shape == (1, 2, 8)
    assert "causal" in program.fail("generate", folder, "--ids", 1)


def test_interrupted_it_leaves_nothing(stories, tmp_path):
    given, out = tmp_path / "inputs.safetensors", tmp_path / "out.safetensors"
    ids = np.random.default_rng(0).integers(0, 512, (4000, 256))
    safetensors_file.write(given, {"ids": ids})
    process = program.start(
        "logits", stories / "base", "--input", given, "-o", out, "--batch", 4, "--threads", 1
    )
    while len(os.listdir(tmp_path)) == 1 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    outcome = program.finish(process)
    assert outcome.code == 130, outcome
    assert not out.exists() and os.listdir(tmp_path) == ["inputs.safetensors"]
