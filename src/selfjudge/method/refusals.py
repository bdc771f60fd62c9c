"""Whether a response declines: some clause of it refuses, and none answers.

An answer after an apology is an answer; a sign that is quoted or read out is no refusal; "I cannot tell which year" is what an
image may deserve, and no refusal either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from .data import load
from .thinking import spoken

_LONGEST = 3_000
"""Characters; a longer text has something to say."""

_MARKUP = re.compile(r"[*_`#>]+")
_QUOTED = re.compile(r"\"[^\"\n]*\"|“[^”]{0,200}”|„[^“”]{0,200}[“”]|«[^»]{0,200}»|「[^」]{0,200}」|『[^』]{0,200}』")
_SENTENCE = re.compile(r"[^.!?\n。！？।؟]+[.!?\n。！？।؟]*")
_DATA = load("refusals")
_ENGLISH, _OTHERS = _DATA["english"], tuple(_DATA["language"].values())
_CONCEDES = re.compile(rf"\W*(?:{_DATA['anywhere']['concedes']})[^,，]+[,，]")
_TURN = re.compile(_DATA["anywhere"]["turn"])
_EXCUSED = (
    (re.compile(_ENGLISH["apology"]), re.compile(_ENGLISH["unable"])),
    *((re.compile(rf"^\W*(?:{other['sorry']})"), re.compile(other["unable"])) for other in _OTHERS),
)
"""By language: an apology at the beginning, and what then is a refusal."""
_REFUSES = re.compile(
    "|".join(
        [_ENGLISH["refuses"], _ENGLISH["as_machine"]]
        + [
            f"(?:{other['unable']})[^.]{{0,40}}?(?:{other['help']})|(?:{other['help']})[^.]{{0,12}}?(?:{other['unable']})|{other['none']}"
            for other in _OTHERS
        ]
    )
)
_OFFERED = re.compile(_ENGLISH["quoted"])
_IDLE = re.compile("|".join([_ENGLISH["idle"], _ENGLISH["apology"], *(f"{other['idle']}|{other['sorry']}" for other in _OTHERS)]))


_WHOLLY_QUOTED = re.compile(r"([\"“'‘„«])(.*)[\"”'’“»]\W*", re.DOTALL)
_SHORT = re.compile(r"(?<![\w'])(ca|do|wo|is|was|does|did|could|would|should|have|has)nt(?!\w)|(?<![\w'])i(m|ve)(?!\w)")


def _unquoted(said: str) -> str:
    """A refusal that stands in quotation marks as a whole, without them; a sign or a caption is no such thing."""
    found = _WHOLLY_QUOTED.fullmatch(said)
    inside = found[2] if found and not re.search('["“”„«»]', found[2]) else ""
    return inside if _OFFERED.search(inside) else said


def _with_apostrophe(found: re.Match[str]) -> str:
    return f"{found[1]}n't" if found[1] else f"i'{found[2]}"


@lru_cache(1024)
def refuses(text: str) -> bool:
    """Whether the text declines, or says that there is no image, and gives nothing that answers. Thinking does not count."""
    said = _MARKUP.sub("", spoken(text).lower().replace("’", "'"))
    if len(said) > _LONGEST:
        return False
    said = _SHORT.sub(_with_apostrophe, _QUOTED.sub("", _unquoted(said.strip())))
    unable = [inability for apology, inability in _EXCUSED if apology.match(said)]
    refused = False
    for clause in _clauses(said):
        if _REFUSES.search(clause) or any(pattern.search(clause) for pattern in unable):
            refused = True
        elif _answers(clause):
            return False
    return refused


def _clauses(text: str) -> Iterator[str]:
    for sentence in _SENTENCE.findall(text):
        opening = _CONCEDES.match(sentence)
        turned = [opening[0], sentence[opening.end() :]] if opening else [sentence]
        yield from (clause for part in turned for clause in _TURN.split(part) if clause.strip())


def _answers(clause: str) -> bool:
    """Whether a clause that refuses nothing says something: no question, greeting, excuse or offer, and more than a word."""
    words = re.findall(r"[぀-ヿ㐀-鿿가-힯]|\w+", clause)
    return len(words) > 1 and not clause.rstrip().endswith(("?", "？", "؟")) and not _IDLE.search(clause)
