"""`selfjudge export`: each format is read back by the library it is for, or held against the form that its project documents."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer
from trl.data_utils import is_conversational, prepare_multimodal_messages

from runs import no_progress, scripted_recipe
from selfjudge.errors import InputError, RunError
from selfjudge.export.formats import FORMATS
from selfjudge.export.writing import Exported, export
from selfjudge.hub.models import embedded_model
from selfjudge.loop import run
from selfjudge.run.folder import ImageStore, RunFolder
from selfjudge.run.images import admit, decode
from selfjudge.run.tables import PAIRS, images_to_row
from selfjudge.wiring import make_world


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = RunFolder(tmp_path_factory.mktemp("exported") / "run")
    recipe = scripted_recipe("loop.iterations=2")
    run(recipe, place, make_world(recipe, place), progress=no_progress, on_iteration=lambda _: None)
    return place.root


def exported(folder: Path, name: str, to: Path, *, everything: bool = False, iterations: tuple[int, ...] = ()) -> Exported:
    return export(folder, name, to, everything=everything, iterations=iterations, advance=lambda _: None)


def pairs(folder: Path, iteration: int) -> tuple[list[dict[str, Any]], set[str]]:
    """All pairs of an iteration, and the ids of those that were kept."""
    place = folder / f"iteration-{iteration}"
    return pq.read_table(place / "pairs.parquet").to_pylist(), set(
        pq.read_table(place / "selected.parquet")["pair_id"].to_pylist()
    )


@pytest.mark.parametrize("name", FORMATS)
def test_it_has_the_kept_pairs_of_all_iterations_once(folder: Path, tmp_path: Path, name: str):
    made = exported(folder, name, tmp_path / "out")
    kept = sum(len(pairs(folder, number)[1]) for number in (1, 2))
    traces = sum(pq.read_metadata(folder / f"iteration-{number}/selected.parquet").num_rows for number in (1, 2))
    assert made.records == (traces if name == "trl-sft" else kept) and made.images > 0


def test_all_pairs_and_chosen_iterations_can_be_asked_for(folder: Path, tmp_path: Path):
    every, kept = pairs(folder, 2)
    assert exported(folder, "jsonl", tmp_path / "all", everything=True, iterations=(2,)).records == len(every)
    rows = [json.loads(line) for line in (tmp_path / "all/train.jsonl").read_text().splitlines()]
    assert {row["id"] for row in rows if row["kept"]} == kept and {row["iteration"] for row in rows} == {2}


@pytest.mark.parametrize("name", ["hf", "jsonl"])
def test_an_exported_photograph_does_not_say_where_it_was_taken(folder: Path, tmp_path: Path, name: str):
    run = Path(shutil.copytree(folder, tmp_path / "run"))
    Image.new("RGB", (40, 40), "red").save(file := io.BytesIO(), "JPEG", comment="taken at home")
    ref, data = admit(file.getvalue(), max_pixels=10_000)
    (store := ImageStore(run / "images")).put(ref, data)
    rows = pq.read_table(run / "iteration-1/pairs.parquet").to_pylist()
    rows = [{**row, "images": images_to_row([ref])} for row in rows]
    pq.write_table(pa.Table.from_pylist(rows, schema=PAIRS.schema), run / "iteration-1/pairs.parquet")
    made = exported(run, name, tmp_path / "out", iterations=(1,))
    if name == "hf":
        [written] = {row["images"][0]["bytes"] for row in pq.read_table(made.file).to_pylist()}
    else:
        written = (tmp_path / "out/images" / store.path(ref).name).read_bytes()
    assert b"at home" in store.get(ref) and b"at home" not in written and decode(written).size == (40, 40)


def test_an_iteration_that_is_named_twice_is_written_once_and_a_foreign_folder_is_left_alone(folder: Path, tmp_path: Path):
    run = shutil.copytree(folder, tmp_path / "run")
    shutil.copytree(run / "iteration-1", run / "iteration-1-backup")
    expected = exported(folder, "jsonl", tmp_path / "out").records
    assert exported(run, "jsonl", tmp_path / "twice", iterations=(1, 2, 1)).records == expected
    assert exported(run, "jsonl", tmp_path / "all").records == expected


@pytest.mark.parametrize(
    ("name", "parts"), [("trl-sft", ("prompt", "completion")), ("trl-preference", ("prompt", "chosen", "rejected"))]
)
def test_trl_reads_its_rows_as_conversations_about_their_images(folder: Path, tmp_path: Path, name: str, parts: tuple[str, ...]):
    made = exported(folder, name, tmp_path / "out")
    for row in datasets.Dataset.from_parquet(str(made.file)).select(range(5)):
        assert is_conversational(row) and all(isinstance(image, Image.Image) for image in row["images"])
        prompt = prepare_multimodal_messages(row["prompt"], row["images"])
        assert sum(block["type"] == "image" for block in prompt[0]["content"]) == len(row["images"])
        assert [row[part][0]["role"] for part in parts] == ["user", *["assistant"] * (len(parts) - 1)]


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize(
    ("name", "config", "trainer"), [("trl-sft", SFTConfig, SFTTrainer), ("trl-preference", DPOConfig, DPOTrainer)]
)
def test_trl_trains_a_step_on_its_rows(folder: Path, tmp_path: Path, name: str, config: Any, trainer: Any):
    made = exported(folder, name, tmp_path / "out")
    rows = datasets.Dataset.from_parquet(str(made.file), cache_dir=str(tmp_path / "cache")).select(range(4))
    options = {"max_steps": 1, "use_cpu": True, "bf16": False, "report_to": "none", "save_strategy": "no", "disable_tqdm": True}
    arguments = config(output_dir=str(tmp_path), per_device_train_batch_size=2, max_length=None, **options)
    trained = trainer(model=str(embedded_model()), args=arguments, train_dataset=rows).train()
    assert 0 < trained.training_loss < 100


def test_a_data_set_has_its_images_a_card_and_small_row_groups(folder: Path, tmp_path: Path):
    made = exported(folder, "hf", tmp_path / "out", everything=True)
    loaded = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(loaded) == made.records and isinstance(loaded[0]["images"][0], Image.Image)
    card = (tmp_path / "out/README.md").read_text()
    assert "licence" in card and "drawn scenes" in card
    file = pq.ParquetFile(made.file)
    assert all(file.metadata.row_group(n).total_byte_size < 100 * 2**20 for n in range(file.num_row_groups))


def test_llama_factory_finds_its_columns_and_one_mark_for_each_image(folder: Path, tmp_path: Path):
    """https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md: sharegpt format, preference and multimodal data."""
    made = exported(folder, "llamafactory", tmp_path / "out")
    info = json.loads((tmp_path / "out/dataset_info.json").read_text())["selfjudge"]
    assert info["file_name"] == made.file.name and info["formatting"] == "sharegpt" and info["ranking"] is True
    for row in json.loads(made.file.read_text()):
        assert set(info["columns"].values()) == row.keys()
        assert row["conversations"][-1]["from"] == "human" and {row[side]["from"] for side in ("chosen", "rejected")} == {"gpt"}
        assert row["conversations"][0]["value"].count("<image>") == len(row["images"])
        assert all((tmp_path / "out" / image).is_file() for image in row["images"])


def test_ms_swift_finds_messages_and_the_rejected_response(folder: Path, tmp_path: Path):
    """https://swift.readthedocs.io/en/latest/Customization/Custom-dataset.html: DPO and multimodal rows."""
    made = exported(folder, "ms-swift", tmp_path / "out")
    for line in made.file.read_text().splitlines():
        row = json.loads(line)
        assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"] and row["rejected_response"]
        assert row["messages"][0]["content"].count("<image>") == len(row["images"])


def test_verl_finds_what_its_reward_functions_are_given(folder: Path, tmp_path: Path):
    """https://verl.readthedocs.io/en/latest/preparation/prepare_data.html: the fields of a row."""
    made = exported(folder, "verl", tmp_path / "out")
    for row in pq.read_table(made.file).to_pylist():
        assert row.keys() == {"data_source", "prompt", "images", "ability", "reward_model", "extra_info"}
        assert row["prompt"][0]["content"].count("<image>") == len(row["images"])
        assert row["reward_model"].keys() == {"style", "ground_truth"}
        assert row["extra_info"]["question"] and row["extra_info"]["images"] == row["images"]


@pytest.mark.parametrize(
    ("arguments", "words", "hint"),
    [
        ({"iterations": (7,)}, "iteration 7", "Done are 1, 2"),
        ({"name": "trl-sft", "everything": True}, "holds traces", "--all"),
    ],
)
def test_what_cannot_be_exported_is_an_error_with_a_hint(
    folder: Path, tmp_path: Path, arguments: dict[str, Any], words: str, hint: str
):
    with pytest.raises(InputError, match=words) as error:
        exported(folder, **({"name": "jsonl", "to": tmp_path / "out"} | arguments))
    assert hint in str(error.value.hint)


def test_the_command_says_what_it_wrote_and_overwrites_nothing(folder: Path, tmp_path: Path):
    command = [sys.executable, "-m", "selfjudge", "export", str(folder), "--format", "jsonl", "--to"]
    out, file = tmp_path / "out", tmp_path / "out/train.jsonl"
    first, *others = (subprocess.run([*command, str(to)], capture_output=True, text=True, check=False) for to in (out, out, file))
    assert first.returncode == 0 and "records and" in first.stdout
    assert all(other.returncode == 2 and "is not an empty folder" in other.stderr for other in others)


@pytest.mark.parametrize("damage", ["gone", "cut"])
@pytest.mark.parametrize(("name", "table"), [("jsonl", "pairs"), ("hf", "selected"), ("trl-sft", "selected")])
def test_a_table_that_cannot_be_read_is_named_and_nothing_stays_of_the_export(
    folder: Path, tmp_path: Path, name: str, table: str, damage: str
):
    run = Path(shutil.copytree(folder, tmp_path / "run"))
    path, out = run / f"iteration-2/{table}.parquet", tmp_path / "out"
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[:-9])
    with pytest.raises(RunError, match=f"cannot read {path}") as error:
        exported(run, name, out)
    assert "command of the run" in str(error.value.hint) and not out.exists()
    path.write_bytes(content)
    assert exported(run, name, out).records


def test_a_folder_that_is_no_run_is_an_error(tmp_path: Path):
    with pytest.raises(InputError, match="nothere is no run folder"):
        exported(tmp_path / "nothere", "jsonl", tmp_path / "out")


@pytest.mark.parametrize("name", ["llamafactory", "ms-swift", "verl"])
def test_a_mark_of_an_image_in_a_text_is_no_mark(name: str):
    row = {
        "prompt": "is <image> here?",
        "chosen": "<image> a",
        "rejected": "b <image>",
        "kind": "open",
        "id": "x",
        "iteration": 1,
    }
    assert json.dumps(FORMATS[name].record(row, ["images/x.png"])).count("<image>") == 1
