"""merganser route: counts, which expert is a task's own, what is refused, and the page."""

import json

import numpy as np
import pytest
import yaml

from support import browser, program, safetensors_file
from support.report_page import page
from support.recipe import models, write_recipe
from support.runtime import need_runtime

VOCABULARY = 16


@pytest.fixture(autouse=True)
def runtime(merganser):
    need_runtime(merganser)


def write_task(folder, name, seed=0, vocabulary=VOCABULARY):
    tokens = np.random.default_rng(seed).integers(0, vocabulary, 8 * 12 + 1)
    safetensors_file.write(folder / f"{name}.safetensors", {"ids": tokens.astype(np.int32)})
    task = {
        "task": name,
        "type": "language_modelling",
        "length": 12,
        "test": {"file": f"{name}.safetensors"},
    }
    path = folder / f"{name}.yml"
    path.write_text(yaml.safe_dump(task))
    return path


@pytest.fixture
def mixture(llamas, tmp_path, merge):
    base, *tunes = llamas(vocab=VOCABULARY)
    recipe = {
        "merge_method": "smile",
        "base_model": str(base),
        "models": models(*tunes),
        "parameters": {"rank_of_expert": 2, "rank_of_router": 2},
    }
    return merge(recipe, "--quiet")


def route(*arguments):
    return json.loads(program.succeed("route", *arguments, "--json"))


def test_counts_add_up(mixture, tmp_path):
    tasks = [write_task(tmp_path, name, seed) for seed, name in enumerate(("tune1", "tune2"))]
    report = route(mixture, "--task", tasks[0], "--task", tasks[1])
    assert report["experts"] == ["tune1", "tune2"] and len(report["layers"]) == 14
    for own, task in enumerate(report["tasks"]):
        assert (task["rows"], task["tokens"]) == (8, 96)
        assert (task["expert"], task["expert_from"]) == (report["experts"][own], "name")
        for counts in task["layers"]:
            assert sum(counts["choices"]) == 96
            shares = np.array(counts["choices"]) / 96
            assert counts["shares"] == pytest.approx(shares)
            entropy = -sum(p * np.log2(p) for p in shares if p > 0)
            assert counts["entropy"] == pytest.approx(entropy, abs=1e-12)
            assert counts["agreement"] == pytest.approx(shares[own])
        total = np.sum([counts["choices"] for counts in task["layers"]], axis=0)
        assert task["total"]["choices"] == total.tolist()
    # What a choice tells: the Jensen-Shannon divergence of the two tasks' shares.
    h = lambda p: -sum(q * np.log2(q) for q in p if q > 0)
    told = []
    for layers in zip(*(task["layers"] for task in report["tasks"])):
        a, b = (np.array(counts["shares"]) for counts in layers)
        told.append(h((a + b) / 2) - (h(a) + h(b)) / 2)
    assert report["information"]["layers"] == pytest.approx(told, abs=1e-9)
    assert report["information"]["mean"] == pytest.approx(np.mean(told), abs=1e-9)


def test_layers_have_blocks_and_roles(mixture, tmp_path):
    report = route(mixture, "--task", write_task(tmp_path, "tune1"))
    layer = {layer["name"]: layer for layer in report["layers"]}["model.layers.1.mlp.up_proj"]
    assert layer["block"] == 1 and layer["role"] == "mlp.up_proj"
    assert report["information"] == {"mean": None, "layers": []}  # one task


def test_batches_do_not_matter(mixture, tmp_path):
    task = write_task(tmp_path, "tune1")
    one, many = (route(mixture, "--task", task, "--batch", size) for size in (1, 64))
    assert one["tasks"] == many["tasks"]


def test_padding_is_not_counted(mixture, tmp_path):
    """A classification task, with a head of its own and rows of several lengths."""
    lengths = np.array([3, 7, 1, 7])
    ids = np.random.default_rng(0).integers(0, VOCABULARY, (4, 7)).astype(np.int64)
    mask = (np.arange(7) < lengths[:, None]).astype(np.int64)
    arrays = {"ids": ids, "mask": mask, "labels": np.array([0, 1, 0, 1])}
    safetensors_file.write(tmp_path / "data.safetensors", arrays)
    head = {"weight": np.ones((2, 8), np.float32), "bias": np.zeros(2, np.float32)}
    safetensors_file.write(tmp_path / "head.safetensors", head)
    task = {"task": "t", "type": "classification", "head": "head.safetensors",
            "test": {"file": "data.safetensors", "mask": "mask", "labels": "labels"}}  # fmt: skip
    (tmp_path / "t.yml").write_text(yaml.safe_dump(task))
    found = route(mixture, "--task", tmp_path / "t.yml", "--batch", 4)["tasks"][0]
    assert found["tokens"] == 18
    assert all(sum(counts["choices"]) == 18 for counts in found["layers"])
    assert len(found["text"]["ids"]) == 3  # of the first row


def test_the_own_expert_can_be_given_or_is_tried(mixture, tmp_path):
    task = write_task(tmp_path, "words")
    given = route(mixture, "--task", task, "--expert", "words=tune2")
    assert given["tasks"][0]["expert"] == "tune2" and given["notes"] == []
    assert given["tasks"][0]["expert_from"] == "given"
    tried = route("--task", task, mixture)
    assert tried["tasks"][0]["expert_from"] == "tried"
    (note,) = tried["notes"]
    assert f"'{tried['tasks'][0]['expert']}'" in note


@pytest.mark.parametrize("by, rows", [("role", 7), ("block", 2), ("layer", 14)])
def test_table(mixture, tmp_path, by, rows):
    out = program.succeed("route", mixture, "--task", write_task(tmp_path, "tune1"), "--by", by)
    lines = out.splitlines()
    assert lines[0].startswith("layers with experts") and lines[rows + 1].startswith("all ")
    assert "tune1 / tune2" in out and "own expert tune1" in out


def test_refusals(mixture, llamas, tmp_path):
    task = write_task(tmp_path, "tune1")
    assert "no mixture" in program.fail("route", tmp_path / "base", "--task", task)
    line = program.fail("route", mixture, "--task", task, "--expert", "tune1=nobody")
    assert "nobody" in line and "tune1, tune2" in line
    assert "TASK=EXPERT" in program.fail("route", mixture, "--task", task, "--expert", "tune1")
    assert "other" in program.fail("route", mixture, "--task", task, "--expert", "other=tune1")
    assert "vocabulary" in program.fail(
        "route", mixture, "--task", write_task(tmp_path, "far", vocabulary=99)
    )
    assert "train" in program.fail("route", mixture, "--task", task, "--split", "train")
    taken = tmp_path / "taken.html"
    taken.write_text("mine")
    line = program.fail("route", mixture, "--task", task, "--report", taken)
    assert "exists already" in line and taken.read_text() == "mine"


def test_configs_that_contradict_the_tensors_are_refused(mixture, tmp_path):
    task, file = write_task(tmp_path, "tune1"), mixture / "config.json"
    whole = json.loads(file.read_text())
    name = "model.layers.0.mlp.up_proj"

    def refused(change):
        config = json.loads(json.dumps(whole))
        change(config["smile"])
        file.write_text(json.dumps(config))
        return program.fail("route", mixture, "--task", task)

    assert name in refused(lambda s: s["modules"][name].update(ranks=[2, 3]))
    assert name in refused(lambda s: s["modules"][name].update(ranks=[2]))
    assert name in refused(lambda s: s["modules"][name].update(dense=True))
    assert name in refused(lambda s: s["modules"].pop(name))
    assert "gone" in refused(lambda s: s["modules"].update(gone=s["modules"][name]))
    assert "version 7" in refused(lambda s: s.update(version=7))
    assert "experts" in refused(lambda s: s.update(num_experts=10**9))
    assert "modules" in refused(lambda s: s.update(modules=[]))


# --- the page ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def driver():
    driver = browser.start()
    yield driver
    driver.quit()


@pytest.fixture
def opened(mixture, tmp_path, driver):
    """opened(width, theme): the program's report in a browser, and its document."""
    tasks = [write_task(tmp_path, name, seed) for seed, name in enumerate(("tune1", "tune2"))]
    flags = [mixture, "--task", tasks[0], "--task", tasks[1], "--report", tmp_path / "r.html"]

    def run(width=1280, theme="light"):
        document = route(*flags, "--force")
        browser.set_screen(driver, width, theme)
        browser.console(driver), browser.requests(driver)
        driver.get((tmp_path / "r.html").as_uri())
        assert driver.execute_script("return document.documentElement.dataset.ready") == "yes"
        return document

    yield run
    assert browser.console(driver) == []


def shown(driver, where):
    script = """return [...document.querySelectorAll(`${arguments[0]} [data-from]`)]
                 .map((element) => [Number(element.dataset.value), element.dataset.from])"""
    return driver.execute_script(script, where)


def resolve(document, pointer):
    for key in pointer.split("/")[1:]:
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document


def test_every_number_is_the_documents(opened, driver):
    document = opened()
    for where, least in (("#shares-0", 14), ("#shares-1", 14), ("#information-map", 14),
                         ("#text-0", 24), ("#tasks-table", 8), ("#layers-table", 14 * 8)):  # fmt: skip
        numbers = shown(driver, where)
        assert len(numbers) >= least, where
        for value, source in numbers:
            assert value == resolve(document, source), source


def choose(driver, label, index):
    driver.execute_script(
        """const select = [...document.querySelectorAll("label")]
             .find((l) => l.textContent.startsWith(arguments[0])).parentElement.querySelector("select");
           select.value = arguments[1];
           select.dispatchEvent(new Event("change"));""", label, index)  # fmt: skip


def test_choosing_an_expert_and_a_layer(opened, driver):
    document = opened()
    own = {source for _, source in shown(driver, "#shares-1 .plot")}
    assert all(source.endswith("/1") for source in own)  # each task's own
    choose(driver, "Expert", 1)
    assert all(source.endswith("/0") for _, source in shown(driver, "#shares-1 .plot"))
    assert driver.find_element("css selector", "#shares-1 h3").text == "tune2: share of tune1"
    choose(driver, "Layers", 6)
    down = [i for i, layer in enumerate(document["layers"]) if layer["role"] == "mlp.down_proj"]
    sources = {source for _, source in shown(driver, "#text-0 .plot")}
    assert {source.split("/")[5] for source in sources} == {str(i) for i in down}


def test_the_page_loads_nothing_and_is_the_sources(opened, driver, tmp_path):
    opened()
    path = tmp_path / "r.html"
    assert set(browser.requests(driver)) == {path.as_uri()}
    text = path.read_text()
    start = text.index('id="document">') + len('id="document">')
    document = text[start : text.index("</script>", start)].replace("\\u003c", "<")
    assert text == page(document, "routes")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_fits_the_screen(opened, driver, width, theme):
    opened(width, theme)
    size = driver.execute_script("return document.documentElement.scrollWidth")
    assert size == width, "the page scrolls sideways"
    beyond = driver.execute_script(
        """return [...document.querySelectorAll("figure")].filter((figure) =>
             [...figure.querySelectorAll(".datum, .plot svg")].some((mark) =>
               mark.getBoundingClientRect().right > figure.getBoundingClientRect().right)).map((f) => f.id)""")  # fmt: skip
    assert beyond == []


def test_names_are_text(driver, tmp_path):
    evil = "</script><img src=x onerror=alert(1)> {{page.css}}"
    counts = {"choices": [1, 2], "shares": [1 / 3, 2 / 3], "entropy": 0.9, "agreement": 0.3}
    task = {"name": evil, "rows": 1, "tokens": 3, "expert": evil, "expert_from": evil,
            "total": counts, "layers": [counts], "text": {"ids": [1], "experts": [[0]]}}  # fmt: skip
    document = {"document": "routes", "merganser": evil, "model": evil, "split": evil,
                "experts": [evil, "b"], "tasks": [task], "notes": [evil],
                "layers": [{"name": f"0.{evil}", "block": 0, "role": evil, "experts_per_token": 1}],
                "information": {"mean": None, "layers": []}}  # fmt: skip
    path = tmp_path / "evil.html"
    path.write_text(page(document, "routes"))
    driver.get(path.as_uri())
    assert driver.execute_script("return document.documentElement.dataset.ready") == "yes"
    assert driver.find_elements("css selector", "img") == []
    assert "<img src=x onerror=alert(1)>" in driver.find_element("css selector", "body").text
