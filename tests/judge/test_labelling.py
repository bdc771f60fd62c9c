"""`selfjudge label` and `rank`: what a file gets, what goes wrong, and going on after a kill."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from runs import no_progress

RULE = json.dumps([{"when": r"question (\d+)", "replies": [r"I see \1. [[A]]", r"It is \1. [[B]]", "hm"]}])
PREFERS_B = json.dumps(
    [{"when": r"question 2[\s\S]*\bb\b[\s\S]*\ba\b", "replies": ["[[A]]"]}, {"when": "", "replies": ["[[B]]"]}]
)
PREFERS_MORE = json.dumps(
    [{"when": r"0 more[\s\S]*answer 0|1 more[\s\S]*answer 1", "replies": ["[[A]]"]}, {"when": "", "replies": ["[[B]]"]}]
)


def command(name: str, source: Path, to: Path, *more: str, rules: str = RULE) -> list[str]:
    engine = ["--set", "execution.engine.kind=scripted", "--set", f"execution.engine.rules={rules}"]
    return [sys.executable, "-m", "selfjudge", name, str(source), "--judge", "shapes", "--to", str(to), *engine, *more]


def ran(*arguments: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments, **options), capture_output=True, text=True, check=False)


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {"prompt": f"question {n}?", "response_a": f"answer {n % 7}", "response_b": f"{n % 5} more", "own": n}
        for n in range(count)
    ]


def write(path: Path, given: list[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in given))
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_row_keeps_its_columns_and_gets_what_the_judge_said(tmp_path: Path):
    done = ran("label", write(tmp_path / "in.jsonl", rows(30)), tmp_path / "out.jsonl")
    made = read(tmp_path / "out.jsonl")
    assert done.returncode == 0 and [row["own"] for row in made] == list(range(30))
    assert {row["preference"] for row in made} == {"a", "b", None}
    assert all(row["consistent"] == (row["preference"] is not None) and len(row["traces"]) == 2 for row in made)
    decided = sum(row["preference"] is not None for row in made)
    assert f"30 rows: {decided} decided, {30 - decided} undecided, 0 not judged; 30 written" in done.stdout


BAD = [
    ('{"prompt": "p", "response_a": "x"}', "no_responses"),
    ('{"prompt": "p", "response_a": "x", "response_b": 3}', "no_responses"),
    ('{"prompt": " ", "response_a": "x", "response_b": "y"}', "no_prompt"),
    ('{"prompt": "p", "responses": ["x"]}', "no_responses"),
    ('{"response_a": "x", "response_b": "y"}', "no_prompt"),
    ('{"prompt": "p", "image": "gone.jpg", "response_a": "x", "response_b": "y"}', "image_missing"),
    ('{"prompt": "p", "image": "../../etc/passwd", "response_a": "x", "response_b": "y"}', "outside_folder"),
    ('{"prompt": "p", "image": "http://a/b.jpg", "response_a": "x", "response_b": "y"}', "not_fetched"),
    ('{"prompt": "p", "response_a": "x \\ud83d", "response_b": "y"}', "invalid"),
    ('{"prompt": NaN, "response_a": "x", "response_b": "y"}', "no_prompt"),
    ('{"prompt": "p", "response_a": NaN, "response_b": "y"}', "no_responses"),
    ('{"prompt": "p", "responses": ["x", Infinity]}', "no_responses"),
    ("{broken", "invalid row"),
    ("[1]", "invalid row"),
]


@pytest.mark.parametrize(("line", "problem"), BAD)
def test_a_row_that_cannot_be_judged_stays_with_its_problem_and_is_counted(tmp_path: Path, line: str, problem: str):
    source = write(tmp_path / "in.jsonl", rows(9))
    source.write_text(source.read_text() + line + "\n")
    done = ran("label", source, tmp_path / "out.jsonl")
    made = read(tmp_path / "out.jsonl")
    assert done.returncode == 0 and made[-1]["problem"].startswith(problem) and made[-1]["preference"] is None
    assert len(made) == 10 and "1 not judged" in done.stdout and f"  {problem}: 1" in done.stdout


def test_a_number_that_json_does_not_have_is_null_in_the_output(tmp_path: Path):
    source = tmp_path / "in.jsonl"
    own = '"id": NaN, "score": -Infinity, "more": [{"deep": NaN}, 1.5]'
    source.write_text(f'{{"prompt": "question 1?", "response_a": "x", "response_b": "y", {own}}}\n')
    assert ran("label", source, tmp_path / "out.jsonl").returncode == 0
    [line] = (tmp_path / "out.jsonl").read_text().splitlines()
    made = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert (made["id"], made["score"], made["more"]) == (None, None, [{"deep": None}, 1.5])


def test_more_than_a_tenth_that_cannot_be_judged_exits_with_3(tmp_path: Path):
    source = write(tmp_path / "in.jsonl", [*rows(3), {"prompt": "p", "response_a": "x"}])
    assert ran("label", source, tmp_path / "out.jsonl").returncode == 3


LONG = json.dumps([{"when": "", "replies": ["one two three [[A]]"]}])


@pytest.mark.parametrize(("name", "more"), [("label", []), ("label", ["--format", "trl"]), ("rank", [])])
def test_replies_that_are_cut_off_exit_with_3_and_the_hint_names_the_option(tmp_path: Path, name: str, more: list[str]):
    given = [{"prompt": f"question {n}?", "responses": ["x", "y", "z"]} for n in range(3)]
    done = ran(name, write(tmp_path / "in.jsonl", given), tmp_path / "out.jsonl", "--max-tokens", "2", *more, rules=LONG)
    assert done.returncode == 3 and "  cut_off: 3" in done.stdout
    assert "0% failed and 100% were cut off" in done.stderr and "raise --max-tokens" in done.stderr


def test_rows_that_cannot_be_judged_and_replies_that_are_cut_off_are_counted_together(tmp_path: Path):
    rules = json.dumps([{"when": r"question [05]\?", "replies": ["one two three [[A]]"]}, {"when": "", "replies": ["[[A]]"]}])
    source = write(tmp_path / "in.jsonl", rows(20))
    assert ran("label", source, tmp_path / "some.jsonl", "--max-tokens", "2", rules=rules).returncode == 0
    source.write_text(source.read_text() + "{broken\n")
    done = ran("label", source, tmp_path / "more.jsonl", "--max-tokens", "2", rules=rules)
    assert done.returncode == 3 and "correct the rows" in done.stderr and "raise --max-tokens" in done.stderr


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_comparison_that_is_cut_off_exits_with_3(form: str):
    engine = ["--set", "execution.engine.kind=scripted", "--set", f"execution.engine.rules={LONG}", "--format", form]
    call = [sys.executable, "-m", "selfjudge", "compare", "p", "x", "y", "--judge", "shapes", "--max-tokens", "2", *engine]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 3 and "cut_off" in done.stdout and "raise --max-tokens" in done.stderr


@pytest.mark.parametrize(
    ("replies", "problem"),
    [(["[[A]]"], "undecided"), (["hm"], "no_verdict"), (["one two three four"], "cut_off")],
)
def test_a_ranking_that_no_comparison_decided_says_why(tmp_path: Path, replies: list[str], problem: str):
    source = write(tmp_path / "in.jsonl", [{"prompt": "question 1?", "responses": ["a", "b", "c"]}])
    said = json.dumps([{"when": "", "replies": replies}])
    done = ran("rank", source, tmp_path / "out.jsonl", "--max-tokens", "3", rules=said)
    [made] = read(tmp_path / "out.jsonl")
    assert (made["problem"], made["ranking"]) == (problem, [0, 1, 2]) and f"  {problem}: 1" in done.stdout


@pytest.mark.parametrize(
    ("content", "to", "error", "hint"),
    [
        (None, "out.jsonl", "there is no file", "current one"),
        ("", "out.jsonl", "has no rows", "response_a"),
        ('{"prompt": "p", "answer": "x"}\n', "out.jsonl", ":1: the row has no responses, only prompt, answer", "response_a"),
        ('{"prompt": "p", "response_a": "x", "response_b": "y"}\n', "out.txt", "neither .jsonl nor .parquet", "--to"),
        ('{"prompt": "p", "response_a": "x", "response_b": "y"}\n', "out.parquet", "which types its columns have", ".jsonl"),
    ],
)
def test_what_cannot_be_labelled_is_an_error_before_a_model_is_looked_for(
    tmp_path: Path, content: str | None, to: str, error: str, hint: str
):
    if content is not None:
        (tmp_path / "in.jsonl").write_text(content)
    call = [
        sys.executable,
        "-m",
        "selfjudge",
        "label",
        str(tmp_path / "in.jsonl"),
        "--judge",
        "/gone",
        "--to",
        str(tmp_path / to),
    ]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and error in done.stderr and hint in done.stderr


def test_an_output_that_exists_is_not_overwritten(tmp_path: Path):
    source = write(tmp_path / "in.jsonl", rows(2))
    assert ran("label", source, tmp_path / "out.jsonl").returncode == 0
    done = ran("label", source, tmp_path / "out.jsonl")
    assert done.returncode == 2 and "exists already" in done.stderr


def test_no_name_of_the_output_is_that_of_the_journal(tmp_path: Path):
    done = ran("label", write(tmp_path / "in.jsonl", rows(3)), tmp_path / "labels.jsonl")
    assert done.returncode == 0 and len(read(tmp_path / "labels.jsonl")) == 3, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "named"), [("input", "input"), ("--max-tokens", "max_tokens"), ("--allow-outside", "allow_outside")]
)
def test_a_command_that_goes_on_with_something_else_is_an_error_that_names_it(tmp_path: Path, change: str, named: str):
    source, to = write(tmp_path / "in.jsonl", rows(2)), tmp_path / "out.jsonl"
    ran("label", source, to, rules=json.dumps([{"when": "never", "replies": ["x"]}]))
    assert (tmp_path / "out.jsonl.partial").exists()
    if change == "input":
        write(source, rows(3))
    done = ran("label", source, to, *{"--max-tokens": [change, "7"], "--allow-outside": [change]}.get(change, []))
    assert done.returncode == 2 and f"begun with another `{named}`" in done.stderr and "delete" in done.stderr


def test_several_responses_are_ranked(tmp_path: Path):
    source = write(tmp_path / "in.jsonl", [{"prompt": "question 1?", "responses": ["a", "good", "b", "c"]}] * 2)
    done = ran("rank", source, tmp_path / "out.jsonl", "--comparisons", "4")
    made = read(tmp_path / "out.jsonl")
    assert done.returncode == 0 and len(made) == 2 and sorted(made[0]["ranking"]) == [0, 1, 2, 3]
    assert sum(made[0]["strengths"]) == pytest.approx(1)


def test_one_response_is_the_first_and_an_empty_one_is_judged(tmp_path: Path):
    given = [{"prompt": "question 1?", "responses": texts} for texts in (["good"], ["", "good"])]
    assert ran("rank", write(tmp_path / "in.jsonl", given), tmp_path / "out.jsonl").returncode == 0
    alone, two = read(tmp_path / "out.jsonl")
    assert (alone["ranking"], alone["strengths"], alone["problem"]) == ([0], [1.0], None) and len(two["ranking"]) == 2


def test_responses_of_a_csv_file_are_a_list_in_json(tmp_path: Path):
    (tmp_path / "in.csv").write_text('prompt,responses\nquestion 1?,"[""a"", ""b"", ""c""]"\n')
    done = ran("rank", tmp_path / "in.csv", tmp_path / "out.jsonl")
    assert done.returncode == 0 and len(read(tmp_path / "out.jsonl")[0]["ranking"]) == 3


def test_a_list_about_an_image_that_is_missing_says_so_and_an_empty_cell_of_a_table_is_its_row_s_alone(tmp_path: Path):
    source = write(tmp_path / "in.jsonl", [{"prompt": "question 1?", "responses": ["a", "b", "c"], "image": "gone.png"}])
    ran("label", source, tmp_path / "out.jsonl")
    assert read(tmp_path / "out.jsonl")[0]["problem"].startswith("image_missing: ")
    (tmp_path / "in.csv").write_text("prompt,response_a,response_b\nquestion 1?,,b\nquestion 2?,a,b\n")
    assert "2 rows: 1 decided" in ran("label", tmp_path / "in.csv", tmp_path / "table.jsonl", rules=PREFERS_B).stdout


def test_responses_of_which_none_was_preferred_are_no_preference_row(tmp_path: Path):
    source = write(tmp_path / "in.jsonl", [{"prompt": "question 1?", "responses": ["a", "b", "c"]}])
    said = json.dumps([{"when": "", "replies": ["[[A]]"]}])
    done = ran("label", source, tmp_path / "out.jsonl", "--format", "trl", rules=said)
    assert "0 decided, 1 undecided, 0 not judged; 0 written" in done.stdout and read(tmp_path / "out.jsonl") == []


def picture(color: str) -> bytes:
    out = BytesIO()
    Image.new("RGB", (32, 32), color).save(out, "PNG")
    return out.getvalue()


def test_preference_rows_are_read_by_datasets_and_hold_what_trl_expects(tmp_path: Path):
    images = [{"bytes": picture(color), "path": None} for color in ("red", "blue")]
    table = pa.Table.from_pylist([{**row, "image": image} for row, image in zip(rows(2), images, strict=True)])
    pq.write_table(table, tmp_path / "in.parquet")
    done = ran("label", tmp_path / "in.parquet", tmp_path / "out.parquet", "--format", "trl", rules=PREFERS_MORE)
    assert done.returncode == 0, done.stderr
    made = datasets.Dataset.from_parquet(str(tmp_path / "out.parquet"))
    for row in made:
        assert [turn["role"] for turn in row["prompt"]] == ["user"]
        assert [block["type"] for block in row["prompt"][0]["content"]] == ["image", "text"]
        assert row["chosen"][0]["content"][0]["text"] != row["rejected"][0]["content"][0]["text"]
        assert len(row["images"]) == 1


PICTURED = [{"prompt": f"question {n}?", "response_a": "answer 0", "response_b": "0 more"} for n in range(2)]
CELLS: dict[str, Any] = {
    "a path": "x.png",
    "an object": {"path": "x.png"},
    "bytes": {"bytes": picture("red"), "path": None},
    "base64": base64.b64encode(picture("red")).decode(),
}


def pictured(folder: Path, cell: Any) -> Path:
    (folder / "x.png").write_bytes(picture("red"))
    given = [{**row, "image": cell} for row in PICTURED]
    if not isinstance(cell, dict) or "bytes" not in cell:
        return write(folder / "in.jsonl", given)
    datasets.Dataset.from_list(given).cast_column("image", datasets.Image()).to_parquet(str(folder / "in.parquet"))
    return folder / "in.parquet"


@pytest.mark.parametrize("to", ["out.parquet", "out.jsonl"])
@pytest.mark.parametrize("cell", CELLS)
def test_preference_rows_have_pictures_when_datasets_reads_them(tmp_path: Path, monkeypatch: Any, cell: str, to: str):
    source = pictured(tmp_path, CELLS[cell])
    done = ran("label", source, tmp_path / to, "--format", "trl", rules=PREFERS_MORE)
    if cell in ("bytes", "base64") and to == "out.jsonl":
        assert done.returncode == 2 and "JSON lines cannot hold" in done.stderr and "--to OUT.parquet" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir("/")
    if to == "out.parquet":
        made = datasets.Dataset.from_parquet(str(tmp_path / to), cache_dir=str(tmp_path / "cache"))
    else:
        made = datasets.Dataset.from_json(str(tmp_path / to), cache_dir=str(tmp_path / "cache"))
        made = made.cast_column("images", datasets.List(datasets.Image()))
    assert [row["images"][0].getpixel((0, 0)) for row in made] == [(255, 0, 0)] * 2


def test_a_column_of_pictures_is_still_one_in_parquet(tmp_path: Path):
    assert ran("label", pictured(tmp_path, CELLS["bytes"]), tmp_path / "out.parquet").returncode == 0
    made = datasets.Dataset.from_parquet(str(tmp_path / "out.parquet"), cache_dir=str(tmp_path / "cache"))
    assert isinstance(made.features["image"], datasets.Image) and made[0]["image"].size == (32, 32) and made[0]["traces"]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
@pytest.mark.parametrize("column", ["problem", "preference", "ranking"])
def test_a_column_that_would_be_overwritten_is_an_error_before_anything_is_judged(tmp_path: Path, column: str, form: str):
    source = write(tmp_path / "in.jsonl", [*rows(1), {**rows(1)[0], column: "mine"}])
    if form == "csv":
        source = tmp_path / "in.csv"
        source.write_text(f"prompt,response_a,response_b,{column}\nquestion 1?,x,y,\n")
    done = ran("label", source, tmp_path / "out.jsonl")
    assert done.returncode == 2 and f"the column `{column}` is one that is added" in done.stderr and "Rename" in done.stderr
    assert not (tmp_path / "out.jsonl.partial").exists()


def test_columns_are_read_in_upper_or_lower_case(tmp_path: Path):
    (tmp_path / "x.png").write_bytes(picture("red"))
    given = {"Prompt": "question 1?", "IMAGE": "x.png", "Response_A": "answer 1", "response_b": "1 more"}
    source = write(tmp_path / "in.jsonl", [given])
    assert "1 decided" in ran("label", source, tmp_path / "out.jsonl", rules=PREFERS_MORE).stdout
    [made] = read(tmp_path / "out.jsonl")
    assert given.items() <= made.items() and "prompt" not in made
    assert ran("label", source, tmp_path / "trl.jsonl", "--format", "trl", rules=PREFERS_MORE).returncode == 0
    assert read(tmp_path / "trl.jsonl")[0]["images"] == [str(tmp_path / "x.png")]


def test_parquet_keeps_its_columns_and_types(tmp_path: Path):
    pq.write_table(pa.Table.from_pylist(rows(5)), tmp_path / "in.parquet")
    assert ran("label", tmp_path / "in.parquet", tmp_path / "out.parquet").returncode == 0
    made = pq.read_table(tmp_path / "out.parquet")
    assert made.schema.field("own").type == pa.int64() and made["own"].to_pylist() == list(range(5))
    assert made.schema.field("probability").type == pa.float64()


@pytest.mark.slow
def test_the_embedded_judge_labels_as_it_is_measured(tmp_path: Path):
    """200 pairs, through `label` and through `evaluate`: the same traces and verdicts, pair by pair."""
    from selfjudge.recipe.inputs import ShapesBench
    from selfjudge.run.folder import ImageStore
    from selfjudge.shapes.benchmark import ShapesBenchmark

    store, given = ImageStore(tmp_path / "images"), []
    for item in ShapesBenchmark(ShapesBench(name="shapes-bench", pairs=200)).load(store.put, no_progress).items:
        image = str(store.path(item.pair.prompt.images[0]).relative_to(tmp_path))
        given.append(
            {"prompt": item.pair.prompt.text, "image": image, "chosen": item.pair.chosen, "rejected": item.pair.rejected}
        )
    write(tmp_path / "pairs.jsonl", given)
    write(tmp_path / "in.jsonl", [{**row, "response_a": row["chosen"], "response_b": row["rejected"]} for row in given])
    call = [sys.executable, "-m", "selfjudge"]
    asked = ["--judge", "shapes", "--max-tokens", "64"]
    subprocess.run([*call, "label", str(tmp_path / "in.jsonl"), *asked, "--to", str(tmp_path / "out.jsonl")], check=True)
    measured = [*call, "evaluate", *asked, "--benchmark", str(tmp_path / "pairs.jsonl"), "--dir", str(tmp_path / "measured")]
    subprocess.run(measured, check=True, capture_output=True)
    replies: dict[str, dict[str, str]] = {}
    for row in pq.read_table(tmp_path / "measured/pairs/judgments.parquet").to_pylist():
        replies.setdefault(row["pair_id"], {})[row["order"]] = row["trace"]
    labelled = read(tmp_path / "out.jsonl")
    both = [(traces["chosen_first"], traces["rejected_first"]) for traces in replies.values()]
    assert Counter(tuple(row["traces"]) for row in labelled) == Counter(both)
    result = json.loads((tmp_path / "measured/pairs/result.json").read_text())
    assert sum(row["preference"] == "a" for row in labelled) == pytest.approx(result["pair_accuracy"] * len(given))
