"""The report stands alone, shows what a run achieved and what is wrong with it, and looks right in a real browser."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from runs import run_recipe, scripted_recipe
from selfjudge.recipe.file import load_recipe
from selfjudge.report.departures import ours
from selfjudge.report.examples import watched
from selfjudge.report.iterations import show_iterations
from selfjudge.report.page import write_report
from selfjudge.run import tables

CHROMIUM = shutil.which("chromium")
HOSTILE = (
    "<script>alert(1)</script>",
    "</title></style></svg><img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><b",
    "{{ 7 * 7 }} [bold]rich[/bold] `code`",
    "\x1b[31mred\x1b]0;title\x07",
    "abc\u202edcba\u2066",
    "null\x00byte",
    "x" * 1_000_000,
)


def page(scripted_run: tuple[Path, dict[str, Any]]) -> Path:
    folder, state = scripted_run
    return write_report(folder, state)


def test_the_report_is_one_small_file_without_scripts_and_without_links_to_other_files(scripted_run: tuple[Path, dict[str, Any]]):
    path = page(scripted_run)
    text = path.read_text()
    assert "<svg" in text and "data:image/png;base64," in text
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in text
    assert "<script" not in text and 'src="http' not in text and "<link" not in text
    assert path.stat().st_size < 300_000


def test_the_report_is_the_same_each_time(scripted_run: tuple[Path, dict[str, Any]]):
    assert page(scripted_run).read_bytes() == page(scripted_run).read_bytes()


def test_its_parts_come_in_the_order_in_which_a_reader_asks(scripted_run: tuple[Path, dict[str, Any]]):
    text = page(scripted_run).read_text()
    parts = ["lead", "learning", "funnel", "dimensions", "health", "cost", "recipe", "pairs"]
    places = [text.index(f'<h2 id="{part}"' if part != "lead" else '<p class="lead"') for part in parts]
    assert places == sorted(places) and text.count("<article>") == 20


def test_without_a_benchmark_figures_without_labels_stand_in_front(tmp_path: Path, scripted_run: tuple[Path, dict[str, Any]]):
    _, state = scripted_run
    entries = [{**entry, "benchmarks": {}} for entry in state["iterations"]]
    text = write_report(tmp_path, {**state, "iterations": entries}).read_text()
    assert "nothing here says how often the judge is right" in text and "learning" not in text


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([], ["synthesis.open.mode: replace"]),
        (["synthesis.open.mode=rewrite"], []),
        (["synthesis.open.mode=rewrite", "synthesis.closed.alternative=pooled"], ["synthesis.closed.alternative: pooled"]),
        (["synthesis.open.mode=rewrite", "training.replay=1"], ["training.replay: 1"]),
        (["synthesis.open.mode=rewrite", "judging.early_exit=true"], ["judging.early_exit: True"]),
        (["synthesis.open.mode=rewrite", "training.epochs=2"], ["1 number that it reports, which the table names"]),
        (["synthesis.open.mode=rewrite", "images.longest_edge=99", "max_pixels=9999", "training.weight_decay=1"], []),
    ],
    ids=str,
)
def test_the_method_is_called_the_papers_but_for_every_field_that_leaves_it(tmp_path: Path, changes: list[str], told: list[str]):
    (tmp_path / "recipe.yaml").write_text("model: shapes\nprompts: [{kind: shapes}]\n")
    recipe = load_recipe(tmp_path / "recipe.yaml", changes).model_dump(mode="json")
    assert [one.partition(" (")[0] for one in ours(recipe)] == told


def test_a_page_counts_failed_requests_and_says_what_the_figures_of_health_are_over(tmp_path: Path):
    changes = ("judging.early_exit=true", "judging.samples=2", "training.replay=1", "prompts.0.limit=600")
    state = run_recipe(scripted_recipe(*changes), tmp_path)
    *_, last = state["iterations"]
    asked = last["failures"]["judge"]["requests"]
    last["failures"] = {**last["failures"], "judge": {**last["failures"]["judge"], "cut_off": 2 / asked}}
    text = page((tmp_path, state)).read_text()
    found, of = watched(tmp_path, last["iteration"])
    assert 30 < found < of / 5 and f"{found} of {of} in iteration {last['iteration']}." in text
    assert f"<td>0 / 2 of {asked:,}</td>" in text
    assert "with those of the iteration before (<code>training.replay</code>)" in text
    assert "iteration 0: None" not in (tmp_path / "run.log").read_text()


@pytest.fixture(scope="module")
def hostile_run(
    tmp_path_factory: pytest.TempPathFactory, scripted_run: tuple[Path, dict[str, Any]]
) -> tuple[Path, dict[str, Any]]:
    """A run whose prompts, responses, traces, places, dimensions and names hold hostile texts."""
    folder, state = tmp_path_factory.mktemp("hostile") / "run", scripted_run[1]
    shutil.copytree(scripted_run[0], folder)
    place = folder / f"iteration-{state['iterations'][-1]['iteration']}"
    for kind, columns in ((tables.PAIRS, ("prompt", "chosen", "source")), (tables.JUDGMENTS, ("trace",))):
        path = place / f"{kind.name}.parquet"
        rows = pq.read_table(path).to_pylist()
        for number, row in enumerate(rows):
            row.update({name: HOSTILE[number % len(HOSTILE)] for name in columns})
        pq.write_table(pa.Table.from_pylist(rows, kind.schema), path)
    refused = [
        {"reason": "no_image", "count": 1, "meaning": "", "change": "", "examples": [{"place": t, "detail": t}]} for t in HOSTILE
    ]
    entries = [
        {**entry, "benchmarks": {HOSTILE[1]: _hostile(figures)}}
        for entry in state["iterations"]
        for figures in entry["benchmarks"].values()
    ]
    entries[-1]["warnings"] = [f"Judge 1: {text}" for text in HOSTILE]
    return folder, {**state, "name": HOSTILE[0], "refused": refused, "iterations": entries}


def _hostile(figures: dict[str, Any]) -> dict[str, Any]:
    parts = list(figures["dimensions"].values())
    return {**figures, "dimensions": {text: parts[number % len(parts)] for number, text in enumerate(HOSTILE)}}


def test_hostile_texts_are_text_in_the_page(hostile_run: tuple[Path, dict[str, Any]]):
    path = page(hostile_run)
    text = path.read_text()
    assert not re.search(r"<script|<img src=x|<svg onload|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert "&lt;script&gt;alert(1)" in text and "[U+202E]" in text and "[U+0000]" in text and "{{ 7 * 7 }}" in text
    assert path.stat().st_size < 2_000_000 and "998,000 more characters" in text


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs chromium; .ci/run installs it")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What a browser complains about, and what it asks the network for."""
    return []


def opened(browser: Any, path: Path, complaints: list[str], *, width: int = 1440, theme: str = "light") -> Any:
    shown = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
    shown.on("console", lambda message: complaints.append(message.text))
    shown.on("pageerror", lambda error: complaints.append(str(error)))
    shown.on("dialog", lambda dialog: complaints.append("a dialog"))
    shown.on(
        "request", lambda request: complaints.append(request.url) if not request.url.startswith(("file:", "data:")) else None
    )
    shown.goto(path.as_uri())
    return shown


def test_a_browser_shows_the_curve_the_funnel_and_the_differences(
    browser: Any, complaints: list[str], scripted_run: tuple[Path, dict[str, Any]]
):
    shown = opened(browser, page(scripted_run), complaints)
    state = scripted_run[1]
    assert shown.title() == "scripted – selfjudge"
    assert shown.locator("figure.curve svg").bounding_box()["width"] > 600
    cells = shown.locator("table").first.locator("tbody tr").nth(2).locator("td").all_inner_texts()
    assert cells[1].startswith(f"{state['iterations'][2]['benchmarks']['shapes-bench']['accuracy']:.3f}")
    bars = shown.locator(".funnel .bar").evaluate_all("bars => bars.map(bar => bar.getBoundingClientRect().width)")
    assert len(bars) == 5 and bars == sorted(bars, reverse=True) and bars[-1] > 0
    assert shown.locator(".chosen mark").first.is_visible() and shown.locator(".rejected mark").first.is_visible()
    loaded = shown.locator("article img").evaluate_all("images => images.map(image => image.naturalWidth)")
    assert loaded and all(width == 48 for width in loaded)
    assert not complaints


@pytest.mark.slow
@pytest.mark.parametrize("which", ["scripted_run", "hostile_run"])
@pytest.mark.parametrize(("theme", "width"), [("light", 375), ("dark", 1440), ("dark", 375), ("light", 1440)])
def test_nothing_is_inaccessible_or_asks_the_network(
    browser: Any, complaints: list[str], which: str, theme: str, width: int, request: pytest.FixtureRequest
):
    from axe_playwright_python.sync_playwright import Axe

    shown = opened(browser, page(request.getfixturevalue(which)), complaints, width=width, theme=theme)
    assert shown.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert not complaints
    found = Axe().run(shown, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found] == []
    shown.close()


def test_what_is_wrong_stands_on_the_console_and_in_the_report(tmp_path: Path, scripted_run: tuple[Path, dict[str, Any]]):
    _, state = scripted_run
    *entries, last = state["iterations"]
    warned = {**state, "iterations": [*entries, {**last, "warnings": ["Judge 1: it has [learned] nothing.", "Set `kind`."]}]}
    text = write_report(tmp_path, warned).read_text()
    assert "<li>Judge 1: it has [learned] nothing.</li>" in text and "<li>Set <code>kind</code>.</li>" in text
    shown = StringIO()
    show_iterations(warned, Console(file=shown, width=200))
    assert "warning: Judge 1: it has [learned] nothing." in shown.getvalue()


def test_benchmarks_have_tables_of_their_own_that_fit_a_narrow_terminal(scripted_run: tuple[Path, dict[str, Any]]):
    _, state = scripted_run
    several = dict.fromkeys(("one", "other", "third"), state["iterations"][0]["benchmarks"]["shapes-bench"])
    shown = StringIO()
    show_iterations(
        {**state, "iterations": [{**entry, "benchmarks": several} for entry in state["iterations"]]},
        Console(file=shown, width=70),
    )
    assert "…" not in shown.getvalue() and shown.getvalue().count("┃ both orders") == 3


def test_a_table_that_is_wider_than_the_terminal_cuts_nothing_off(scripted_run: tuple[Path, dict[str, Any]]):
    shown = StringIO()
    show_iterations(scripted_run[1], Console(file=shown, width=70))
    assert "…" not in shown.getvalue()


def test_figures_that_others_published_stand_in_their_own_columns(tmp_path: Path, scripted_run: tuple[Path, dict[str, Any]]):
    _, state = scripted_run
    named = [{**entry, "benchmarks": {"vl-rewardbench": entry["benchmarks"]["shapes-bench"]}} for entry in state["iterations"]]
    text = write_report(tmp_path, {**state, "iterations": named}).read_text()
    macro_only = text.partition("macro only</summary>")[2].partition("</table>")[0]
    assert "<th>macro</th>" in macro_only and "<th>overall</th>" not in macro_only and "–" not in macro_only
