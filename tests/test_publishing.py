"""Publishing in a run: judges and pairs reach the hub once, nothing else does, and a failing hub costs nothing computed."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from hub_uploads import DROP, TOKEN, Hub, Repo, taking_uploads
from runs import digests, run_recipe, scripted_recipe
from selfjudge.errors import PublishError, RecipeError
from selfjudge.hub import publishing
from selfjudge.hub.publishing import Publisher
from selfjudge.hub.uploading import HuggingFaceHub
from selfjudge.recipe.execution import Push
from selfjudge.run import tables
from selfjudge.run.folder import ImageStore, RunFolder
from selfjudge.run.images import admit, decode

JUDGES, PAIRS = "models/me/judge", "datasets/me/judge-pairs"
PUSH = "execution.push=me/judge"

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the library's own, of its HTTP client


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that takes uploads; the library speaks without Xet, and does not wait before it tries again."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    with taking_uploads() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server


@pytest.fixture
def run(tmp_path: Path, scripted_run: tuple[Path, dict[str, Any]]) -> Path:
    """A finished run of the scripted recipe, which was not published."""
    return Path(shutil.copytree(scripted_run[0], tmp_path / "run"))


def publish(folder: Path, *overrides: str) -> dict[str, Any]:
    return run_recipe(scripted_recipe(PUSH, *overrides), folder)


def held(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_each_judge_is_a_tag_and_the_plain_name_is_the_final_one(hub: Hub, run: Path):
    publish(run)
    repo = hub.repos[JUDGES]
    assert repo.private and hub.repos[PAIRS].private
    assert list(repo.tags) == ["iteration-1", "iteration-2"]
    for number in (1, 2):
        assert repo.commits[repo.tags[f"iteration-{number}"]] == held(run / f"iteration-{number}/judge")
    assert repo.files == held(run / "iteration-2/judge")
    card = repo.files["README.md"].decode()
    assert "vllm serve me/judge --revision iteration-2" in card and 'Judge.load("me/judge", revision="iteration-2")' in card


def test_pairs_are_a_data_set_that_loads_with_its_images(hub: Hub, run: Path, tmp_path: Path):
    import datasets

    publish(run)
    for name, data in hub.repos[PAIRS].files.items():
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(data)
    loaded = datasets.load_dataset(str(tmp_path / "data"), cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == ["iteration_1", "iteration_2"]
    stored = pq.read_table(run / "iteration-1/pairs.parquet").to_pylist()
    rows = loaded["iteration_1"]
    assert rows["chosen"] == [row["chosen"] for row in stored]
    assert rows[0]["images"][0].size == (48, 48)
    kept = set(pq.read_table(run / "iteration-1/selected.parquet")["pair_id"].to_pylist())
    assert {row["id"] for row in rows if row["kept"]} == kept


def test_nothing_of_a_benchmark_is_published(hub: Hub, run: Path):
    publish(run)
    assert set(hub.repos) == {JUDGES, PAIRS}
    assert set(hub.repos[PAIRS].files) == {"README.md", "pairs/iteration-1.parquet", "pairs/iteration-2.parquet"}
    items = set(pq.read_table(run / "benchmarks/shapes-bench/items.parquet")["id"].to_pylist())
    (run / "pushed.parquet").write_bytes(hub.repos[PAIRS].files["pairs/iteration-1.parquet"])
    table = pq.read_table(run / "pushed.parquet")
    assert not items & set(table["id"].to_pylist())
    assert not {"dimension", "level", "group", "stored", "tie"} & set(table.column_names)


def test_the_card_of_the_pairs_says_whose_licences_they_are_under(hub: Hub, run: Path):
    publish(run)
    _, head, text = hub.repos[PAIRS].files["README.md"].decode().split("---\n", 2)
    assert yaml.safe_load(head)["license"] == "other"
    assert "stay under their licences" in text and "cc-by-4.0" in text and "nobody has checked it" in text


def test_without_images_their_digests_are_published(hub: Hub, run: Path):
    publish(run, "execution.push={to: me/judge, private: false, images: false}")
    assert not hub.repos[JUDGES].private
    (run / "pushed.parquet").write_bytes(hub.repos[PAIRS].files["pairs/iteration-1.parquet"])
    assert all(len(digest) == 64 for row in pq.read_table(run / "pushed.parquet")["images"].to_pylist() for digest in row)
    assert "The images are not in it" in hub.repos[PAIRS].files["README.md"].decode()


def test_what_was_published_is_not_published_again_and_needs_no_hub(hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch):
    publish(run)
    hub.asked.clear()
    monkeypatch.delenv("HF_TOKEN")
    publish(run)
    assert hub.asked == []


def test_a_recipe_that_does_not_say_so_publishes_nothing(hub: Hub, run: Path):
    run_recipe(scripted_recipe(), run)
    assert hub.asked == [] and not list(run.rglob("pushed.json"))


def test_pairs_are_written_some_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    number = 2 * publishing._ROWS_AT_ONCE + 5
    row = {field.name: [] if field.name == "images" else "a" for field in tables.PAIRS.schema if not field.nullable}
    rows = [{**row, "id": f"{n:03}"} for n in range(number)]
    pq.write_table(pa.Table.from_pylist(rows, schema=tables.PAIRS.schema), tmp_path / "pairs.parquet")
    pq.write_table(pa.table({"pair_id": ["001"]}), tmp_path / "selected.parquet")
    whole = pq.read_table
    monkeypatch.setattr(pq, "read_table", lambda path, **named: whole(path, **named) if path.stem == "selected" else None)
    publishing.write_pairs(tmp_path, None, tmp_path / "to/pairs.parquet")
    written = pq.ParquetFile(tmp_path / "to/pairs.parquet")
    assert [one["kept"] for one in written.read().to_pylist()] == [n == 1 for n in range(number)]
    assert [written.metadata.row_group(n).num_rows for n in range(3)] == [64, 64, 5]


def test_a_published_photograph_does_not_say_where_it_was_taken(tmp_path: Path):
    photograph = Image.new("RGB", (40, 40), "red")
    photograph.save(file := io.BytesIO(), "JPEG", comment="taken at home")
    ref, data = admit(file.getvalue(), max_pixels=10_000)
    (images := ImageStore(tmp_path / "images")).put(ref, data)
    row = {field.name: "a" for field in tables.PAIRS.schema if not field.nullable} | {"images": tables.images_to_row([ref])}
    pq.write_table(pa.Table.from_pylist([row], schema=tables.PAIRS.schema), tmp_path / "pairs.parquet")
    pq.write_table(pa.table({"pair_id": ["a"]}), tmp_path / "selected.parquet")
    publishing.write_pairs(tmp_path, images, tmp_path / "to/pairs.parquet")
    [published] = pq.read_table(tmp_path / "to/pairs.parquet")["images"][0].as_py()
    assert b"at home" in images.get(ref) and b"at home" not in published["bytes"]
    assert published["path"] == images.path(ref).name and decode(published["bytes"]).tobytes() == decode(data).tobytes()


def test_publishing_changes_no_table_and_no_weights(hub: Hub, run: Path):
    def sealed(folder: Path) -> dict[str, str]:
        return {name: digest for name, digest in digests(folder).items() if not name.endswith(("README.md", "selfjudge.json"))}

    before = sealed(run)
    publish(run)
    assert sealed(run) == before


@pytest.mark.parametrize(
    ("fault", "message", "hint"),
    [
        (401, "the hub rejected the access token", "the hub rejected this one"),
        (403, "the hub denied access to the model me/judge", "with write access"),
        (500, "the hub failed on a request for the model me/judge .HTTP status 500", "same command publishes what is missing"),
        (DROP, "cannot reach the hub at", "same command publishes what is missing"),
    ],
)
def test_a_hub_that_refuses_is_an_error_before_anything_is_computed(
    hub: Hub, tmp_path: Path, fault: int, message: str, hint: str
):
    hub.fault = lambda method, path: fault
    with pytest.raises(PublishError, match=message) as error:
        publish(tmp_path / "run")
    assert hint in str(error.value.hint) and TOKEN not in f"{error.value} {error.value.hint}"
    assert not list((tmp_path / "run").rglob("*.parquet"))


@pytest.mark.parametrize(
    ("name", "files"),
    [
        (JUDGES, {"model.safetensors": b"years of work", "README.md": b"mine"}),
        (JUDGES, {"README.md": b"# my model"}),
        (JUDGES, {"pairs/iteration-1.parquet": b""}),
        (PAIRS, {"train.parquet": b"rows", "README.md": b"mine"}),
        (PAIRS, {"selfjudge.json": b"{}"}),
    ],
)
def test_a_repository_with_other_files_is_refused_and_stays_as_it_is(
    hub: Hub, tmp_path: Path, name: str, files: dict[str, bytes]
):
    hub.repos[name] = Repo(private=False, files={".gitattributes": b"", **files})
    with pytest.raises(PublishError, match="files that selfjudge did not write") as error:
        publish(tmp_path)
    assert "`push`" in str(error.value.hint)
    assert hub.repos[name].files == {".gitattributes": b"", **files} and not (tmp_path / "iteration-1").exists()


def test_a_run_that_was_published_elsewhere_spares_other_files_too(hub: Hub, run: Path):
    publish(run)
    hub.repos["models/me/old"] = Repo(private=False, files={"model.safetensors": b"years of work"})
    with pytest.raises(PublishError, match="me/old holds files"):
        publish(run, "execution.push=me/old")
    assert hub.repos["models/me/old"].files == {"model.safetensors": b"years of work"}


@pytest.mark.parametrize("files", [{}, {".gitattributes": b""}, {"selfjudge.json": b"{}", "notes.md": b""}])
def test_an_empty_repository_or_one_of_ours_is_written_to(hub: Hub, run: Path, files: dict[str, bytes]):
    hub.repos[JUDGES] = Repo(private=False, files=files)
    publish(run)
    assert {name for name in hub.repos[JUDGES].files if name != ".gitattributes"} == set(held(run / "iteration-2/judge"))


def test_without_a_token_nothing_starts(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(PublishError, match="HF_TOKEN is not set"):
        publish(tmp_path / "run")
    assert hub.asked == []


@pytest.mark.parametrize(
    ("place", "fault"), [("/commit/", 500), ("/commit/", DROP), ("/lfs/", DROP), ("/tag/", 403), ("/tag/", 500)]
)
def test_a_hub_that_fails_in_the_middle_costs_nothing_that_was_computed(hub: Hub, run: Path, place: str, fault: int):
    hub.fault = lambda method, path: fault if place in path and len(hub.asked) > 12 else None
    with pytest.raises(PublishError):
        publish(run)
    assert json.loads((run / "summary.json").read_text())["stopped"] == "all iterations are done"
    hub.fault = lambda method, path: None
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*.parquet")}
    publish(run)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*.parquet")} == before
    repo = hub.repos[JUDGES]
    for number in (1, 2):
        assert repo.commits[repo.tags[f"iteration-{number}"]] == held(run / f"iteration-{number}/judge")


def test_a_hub_that_is_away_for_a_while_does_not_hold_up_the_run(hub: Hub, tmp_path: Path):
    failed: list[str] = []

    def once(method: str, path: str) -> int | None:
        if "/commit/" in path and not failed:
            failed.append(path)
            return 503
        return None

    hub.fault = once
    publish(tmp_path / "run")
    assert failed and list(hub.repos[JUDGES].tags) == ["iteration-1", "iteration-2"]


def test_the_plain_name_is_the_final_judge_also_where_that_is_not_the_last(hub: Hub, run: Path):
    publish(run)
    repo = hub.repos[JUDGES]
    tags = dict(repo.tags)
    publisher = Publisher(Push(to="me/judge"), HuggingFaceHub(), RunFolder(run))
    publisher.push(2, 1, over=True)
    assert repo.files == held(run / "iteration-1/judge") and repo.tags == tags
    hub.asked.clear()
    publisher.push(2, 1, over=True)
    assert hub.asked == []


def test_an_earlier_judge_that_is_published_anew_does_not_take_the_plain_name(hub: Hub, run: Path):
    publish(run)
    (run / "iteration-1/pushed.json").unlink()
    (run / "iteration-1/judge/README.md").write_text("---\n---\nother words")
    Publisher(Push(to="me/judge"), HuggingFaceHub(), RunFolder(run)).push(2, 2, over=True)
    repo = hub.repos[JUDGES]
    assert repo.commits[repo.tags["iteration-1"]]["README.md"].endswith(b"other words")
    assert repo.files == held(run / "iteration-2/judge")


def test_a_judge_that_is_published_anew_takes_its_tag_along(hub: Hub, run: Path):
    publish(run)
    (run / "iteration-2/pushed.json").unlink()
    card = run / "iteration-2/judge/README.md"
    card.write_text(card.read_text() + "more")
    Publisher(Push(to="me/judge"), HuggingFaceHub(), RunFolder(run)).push(2, 2, over=True)
    repo = hub.repos[JUDGES]
    assert repo.commits[repo.tags["iteration-2"]]["README.md"].endswith(b"more")


def test_no_file_of_a_run_holds_the_token(hub: Hub, run: Path):
    publish(run)
    assert not [path for path in run.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]


@pytest.mark.parametrize("name", ["judge", "me/ju dge", "https://hub/me/judge", "/me/judge"])
def test_a_name_that_is_none_of_the_hub_is_refused(name: str):
    with pytest.raises(RecipeError, match="push"):
        scripted_recipe(f"execution.push={name}")
