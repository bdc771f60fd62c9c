"""Whether an instruction is open or closed, by what it asks. The rule that decided is recorded with the prompt.

In this order: it asks for a short form of answer (`short_answer`), it lists options (`options`), it leaves a blank (`blank`),
one of its requests is for a text (`open`), it is a yes/no question (`yes_no`), it asks how many (`count`), it asks for one
thing (`short_question`, `short_request`); else it is open (`open`). A data set that knows better says so in a `kind` column.
"""

from __future__ import annotations

from functools import cache, lru_cache

import regex

from ..types import Kind
from .languages import WORD_START, Languages, compiled, language, phrases, table, words

_HEAD, _TAIL = 1_000, 2_500
"""Characters of a long instruction that are examined: its beginning, and its end."""
_MOST = 10
"""Sentences that are examined at each end."""
_LONGEST = 70
"""Words of a request that can still ask for one thing."""

_OPTION_LINE = regex.compile(r"^[ \t]*+\(?([A-Ja-j])[.):、．,]\)?[ \t]*+(\S[^\n]*)$", regex.MULTILINE)
_OPTION_INSIDE = regex.compile(r"(?<![\w'])(?:\(([A-Ja-j])\)|([A-J])[.):、．](?=\s*[^\s.]))\s*")
_OPTION_END = regex.compile(r"\n|[.?!]\s+(?=\p{Lu})")
_BLANK = regex.compile(r"_{2,}|(?<=[\w,:=]\s{0,2})[(（]\s*_*\s*[)）]|\[\s*\]|\.{4,}|…{2,}|□")
_SENTENCE = regex.compile(r"(?<=[?？!！。])\s*|(?<=\.)\s+(?=[\p{L}¿])|\n+|[;；]\s*")
_CLAUSE = regex.compile(r"[,，、:：(（]\s*|\s(?=(?:and|but|or|then)\s)")
_PERCEIVES = regex.compile(r"\W*(?:see|spot|detect|notice|make out|find)\s+(?:an?|any|the|some)\b", regex.IGNORECASE)
_QUOTED = regex.compile(r"\"[^\"\n]{1,200}\"|“[^”\n]{1,200}”|「[^」\n]{1,200}」|«[^»\n]{1,200}»")


def examined(instruction: str) -> str:
    """The beginning and the end of an instruction, so that none takes long."""
    if len(instruction) > _HEAD + _TAIL:
        instruction = f"{instruction[:_HEAD]}\n{instruction[-_TAIL:]}"
    return instruction.strip()


@lru_cache(1024)
def _options(instruction: str) -> tuple[tuple[str, str], ...]:
    text = examined(instruction)
    lines = [(found[1], found[2].strip()) for found in _OPTION_LINE.finditer(text)]
    for listed in (lines, _options_inside(text)):
        letters = "".join(letter for letter, _ in listed).upper()
        start = letters.rfind("AB")
        if start >= 0 and "ABCDEFGHIJ".startswith(letters[start:]) and all(option for _, option in listed[start:]):
            return tuple((letter.upper(), option) for letter, option in listed[start:])
    return ()


def _options_inside(text: str) -> list[tuple[str, str]]:
    """Options one behind the other in a line, each up to the next."""
    found = list(_OPTION_INSIDE.finditer(text))
    ends = [following.start() for following in found[1:]] + [len(text)]
    texts = (text[one.end() : end] for one, end in zip(found, ends, strict=False))
    return [(one[1] or one[2], _OPTION_END.split(said)[0].strip(" ,;")) for one, said in zip(found, texts, strict=True)]


def options(instruction: str) -> dict[str, str]:
    """The options that an instruction lists, letter to text; empty unless they begin with A and B. A dialogue lists none."""
    return dict(_options(instruction))


@lru_cache(64)
def _pattern(name: str, languages: Languages, shape: str) -> regex.Pattern[str]:
    return regex.compile(shape.replace("PHRASES", phrases(name, languages) or r"(?!)"), regex.IGNORECASE | regex.MULTILINE)


def _heads(name: str, languages: Languages) -> regex.Pattern[str]:
    """A phrase of a table at the head of a clause, and as a whole word where words are spaced."""
    return _pattern(
        name, languages, r"\W*(?:PHRASES)(?!\w(?<![\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Devanagari}\p{Thai}]))"
    )


@cache
def _courtesy(where: str, shape: str) -> regex.Pattern[str]:
    return regex.compile(shape.replace("PHRASES", table("politeness")[where]), regex.IGNORECASE)


def languages_of(instruction: str) -> Languages:
    """The language of an instruction, and English, in which any may be answered."""
    own = language(instruction)
    return (own,) if own == "en" else (own, "en")


def is_count(instruction: str) -> bool:
    """Whether an instruction asks how many there are of something."""
    return bool(_pattern("how_many", languages_of(instruction), rf"{WORD_START}(?:PHRASES)").search(examined(instruction)))


def is_yes_no(instruction: str) -> bool:
    """Whether an instruction is a question that yes or no answers."""
    languages = languages_of(instruction)
    asked = [request for request in _requests(examined(instruction)) if not short_form(request, languages)]
    return any(_kind_of(request, languages) == "yes_no" for request in asked[-2:])


@lru_cache(4096)
def short_form(text: str, languages: Languages) -> bool:
    """Whether a sentence asks for a short form of answer."""
    return bool(_pattern("short_form", languages, r"(?:PHRASES)").search(text))


@lru_cache(4096)
def route(instruction: str) -> tuple[Kind, str]:
    """The kind of an instruction and the name of the rule that decided."""
    text = examined(instruction)
    languages = languages_of(text)
    requests = _requests(_QUOTED.sub("“”", text))
    rules = [_kind_of(request, languages) for request in requests]
    formed = [short_form(request, languages) and rule != "open" for request, rule in zip(requests, rules, strict=True)]
    if any(formed):
        return Kind.CLOSED, "short_answer"
    if options(text) and not (rules and rules[0] == "open" and compiled(r"(?m)^\s*A:").search(text)):
        return Kind.CLOSED, "options"
    if "open" in rules:
        return Kind.OPEN, "open"
    if _BLANK.search(text):
        return Kind.CLOSED, "blank"
    for rule in ("count", "yes_no", "short_question", "short_request"):
        if rule in rules:
            return Kind.CLOSED, rule
    return Kind.OPEN, "open"


def _requests(text: str) -> list[str]:
    """The sentences of an instruction, without courtesies; of very many the first and the last."""
    parts = [part.strip() for part in _SENTENCE.split(text) if part.strip()]
    parts = parts if len(parts) <= 2 * _MOST else parts[:_MOST] + parts[-_MOST:]
    bare = (_courtesy("after", r"(?<![,.!\s])[,.!\s]*+(?:PHRASES)\W*+$").sub("", part) for part in parts)
    return [sentence for sentence in bare if compiled(r"\w").search(sentence)]


def _kind_of(request: str, languages: Languages) -> str | None:
    """The rule for one sentence: `open`, one of the closed rules, or None when it asks nothing."""
    before = _courtesy("before", r"^\W*(?:(?:PHRASES)\b[ ,]*)+(?=\S)")
    can_you = _courtesy("can_you", r"^\W*(?:PHRASES)\s+(?=\S)")
    clauses = [clause.strip() for clause in [request, *_CLAUSE.split(request)] if clause and clause.strip()]
    clauses = [before.sub("", clause, count=1) for clause in clauses]
    asked_kindly = [can_you.match(clause) is not None for clause in clauses]
    clauses = [can_you.sub("", clause, count=1) for clause in clauses]
    if asked_kindly[0] and _PERCEIVES.match(clauses[0]):
        return "yes_no"
    if _open(clauses, languages, short=short_form(request, languages)):
        return "open"
    if asked_kindly[0] and not _closed_head(clauses[0], languages) and not _asks(clauses[0], languages):
        return "open"
    if len(request.split()) > _LONGEST:
        return None
    return _closed(request, clauses, languages)


_IN_A_WORD = regex.compile(
    r"\b(?:in|using|with) (?:just |only |exactly )?(?:an?|one|1|two|2|three|3) (?:single )?(?:word|adjective)s?\b"
    r"(?! (?:per|processor|document|file|cloud|problem|game)\b)"
    r"|\bin einem wort\b|\ben un (?:seul )?mot\b|\ben una (?:sola )?palabra\b|用一个(?:词|字)|一言で|ひとことで",
    regex.IGNORECASE,
)
"""`Describe the weather in one word`: no text has so few."""


_IN_FORM = regex.compile(
    r"\W*(?:write|express|give|round|list|compare|translate|convert|transcribe|complete|share|present|report)\b(?!\s(?:an?|how|why|some)\b)",
    regex.IGNORECASE,
)
"""What asks for the same thing in another form: `Find x and write it as a fraction`."""
_AND_THEN = regex.compile(r"[\s,](?:and|then)\s", regex.IGNORECASE)
"""What joins a further request: `Name the bird and describe its habitat`."""


def _open(clauses: list[str], languages: Languages, *, short: bool) -> bool:
    """Whether a clause asks for a text. A question to be answered in a word or two asks for none."""
    if _IN_A_WORD.search(clauses[0]):
        return False
    requested = _heads("open_request", languages)
    if (
        not short
        and any(requested.match(clause) and not _IN_FORM.match(clause) for clause in clauses[2:])
        and _AND_THEN.search(clauses[0])
    ):
        return True
    heads = [_heads(table, languages) for table in (("open_request",) if short else ("open_request", "open_question"))]
    return any(head.match(clause) for clause in clauses for head in heads) and not _closed_head(clauses[0], languages)


def _closed_head(clause: str, languages: Languages) -> bool:
    spared = _heads("closed_request", languages).match(clause)
    return bool(spared) and not _heads("open_request", languages).match(clause)


def _closed(request: str, clauses: list[str], languages: Languages) -> str | None:
    marked = compiled(r"[?？؟]").search(request) is not None
    auxiliary = words("auxiliary", languages) - words("asking", languages[:1])
    whether = _pattern("whether", languages, r"(?:PHRASES)").search(request)
    asks = [_asks(clause, languages) for clause in clauses]
    if _pattern("how_many", languages, rf"{WORD_START}(?:PHRASES)").search(request):
        return "count"
    first = [compiled(r"\W*([\w']+)").match(clause.casefold()) for clause in clauses]
    if any(found and found[1] in auxiliary for found in first[: 1 if asks[0] else None]):
        return "yes_no"
    if languages[0] == "hi" and whether and sum(word in request for word in words("asking", ("hi",))) == 1:
        return "yes_no"
    if any(asks):
        return "short_question"
    if whether or (marked and not _heads("closed_request", languages).match(clauses[0])):
        return "yes_no"
    return "short_request" if any(map(_heads("closed_request", languages).match, clauses)) else None


def _asks(clause: str, languages: Languages) -> bool:
    """Whether a clause begins with a word that asks for one thing or, in a script without word order for it, holds one."""
    if languages[0] in ("zh", "ja", "ko", "hi", "ar", "th"):
        return any(word in clause for word in words("asking", languages[:1]))
    before = "|".join(words("preposition", languages))
    found = compiled(rf"\W*(?:(?:{before})\s+)?(?:all\s+|exactly\s+)?([\w']+)").match(clause.casefold().replace("’", "'"))
    return found is not None and found[1].replace("'s", "") in words("asking", languages) | {"whats"}
