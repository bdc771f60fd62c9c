"""The report stands alone, shows the figures of the summary, and looks right in a real browser."""

from __future__ import annotations

import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from selfjudge.report import write_report
from selfjudge.report.iterations import show_iterations

CHROMIUM = shutil.which("chromium")


def page(scripted_run: tuple[Path, dict[str, Any]]) -> Path:
    folder, state = scripted_run
    return write_report(folder, state)


def test_the_report_is_one_file_without_links_to_anywhere(scripted_run: tuple[Path, dict[str, Any]]):
    text = page(scripted_run).read_text()
    assert "<svg" in text
    assert "data:image/png;base64," in text
    assert "<script" not in text
    assert 'src="http' not in text
    assert "<link" not in text


def test_the_report_is_the_same_each_time(scripted_run: tuple[Path, dict[str, Any]]):
    assert page(scripted_run).read_bytes() == page(scripted_run).read_bytes()


def test_texts_of_models_cannot_become_part_of_the_page(tmp_path: Path, scripted_run: tuple[Path, dict[str, Any]]):
    _, state = scripted_run
    write_report(tmp_path, {**state, "name": "<script>alert(1)</script>"})
    assert "<script>alert" not in (tmp_path / "report.html").read_text()


def test_what_the_monitors_say_stands_in_the_report_and_on_the_console(tmp_path: Path, scripted_run: tuple[Path, dict[str, Any]]):
    _, state = scripted_run
    *entries, last = state["iterations"]
    assert [entry["warnings"] for entry in state["iterations"]] == [[], [], []]
    warned = {**state, "iterations": [*entries, {**last, "warnings": ["Judge 1: it has [learned] nothing."]}]}
    text = write_report(tmp_path, warned).read_text()
    assert "<td>own answers</td>" in text and "Judge 1: it has [learned] nothing." in text
    shown = StringIO()
    show_iterations(warned, Console(file=shown, width=200))
    assert "warning: Judge 1: it has [learned] nothing." in shown.getvalue()


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium; .ci/run installs it")
def test_a_browser_shows_the_curve_the_figures_and_the_pictures(scripted_run: tuple[Path, dict[str, Any]]):
    from playwright.sync_api import sync_playwright

    _, state = scripted_run
    path = page(scripted_run)
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        shown = browser.new_page(viewport={"width": 900, "height": 1200})
        complaints: list[str] = []
        shown.on("console", lambda message: complaints.append(message.text))
        shown.goto(path.as_uri())
        assert shown.title() == "scripted – selfjudge"
        assert shown.locator("figure svg").bounding_box()["width"] > 300  # type: ignore[index]
        cells = shown.locator("table").first.locator("tbody tr").nth(2).locator("td").all_inner_texts()
        assert cells[1] == f"{state['iterations'][2]['benchmarks']['shapes-bench']['accuracy']:.3f}"
        loaded = shown.locator("article img").evaluate_all("images => images.map(image => image.naturalWidth)")
        assert loaded and all(width == 48 for width in loaded)
        assert shown.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert not complaints
        browser.close()
