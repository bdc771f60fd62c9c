"""Rows that cannot be used: each reason is explained, a run can stop for too many of them, and its log says what happened."""

from __future__ import annotations

import ast
import base64
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

import selfjudge
from runs import no_progress, run_recipe, scripted_recipe
from selfjudge.errors import InputError
from selfjudge.loop import run
from selfjudge.recipe.experiment import Recipe
from selfjudge.run.folder import RunFolder
from selfjudge.run.reasons import REFUSED
from selfjudge.wiring import make_world


def raised() -> Iterator[str]:
    """The reasons that stand in the source where a row is refused."""
    for path in Path(selfjudge.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            given = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "problem")]
            if node.func.id in ("BadImage", "_Unusable", "RawPrompt") and given and isinstance(given[0], ast.Constant):
                yield given[0].value


def test_every_reason_for_which_a_row_is_refused_is_explained():
    found = set(raised())
    assert {"image_marks", "outside_folder", "no_prompt", "invalid_json"} <= found <= REFUSED.keys()
    assert all(meaning.endswith(".") and change.endswith(".") for meaning, change in REFUSED.values())


def recipe(folder: Path, *more: str, good: int = 8, bad: int = 2) -> Recipe:
    lines = []
    for number in range(good):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(out := io.BytesIO(), "PNG")
        url = "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
        lines.append({"prompt": f"How many dogs are there in picture {number}?", "image": url})
    path = folder / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in [*lines, *[{"prompt": "none"}] * bad]))
    return scripted_recipe("loop.iterations=1", f"prompts=[{{kind: files, path: {path}}}]", *more)


def strictly(made: Recipe, folder: Path) -> None:
    place = RunFolder(folder, strict=True)
    run(made, place, make_world(made, place), progress=no_progress, on_iteration=lambda state: None)


@pytest.mark.parametrize(
    ("share", "stops"), [("0", True), ("0.1", True), ("0.19", True), ("0.2", False), ("0.5", False), ("1", False)]
)
def test_more_refused_rows_than_the_recipe_allows_end_a_run_before_anything_is_generated(tmp_path: Path, share: str, stops: bool):
    made = recipe(tmp_path, f"prompts.0.max_refused={share}")
    if not stops:
        assert run_recipe(made, tmp_path / "run")["prompts"]["total"] == 8
        return
    with pytest.raises(InputError, match=r"2 of 10 rows of `prompts.0` cannot be used.*max_refused.*no_image \(2\)") as error:
        run_recipe(made, tmp_path / "run")
    assert "rows.jsonl:9" in str(error.value.hint) and "docs/reasons.md" in str(error.value.hint)
    assert not list((tmp_path / "run").glob("iteration-*"))


def test_the_same_folder_is_used_once_the_rows_are_corrected(tmp_path: Path):
    with pytest.raises(InputError, match="--strict allows none"):
        strictly(recipe(tmp_path), tmp_path / "run")
    strictly(recipe(tmp_path, bad=0), tmp_path / "run")
    assert (tmp_path / "run/summary.json").exists()


def test_a_run_that_refuses_its_rows_leaves_the_users_files_alone(tmp_path: Path):
    (tmp_path / "prompts").mkdir()
    made = recipe(tmp_path / "prompts")
    with pytest.raises(InputError, match="--strict allows none"):
        strictly(made, tmp_path)
    assert [path.name for path in (tmp_path / "prompts").iterdir()] == ["rows.jsonl"]
    strictly(recipe(tmp_path / "prompts", bad=0), tmp_path)
    assert (tmp_path / "prompts/sources.json").exists()


def test_each_source_is_held_to_its_own_share(tmp_path: Path):
    for name in "ab":
        (tmp_path / name).mkdir()
    made = [recipe(tmp_path / name, bad=bad).prompts[0] for name, bad in (("a", 0), ("b", 2))]
    sources = json.dumps([{**json.loads(source.model_dump_json()), "max_refused": 0.1} for source in made])
    with pytest.raises(InputError, match=r"2 of 10 rows of `prompts.1`.*no_image \(2\)"):
        run_recipe(scripted_recipe(f"prompts={sources}"), tmp_path / "run")


def test_rows_that_another_row_repeats_are_no_fault(tmp_path: Path):
    made = recipe(tmp_path, bad=0)
    (tmp_path / "rows.jsonl").write_text((tmp_path / "rows.jsonl").read_text() * 2)
    strictly(made, tmp_path / "run")
    assert json.loads((tmp_path / "run/summary.json").read_text())["prompts"]["refused"] == {"duplicate": 8}


def test_a_run_that_has_begun_keeps_what_it_has(tmp_path: Path):
    made = recipe(tmp_path)
    run_recipe(made, tmp_path / "run")
    with pytest.raises(InputError, match="--strict allows none"):
        strictly(made, tmp_path / "run")
    assert (tmp_path / "run/prompts/prompts.parquet").exists()


def test_the_log_of_a_run_says_what_happened_and_when(tmp_path: Path):
    run_recipe(recipe(tmp_path), tmp_path / "run")
    lines = (tmp_path / "run/run.log").read_text().splitlines()
    assert all(line[4] == line[7] == "-" and line[13] == ":" for line in lines)
    text = "\n".join(lines)
    for words in ("begins: scripted, recipe", "8 of 10 rows can be used", "no_image (2)", "rows.jsonl:9", "prompts: 10 in"):
        assert words in text
    assert "iteration 1: " in text and "the run is over: all iterations are done" in text and lines[-1].endswith("ends")


def test_the_log_has_the_error_that_ended_a_run_and_no_line_is_lost_at_the_next_start(tmp_path: Path):
    with pytest.raises(InputError):
        strictly(recipe(tmp_path), tmp_path / "run")
    before = (tmp_path / "run/run.log").read_text()
    assert "error: 2 of 10 rows" in before.splitlines()[-1]
    strictly(recipe(tmp_path, bad=0), tmp_path / "run")
    assert (tmp_path / "run/run.log").read_text().startswith(before)


def test_text_of_a_row_cannot_forge_a_line_of_the_log(tmp_path: Path):
    made = recipe(tmp_path)
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write(json.dumps({"prompt": "p", "image": "\u001b[2J\n2026-01-01 00:00:00 info: forged.png"}) + "\n")
    run_recipe(made, tmp_path / "run")
    text = (tmp_path / "run/run.log").read_text()
    assert "forged" in text and "\n2026-01-01" not in text and "\x1b" not in text


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path):
    (tmp_path / "run/run.log").mkdir(parents=True)
    assert run_recipe(recipe(tmp_path), tmp_path / "run")["stopped"]


def test_warnings_are_shown_as_they_are_without_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch):
    from selfjudge.run.log import logged

    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    shown = logging.StreamHandler()
    shown.setLevel(logging.WARNING)
    monkeypatch.setattr(logging, "lastResort", shown)
    with logged(tmp_path, "a run"):
        logging.getLogger("selfjudge.anything").warning("look here")
        logging.getLogger("selfjudge.anything").info("not here")
    assert capsys.readouterr().err == "look here\n"
    assert "warning: look here" in (tmp_path / "run.log").read_text()
