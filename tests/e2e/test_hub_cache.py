"""Models named as on the Hugging Face hub, found in its local cache."""

import hashlib
import json
import os
import shutil

import pytest

from support import checkpoint
from support.program import fail, succeed
from support.recipe import models, write_recipe

pytestmark = pytest.mark.usefixtures("merganser")

OLD, NEW = "0123456789abcdef" * 2 + "01234567", "f" * 40


def cached(cache, source, name, commit=NEW, refs=("main",)):
    """Puts a checkpoint into a cache as the hub's client lays it out: snapshots of links to blobs."""
    repository = cache / ("models--" + name.replace("/", "--"))
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir(exist_ok=True)
    for path in source.iterdir():
        data = path.read_bytes()
        # Large files are named by SHA-256, small ones by git's hash.
        large = path.suffix == ".safetensors"
        blob = hashlib.sha256(data).hexdigest() if large else hashlib.sha1(data).hexdigest()
        (repository / "blobs" / blob).write_bytes(data)
        (snapshot / path.name).symlink_to(f"../../blobs/{blob}")
    for ref in refs:
        (repository / "refs" / ref).parent.mkdir(parents=True, exist_ok=True)
        (repository / "refs" / ref).write_text(commit)
    return snapshot


@pytest.fixture
def hub(llamas, tmp_path):
    """A cache with org/base and org/tune (two revisions); the environment, and the checkpoints."""
    base, one, two = llamas(shards=2)
    cache = tmp_path / "home" / "hub"
    cached(cache, base, "org/base")
    cached(cache, base, "single")
    cached(cache, one, "org/tune", OLD, ["v1.0", "refs/pr/3"])
    cached(cache, two, "org/tune", NEW, ["main"])
    return {"HF_HOME": str(tmp_path / "home")}, (base, one, two)


def merge(env, tmp_path, *names, out="out", **options):
    recipe = {"merge_method": "linear", "models": models(*names, weight=[0.5] * len(names))}
    path = write_recipe(tmp_path / "recipe.yml", recipe)
    succeed("merge", path, tmp_path / out, "--force", env=env, **options)
    return tmp_path / out


def weights(folder):
    return {name: array.tobytes() for name, array in checkpoint.read_checkpoint(folder).items()}


@pytest.mark.parametrize(
    "name, which",
    [("org/tune", 2), ("org/tune@main", 2), ("org/tune@v1.0", 1), ("org/tune@refs/pr/3", 1),
     (f"org/tune@{OLD}", 1), (f"org/tune@{OLD[:7]}", 1), ("single", 0)],
)
def test_same_as_by_path(hub, tmp_path, name, which):
    env, paths = hub
    other = shutil.copytree(paths[0], tmp_path / "other")
    by_name = merge(env, tmp_path, other, name)
    by_path = merge(env, tmp_path, other, paths[which], out="by_path")
    assert weights(by_name) == weights(by_path)


def test_mapping_form_and_method(hub, tmp_path):
    env, paths = hub
    recipe = {"merge_method": "linear", "models": [
        {"model": {"model": {"path": "org/tune", "revision": "v1.0"}}, "parameters": {"weight": 1}}]}
    succeed("merge", write_recipe(tmp_path / "r.yml", recipe), tmp_path / "a", env=env)
    succeed("merge", "--method", "linear", "org/tune@v1.0", "-p", "weight=1", "-o", tmp_path / "b", env=env)
    assert weights(tmp_path / "a") == weights(tmp_path / "b") == weights(paths[1])


def test_commit_and_hashes_are_recorded(hub, tmp_path):
    env, paths = hub
    out = merge(env, tmp_path, "org/base", "org/tune@v1.0")
    told = json.loads((out / "merganser_provenance.json").read_text())["models"][1]
    assert told["hub"] == {"name": "org/tune", "revision": "v1.0", "commit": OLD}
    assert told["blobs"] == {
        path.name: "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths[1].glob("*.safetensors")
    }
    assert str(tmp_path) not in (out / "merganser_provenance.json").read_text()


def test_variables(hub, tmp_path):
    """The first that is set: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, HOME."""
    env, _ = hub
    home = env["HF_HOME"]
    os.makedirs(f"{tmp_path}/xdg")
    os.symlink(home, f"{tmp_path}/xdg/huggingface")
    os.makedirs(f"{tmp_path}/user/.cache")
    os.symlink(home, f"{tmp_path}/user/.cache/huggingface")
    none = {"HF_HUB_CACHE": "", "HUGGINGFACE_HUB_CACHE": "", "HF_HOME": "", "XDG_CACHE_HOME": ""}
    for variables in ({"HF_HUB_CACHE": home + "/hub", "HF_HOME": "/nowhere"},
                      {"HUGGINGFACE_HUB_CACHE": home + "/hub"},
                      {"XDG_CACHE_HOME": f"{tmp_path}/xdg"}, {"HOME": f"{tmp_path}/user"}):
        merge({**none, **variables}, tmp_path, "org/base", "org/tune")


def test_inspect_and_diff(hub, tmp_path):
    env, paths = hub
    report = json.loads(succeed("inspect", "org/tune@v1.0", "--json", env=env))
    assert len(report["tensors"]) == len(checkpoint.read_checkpoint(paths[1]))
    succeed("diff", "org/tune@v1.0", paths[1], env=env)


def test_absent_names_the_command(hub, tmp_path):
    env, _ = hub
    assert "hf download org/other" in fail("inspect", "org/other", env=env)
    error = fail("inspect", "org/tune@v9", env=env)
    assert "hf download org/tune --revision v9" in error and "v9" in error
    recipe = write_recipe(tmp_path / "r.yml", {"merge_method": "linear", "models": models("org/tune@v9")})
    assert "r.yml:3" in fail("merge", recipe, tmp_path / "out", env=env)


def test_a_local_folder_comes_first_and_has_no_revisions(hub, tmp_path):
    env, paths = hub
    (tmp_path / "org").mkdir()
    (tmp_path / "org" / "tune").symlink_to(paths[1])
    assert weights(merge(env, tmp_path, "org/tune", cwd=tmp_path)) == weights(paths[1])
    recipe = write_recipe(tmp_path / "r.yml", {"merge_method": "linear", "models": models("org/tune@v1.0", weight=[1])})
    assert "local path" in fail("merge", recipe, tmp_path / "out2", env=env, cwd=tmp_path)


@pytest.mark.parametrize("name", ["../x", "org/..", "org/base@../../x", "org/base@/etc", "a/b/c", "org/base@..",
                                  "org//base", "-rf/x", "org/base@v1/../../x"])
def test_names_do_not_lead_out_of_the_cache(hub, name):
    env, _ = hub
    fail("inspect", name, env=env)


def test_unfinished_download(hub, tmp_path):
    env, _ = hub
    repository = tmp_path / "home/hub/models--org--tune"
    snapshot = repository / "snapshots" / NEW
    link = sorted(snapshot.glob("*.safetensors"))[0]
    blob = link.resolve()
    blob.rename(blob.with_suffix(".incomplete"))
    error = fail("inspect", "org/tune", env=env)
    assert "hf download org/tune" in error and "unfinished" in error


@pytest.mark.parametrize("content", ["", "main", "../../../etc", "g" * 40, "f" * 5000])
def test_damaged_ref(hub, tmp_path, content):
    env, _ = hub
    (tmp_path / "home/hub/models--org--tune/refs/main").write_text(content)
    fail("inspect", "org/tune", env=env)


def test_loops_of_links(hub, tmp_path):
    env, _ = hub
    snapshot = tmp_path / "home/hub/models--org--tune/snapshots" / NEW
    link = sorted(snapshot.glob("*.safetensors"))[0]
    link.unlink()
    link.symlink_to(link.name)
    assert link.name in fail("inspect", "org/tune", env=env)
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    fail("inspect", loop, env=env)


def test_index_does_not_lead_out(hub, tmp_path):
    """Links of the cache are followed; a name in an index with a path in it is not."""
    env, _ = hub
    snapshot = tmp_path / "home/hub/models--org--tune/snapshots" / NEW
    index = snapshot / "model.safetensors.index.json"
    text = index.read_text()
    index.unlink()
    index.write_text(text.replace("model-00001", "../" + NEW + "/model-00001"))
    assert "plain names" in fail("inspect", "org/tune", env=env)
