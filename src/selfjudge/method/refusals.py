"""Whether a response declines: some clause of it refuses, and none answers.

An answer after an apology is an answer; a sign that is quoted or read out is no refusal; "I cannot tell which year" is what an
image may deserve, and no refusal either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .refusal_phrases import APOLOGY, AS_MACHINE, IDLE, LANGUAGES, REFUSES, TURN, UNABLE
from .thinking import spoken

_LONGEST = 3_000
"""Characters; a longer text has something to say."""

_MARKUP = re.compile(r"[*_`#>]+")
_QUOTED = re.compile(r"\"[^\"\n]*\"|“[^”]{0,200}”|„[^“”]{0,200}[“”]|«[^»]{0,200}»|「[^」]{0,200}」|『[^』]{0,200}』")
_SENTENCE = re.compile(r"[^.!?\n。！？।؟]+[.!?\n。！？।؟]*")
_CONCEDES = re.compile(
    r"\W*(?:while|although|though|even (?:though|if)|aunque|obwohl|bien que|embora|sebbene|хотя|虽然|雖然)[^,，]+[,，]"
)
_TURN = re.compile(TURN)
_APOLOGY = re.compile(APOLOGY)
_UNABLE = re.compile(UNABLE)
_SORRY = tuple(re.compile(rf"^\W*(?:{language.sorry})") for language in LANGUAGES)
_CANNOT = tuple(re.compile(language.unable) for language in LANGUAGES)
_REFUSES = re.compile(
    "|".join(
        [*REFUSES, AS_MACHINE]
        + [
            rf"(?:{language.unable})[^.]{{0,40}}?(?:{language.help})|(?:{language.help})[^.]{{0,12}}?(?:{language.unable})|{language.none}"
            for language in LANGUAGES
        ]
    )
)
_IDLE = re.compile("|".join([*IDLE, APOLOGY] + [f"{language.idle}|{language.sorry}" for language in LANGUAGES]))


def refuses(text: str) -> bool:
    """Whether the text declines, or says that there is no image, and gives nothing that answers. Thinking does not count."""
    said = _MARKUP.sub("", spoken(text).lower().replace("’", "'"))
    if len(said) > _LONGEST:
        return False
    said = _QUOTED.sub("", said)
    sorry = [number for number, opening in enumerate(_SORRY) if opening.match(said)]
    unable = [*(_CANNOT[number] for number in sorry), *([_UNABLE] if _APOLOGY.match(said) else [])]
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
