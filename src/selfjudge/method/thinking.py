"""What a reply says, apart from what its model thought before: thinking is no answer, no copy and no verdict."""

from __future__ import annotations

import re

_NAMES = r"(?:think(?:ing)?|thoughts?|reasoning|reflection|scratchpad|analysis|seed:think)"
_CLOSED = re.compile(
    rf"<(?=[/|c])(?:/{_NAMES}>|\|(?=[ec])(?:end_?of_?thoughts?\|>|end_thinking\|>|channel\|>final(?:<\|message\|>)?)|channel\|>)|\[/THINK\]|◁/think▷",
    re.IGNORECASE,
)
_OPENED = re.compile(
    rf"<(?=[trsa|])(?:{_NAMES}>|\|(?=[bsc])(?:begin_?of_?thoughts?\|>|start_thinking\|>|channel\|?>\s?(?:analysis|thought)))|\[THINK\]|◁think▷",
    re.IGNORECASE,
)
"""How model families mark their thinking: Qwen and DeepSeek, Mistral, Kimi, Seed, Command, gpt-oss and Gemma."""


def spoken(text: str) -> str:
    """What follows the last block of thinking, without outer white space; what precedes one that is never closed."""
    start, end = spoken_span(text)
    return text[start:end].strip()


def end_of_thinking(text: str) -> str:
    """What closes a block of thinking that is still open at the end of the text; empty where none is."""
    opened = _OPENED.search(text, spoken_span(text)[0])
    if opened is None:
        return ""
    mark = opened[0]
    if "channel" in mark:  # it is closed by the beginning of another message
        return ""
    if "|" in mark:
        return "\n" + re.sub("BEGIN|START", "END", re.sub("begin|start", "end", mark))
    return f"\n{mark[0]}/{mark[1:]}"


def spoken_span(text: str) -> tuple[int, int]:
    """Where in the text that is."""
    start = 0
    if not any(mark in text for mark in "<[◁"):
        return start, len(text)
    for closed in _CLOSED.finditer(text):
        start = closed.end()
    opened = _OPENED.search(text, start)
    return start, opened.start() if opened else len(text)
