"""The page of models on tasks in a browser, and that the program writes it."""

import json

import numpy as np
import pytest

from support import browser, checkpoint, program, safetensors_file
from support.report_page import page
from support.runtime import need_runtime


def document(tasks=("polarity", "a/b ~ </script>"), gains=True):
    """Three inputs, their base and ensemble, two merges: figures that no two have alike."""
    kinds = ["base", "input", "input", "input", "ensemble", "model", "model"]
    rows = []
    for r, kind in enumerate(kinds):
        figures = {}
        for t, task in enumerate(tasks):
            value = 0.5 + 0.05 * r + 0.01 * t
            figures[task] = {"value": value, "interval": [value - 0.02, value + 0.03]}
            if gains:
                gain = 0.2 * r - 0.1 * t
                figures[task] |= {"gain": gain, "gain_interval": [gain - 0.1, gain + 0.1]}
        rows.append({"name": f"models/{kind}-{r} <b>", "kind": kind, "tasks": figures})
    return {
        "document": "evaluation", "schema": 1, "merganser": "0.1.0", "split": "test", "report": "",
        "tasks": [{"name": task, "metric": "accuracy" if t == 0 else "loss", "rows": 1000 + t,
                   "smaller_is_better": t > 0, "best_input": rows[3]["name"]}
                  for t, task in enumerate(tasks)],
        "rows": rows, "notes": ["a note & <i>more</i>"], "seconds": 1.5,
    }


@pytest.fixture(scope="module")
def driver():
    driver = browser.start()
    yield driver
    driver.quit()


@pytest.fixture
def show(driver, tmp_path):
    def run(content, width=1280, theme="light"):
        path = tmp_path / "report.html"
        path.write_text(content if isinstance(content, str) else page(content, "evaluation"))
        browser.set_screen(driver, width, theme)
        driver.get(path.as_uri())
        assert driver.execute_script("return document.documentElement.dataset.ready") == "yes", (
            browser.console(driver)
        )
        return path

    browser.console(driver), browser.requests(driver)
    yield run
    assert browser.console(driver) == []


def marks(driver, figure):
    script = """
      return [...document.querySelectorAll(`#${arguments[0]} .plot .datum`)].map((mark) => {
        const box = mark.getBoundingClientRect();
        return {value: Number(mark.dataset.value), source: mark.dataset.from,
                label: mark.getAttribute("aria-label"), fill: getComputedStyle(mark).fill,
                x: box.x + box.width / 2, y: box.y + box.height / 2};
      });"""
    return driver.execute_script(script, figure)


def resolve(content, pointer):
    for key in pointer.split("/")[1:]:
        key = key.replace("~1", "/").replace("~0", "~")
        content = content[int(key)] if isinstance(content, list) else content[key]
    return content


@pytest.mark.parametrize("what", ["value", "gain"])
@pytest.mark.parametrize("task", [0, 1])
def test_a_point_for_every_model_drawn_to_scale(show, driver, what, task):
    content = document()
    show(content)
    dots = marks(driver, f"{what}-{task}")
    name = content["tasks"][task]["name"]
    assert [dot["value"] for dot in dots] == [row["tasks"][name][what] for row in content["rows"]]
    for dot in dots:
        assert resolve(content, dot["source"]) == dot["value"]
    values, places = np.array([[dot["value"], dot["x"]] for dot in dots]).T
    slope, start = np.polyfit(values, places, 1)
    assert slope > 50 and np.max(np.abs(slope * values + start - places)) < 0.05
    assert len({dot["fill"] for dot in dots}) == 4  # a colour a kind


def test_scatter_of_two_tasks(show, driver):
    content = document(("one", "two", "three"))
    show(content)
    dots = marks(driver, "two-tasks")
    assert [dot["value"] for dot in dots] == [row["tasks"]["one"]["gain"] for row in content["rows"]]
    selects = driver.find_elements("css selector", "#both select")
    choose = """arguments[0].selectedIndex = arguments[1]; arguments[0].dispatchEvent(new Event("change"))"""
    driver.execute_script(choose, selects[0], 2)
    driver.execute_script(choose, selects[1], 1)
    dots = marks(driver, "two-tasks")
    assert [dot["value"] for dot in dots] == [row["tasks"]["two"]["value"] for row in content["rows"]]
    heights = np.array([[row["tasks"]["three"]["value"], dot["y"]]
                        for row, dot in zip(content["rows"], dots)])
    slope, start = np.polyfit(*heights.T, 1)
    assert slope < -50 and np.max(np.abs(slope * heights[:, 0] + start - heights[:, 1])) < 0.05


def test_the_table_has_everything(show, driver):
    content = document()
    show(content)
    rows = driver.find_elements("css selector", "#figures-table tbody tr")
    assert len(rows) == len(content["rows"]) and "models/base-0 <b>" in rows[0].text
    assert "52 %" in rows[0].text or "50 %" in rows[0].text
    assert "a note & <i>more</i>" in driver.find_element("id", "table").text
    cells = driver.execute_script(
        """return [...document.querySelectorAll("#figures-table [data-from]")]
             .map((cell) => [cell.dataset.value, cell.dataset.from])""")
    assert len(cells) == 7 * 2 * 2
    assert all(float(value) == resolve(content, source) for value, source in cells)


def test_one_task_without_gains(show, driver):
    show(document(("only",), gains=False))
    assert len(marks(driver, "value-0")) == 7
    assert driver.find_elements("css selector", "#gains, #both") == []


def test_nothing_leaves_the_page(show, driver):
    path = show(document())
    assert set(browser.requests(driver)) == {path.as_uri()}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_fits_the_screen(show, driver, width, theme):
    show(document(), width, theme)
    assert driver.execute_script("return document.documentElement.scrollWidth") == width


def test_the_program_writes_this_page(merganser, tmp_path, show):
    need_runtime(merganser)
    base = checkpoint.llama(tmp_path / "base", 0)
    tunes = [checkpoint.llama(tmp_path / f"tune{i}", i, base=base) for i in (1, 2)]
    text = np.random.default_rng(0).integers(0, 16, 100, dtype=np.int32)
    safetensors_file.write(tmp_path / "d.safetensors", {"ids": text})
    (tmp_path / "t.yml").write_text("type: language_modelling\nlength: 8\ntest: {file: d.safetensors}\n")
    report = tmp_path / "page.html"
    command = ["evaluate", tunes[0], "--task", tmp_path / "t.yml", "--base", base, "--inputs", *tunes,
               "--report", report, "--json", "--threads", "1"]
    out = json.loads(program.succeed(*command))
    written = report.read_text()
    start = written.index('id="document">') + len('id="document">')
    shown = written[start : written.index("</script>", start)].replace("\\u003c", "<")
    assert written == page(shown, "evaluation")
    assert json.loads(shown)["rows"] == out["rows"] and out["report"] == str(report)
    show(written)
    assert "exists already" in program.run(*command).err
    program.succeed(*command, "--force")
