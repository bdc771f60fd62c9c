"""From a judge's words to a verdict, or to the reason why there is none.

The last anchor outside of thinking decides: `[[A]]` or `[[B]]`, in capitals; bold, escaped and full-width spellings are read too.
There is no verdict where the last anchor holds anything else, where the last line with anchors has both letters, where the
instruction is repeated, and in a reply that was cut off. An anchor that is quoted from a response does not count.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from ..chat import Completion, Token
from ..types import Finish, Problem, Verdict
from .lookalikes import UNSEEN, plain
from .thinking import spoken_span

LETTERS = {"A": Verdict.FIRST, "B": Verdict.SECOND}
_SYMBOLS = {verdict: letter for letter, verdict in LETTERS.items()}

_CONTENT = r"\s{0,9}([^\[\]\n]{1,80}?)\s{0,9}"
_ANCHOR = re.compile(rf"\[{UNSEEN}*\[{_CONTENT}\]{UNSEEN}*\]|\\\[\\\[{_CONTENT}\\\]\\\]")
"""An anchor in a text without look-alikes, and one whose four brackets are escaped. A defused one, `[[A]\\]`, is neither."""

_LAST = 100
"""Anchors that are looked at, from the last one back."""
_AROUND = f" \t\u00a0\u3000.()*_`~'\"“”$\\{UNSEEN}"
_LETTER_ALONE = re.compile(r"(?<![A-Za-z])[AB](?![A-Za-z])")
_BESIDE = "[A-Za-zÀ-ÖØ-öø-ɏ]"
"""Letters that make a word of the one beside them: Latin ones, for in 回答A正确 the A stands alone."""
_VERB = r"(?:[a-z]+ly )?(?:is|was|has|[a-z]+[^\Waius]s)\b"
_NAMED = re.compile(
    rf"(?<!{_BESIDE})[AB](?!{_BESIDE})(?:(?! [a-z])|(?= {_VERB})|(?<=(?:[^\W\d_]|[,;)]) [AB]))",
)
"""A letter that names a response. An article is none: where a sentence may begin ("A dog"), only a verb may follow."""
_SENTENCE_END = re.compile(r"[.!?](?=\s)|[\n。！？]")
_LONGEST_SENTENCE = 2_000
_OPTIONS, _SOME = "CDE", 0.03
"""CHOSEN: a letter beside which these have more than such a share is an option of a question, and names no response."""
_QUOTED = re.compile(
    r"\"[^\"\n]{0,200}\"|“[^“”\n]{0,200}”|„[^„“”\n]{0,200}[“”]|«[^«»\n]{0,200}»|「[^「」\n]{0,200}」|(?<!\w)'[^'\n]{0,200}'(?!\w)"
)
_IF = r"(?:if|when|should|wenn|falls|si|se|als|если|如果|若|もし)"
_NOUN = (
    r"(?:the |la |le |die |el |o |a )?(?:first|second|response|answer|assistant|"
    r"antwort|respuesta|resposta|risposta|réponse|ответ|回答|答案|回复)"
)
_RULE_AFTER = re.compile(rf"\W{{0,4}}{_IF} ?{_NOUN}", re.IGNORECASE)
_RULE_BEFORE = re.compile(rf"\W{{0,4}}{_IF} ?{_NOUN}[^.!。]*$", re.IGNORECASE)
_SIDES = re.compile(r"(?<![a-z])(?:a|b|first|second|one|two|1|2)(?![a-z])")


def parse(text: str, finish: Finish = Finish.STOP) -> Verdict | Problem:
    """The verdict of a reply, or the problem with it. Never raises, never guesses."""
    return _verdict(_read(text, finish))


def with_verdict(text: str, verdict: Verdict) -> str:
    """A reply that has a verdict, with this one in its place."""
    place = _letter_place(text)
    return text if place is None else f"{text[:place]}{_SYMBOLS[verdict]}{text[place + 1 :]}"


def parse_with_tie(text: str, finish: Finish = Finish.STOP) -> Verdict | Problem:
    """As `parse`, where `[[C]]` was offered for a tie: as the last anchor it is Problem.TIE."""
    found = _read(text, finish)
    return Problem.TIE if found == "C" else _verdict(found)


def _verdict(found: str | Problem) -> Verdict | Problem:
    return found if isinstance(found, Problem) else LETTERS.get(found, Problem.NOT_OFFERED)


def _read(text: str, finish: Finish) -> str | Problem:
    """What the deciding anchor holds."""
    if finish is Finish.ERROR:
        return Problem.ENGINE_FAILURE
    if finish is Finish.LENGTH:
        return Problem.CUT_OFF
    anchors = _own_anchors(text)
    if not anchors:
        return Problem.NO_VERDICT
    held = [_held(found) for found in anchors]
    start, end = _line(text, anchors[-1])
    beside = {inner for found, inner in zip(anchors, held, strict=True) if found.start() >= start}
    if LETTERS.keys() <= beside or len(set(_LETTER_ALONE.findall(held[-1]))) > 1:
        return Problem.CONTRADICTORY
    if _is_rule(text[start : anchors[-1].start()], text[anchors[-1].end() : end]) or _is_legend(text, anchors, held):
        return Problem.NO_VERDICT
    return held[-1]


def _own_anchors(text: str) -> list[re.Match[str]]:
    """Those of the last anchors that are the judge's own words, in order: neither thought nor quoted."""
    anchors = deque(_ANCHOR.finditer(plain(text), *spoken_span(text)), maxlen=_LAST)
    if not anchors:
        return []
    quotes = [found.span() for found in _QUOTED.finditer(text)]
    starts = [start for start, _ in quotes]
    own = []
    for found in anchors:
        at = bisect_right(starts, found.start()) - 1
        if at < 0 or quotes[at][1] < found.end() or not _is_quotation(text, quotes[at], found):
            own.append(found)
    return own


def _is_quotation(text: str, quote: tuple[int, int], anchor: re.Match[str]) -> bool:
    """Whether an anchor in quotation marks is a part of a sentence about somebody else's words, and not a verdict in quotes."""
    line_end = text.find("\n", quote[1], quote[1] + 200)
    rest = text[quote[1] : line_end if line_end >= 0 else quote[1] + 200]
    before = text[max(text.rfind("\n", 0, quote[0]), quote[0] - 200, 0) : quote[0]]
    alone = not re.search(r"\w", text[quote[0] : anchor.start()] + text[anchor.end() : quote[1]])
    return bool(re.search(r"\w", rest) or _ANCHOR.search(before)) or (not alone and bool(re.search(r"\w", before)))


def _held(anchor: re.Match[str]) -> str:
    return (anchor[1] or anchor[2] or "").strip(_AROUND).replace(UNSEEN, "")


def _line(text: str, anchor: re.Match[str]) -> tuple[int, int]:
    end = text.find("\n", anchor.end())
    return text.rfind("\n", 0, anchor.start()) + 1, end if end >= 0 else len(text)


def _is_rule(before: str, after: str) -> bool:
    """Whether the line says when to give the verdict, as the instruction does, and gives none."""
    return bool(_RULE_AFTER.match(after) or _RULE_BEFORE.match(before))


def _is_legend(text: str, anchors: Sequence[re.Match[str]], held: Sequence[str]) -> bool:
    """Whether the last two anchors stand in neighbouring lines that say the same of either side."""
    if len(anchors) < 2 or {*held[-2:]} != LETTERS.keys():
        return False
    one, other = (_line(text, found) for found in anchors[-2:])
    if text[one[1] : other[0]].strip():
        return False
    shapes = {" ".join(_SIDES.sub("-", plain(text[start:end]).casefold()).split()) for start, end in (one, other)}
    return len(shapes) == 1


@dataclass(frozen=True, slots=True)
class Anchor:
    """A verdict's place in a reply: the two symbols that are rivals, and where the last one stands, None without any.

    `named` finds symbols in the words before it: a verdict that repeats one is not where it was decided.
    """

    symbols: tuple[str, str]
    place: Callable[[str], int | None]
    named: re.Pattern[str] | None = None

    def committed(self, text: str, last: int) -> int | None:
        """Where the last sentence before the verdict that names a symbol first names the verdict's; None where it does not."""
        text = plain(text)
        before = deque(self.named.finditer(text, spoken_span(text)[0], last) if self.named else (), maxlen=_LAST)
        if not before:
            return None
        end = before[-1].start()
        ends = [found.end() for found in _SENTENCE_END.finditer(text, max(0, end - _LONGEST_SENTENCE), end)]
        start = ends[-1] if ends else 0
        return next((found.start() for found in before if found.start() >= start and text[found.start()] == text[last]), None)


def _letter_place(text: str) -> int | None:
    anchors = _own_anchors(text)
    if not anchors or (letter := _held(anchors[-1])) not in LETTERS:
        return None
    return plain(text).index(letter, anchors[-1].start())


LETTER = Anchor(("A", "B"), _letter_place, _NAMED)


def probability(completion: Completion, anchor: Anchor = LETTER) -> float | None:
    """P(FIRST) against P(SECOND) at the verdict, in [0, 1]; None without log-probabilities or verdict.

    A verdict mostly repeats a letter that the judge wrote before ("So (B) is right. [[B]]"), and there is no doubt in a copy. So
    where the last sentence before it that names a response names the same one, P is the less certain of the two. The symbol may
    be a token of its own or a part of one (`[[A]]`): its rival is the token that holds the other symbol in the same place.
    Whoever calls has read the verdict: a reply without one has none here either.
    """
    tokens = completion.tokens or ()
    text, ends = "".join(token.text for token in tokens), list(accumulate(len(token.text) for token in tokens))
    last = anchor.place(text)
    if last is None:
        return None

    def first(place: int, options: str = "") -> float | None:
        index = bisect_right(ends, place)
        return _first_at(tokens[index], place - ends[index] + len(tokens[index].text), anchor.symbols, options)

    written, committed = first(last), anchor.committed(text, last)
    before = None if committed is None else first(committed, _OPTIONS)
    if written is None or before is None:
        return written
    return (min if plain(text)[last] == anchor.symbols[0] else max)(written, before)


def _first_at(token: Token, place: int, symbols: tuple[str, str], options: str) -> float | None:
    """P(the first symbol) against the other one at this character of a token; None where one of `options` is a rival, too."""
    mass = dict.fromkeys((*symbols, *options), 0.0)
    for text, logprob in token.logprobs:
        if len(text) > place and text[place] in mass and _same_but(text, token.text, place):
            mass[text[place]] += math.exp(logprob)
    total = mass[symbols[0]] + mass[symbols[1]]
    return mass[symbols[0]] / total if total > 0 and sum(mass[letter] for letter in options) <= _SOME * total else None


def _same_but(a: str, b: str, place: int) -> bool:
    return a[:place] == b[:place] and a[place + 1 :] == b[place + 1 :]
