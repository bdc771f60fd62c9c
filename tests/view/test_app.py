"""`selfjudge view`: pages about a run that others cannot reach, that never change it, and that show hostile text as text."""

from __future__ import annotations

import hashlib
import html
import json
import shlex
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uvicorn
from fastapi.testclient import TestClient
from playwright.sync_api import sync_playwright

from selfjudge.cli.view import view
from selfjudge.errors import InputError
from selfjudge.measure.evaluate import Asking, evaluate
from selfjudge.measure.judges import find_contestant
from selfjudge.run import tables
from selfjudge.run.folder import RunFolder
from selfjudge.run.reasons import DROPPED
from selfjudge.view.annotations import PAIRS, Annotations, turned
from selfjudge.view.app import create_app
from selfjudge.view.index import RunIndex, Wanted
from selfjudge.wiring import named_benchmark

CHROMIUM = shutil.which("chromium")
KEY = "a-key"
HERE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def run(scripted_run: tuple[Path, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("viewed") / "run"
    shutil.copytree(scripted_run[0], folder)
    return folder


@pytest.fixture
def client(run: Path) -> TestClient:
    return TestClient(create_app([RunIndex(run)], KEY), base_url="http://127.0.0.1")


def digest(folder: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_every_page_is_shown_and_the_run_stays_as_it_was(client: TestClient, run: Path):
    before = digest(run)
    case = RunIndex(run).cases(Wanted(values={}), 0).rows[0]
    for page in ("/", "/pairs", "/bench", "/annotate/0", f"/prompt/0/{case['prompt_id']}?n=0", "/status/0", "/static/view.css"):
        assert client.get(f"/{KEY}{page}").status_code == 200, page

    assert digest(run) == before


@pytest.mark.parametrize("path", ["/", "/wrong/", "/pairs", "/a-ke/pairs", "//a-key/"])
def test_without_the_key_nothing_is_shown(client: TestClient, path: str):
    assert client.get(path).status_code == 403


@pytest.mark.parametrize("path", ["/pairs?page={}", "/bench?page={}", "/prompt/0/{id}?n={}"])
@pytest.mark.parametrize(("place", "status"), [("-5", 200), ("99999", 200), ("1" * 25, 422)])
def test_a_place_outside_of_a_list_shows_nothing_or_is_refused(client: TestClient, run: Path, path: str, place: str, status: int):
    prompt = RunIndex(run).cases(Wanted(values={}), 0).rows[0]["prompt_id"]
    assert client.get(f"/{KEY}{path.replace('{id}', prompt).format(place)}").status_code == status


def test_another_host_name_is_refused(client: TestClient):
    assert client.get(f"/{KEY}/", headers={"Host": "rebound.example"}).status_code == 400


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {}], ids=str
)
def test_what_another_site_posts_is_refused(client: TestClient, run: Path, headers: dict[str, str]):
    pair = Annotations(RunIndex(run)).round(1)[0]

    assert client.post(f"/{KEY}/annotate/0/1/{pair}", data={"choice": "first"}, headers=headers).status_code == 403
    assert not Annotations(RunIndex(run)).labels


@pytest.mark.parametrize(
    "path",
    ["/image/0/png/../../recipe.json", "/image/0/png/" + "0" * 64, "/image/0/svg+xml/" + "0" * 64, "/image/7/png/" + "0" * 64,
     "/static/../index.py", "/static/%2e%2e/index.py",
     "/prompt/0/..%2f..", "/item?name=../..&item_id=x", "/pairs?run=9", "/nowhere"],
)  # fmt: skip
def test_what_is_not_there_is_not_found(client: TestClient, path: str):
    assert client.get(f"/{KEY}{path}").status_code == 404


def test_pages_forbid_scripts_of_others_and_every_foreign_request(client: TestClient):
    headers = client.get(f"/{KEY}/pairs").headers

    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http:" not in policy
    assert headers["referrer-policy"] == "same-origin" and headers["x-content-type-options"] == "nosniff"


def test_cases_are_filtered_searched_and_sorted(run: Path):
    index = RunIndex(run)
    everything = index.cases(Wanted(values={}), 0, 10_000)
    one = next(row for row in everything.rows if row["pair_id"])
    kept = index.cases(Wanted(values={"fate": "kept", "iteration": "1"}), 0, 10_000)
    named = index.cases(Wanted(values={}, text=one["chosen"][:20].upper()), 0, 10_000)
    margins = [row["margin"] for row in index.cases(Wanted(values={"kind": "closed"}, sort="smallest margin"), 0, 10_000).rows]

    assert everything.total == len(everything.rows) == sum(sum(counts.values()) for counts in index.fates().values())
    assert kept.rows and all(row["fate"] == "kept" and row["iteration"] == 1 for row in kept.rows)
    assert one["pair_id"] in {row["pair_id"] for row in named.rows} and named.total < everything.total
    known = [margin for margin in margins if margin is not None]
    assert known and known == sorted(known) and margins[: len(known)] == known


def test_margins_have_limits(run: Path):
    index = RunIndex(run)
    margins = [row["margin"] for row in index.cases(Wanted(values={}), 0, 10_000).rows if row["margin"] is not None]
    found = [row["margin"] for row in index.cases(Wanted(values={}, margins=(5, 8)), 0, 10_000).rows]

    assert found and sorted(found) == sorted(margin for margin in margins if 5 <= margin <= 8)


def test_a_search_finds_what_the_judge_said_where_that_is_wanted(run: Path):
    index = RunIndex(run)

    assert not index.cases(Wanted(values={}, text="Image AGREES"), 0).total
    found = index.cases(Wanted(values={}, text="Image AGREES", traces=True), 0, 10_000).rows
    assert found and all("right" in row["verdicts"] or "wrong" in row["verdicts"] for row in found)


@pytest.mark.parametrize(
    "query", ["low=x&high=1e9", "low=99999999999", "page=0", "sort=nothing", "q=%00&fate=%1b", "traces=maybe"]
)
def test_an_odd_address_still_shows_a_page(client: TestClient, query: str):
    shown = client.get(f"/{KEY}/pairs?{query}")

    assert shown.status_code == 200 and "\x00" not in shown.text and "\x1b" not in shown.text


def test_names_in_reasons_are_code_and_the_filter_is_called_as_the_column(client: TestClient, run: Path):
    index = RunIndex(run)
    fate = next(fate for fate in index.fates() if "`" in DROPPED.get(fate, ("", ""))[1])
    case = index.cases(Wanted(values={"fate": fate}), 0).rows[0]
    name = DROPPED[fate][1].split("`")[1]
    for page in ("/", f"/prompt/0/{case['prompt_id']}"):
        text = client.get(f"/{KEY}{page}").text
        assert f"<code>{name}</code>" in text and f"`{name}`" not in text
    assert '<label>end <select name="fate">' in client.get(f"/{KEY}/pairs").text


def test_beside_a_verdict_stands_the_probability_of_the_better_response(run: Path, tmp_path: Path):
    mine = tmp_path / "run"
    shutil.copytree(run, mine)
    path = mine / "iteration-1/judgments.parquet"
    rows = pq.read_table(path).to_pylist()
    given = [{**row, "probability": 0.98 if row["order"] == "chosen_first" else 0.02} for row in rows]
    pq.write_table(pa.Table.from_pylist(given, tables.JUDGMENTS.schema), path)
    index = RunIndex(mine)
    case = next(row for row in index.cases(Wanted(values={"iteration": "1"}), 0).rows if row["pair_id"])
    shown = TestClient(create_app([index], KEY), base_url="http://127.0.0.1").get(f"/{KEY}/prompt/0/{case['prompt_id']}").text
    assert shown.count("P(better) 0.98") >= 2 and "0.02" not in shown


def test_pictures_of_a_list_are_small(client: TestClient, run: Path):
    ref = next(row["images"][0] for row in RunIndex(run).cases(Wanted(values={}), 0).rows if row["images"])
    small = client.get(f"/{KEY}/image/0/{ref['media_type'][6:]}/{ref['sha256']}?small=true")

    assert small.headers["content-type"] == "image/jpeg" and len(small.content) < 20_000


@pytest.mark.parametrize("text", ["'; DROP TABLE cases; --", "%", "_", "\\", "\x00", "100 %"])
def test_a_search_takes_any_text(run: Path, text: str):
    index = RunIndex(run)

    index.cases(Wanted(values={"fate": text}, text=text), 0)
    assert index.cases(Wanted(values={}), 0).total


def test_a_run_under_way_is_followed(run: Path, tmp_path: Path):
    young = tmp_path / "run"
    shutil.copytree(run, young, ignore=shutil.ignore_patterns("iteration-*", "summary.json"))
    index = RunIndex(young)
    assert TestClient(create_app([index], KEY), base_url="http://127.0.0.1").get(f"/{KEY}/").status_code == 200
    assert index.cases(Wanted(values={}), 0).total == 0

    shutil.copytree(run / "iteration-1", young / "iteration-1", ignore=shutil.ignore_patterns("selected*", "dropped*", "judg*"))
    index.refresh()
    assert {row["fate"] for row in index.cases(Wanted(values={}), 0).rows} == {"not selected yet"}
    shutil.copytree(run / "iteration-1", young / "iteration-1", dirs_exist_ok=True)
    index.refresh()
    assert "kept" in index.fates()


def test_a_folder_that_is_no_run_is_an_error_with_a_hint(tmp_path: Path):
    with pytest.raises(InputError, match="no run folder"):
        view(tmp_path)


def test_the_page_of_two_judges_shows_the_items_about_which_they_differ(run: Path, client: TestClient):
    page = client.get(f"/{KEY}/bench", params={"a": "0.1", "b": "0.0"}).text
    same = client.get(f"/{KEY}/bench", params={"a": "0.1", "b": "0.1"}).text

    assert "about which they say something else" in page and "0 items about which" in same


def test_a_judge_of_the_second_run_is_shown_with_the_items_of_its_own_run(run: Path, tmp_path: Path):
    other, some = tmp_path / "other", tmp_path / "some"
    rows = pq.read_table(run / "benchmarks/shapes-bench/items.parquet").to_pylist()
    for folder, items in ((other, [{**row, "id": f"x{row['id']}"} for row in rows]), (some, rows[:7])):
        shutil.copytree(run, folder)
        pq.write_table(pa.Table.from_pylist(items, tables.ITEMS.schema), folder / "benchmarks/shapes-bench/items.parquet")

    def shown(folder: Path, **query: str) -> str:
        client = TestClient(create_app([RunIndex(run), RunIndex(folder)], KEY), base_url="http://127.0.0.1")
        return client.get(f"/{KEY}/bench", params={"every": "true", **query}).text

    assert "item_id=x" in shown(other, a="1.0") and "item_id=x" not in shown(other, a="0.0")
    assert "none is shared" in shown(other, a="0.0", b="1.0")
    assert "They share 7, and those are compared" in shown(some, a="0.0", b="1.0")
    client = TestClient(create_app([RunIndex(run), RunIndex(other)], KEY), base_url="http://127.0.0.1")
    assert client.get(f"/{KEY}/item", params={"name": "shapes-bench", "item_id": f"x{rows[0]['id']}"}).status_code == 200


@pytest.mark.slow
def test_labels_of_a_person_become_a_benchmark_and_are_compared_with_the_judge(run: Path, tmp_path: Path):
    mine = tmp_path / "it's mine"
    shutil.copytree(run, mine)
    client = TestClient(create_app([RunIndex(mine)], KEY), base_url="http://127.0.0.1")
    labels = Annotations(RunIndex(mine))
    pairs = labels.round(1)
    for number, pair in enumerate(pairs):  # the synthetic label, but for one pair and one tie
        right = "second" if turned(pair) else "first"
        choice = "tie" if number == 0 else {"first": "second", "second": "first"}[right] if number == 1 else right
        shown = client.post(f"/{KEY}/annotate/0/1/{pair}", data={"choice": choice}, headers=HERE)
        assert shown.status_code == 200

    assert len(pairs) <= PAIRS and f"All {len(pairs)} pairs" in shown.text
    synthetic, judge = Annotations(RunIndex(mine)).agreement(1)
    assert (synthetic.agreed, synthetic.of) == (len(pairs) - 2, len(pairs) - 1)
    assert synthetic.limits is not None and synthetic.limits[0] < synthetic.agreed / synthetic.of < synthetic.limits[1]
    assert judge.of <= synthetic.of
    command = html.unescape(shown.text.partition("<pre>")[2].partition("</pre>")[0])
    assert shlex.split(command)[-1] == str(tmp_path / "it's mine.annotations" / "pairs.jsonl")
    benchmark = named_benchmark(shlex.split(command)[-1])
    place = RunFolder(tmp_path / "measured")
    (result,) = evaluate(find_contestant("first", place, {}), [benchmark], place, asking=Asking(), progress=quiet)
    assert result.figures["n"] == len(pairs) - 1


def test_the_last_label_can_be_taken_back(run: Path, tmp_path: Path):
    mine = tmp_path / "mine"
    shutil.copytree(run, mine)
    client = TestClient(create_app([RunIndex(mine)], KEY), base_url="http://127.0.0.1")
    one, two = Annotations(RunIndex(mine)).round(1)[:2]
    for pair in (one, two):
        client.post(f"/{KEY}/annotate/0/1/{pair}", data={"choice": "first"}, headers=HERE)
    assert client.post(f"/{KEY}/annotate/0/1").status_code == 403
    client.post(f"/{KEY}/annotate/0/1", headers=HERE)

    assert list(Annotations(RunIndex(mine)).labels) == [(1, one)]
    assert len((tmp_path / "mine.annotations" / "pairs.jsonl").read_text().splitlines()) == 1


def test_a_pair_of_two_iterations_is_labelled_and_counted_in_each(run: Path, tmp_path: Path):
    mine = tmp_path / "mine"
    shutil.copytree(run, mine)
    labels = Annotations(RunIndex(mine))
    again = next(pair for pair in labels.round(1) if labels.pair(2, pair))
    for iteration in (1, 2):
        labels.add(iteration, labels.pair(iteration, again) or {}, "first")
        assert labels.agreement(iteration)[0].of == 1
    assert len((tmp_path / "mine.annotations" / "pairs.jsonl").read_text().splitlines()) == 1


def test_a_port_that_is_taken_is_an_error_with_a_hint(run: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InputError, match="cannot listen on port"):
        view(run, None, taken.getsockname()[1], None)


def quiet(label: str, total: int | None) -> Any:
    from runs import no_progress

    return no_progress(label, total)


def test_a_damaged_file_of_labels_is_an_error_that_names_the_line(run: Path, tmp_path: Path):
    mine = tmp_path / "mine"
    shutil.copytree(run, mine)
    (tmp_path / "mine.annotations").mkdir()
    (tmp_path / "mine.annotations" / "labels.jsonl").write_text(
        json.dumps({"pair_id": "x", "iteration": 1, "choice": "tie", "better": None}) + "\n{broken\n"
    )

    with pytest.raises(InputError, match=r"labels.jsonl:2"):
        Annotations(RunIndex(mine))


@pytest.fixture(scope="module")
def address(run: Path) -> Iterator[str]:
    """A viewer that serves a real port."""
    server = uvicorn.Server(uvicorn.Config(create_app([RunIndex(run)], KEY), port=0, log_level="warning"))
    listening = server.config.bind_socket()
    listening.listen()  # whoever comes before the thread has begun waits
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/{KEY}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs chromium; .ci/run installs it")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """A page that must not complain, nor ask anybody but the viewer."""
    shown, complaints = browser.new_page(viewport={"width": 1440, "height": 900}), list[str]()
    shown.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    shown.on("pageerror", lambda error: complaints.append(str(error)))
    shown.on("request", lambda request: None if request.url.startswith(address) else complaints.append(request.url))
    yield shown
    shown.close()
    assert not complaints


@pytest.mark.slow
def test_a_browser_filters_searches_and_moves_by_keys(page: Any, address: str, run: Path):
    page.goto(f"{address}/pairs")
    page.select_option("select[name=fate]", "kept")
    page.wait_for_url("**fate=kept**")
    assert set(page.locator("#found td:last-child").all_inner_texts()) == {"kept"}
    first = RunIndex(run).cases(Wanted(values={"fate": "kept"}), 0).rows[0]
    page.locator("h1").click()
    page.keyboard.press("/")
    page.keyboard.type(first["chosen"])
    page.wait_for_url(lambda url: parse_qs(urlsplit(url).query).get("q") == [first["chosen"]])
    page.wait_for_load_state("networkidle")  # the rows of the whole text are there
    page.locator("h1").click()
    page.keyboard.press("j")
    page.wait_for_selector("tr.here")
    page.keyboard.press("Enter")
    page.wait_for_url("**/prompt/**")
    assert page.locator("mark").count() and page.locator(".turn p.kept").count()
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()


def test_a_browser_labels_pairs_by_keys(page: Any, address: str, run: Path):
    page.goto(f"{address}/annotate/0?iteration=1")
    before = len(Annotations(RunIndex(run)).labels)
    with page.expect_navigation():
        page.keyboard.press("1")
    with page.expect_navigation():
        page.keyboard.press("0")
    labels = list(Annotations(RunIndex(run)).labels.values())[before:]

    assert [label["choice"] for label in labels] == ["first", "tie"]
    assert "2 of" in page.locator("main").inner_text()


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1440])
def test_axe_finds_nothing_at_aa(browser: Any, address: str, run: Path, width: int, theme: str):
    from axe_playwright_python.sync_playwright import Axe

    case = RunIndex(run).cases(Wanted(values={"fate": "kept"}), 0).rows[0]
    shown = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
    for path in ("/", "/pairs", f"/prompt/0/{case['prompt_id']}", "/bench?a=0.1&b=0.0", "/annotate/0"):
        shown.goto(address + path)
        found = Axe().run(shown, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
        assert not found.response["violations"], path
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
    shown.close()
