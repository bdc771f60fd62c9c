"""The recipe: everything that decides what a run does. Read at the edge, frozen, never changed afterwards.

Defaults are the paper's values where they are known (arXiv 2512.05145), and our choice where they are not; the comment at a
field says which: STATED and REPORTED are the paper's, CHOSEN is ours. A key that no field has is answered with the nearest
one that there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import ceil
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from ..chat import Sampling
from ..method.alteration import Mode, default_templates
from ..method.equivalence import MOST_PAIRS, Equivalence
from ..method.prompts import JUDGE
from ..method.protocols import PAPER, STRICT, Protocol
from ..method.selection import EvidenceRule, Keep, Rule, Verdicts
from ..method.voting import ANSWER, Alternative, Election
from ..types import Kind, content_id
from .engines import VLLMSettings
from .execution import Execution
from .inputs import Bench, Source
from .section import PathOrHub, Section
from .templates import check_judge_prompt, check_placeholders
from .training import Training

MAX_PIXELS = 100_000_000
"""An image with more is not decoded."""

VLLM_HOTTEST = 2.0

_LONGEST_NAME = 100
_MOST = 10_000
"""Of what is done again and again: iterations, and samples of one request."""

EMBEDDED_MODEL = "shapes"
"""The model name that stands for the tiny VLM shipped with the package."""


class SamplingRecipe(Section):
    """How text is sampled."""

    temperature: float = Field(0.6, ge=0)
    """REPORTED. 0 is greedy."""
    top_p: float = Field(0.9, gt=0, le=1)
    """REPORTED. 1 is off."""
    top_k: int = Field(50, ge=0)
    """REPORTED. 0 is off."""
    max_tokens: int = Field(1024, ge=1, le=1_000_000)
    """CHOSEN. A reply that is longer counts as cut off."""

    def sampling(self, *, logprobs: int = 0) -> Sampling:
        return Sampling(**self.model_dump(), logprobs=logprobs)


class OpenRecipe(Section):
    """Open prompts: the model's own answer against a copy with a deliberate error (STATED)."""

    mode: Mode = "replace"
    """CHOSEN: the model names one phrase and a false one in its place, and the copy is made of these. `rewrite`: it writes the
    whole copy (REPORTED)."""
    response: SamplingRecipe = SamplingRecipe()
    alteration: SamplingRecipe = SamplingRecipe()
    model: Literal["base", "judge"] = "base"
    """REPORTED: the same model writes and alters. Whether base or current judge is CHOSEN."""
    templates: dict[str, str] = Field(
        default_factory=lambda earlier: default_templates(earlier.get("mode", "replace")), min_length=1
    )
    """Requests for one error, by name, as `mode` wants them; drawn by seed among those that a response offers. Several variants:
    REPORTED; wording: CHOSEN. Placeholders: {images} {question} {response}."""
    length_ratio: float | None = Field(None, gt=1)
    """CHOSEN: no limit. Drop a copy that is longer or shorter than its original by more than this factor."""

    @field_validator("templates")
    @classmethod
    def _fill_response(cls, templates: dict[str, str]) -> dict[str, str]:
        for template in templates.values():
            check_placeholders(template, needed={"response"}, allowed={"images", "question", "response"})
        return templates


class ClosedRecipe(Section):
    """Closed prompts: the majority of the sampled answers against another one (STATED)."""

    sampling: SamplingRecipe = SamplingRecipe()
    samples: int = Field(16, ge=2, le=_MOST)
    """REPORTED: sampled answers of each prompt."""
    early_exit: bool = False
    """Ours, off: sample half of them, then a quarter at a time, and no more once the majority has its votes, leads by four, and
    another answer was sampled that it can be set against (which `pooled` does not need)."""
    template: str = ANSWER
    """CHOSEN: an answer line can be compared, prose hardly. The paper's bare question: `{images}\n{question}`."""
    threshold: int = Field(5, ge=1)
    """REPORTED: votes that the majority needs."""
    lead: int = Field(1, ge=1)
    """CHOSEN: votes by which the majority must lead the runner-up."""
    model: Literal["base", "judge"] = "base"
    """REPORTED (weak): the base model samples, not the evolving judge."""
    equivalence: Equivalence = "rules"
    """CHOSEN: which answers are one ballot. `model`: phrases that rules cannot compare are shown to the model that wrote them."""
    alternative: Alternative = "typed"
    """STATED as random; uniform over the samples of the majority's type (letter, number, yes or no, phrase) is CHOSEN, so that
    form alone gives nothing away. Others: any_sample (of any type), any_answer, most_voted; and `pooled`, ours: a bare answer of
    that type that won the vote on another question with the same first two words, so that unanimous votes make pairs, too."""

    @field_validator("template")
    @classmethod
    def _fill_question(cls, template: str) -> str:
        check_placeholders(template, needed={"question"}, allowed={"images", "question"})
        return template

    @property
    def requests(self) -> int:
        """Requests of one prompt, at most."""
        return self.samples + (MOST_PAIRS if self.equivalence == "model" else 0)

    def turns(self) -> list[range]:
        """The numbers of the samples that are asked for together."""
        half, step = ceil(self.samples / 2), ceil(self.samples / 4)
        starts = [0, *range(half, self.samples, step)] if self.early_exit else [0]
        return [range(start, end) for start, end in zip(starts, [*starts[1:], self.samples], strict=True)]

    def election(self) -> Election:
        return Election(threshold=self.threshold, lead=self.lead, alternative=self.alternative)


class Synthesis(Section):
    """Stage I: preference pairs."""

    open: OpenRecipe = OpenRecipe()
    closed: ClosedRecipe = ClosedRecipe()
    labels: Literal["synthetic", "coin", "flipped"] = "synthetic"
    """Controls of an experiment: a random side of each pair is called the chosen one (`coin`), or the wrong side (`flipped`)."""


class Judging(Section):
    """Stage II: the judge's replies."""

    template: str = JUDGE
    """CHOSEN wording. Placeholders: {images} {question} {first} {second}."""
    sampling: SamplingRecipe = SamplingRecipe()
    """CHOSEN: as in Stage I."""
    samples: int = Field(1, ge=1, le=_MOST)
    """CHOSEN: replies per order."""
    early_exit: bool = False
    """Ours, off: ask for a pair's replies one after the other, and for no more once `selection` must keep it or drop it. The same
    pairs are kept, with one trace an order. Of a tenth of the pairs every reply is asked for; the monitors look at these."""
    force_verdict: bool = False
    """Ours, off: a reply that ended without a verdict is continued by one token, the letter. Such a verdict counts where judges
    are measured, and is counted apart; a trace is learned only with its own verdict. Not every engine can
    ([pairs.md](pairs.md#forced-verdicts))."""

    @field_validator("template")
    @classmethod
    def _fill_both(cls, template: str) -> str:
        check_judge_prompt(template)
        return template

    @property
    def protocol(self) -> Protocol:
        """Stage II as a protocol."""
        protocol = replace(STRICT, template=self.template, sampling=self.sampling.sampling(), samples=self.samples)
        return replace(protocol, name=f"{protocol.name}+forced", verdict="forced") if self.force_verdict else protocol


class Selection(Section):
    """Stage II: which traces teach."""

    both_orders: bool = True
    """REPORTED: the judge must be right in both orders. False asks for one order only (an ablation)."""
    evidence: EvidenceRule = False
    """Ours, not the paper's: keep a trace only if it names what Stage I changed; `signed`: and says that the image agrees with
    the side of its verdict."""
    keep: Keep = "one"
    """CHOSEN: traces kept per order, `one` or `all` that are right."""
    verdicts: Verdicts = "judged"
    """A control of an experiment: `labels` writes the label into each trace in place of the judge's verdict, so that nothing is
    filtered by what the judge thinks."""
    min_probability: float | None = Field(None, gt=0, le=1)
    """Ours, off: keep a pair only if the traces to be kept give the chosen response this probability at their verdicts, as the
    mean over both orders. Needs an engine that gives log-probabilities."""

    @field_validator("min_probability")
    @classmethod
    def _of_own_verdicts_in_both_orders(cls, least: float | None, info: ValidationInfo) -> float | None:
        if least is not None and not info.data.get("both_orders", True):
            raise ValueError("it is a mean over both orders: set selection.both_orders: true")
        if least is not None and info.data.get("verdicts") == "labels":
            raise ValueError("it is of the judge's verdicts: set selection.verdicts: judged")
        return least

    def rule(self) -> Rule:
        return Rule(**self.model_dump())


class EarlyStop(Section):
    """Stop when pairs that are never trained on show no progress. Never looks at a benchmark."""

    held_out: float = Field(0.1, gt=0, lt=1)
    """Share of the prompts whose pairs are kept for this."""
    patience: int = Field(1, ge=1)
    """Iterations without progress before the run stops; its judge is then the best one so far."""
    min_gain: float = Field(0.0, ge=0)
    """What counts as progress, in pair accuracy."""


class Loop(Section):
    """The iterations."""

    iterations: int = Field(4, ge=1, le=_MOST)
    """REPORTED. A finished run goes on when this is raised."""
    prompts_per_iteration: int | None = Field(None, ge=1)
    """CHOSEN: each iteration samples all prompts anew. A number gives each iteration this many prompts of its own."""
    open_share: tuple[Annotated[float, Field(ge=0, le=1)], ...] | None = Field(None, min_length=1)
    """Ours, off: the share of open prompts in each iteration; the last one holds for all that follow. `[0, 0.4]` starts with
    closed prompts alone. Where a kind runs out, an iteration has fewer; one without any ends the run. Unset: as mixed."""

    @field_validator("open_share")
    @classmethod
    def _of_fresh_prompts(cls, shares: tuple[float, ...] | None, info: ValidationInfo) -> tuple[float, ...] | None:
        if shares is not None and info.data.get("prompts_per_iteration") is None:
            raise ValueError("it is a share of fresh prompts: set loop.prompts_per_iteration")
        return shares

    stop: EarlyStop | None = None
    """CHOSEN: a fixed number of iterations."""
    stop_on_warning: bool = False
    """Ours, off: the run ends once a monitor warns of a judge that was trained; its result is the judge before that one."""

    def wanted(self, kind: Kind, iterations: int) -> int:
        """The fresh prompts of a kind that so many iterations are to have together, by `open_share`."""
        size, shares = self.prompts_per_iteration or 0, self.open_share or (0.0,)
        opens = sum(round(shares[min(number, len(shares) - 1)] * size) for number in range(iterations))
        return opens if kind is Kind.OPEN else size * iterations - opens


class Evaluation(Section):
    """Which benchmarks every judge is measured on, the base included."""

    benchmarks: tuple[Bench, ...] = ()
    """The benchmarks that every judge is measured on; without any, no judge is measured."""
    protocols: tuple[Literal["strict", "paper"], ...] = ("strict",)
    """How each benchmark is asked: always `strict` (both orders, `sampling` below), whose figures decide what a report says; with
    `paper` also once in an order drawn by hash, sampled as in Stage II, as the paper may have measured."""
    sampling: SamplingRecipe = SamplingRecipe(temperature=0.0, top_p=1.0, top_k=0)
    """CHOSEN: greedy."""

    @field_validator("benchmarks")
    @classmethod
    def _once_each(cls, benchmarks: tuple[Bench, ...]) -> tuple[Bench, ...]:
        titles = [benchmark.title for benchmark in benchmarks]
        if twice := [title for title in titles if titles.count(title) > 1]:
            raise ValueError(f"two benchmarks are called `{twice[0]}`; files of pairs need different file names")
        return benchmarks

    @field_validator("protocols")
    @classmethod
    def _strict_first(cls, protocols: tuple[str, ...]) -> tuple[str, ...]:
        if protocols not in (("strict",), ("strict", "paper")):
            raise ValueError("write [strict] or [strict, paper]: `strict` is always measured, and each protocol once")
        return protocols

    def asked(self, judging: Judging) -> dict[str, Protocol]:
        """The protocols by name, with the judge's own prompt."""
        strict = replace(judging.protocol, sampling=self.sampling.sampling(), samples=1)
        paper = replace(PAPER, template=judging.template, sampling=judging.sampling.sampling())
        return {name: {"strict": strict, "paper": paper}[name] for name in self.protocols}


class Images(Section):
    """How the images of prompts are kept."""

    longest_edge: int | None = Field(2_048, ge=16)
    """CHOSEN: an image with a longer edge, in pixels, is scaled down to it; null keeps every image as it is."""


class Recipe(Section):
    """A whole run."""

    name: str = "run"
    """The name of the run, and of its folder `runs/NAME` unless --dir is given."""

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if "/" in name or name in ("", ".", "..") or not name.isprintable() or len(name.encode()) > _LONGEST_NAME:
            raise ValueError(f"it must be able to name a folder: printable, without /, at most {_LONGEST_NAME} bytes")
        return name

    seed: int = 0
    """Every random choice of the run is drawn from this and from what it is for."""
    model: PathOrHub = Field(min_length=1)
    """The base model: a folder, `owner/name` or `owner/name@revision` on the hub, or `shapes` for the one shipped here."""
    served_model: str | None = None
    """The one model that a server of others (`execution.engine.kind: openai`) has, by its name there. Without it the name is the
    path of the model folder, as `vllm serve FOLDER` has it."""
    prompts: tuple[Source, ...] = Field(min_length=1)
    """Where prompts come from; several sources are taken one after the other."""
    images: Images = Images()
    max_pixels: int = Field(MAX_PIXELS, ge=1)
    """An image with more pixels is dropped before it is decoded."""
    exclude: tuple[Bench, ...] = ()
    """Prompts that show what these benchmarks show are refused as `contaminated`. Labels of a benchmark are not looked at."""
    synthesis: Synthesis = Synthesis()
    judging: Judging = Judging()
    selection: Selection = Field(Selection(), validate_default=True)

    @field_validator("selection")
    @classmethod
    def _keeps_what_is_asked(cls, selection: Selection, info: ValidationInfo) -> Selection:
        if selection.keep != "one" and getattr(info.data.get("judging"), "early_exit", False):
            raise ValueError("judging.early_exit asks for no more than one trace an order: set selection.keep: one")
        if selection.evidence == "signed" and getattr(info.data.get("synthesis"), "labels", "synthetic") != "synthetic":
            raise ValueError("signed evidence shows the synthetic labels: a control of labels needs another selection.evidence")
        return selection

    training: Training = Training()
    loop: Loop = Loop()
    evaluation: Evaluation = Evaluation()
    execution: Execution = Field(Execution(), validate_default=True)

    @field_validator("execution")
    @classmethod
    def _whole_steps(cls, execution: Execution, info: ValidationInfo) -> Execution:
        settings, training = execution.training, info.data.get("training")
        if training is not None and training.batch_size % (max(1, settings.on_device(training.batch_size)) * settings.processes):
            raise ValueError("training.batch_size must be a multiple of execution.training's device_batch_size times processes")
        texts = [source for source in info.data.get("prompts", ()) if getattr(source, "allow_text_only", False)]
        if texts and settings.accelerate_config:
            raise ValueError("training.accelerate_config goes out of step at prompts without an image: leave allow_text_only out")
        return execution

    @field_validator("execution")
    @classmethod
    def _temperatures_it_takes(cls, execution: Execution, info: ValidationInfo) -> Execution:
        hottest = max(_temperatures(info.data), default=0.0)
        if isinstance(execution.engine, VLLMSettings) and hottest > VLLM_HOTTEST:
            raise ValueError(f"vLLM samples at temperatures up to {VLLM_HOTTEST:g}, and this recipe has {hottest:g}")
        return execution

    @field_validator("execution")
    @classmethod
    def _serves_each_judge(cls, execution: Execution, info: ValidationInfo) -> Execution:
        served, training = info.data.get("served_model"), info.data.get("training")
        engine = getattr(execution.engine, "replica", execution.engine)
        if served is not None and engine.kind not in ("openai", "scripted"):
            raise PydanticCustomError(
                "no_server",
                "{kind} loads `model`, and has no model of the name {model}",
                {"kind": engine.kind, "model": repr(served), "hint": _SERVED},
            )
        if served is not None and training is not None and training.kind != "scripted":
            raise PydanticCustomError(
                "one_served_model",
                "the server's one model, {model}, would answer for every judge that this run trains",
                {"model": repr(served), "hint": _MANAGED},
            )
        return execution

    @property
    def until(self) -> Rule | None:
        """The rule that decides when no further reply to a pair is asked for; None where all are asked for."""
        return self.selection.rule() if self.judging.early_exit else None

    def as_json(self) -> dict[str, Any]:
        """The whole recipe, defaults included, as JSON-able values."""
        return self.model_dump(mode="json")

    @property
    def digest(self) -> str:
        """Of the experiment."""
        return content_id("recipe", experiment_of(self.as_json()))


def experiment_of(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a recipe, as JSON-able values, that decides a result: not its execution, nor how many iterations it has."""
    loop = {key: value for key, value in recipe.get("loop", {}).items() if key != "iterations"}
    return {**{key: value for key, value in recipe.items() if key != "execution"}, "loop": loop}


_SERVED = "Set execution.engine.kind: openai, or use another folder (--dir) without served_model."
_MANAGED = (
    "Use execution.engine.kind vllm without served_model: its servers get each new judge, or transformers, in another folder "
    "(--dir); a run that trains nothing (training.kind: scripted) may ask one model all the time."
)


def _temperatures(sections: dict[str, Any]) -> Iterator[float]:
    """All temperatures of a recipe's sections."""
    for section in sections.values():
        if isinstance(section, SamplingRecipe):
            yield section.temperature
        elif isinstance(section, Section):
            yield from _temperatures(dict(section))
