"""The page of a barrier in a browser: it shows the document's numbers and loads nothing."""

import json

import pytest

from support import browser, networks, program
from support.runtime import need_runtime


@pytest.fixture(scope="module")
def driver():
    driver = browser.start()
    yield driver
    driver.quit()


@pytest.fixture
def show(merganser, driver, tmp_path):
    """show(models, *flags): opens the page of a barrier between so many; returns its document."""
    need_runtime(merganser)

    def run(count, *flags, norm="none"):
        models = [networks.mlp(tmp_path / f"m{i}<b>", i, norm=norm) for i in range(count)]
        file, _ = networks.task(tmp_path)
        page = tmp_path / "page.html"
        program.succeed("barrier", *models, "-t", file, "--report", page, "--threads", 1, *flags)
        browser.set_screen(driver, 1280)
        driver.get(page.as_uri())
        assert driver.execute_script("return document.documentElement.dataset.ready") == "yes", (
            browser.console(driver)
        )
        return json.loads(driver.execute_script("return document.getElementById('document').textContent"))

    browser.console(driver), browser.requests(driver)
    yield run
    assert browser.console(driver) == []
    assert all(address.startswith("file:") for address in browser.requests(driver))


def resolve(document, pointer):
    for key in pointer.split("/")[1:]:
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document


def check_numbers(driver, document):
    script = """for (const details of document.querySelectorAll("details")) details.open = true;
                return [...document.querySelectorAll("[data-from]")]
                  .map((element) => [element.dataset.value, element.dataset.from])"""
    shown = driver.execute_script(script)
    for value, source in shown:
        assert float(value) == resolve(document, source), source
    return {source for _, source in shown}


def test_a_path(show, driver):
    document = show(2, "--points", 7, norm="batch")
    sources = check_numbers(driver, document)
    for p in range(2):
        for c in range(2):
            for measure in ("loss", "error"):
                assert {f"/panels/{p}/curves/{c}/{measure}/{i}" for i in range(7)} <= sources
                assert f"/panels/{p}/curves/{c}/{measure}_barrier/above_line/unclipped" in sources
        assert f"/panels/{p}/ensemble/loss/3" in sources
    assert driver.find_element("id", "title").text == "From m0<b> to m1<b>"


def test_a_plane(show, driver):
    document = show(3, "--points", 4, "--split", "test")
    sources = check_numbers(driver, document)
    assert {f"/panels/0/curves/0/loss/{i}" for i in range(16)} <= sources
    assert {f"/panels/0/curves/0/model_loss/{i}" for i in range(3)} <= sources
    assert len(driver.find_elements("css selector", "#plane-0-0-loss .plot rect.datum")) == 16
