"""Generation in this process with transformers: batches, left padding, and sampling that each request's own seed decides.

Sampling adds Gumbel noise to the warped scores and takes the largest: the same as drawing from the distribution, but the noise
is a hash of (seed, step, token), so a request's text depends on its batch only through floating-point rounding.
What the requests of a batch have in common is computed once (`prefix`).
"""

from __future__ import annotations

import gc
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor, GenerationConfig, LogitsProcessor, LogitsProcessorList
from transformers.generation.logits_process import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper
from transformers.utils.logging import disable_progress_bar

from ..chat import ASSISTANT, Completion, Message, Request, Sampling, Token
from ..errors import OUT_OF_MEMORY, TORCHVISION_CURE, EngineError, InputError, SelfjudgeError, root_cause
from ..ports import ReadImage, blocks
from ..processors import control_tokens, plain
from ..recipe.engines import TransformersSettings
from ..run.image_files import BadImage
from ..run.images import decode
from ..run.weights import check_model
from ..types import Finish
from .prefix import CannotShareError, Sharing, only_full_attention, prefill, sharing, token_rows

log = logging.getLogger(__name__)

_IMAGE_CACHE = 256  # decoded images: the samples and orders of a pair follow each other and show the same images
_LOST = re.compile(
    r"illegal memory access|device-side assert|launch failure|misaligned address|(CUDA|HIP|NCCL) (\w+ )?error", re.IGNORECASE
)  # after these errors a GPU is unusable in this process
_RESTART = (
    "Nothing of this batch was stored: run the same command again, in a new process. If it fails again, see `nvidia-smi` and the "
    "kernel's log; CUDA_LAUNCH_BLOCKING=1 shows the failing call."
)
_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed integer: the step of splitmix64


class TransformersEngine:
    """One model in this process. `block` requests are generated together; a batch that fails is halved until it fits."""

    continues = True

    def __init__(self, model: str, settings: TransformersSettings, *, read_image: ReadImage) -> None:
        disable_progress_bar()
        self.block = settings.batch_size
        self._warned: set[str] = set()
        self._image = lru_cache(maxsize=_IMAGE_CACHE)(lambda ref: decode(read_image(ref)))
        automatic = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            if Path(model).is_dir():
                check_model(Path(model))
            self._processor = AutoProcessor.from_pretrained(model, trust_remote_code=False)
            loaded = _whole(model, settings.dtype)
            self._model = loaded.to(automatic if settings.device == "auto" else settings.device).eval()
        except Exception as error:  # of transformers, or of any format that it reads
            root = root_cause(error) if not isinstance(error, SelfjudgeError) else error
            raise EngineError(f"cannot load the model {model}: {_reason(root)}", hint=_loading_hint(model, root)) from error
        _check_template(model, self._processor)
        self._tokenizer = self._processor.tokenizer
        self._tokenizer.padding_side = "left"
        self._word = lru_cache(maxsize=None)(partial(_word, self._tokenizer))
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._ends = _end_tokens(self._model.generation_config.eos_token_id, self._tokenizer.eos_token_id)
        self._model.generation_config = GenerationConfig()  # the model's own would fill in what a request leaves open
        self._marks = control_tokens(self._processor)
        self._longest = _longest(self._model.config.get_text_config())
        self._shares, self._beginnings = True, only_full_attention(self._model.config)

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for block in blocks(requests, self.block):
            answers: dict[str, Completion] = {}
            for part in _alike(block):
                answers.update((completion.key, completion) for completion in self._answer(part))
            yield from (answers[request.key] for request in block)

    def close(self) -> None:
        self._model = None
        self._image.cache_clear()
        gc.collect()
        with suppress(RuntimeError):  # the GPU may be unusable
            _free_cache()

    def _answer(self, requests: Sequence[Request]) -> list[Completion]:
        """Completions of requests with one sampling. A batch that fails is halved; one request that fails is a completion."""
        try:
            return self._batch(requests)
        except (RuntimeError, ValueError, IndexError, TypeError, OSError, BadImage) as error:
            if is_lost(error):
                raise EngineError(f"the GPU is unusable in this process: {_first_line(error)}", hint=_RESTART) from error
            _free_cache()
            if len(requests) == 1:
                return [_failed(requests[0], error)]
            self._warn_once("a batch failed and is halved: " + _first_line(error))
            middle = len(requests) // 2
        return self._answer(requests[:middle]) + self._answer(requests[middle:])

    def _warn_once(self, warning: str) -> None:
        if warning not in self._warned:
            self._warned.add(warning)
            log.warning(warning)

    def _batch(self, requests: Sequence[Request]) -> list[Completion]:
        model = self._model
        if model is None:
            raise EngineError("the engine was closed", hint="Open another engine.")
        sampling = requests[0].sampling
        top = TopTokens(sampling.logprobs)
        with torch.inference_mode():
            inputs, sizes = self._prefilled(model, requests)
            width = inputs["input_ids"].shape[1]
            out = model.generate(
                **inputs,
                generation_config=GenerationConfig(
                    do_sample=False,
                    max_new_tokens=sampling.max_tokens,
                    eos_token_id=sorted(self._ends),
                    pad_token_id=self._tokenizer.pad_token_id,
                ),
                logits_processor=LogitsProcessorList([top, *_sampler(sampling, [r.seed for r in requests], width)]),
            )
        replies = out[:, width:].tolist()
        return [
            self._completion(request, row, reply, size, top)
            for row, (request, reply, size) in enumerate(zip(requests, replies, sizes, strict=True))
        ]

    def _prefilled(self, model: Any, requests: Sequence[Request]) -> tuple[Any, list[int]]:
        """What the model goes on from, and how many tokens each prompt has. What requests have in common was seen once."""
        found = sharing(requests, beginnings=self._beginnings)
        if self._shares and len(found.leaders) < len(requests):
            try:
                return self._shared(model, found)
            except (CannotShareError, AttributeError, NotImplementedError) as error:
                self._shares = False
                log.warning("this model computes every request alone, which takes longer: %s", _first_line(error))
        inputs = self._inputs([request.messages for request in requests])
        self._check_length(inputs["input_ids"].shape[1])
        return inputs.to(model.device, dtype=model.dtype), inputs["attention_mask"].sum(dim=1).tolist()

    def _check_length(self, tokens: int) -> None:
        """Raises ValueError for a prompt that the model was not made for: its memory grows with the square of its length."""
        if tokens > self._longest:
            raise ValueError(f"the prompt has {tokens} tokens; the model takes at most {self._longest}")

    def _shared(self, model: Any, found: Sharing) -> tuple[Any, list[int]]:
        inputs = self._inputs([found.prompts[leader] for leader in found.leaders])
        encoded = [ids[mask.bool()].tolist() for ids, mask in zip(inputs["input_ids"], inputs["attention_mask"], strict=True)]
        raw = self._tokenizer(self._texts(found.prompts), add_special_tokens=False)["input_ids"]
        tokens = token_rows(found, raw, encoded)
        self._check_length(max(map(len, tokens)))
        pad = self._tokenizer.pad_token_id
        rows = prefill(model, found, inputs.to(model.device, dtype=model.dtype), tokens, pad=pad)
        return rows, [len(tokens[prompt]) for prompt in found.prompt_of]

    def _texts(self, prompts: Sequence[tuple[Message, ...]]) -> list[str]:
        return [self._text([plain(message, self._marks).as_blocks() for message in prompt]) for prompt in prompts]

    def _text(self, turns: list[dict[str, Any]]) -> str:
        """A conversation as the chat template writes it, up to where the model goes on."""
        continued = turns[-1]["role"] == ASSISTANT
        write = self._processor.apply_chat_template
        text: str = write(turns, add_generation_prompt=not continued, continue_final_message=continued, tokenize=False)
        return text

    def _inputs(self, prompts: Sequence[tuple[Message, ...]]) -> Any:
        pictures = [[self._image(ref) for message in prompt for ref in message.images] for prompt in prompts]
        return self._processor(
            text=self._texts(prompts),
            images=pictures if pictures[0] else None,
            padding=True,
            return_tensors="pt",
            add_special_tokens=False,  # they are in the chat template
        )

    def _completion(self, request: Request, row: int, reply: list[int], size: int, top: TopTokens) -> Completion:
        end = next((index for index, token in enumerate(reply) if token in self._ends), None)
        kept = reply[:end]
        return Completion(
            key=request.key,
            text=self._tokenizer.decode(kept, skip_special_tokens=True).strip(),
            finish=Finish.LENGTH if end is None else Finish.STOP,
            prompt_tokens=size,
            completion_tokens=len(kept) + (end is not None),
            tokens=self._tokens(kept, row, top) if request.sampling.logprobs else None,
        )

    def _tokens(self, reply: list[int], row: int, top: TopTokens) -> tuple[Token, ...]:
        word, tokens = self._word, []
        for step, token in enumerate(reply):
            values, indices = top.steps[step]
            seen = zip(indices[row].tolist(), values[row].tolist(), strict=True)
            tokens.append(Token(text=word(token), logprobs=tuple((word(i), value) for i, value in seen)))
        return tuple(tokens)


class TopTokens(LogitsProcessor):  # type: ignore[misc]
    """Records the log-probabilities of the `count` likeliest tokens of each step, before any warping."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.steps: list[tuple[torch.Tensor, torch.Tensor]] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if self.count:
            likeliest = scores.float().log_softmax(dim=-1).topk(min(self.count, scores.shape[-1]))
            self.steps.append((likeliest.values.cpu(), likeliest.indices.cpu()))
        return scores


class SeededNoise(LogitsProcessor):  # type: ignore[misc]
    """Gumbel noise by hash: greedy choice over the noisy scores samples from them, each row by its own seed."""

    def __init__(self, seeds: Sequence[int], start: int) -> None:
        self._seeds = torch.tensor(seeds, dtype=torch.int64)
        self._start = start

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        step = torch.full_like(self._seeds, input_ids.shape[1] - self._start)
        rows = _mixed(self._seeds + step * _GOLDEN).to(scores.device)
        tokens = torch.arange(scores.shape[-1], device=scores.device, dtype=torch.int64) * _GOLDEN
        bits = _logical_shift(_mixed(rows[:, None] ^ _mixed(tokens)[None, :]), 11)
        uniform = (bits.double() + 0.5) * 2.0**-53
        return scores - torch.log(-torch.log(uniform)).to(scores.dtype)


def _mixed(x: torch.Tensor) -> torch.Tensor:
    """The output function of splitmix64 on int64, which wraps around like uint64."""
    x = (x ^ _logical_shift(x, 30)) * -4658895280553007687  # 0xBF58476D1CE4E5B9
    x = (x ^ _logical_shift(x, 27)) * -7723592293110705685  # 0x94D049BB133111EB
    return x ^ _logical_shift(x, 31)


def _logical_shift(x: torch.Tensor, bits: int) -> torch.Tensor:
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _sampler(sampling: Sampling, seeds: Sequence[int], start: int) -> list[LogitsProcessor]:
    if sampling.temperature == 0:
        return []
    warpers: list[LogitsProcessor] = [TemperatureLogitsWarper(float(sampling.temperature))]
    if sampling.top_k:
        warpers.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        warpers.append(TopPLogitsWarper(sampling.top_p))
    return [*warpers, SeededNoise(seeds, start)]


def _longest(config: Any) -> float:
    """The tokens that a language model can place; all that a stretched one may be able to."""
    stretched: float = (getattr(config, "rope_parameters", None) or {}).get("factor") or 1
    return (getattr(config, "max_position_embeddings", None) or float("inf")) * max(1, stretched)


def is_lost(error: Exception) -> bool:
    """Whether an error makes the GPU unusable in this process. Out of memory does not."""
    if isinstance(error, torch.OutOfMemoryError) or OUT_OF_MEMORY.search(str(error)):
        return False
    sticky = isinstance(error, RuntimeError) and _LOST.search(str(error)) is not None
    return sticky or isinstance(error, torch.AcceleratorError)


def _failed(request: Request, error: Exception) -> Completion:
    """The completion of a request that failed alone: `refused` if it is too large or cannot be encoded."""
    refused = not isinstance(error, RuntimeError) or OUT_OF_MEMORY.search(str(error)) is not None
    return Completion.failed(request.key, _first_line(error), refused=refused)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _free_cache() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _alike(block: Sequence[Request]) -> list[list[Request]]:
    """The requests of a block in parts that can be generated together: one sampling, and all with images or all without."""
    parts: dict[Any, list[Request]] = {}
    for request in block:
        pictured = any(message.images for message in request.messages)
        parts.setdefault((request.sampling, pictured), []).append(request)
    return list(parts.values())


def _word(tokenizer: Any, token: int) -> str:
    text: str = tokenizer.decode([token])
    return text


def _whole(model: str, dtype: str) -> Any:
    """A model all of whose weights were stored: transformers would draw what is missing at random. Raises InputError."""
    loaded, found = AutoModelForImageTextToText.from_pretrained(
        model, dtype=dtype, trust_remote_code=False, output_loading_info=True
    )
    if missing := sorted(found["missing_keys"]):
        hint = "Get the whole checkpoint, of the kind of model that its config.json names."
        raise InputError(f"its files lack {len(missing)} of its weights, such as {missing[0]}", hint=hint)
    return loaded


def _reason(error: BaseException) -> str:
    if "weights_only" in str(error):
        return "its weights are a pickle that holds more than tensors, which is not opened"
    return str(error).strip() or type(error).__name__


def _check_template(model: str, processor: Any) -> None:
    """Raises EngineError where there is no chat template, or one that cannot write a question about an image."""
    hint = "Copy chat_template.jinja of its instruction-tuned variant into the folder, or use that variant."
    if not getattr(processor, "chat_template", None):
        raise EngineError(f"the model {model} has no chat template", hint=hint)
    turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}
    try:
        processor.apply_chat_template([turn], add_generation_prompt=True, tokenize=False)
    except Exception as error:  # a template is a program of strangers
        raise EngineError(f"the chat template of {model} cannot be used: {_first_line(error)}", hint=hint) from error


def _end_tokens(*ids: int | list[int] | None) -> set[int]:
    return {token for entry in ids if entry is not None for token in (entry if isinstance(entry, list) else [entry])}


def _loading_hint(model: str, error: BaseException) -> str:
    if "torchvision::" in str(error):
        return TORCHVISION_CURE
    if isinstance(error, SelfjudgeError) and error.hint:
        return error.hint
    if isinstance(error, ImportError):
        cpu = "" if torch.version.cuda else " (with a CPU build of torch, then run scripts/cpu_torchvision.py of the repository)"
        return f"Its processor needs a package: `pip install torchvision`{cpu} for most families, num2words too for SmolVLM."
    if Path(model).is_dir():
        return "The folder must hold config.json, weights, processor and chat template of one image-text-to-text model."
    return "Use a model folder, or a model on the hub that this machine can download."
