"""A training in other processes, as files in its work folder: the job, its progress, and its result or error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..chat import Message
from ..errors import TrainerError
from ..ports import Advance, Example, Fit
from ..recipe.execution import TrainerSettings
from ..recipe.training import Training
from ..run.disk import read_json, write_json, write_whole
from ..types import ImageRef
from .local import TrainingTask

_JOB, _FIT, _ERROR, _PROGRESS = "job.json", "fit.json", "error.json", "progress"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A task with its measured examples; `images` is the folder of the image store."""

    task: TrainingTask
    images: Path
    examples: Sequence[Example]
    lengths: Sequence[int]

    def write(self) -> Path:
        """Write the job into its work folder and delete the files of an earlier try; the path of the job."""
        work = self.task.work
        for name in (_FIT, _ERROR, _PROGRESS):
            (work / name).unlink(missing_ok=True)
        task = {name: str(value) for name, value in asdict(self.task).items() if name not in ("recipe", "settings")}
        examples = [_to_json(example) for example in self.examples]
        value = {
            "task": task,
            "recipe": self.task.recipe.model_dump(mode="json"),
            "settings": self.task.settings.model_dump(mode="json"),
            "images": str(self.images),
            "lengths": list(self.lengths),
        }
        write_json(work / _JOB, {**value, "examples": examples})
        return work / _JOB

    @staticmethod
    def read(path: Path) -> Job:
        value = read_json(path)
        folders = {name: Path(value["task"][name]) for name in ("start", "into", "work")}
        return Job(
            task=TrainingTask(
                recipe=Training(**value["recipe"]),
                settings=TrainerSettings(**value["settings"]),
                seed=int(value["task"]["seed"]),
                **folders,
            ),
            images=Path(value["images"]),
            examples=[_of_json(example) for example in value["examples"]],
            lengths=value["lengths"],
        )


class Outcome:
    """Progress, result and error of a job: written by its processes, read by the process that started them."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._reported = 0

    def write_progress(self, examples: int, _: Any = None) -> None:
        """Add to the examples learned since the start of this process."""
        self._reported += examples
        write_whole(self._work / _PROGRESS, str(self._reported).encode(), durable=False)

    def write_fit(self, fit: Fit) -> None:
        write_json(self._work / _FIT, asdict(fit))

    def write_error(self, message: str, hint: str | None) -> None:
        """Write the first error; later ones of other processes are its consequences."""
        if not (self._work / _ERROR).exists():
            write_json(self._work / _ERROR, {"message": message, "hint": hint})

    def report(self, advance: Advance) -> None:
        """Report the examples learned since the last call. After a restart, nothing until the old count is reached."""
        path = self._work / _PROGRESS
        seen = int(path.read_text()) if path.exists() else 0
        if seen > self._reported:
            advance(seen - self._reported)
            self._reported = seen

    def fit(self) -> Fit | None:
        """The result of training, None if there is none. Raises TrainerError with the error that a process wrote."""
        if (self._work / _FIT).exists():  # also if an earlier try failed
            fit = read_json(self._work / _FIT)
            return Fit(steps=fit["steps"], loss=fit["loss"], losses=tuple(fit["losses"]))
        if (self._work / _ERROR).exists():
            error = read_json(self._work / _ERROR)
            raise TrainerError(error["message"], hint=error["hint"])
        return None


def _to_json(example: Example) -> dict[str, Any]:
    messages = [
        {"role": m.role, "content": [b if isinstance(b, str) else asdict(b) for b in m.content]} for m in example.messages
    ]
    return {"key": example.key, "messages": messages, "reply": example.reply, "rejected": example.rejected}


def _of_json(value: dict[str, Any]) -> Example:
    messages = tuple(
        Message(role=m["role"], content=tuple(b if isinstance(b, str) else ImageRef(**b) for b in m["content"]))
        for m in value["messages"]
    )
    return Example(key=value["key"], messages=messages, reply=value["reply"], rejected=value["rejected"])
