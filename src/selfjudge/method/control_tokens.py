"""Text that some model family reads as a control token, or that stands for one: a turn, a role, an image, a tool, a mask.

Kinds of spelling rather than lists: `<|name|>`, `<name_of_parts>` and `[NAME]` whose parts are words of such tokens, and roles
at the start of a line. Ordinary HTML, generics, footnotes and links are none of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from .lookalikes import UNSEEN

_NAME_WORDS = (
    "s sys break inst bos eos eod eot eom eoh eoa eoi boi sot soi pad unk mask gmask smask cls sep oov nl bot im img image "
    "images video videos audio speech vision frame patch pixel start end begin stop of turn text sentence message utterance "
    "document context token tokens unused reserved special extra id soft fake around row col global local thumbnail newline "
    "placeholder slice unit imgpad imagehere user assistant human system model bot ai gpt role header think thinking "
    "thought thoughts reasoning tool tools call calls response responses result results available content args function "
    "functions python fim prefix suffix middle box quad ref point loc seg object det grounding endoftext startoftext "
    "beginoftext channel final constrain return control settings prompt eop sop usr "
)
"""Words that names of control tokens are made of (Llama, Qwen, Mistral, Gemma, DeepSeek, Hunyuan, GLM, Phi, InternVL, InternLM,
Idefics, SmolVLM, MiniCPM, MiniGPT, Janus, LLaVA, Baichuan, EXAONE, Falcon, Command, Kimi, Yi, Florence, BERT, T5, gpt-oss)."""

_ORDINARY_WORDS = (
    "text header object role content col frame row model start end begin stop of call calls response responses result "
    "results final return id ai user system message document args function functions prompt settings channel sentence "
    "special thumbnail slice patch unit tool tools control available context newline python around global local extra "
    "middle prefix suffix soft fake turn break label constrain pixel reserved unused token tokens utterance placeholder "
)
"""Parts that are ordinary tags or words when they stand alone."""
_PARTS, _ORDINARY = frozenset(_NAME_WORDS.split()), frozenset(_ORDINARY_WORDS.split())
_SQUARE = ("inst", "img", "args", "prefix", "suffix", "middle", "available_tools")
"""Names that are control tokens in square brackets, in either case."""

_NAMED = re.compile(rf"<{UNSEEN}*/?([A-Za-z_][\w.{UNSEEN}-]{{0,60}})/?{UNSEEN}*>|<{UNSEEN}*0x[0-9A-Fa-f]{{2}}{UNSEEN}*>")
_PIPED = re.compile(
    rf"<[ {UNSEEN}]?\|[^<>|\s\\]{{0,40}}(?: [^<>|\s\\]{{1,40}})?[ {UNSEEN}]?(?:\|[ {UNSEEN}]?)?>|<[^<>|\s\\]{{1,40}}\|>|"
    rf"\[\|[\w ]{{1,40}}\|\]"
)
_BRACKETED = re.compile(rf"\[{UNSEEN}*/?([A-Za-z][\w{UNSEEN}]{{0,60}}){UNSEEN}*\]")
_ROLE = re.compile(
    rf"^[ \t{UNSEEN}]*(?:(?:USER|ASSISTANT|SYSTEM|HUMAN|GPT|Human|Assistant)|#{{2,4}}[ \t]*(?i:human|user|assistant|"
    rf"system|instruction|response|input))[ \t{UNSEEN}]*:",
    re.MULTILINE,
)


def control_tokens(plain: str) -> Iterator[re.Match[str]]:
    """The places in a text without look-alikes that hold one."""
    for found in _NAMED.finditer(plain):
        if found[1] is None or _is_control(found[1]):
            yield found
    for found in _BRACKETED.finditer(plain):
        name = found[1]
        if name.casefold() in _SQUARE or (re.search("[A-Z]{2}|^unused", name) and _is_control(name)):
            yield found
    yield from _PIPED.finditer(plain)
    yield from _ROLE.finditer(plain)


@lru_cache
def _is_control(name: str) -> bool:
    parts = [part for part in re.split(r"[\W_\d]+", name.replace(UNSEEN, "").casefold()) if part]
    if len(parts) == 1 and parts[0] in _ORDINARY:
        return name.startswith("_") or any(c.isdigit() for c in name)
    return bool(parts) and _PARTS.issuperset(parts)
