"""Write look-alikes of the benchmarks, with every trap of the real ones: `python scripts/benchmark_fixtures.py DIR`.

Rows, pictures and replies are ours; the pictures are drawn, so the truth is known. The tests use the copy in tests/fixtures.
"""

from __future__ import annotations

import base64
import io
import json
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw

COLORS = ("red", "green", "blue", "orange")
SHAPES = ("circle", "square")

VERDICTS = (
    "**Overall Judgment:** Answer {n} is **slightly better**",
    "### Overall Judgment\nAnswer {n} is better",
    "Therefore, Answer\n{n} is better",
    "Overall Judgment: Answer {n} is better than Answer {m}",
    "Overall Judgment: Answer {n} is significantly better",
    "Overall Judgement: Answer {n} is better",
    "Answer {n} is better.",
    "In conclusion, Answer {n} is better",
    "Overall Judgment: [Answer {n}] is better",
    "Overall Judgment: Answer {n} provides a better response",
    "I prefer Answer {n}.",
    "Overall Judgment: Answer {n} is better. Some say Answer {m} is better, but no.",
    "Therefore it is not true that Answer {n} is better",
    "Overall Judgment: Neither Answer {n} nor Answer {m} is better",
    "Overall Judgment: Answer 3 is better",
    "I cannot decide.",
)
"""One reply of each kind in the parser table of VL-RewardBench's reference."""

LETTERS = (
    "Both are close. [[{a}]]",
    "First I thought [[{b}]], but no: [[{a}]]",
    "[[C]]",
    "[[a]]",
    "[{a}]",
    "None",
    "",
)
"""One reply of each kind in the parser table of Multimodal RewardBench's reference."""


def picture(color: str, shape: str, form: str = "PNG") -> bytes:
    """A coloured shape on white, as a file's bytes."""
    image = Image.new("RGB", (32, 32), "white")
    drawing = ImageDraw.Draw(image)
    getattr(drawing, "ellipse" if shape == "circle" else "rectangle")((8, 8, 24, 24), fill=color)
    out = io.BytesIO()
    image.save(out, form)
    return out.getvalue()


def vl_rewardbench() -> list[dict[str, Any]]:
    """18 rows: every prefix, an unknown one and one in the wrong case; a repeated id, a `-1` sibling, a contradiction."""
    looks = list(product(COLORS, SHAPES))
    ids = (
        *("hallucination_pair-1", "RLAIF-2", "RLHF-3", "mathverse_4", "mmmu_5", "wildvision-6", "vlfeedback_7", "rlhf-8"),
        *("RLAIF-9", "RLHF-10", "hallucination_pair-11", "wildvision-12"),
    )
    rows = [_vlrb(name, *looks[n % 8], right_first=n % 5 != 4, jpeg=n % 2 == 1) for n, name in enumerate(ids)]
    rows[1]["query"] = "<image>\n" + rows[1]["query"]
    repeated = _vlrb("mathverse_13", "red", "circle", right_first=True)
    rows += [repeated, {**repeated, "response": ["It is a red circle.", "It is an orange circle."]}]
    rows.append(_vlrb("mathverse_4-1", "green", "square", right_first=False))
    contradicted = _vlrb("mmmu_16", "blue", "square", right_first=True)
    rows += [contradicted, {**contradicted, "id": "mmmu_17", "human_ranking": [1, 0]}]
    rows.append(dict(repeated))
    return rows


def _vlrb(name: str, color: str, shape: str, *, right_first: bool, jpeg: bool = False) -> dict[str, Any]:
    wrong = COLORS[(COLORS.index(color) + 1) % len(COLORS)]
    responses = [f"It is a {color} {shape}.", f"It is a {wrong} {shape}."]
    return {
        "id": name,
        "query": f"What does picture {name.partition('-')[0]} show?",
        "response": responses if right_first else responses[::-1],
        "image": {"bytes": picture(color, shape, "JPEG" if jpeg else "PNG"), "path": f"{name}.{'jpg' if jpeg else 'png'}"},
        "human_ranking": [0, 1] if right_first else [1, 0],
        "models": ["one", "two"],
        "judge": "human",
        "rationale": "placeholder_rationale",
        "query_source": "",
        "ground_truth": "",
    }


VLRB_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("query", pa.string()),
        ("response", pa.list_(pa.string())),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("human_ranking", pa.list_(pa.int64())),
        ("models", pa.list_(pa.string())),
        ("judge", pa.string()),
        ("rationale", pa.string()),
        ("query_source", pa.string()),
        ("ground_truth", pa.string()),
    ]
)

DIMENSION = {
    "mathverse": "reasoning",
    "mmmu": "reasoning",
    "hallucination": "hallucination",
    "RLAIF": "hallucination",
    "RLHF": "hallucination",
}


def vlmevalkit(rows: list[dict[str, Any]]) -> str:
    """The same rows in VLMEvalKit's TSV: one picture is given as the index of an earlier row."""
    lines = ["index\timage\tquestion\tresponse\tanswer\tcategory"]
    for index, row in enumerate(rows):
        same = next((n for n in range(index) if rows[n]["image"]["bytes"] == row["image"]["bytes"]), None)
        image = str(same) if same is not None else base64.b64encode(row["image"]["bytes"]).decode()
        category = DIMENSION.get(row["id"].replace("-", "_").split("_")[0], "general")
        cells = (str(index), image, row["query"].replace("\n", " "), repr(row["response"]), repr(row["human_ranking"]), category)
        lines.append("\t".join(cells))
    return "\n".join(lines) + "\n"


def vl_outputs(rows: list[dict[str, Any]], *, wrapped: bool = False) -> list[Any]:
    """Recorded outputs, three samples an item in mixed orders: every parser row comes up, and some items stay undecided."""
    lines: list[Any] = []
    for item, row in enumerate(rows):
        for sample in range(3):
            swapped = (item + sample) % 2
            right = 2 - (row["human_ranking"].index(0) == swapped)
            reply = VERDICTS[(3 * item + sample) % len(VERDICTS)].format(n=right, m=3 - right)
            line = {
                **{name: row[name] for name in ("id", "query", "models", "judge", "rationale", "query_source", "response")},
                "ranking": row["human_ranking"],
                "meta": {
                    "filtering model": "fixture",
                    "filter_choice": reply,
                    "filter_prompt": "",
                    "filter_number": -1,
                    "random_number": swapped,
                    "flag_status": "doesntMatch",
                },
            }
            lines.append({"0": line} if wrapped else line)
    return [*lines, None, {"0": None}] if wrapped else lines


def multimodal_rewardbench() -> list[dict[str, Any]]:
    """16 rows: every category and source, a repeated id, a missing image, ids in mixed case, a safety row not of PAIRS."""
    sources = (
        ("VisitBench_459", "open_generation/correctness_task"),
        ("nocaps_1", "open_generation/correctness_task"),
        ("nocaps_2", "open_generation/preference_task"),
        ("visitbench_286", "open_generation/preference_task"),
        ("visitbench_286", "open_generation/preference_task"),
        ("MMMU-S_12", "knowledge"),
        ("mmmu-v_13", "knowledge"),
        ("MathVista_117", "reasoning"),
        ("image2struct_9", "reasoning"),
        ("EMMA-Coding_3f2a-77", "reasoning"),
        ("pairs_5", "safety"),
        ("hateful_memes_6", "safety"),
        ("MMBench_7", "vqa"),
        ("SEED-Bench_8", "vqa"),
        ("RealworldQA_9", "vqa"),
        ("RealworldQA_10", "vqa"),
    )
    rows = []
    for number, (identity, category) in enumerate(sources):
        color, shape = COLORS[number % 4], SHAPES[number % 2]
        wrong = COLORS[(number + 1) % 4]
        rows.append(
            {
                "ID": identity,
                "Text": f"What is in picture {number}?",
                "Image": f"images/{identity.partition('_')[0].lower()}/{number}.png",
                "Output1": f"A {color if number % 3 else wrong} {shape}.",
                "Output2": f"A {wrong if number % 3 else color} {shape}.",
                "Better": "Output1" if number % 3 else "Output2",
                "Category": category,
            }
        )
    return rows


def mm_outputs(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Recorded outputs in the official form: every parser row, and several that are none."""
    lines = []
    for number, row in enumerate(rows):
        label = "A" if row["Better"] == "Output1" else "B"
        reply = LETTERS[number % len(LETTERS)].format(a=label, b="B" if label == "A" else "A")
        lines.append({"ID": row["ID"], "Text": "", "Image": row["Image"], "Label": label, "Meta": row, "output": reply})
    return lines


def mmrb2() -> dict[str, Any]:
    """Three pairs: text only, a picture in the prompt, and responses that are pictures."""
    return {
        "pairs": [
            _mmrb2("one", [["text", "Say red."]], [["text", "red"]], [["text", "blue"]], "A"),
            _mmrb2(
                "two", [["image", "prompt.png"], ["text", "What is it?"]], [["text", "a square"]], [["text", "a circle"]], "B"
            ),
            _mmrb2(
                "three",
                [["text", "Draw a red circle."]],
                [["image", "first.png"]],
                [["text", "Here:"], ["image", "second.png"]],
                "B",
            ),
        ]
    }


def _mmrb2(name: str, prompt: list[Any], first: list[Any], second: list[Any], chosen: str) -> dict[str, Any]:
    return {
        "id": name,
        "prompt_content": prompt,
        "response_a": {"model_name": "a", "response_content": first},
        "response_b": {"model_name": "b", "response_content": second},
        "chosen": chosen,
    }


PREDICTIONS = {
    "one": {"forward": [{"judgement": "A"}], "reverse": [{"judgement": "B"}]},
    "two": {"forward": [{"judgement": "A"}], "reverse": [{"judgement": "A"}]},
    "three": {"forward": [{"judgement": "B"}], "reverse": []},
}
"""Right both times; right when reversed alone; right forward, and one missing."""

MM_RLHF = (
    {"id": 7, "image": "mcq/7.png", "prompt": "Which shape?", "chosen": "A circle.", "rejected": "A square."},
    {"id": 7, "image": "mcq/7.png", "prompt": "Which shape?", "chosen": "It is a circle.", "rejected": "Nothing."},
    {"id": 8, "image": "long/8.png", "prompt": "Which colour?", "chosen": "Blue.", "rejected": "Red."},
    {"id": 9, "video": "video/9.mp4", "prompt": "What happens?", "chosen": "It rains.", "rejected": "It snows."},
)

MLLM_PAIRS = tuple(
    {
        "id": number,
        "pair_id": "0-1",
        "image_path": f"{number}.png",
        "original_dataset": ("coco", "charts")[number % 2],
        "instruction": f"Describe picture {number}.",
        "answer1": {"name": "one", "answer": "A red circle."},
        "answer2": {"name": "two", "answer": "A blue square."},
        "human_answer": label,
    }
    for number, label in enumerate("ABCA")
)

REWARDBENCH = tuple(
    {"id": number, "prompt": f"Task {number}?", "chosen": "good", "rejected": "bad", "subset": subset}
    for number, subset in enumerate(
        ("alpacaeval-easy", "mt-bench-hard", "donotanswer", "math-prm", "hep-python", "hep-cpp", "hep-cpp")
    )
)

JUDGEBENCH = tuple(
    {
        "pair_id": f"p{number}",
        "source": source,
        "question": "Which?",
        "response_A": "this",
        "response_B": f"that {number}",
        "label": label,
    }
    for number, (source, label) in enumerate(
        (("mmlu-pro-law", "A>B"), ("livebench-math", "B>A"), ("livebench-reasoning", "A>B"), ("livecodebench", "B>A"))
    )
)


REWARDBENCH_2 = tuple(
    {
        "id": identity,
        "prompt": f"Task {identity}?",
        "chosen": [f"good {n}" for n in range(right)],
        "rejected": [f"bad {n}" for n in range(3)],
        "num_correct": right,
        "num_incorrect": 3,
        "total_completions": right + 3,
        "models": ["one"] * (right + 3),
        "subset": subset,
        "additional_metadata": {"category": None, "correct": None, "index": 0.0, "method": None},
    }
    for identity, subset, right in (
        *(("0", "Factuality", 1), ("1", "Precise IF", 1), ("2", "Math", 1), ("3", "Safety", 1), ("4", "Focus", 1)),
        *(("5", "Focus", 1), ("ref:0", "Ties", 1), ("tied:0", "Ties", 3), ("ref:1", "Ties", 1), ("tied:1", "Ties", 2)),
    )
)
"""The columns of the hub's card of allenai/reward-bench-2."""


MULTI_CRIT = tuple(
    {
        "question_id": f"{prompt}__{criterion}",
        "image_path": f"{prompt}.png",
        "question": f"What does {prompt} show?",
        "pred_a": "A red circle.",
        "pred_b": "A blue square, and more besides.",
        "model_a": "one",
        "model_b": "two",
        "split": split,
        "criterion": criterion,
        "preference": preference,
        "prompt_id": prompt,
    }
    for prompt, split, criterion, preference in (
        ("wall", "open_ended", "completeness", "model_b"),
        ("wall", "open_ended", "clarity", "model_a"),
        ("wall", "open_ended", "hallucination", "model_a"),
        ("street", "open_ended", "completeness", "model_b"),
        ("puzzle", "reasoning", "logic", "model_b"),
        ("puzzle", "reasoning", "efficiency", "model_a"),
    )
)
"""The columns of the hub's card of txiong23/Multi-Crit. By some criteria of one prompt people prefer the other response."""


def multi_crit(split: str) -> pa.Table:
    """The rows of a split, with a picture each."""
    image = {"bytes": picture("red", "circle"), "path": "a.png"}
    return pa.Table.from_pylist([{**row, "image": image} for row in MULTI_CRIT if row["split"] == split])


def write(folder: Path) -> None:
    """All fixtures below a folder."""
    rows = vl_rewardbench()
    _lines(folder / "vl-rewardbench/outputs.jsonl", vl_outputs(rows))
    _lines(folder / "vl-rewardbench/outputs-wrapped.jsonl", vl_outputs(rows, wrapped=True))
    _parquet(folder / "vl-rewardbench/data/test-00000-of-00001.parquet", pa.Table.from_pylist(rows, schema=VLRB_SCHEMA))
    _text(folder / "vl-rewardbench/vl_rewardbench.tsv", vlmevalkit(rows))
    known = multimodal_rewardbench()
    _text(folder / "multimodal-rewardbench/all_data.json", json.dumps(known, indent=1))
    for number, row in enumerate(known[:-1]):  # the last image is missing
        _bytes(folder / "multimodal-rewardbench" / row["Image"], picture(COLORS[number % 4], SHAPES[number % 2]))
    _lines(folder / "multimodal-rewardbench/outputs.jsonl", mm_outputs(known))
    _text(folder / "mmrb2/reasoning.json", json.dumps(mmrb2(), indent=1))
    _text(folder / "mmrb2/predictions/reasoning.json", json.dumps(PREDICTIONS, indent=1))
    for name, look in (("prompt", ("red", "circle")), ("first", ("blue", "square")), ("second", ("red", "circle"))):
        _bytes(folder / f"mmrb2/{name}.png", picture(*look))
    _lines(folder / "mm-rlhf-rewardbench/test.jsonl", MM_RLHF)
    _bytes(folder / "mm-rlhf-rewardbench/mcq/7.png", picture("red", "circle"))
    _bytes(folder / "mm-rlhf-rewardbench/long/8.png", picture("blue", "square"))
    _lines(folder / "mllm-as-a-judge/pairs.jsonl", MLLM_PAIRS)
    for number in range(len(MLLM_PAIRS)):
        _bytes(folder / f"mllm-as-a-judge/{number}.png", picture(COLORS[number], SHAPES[number % 2]))
    _lines(folder / "rewardbench/filtered.jsonl", REWARDBENCH)
    _lines(folder / "judgebench/gpt.jsonl", JUDGEBENCH)
    _parquet(folder / "rewardbench-2/data/test-00000-of-00001.parquet", pa.Table.from_pylist(list(REWARDBENCH_2)))
    for split in ("open_ended", "reasoning"):
        _parquet(folder / f"multi-crit/data/{split}-00000-of-00001.parquet", multi_crit(split))


def _parquet(path: Path, table: pa.Table) -> None:
    _whole(path, lambda place: pq.write_table(table, place))


def _lines(path: Path, rows: Any) -> None:
    _text(path, "".join(json.dumps(row) + "\n" for row in rows))


def _text(path: Path, text: str) -> None:
    _bytes(path, text.encode())


def _bytes(path: Path, data: bytes) -> None:
    _whole(path, lambda place: place.write_bytes(data))


def _whole(path: Path, writer: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer(path)


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "tests/fixtures"))
