"""Free phrases in one form: without what they repeat of the question, case, articles, quotes, hyphens and order of a list."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import regex

from ..languages import Languages, compiled, one_spelling, phrases, values, words
from .question import Question

_INITIALS = regex.compile(r"(?<![\p{L}\p{M}.])(?:\p{L}\.[\s\u00a0]?)+(?=$|[\s,;)\p{L}])")
_ACRONYM = regex.compile(r"(?<![\p{L}\p{M}.])(?:\p{L}\.)+\p{L}(?![\p{L}\p{M}\d])\.?(?!\s\p{Lu})")
_TOKEN = regex.compile(r"[\p{Han}]|[\p{Hiragana}]+|[\p{Katakana}ー]+|[^\s\p{Han}\p{Hiragana}\p{Katakana}]+")
_OUTER = " \t\n,;:!?¡¿\"'()[]{}…。！？、，：；“”‘’„«»‹›=←→↑↓「」『』《》.।؟"
_ITEM = regex.compile(r"\s*[,;，、；]\s*(?!\d{3}\b)|\s*/\s*(?=\p{L})")


def form(text: str, question: Question) -> str | None:
    """A phrase as it is compared, or None when it has no word. What repeats the question is left out at both ends."""
    text = _GRADE.sub(lambda found: found[1] + {"plus": "+", "minus": "-"}[found[2].casefold()], text)
    text = _STREET.sub(
        "Street", _LISTED_LETTER.sub(r"\1.", _LAST_LETTER.sub(r"\1.", _MADE_BY.sub("", _NUMBERED.sub("number ", text))))
    )
    whole = _HANDED.sub(r"\1", _SORT_OF.sub("", _TITLE.sub("", _initials(text))))
    if _SUM.fullmatch(whole):
        whole = compiled(r"(?<=[\w)])\s?\+\s?(?=[\w(√])").sub(" + ", whole)
    split = [_as_one(whole, question.languages)] if question.reads else _split(whole, question.languages)
    if compiled(r"(?i)either .* or .*").fullmatch(whole) and len(split) == 1:
        split = [whole[len("either ") :]]
    parts = [part for part in split if compiled(r"[\w%°]").search(part)]
    if not parts:
        return None
    bare = [_bare(part, question) for part in parts]
    items = [item for item in bare if item] or [_spelled(_words(part), question) for part in parts]
    items = [item[0] if compiled(r"[a-z]\.").fullmatch(item) else item for item in items] if len(items) > 1 else items
    if not question.ordered and not all(compiled(r"[\d.\s-]+").fullmatch(item) for item in items):
        items = sorted(dict.fromkeys(items))
    whole = ", ".join(item for item in items if item)
    if not question.options and (lone := compiled(r"([a-j])\.?").fullmatch(whole)):
        return lone[1].upper()
    return whole.removeprefix("number ") if compiled(r"number \d+").fullmatch(whole) else whole or None


def stripped(text: str, question: Question) -> str:
    """A sentence without what it repeats of the question, as it is written otherwise."""
    return " ".join(_answering(_words(text), question)) or text


_TITLE = regex.compile(r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Sir|Herr|Frau|Mme|Sr|Sra)\.? (?=\p{Lu}[\p{L}.'-]+ (?:\p{Lu}\.? )?\p{Lu})")
"""A title before a whole name, which names nobody else without it."""
_SORT_OF = regex.compile(
    r"\b(?:an?|some) (?:\w+ )?(?:game|match|shade|hue|tone|kind|type|sort|piece|pair) of (?=\w)", regex.IGNORECASE
)
_NUMBERED = regex.compile(r"(?<!\w)(?:No\.? ?|Nr\.? ?|№ ?|# ?)(?=\d)")
_MADE_BY = regex.compile(
    r"^(?:(?:it|this|that|they|the \w+(?: \w+)?)(?:'s| is| was| are| were| appears? to be| seems? to be) )?"
    r"(?:made|manufactured|produced|built|designed)(?: up| out)? (?:of|by|from) (?=\w)",
    regex.IGNORECASE,
)
_LAST_LETTER = regex.compile(r"(?<=\p{L}[\p{L}:]\s+)[\"'(]?([AI])[\"')]*$")
"""A lone capital at the end, which is no article: `the letter A`."""
_LISTED_LETTER = regex.compile(r"(?<![\p{L}.'-])([AI])(?=\s*(?:,|&|\band\b|\bor\b)\s*(?:and )?\p{Lu}(?![\p{L}.'-]))")
"""A capital before another one: `A and B`."""
_GRADE = regex.compile(r"(?<!\w)([A-FO]|AB) (plus|minus)(?=\W*$)", regex.IGNORECASE)
_SUM = regex.compile(r"(?=.*\d)(?=.*[a-zπ√])[\w^√π().\s/·×-]{1,30}(?:\+\s?[\w^√π().\s/·×-]{1,30})+(?<!\p{L}{3,}.*)")
_STREET = regex.compile(r"(?<=\p{L}{2} )[Ss][Tt]\b\.?(?=$)")
_HANDED = regex.compile(r"\b(left|right)[- ]hand(?=(?: side)?\W*$)", regex.IGNORECASE)
_AGENT = regex.compile(r"^.*\b(?i:is|was|are|were|been) \w+ (?=by )|^(?i:the) \w+ (?:is|was) (?=\p{Lu})")


def without_echo(sentence: str, question: Question) -> str:
    """A sentence without an opening that only repeats the question, and of a passive one the agent where it was asked who."""
    head, comma, rest = sentence.partition(", ")
    behind = words("preposition", question.languages)
    if (
        comma
        and head.strip() not in ("A", "I")
        and all(_idle(word, question) or word.casefold() in behind for word in _words(head))
    ):
        sentence = rest
    head, *_ = compiled(r"\sthan\s").split(sentence, maxsplit=1)
    if any(
        word.endswith("er") or word in ("more", "less") for word in map(question.stem, _words(head)) if word in question.stems
    ):
        sentence = head
    topic = compiled(r"[^は。、]{1,40}は").match(question.text) if question.languages[0] == "ja" else None
    sentence = sentence.removeprefix(topic[0]) if topic else sentence
    return _AGENT.sub("", sentence, count=1) if "who" in question.stems else sentence


def _split(text: str, languages: Languages) -> list[str]:
    return [part for piece in _ITEM.split(text) for part in _joint(languages).split(piece)]


def _as_one(text: str, languages: Languages) -> str:
    """What is written somewhere, in one: no list, and the same with and without its commas."""
    joint = phrases("and", languages).partition("|")[0]
    if behind := phrases("read_so", languages):
        text = compiled(behind).sub("", text)
    return compiled(r"(?<=\p{L}) (?=\d+\b)").sub(
        "", compiled(r"(?:[,;:，、；：/]|\s[-–—](?=\s))\s*(?!\d)").sub(" ", text).replace("&", f" {joint} ")
    )


@lru_cache(64)
def _joint(languages: Languages) -> regex.Pattern[str]:
    joint = phrases("and", languages)
    return regex.compile(
        rf"(?:^|\s+)(?:{joint})\s+|(?<=\p{{Han}})(?:{phrases('and', ('zh', 'ja'))})(?=\p{{Han}})", regex.IGNORECASE
    )


def _initials(text: str) -> str:
    """Initials and abbreviated names as one word: `J. K. Millard` as `J.K. Millard`, `U.S. Army` as `US Army`."""
    text = _ACRONYM.sub(lambda found: found[0].replace(".", ""), text)
    return _INITIALS.sub(lambda found: f"{_run(found[0])} ", text)


def _run(initials: str) -> str:
    letters = compiled(r"[.\s\u00a0]").sub("", initials)
    return f"{letters}." if len(letters) == 1 else letters


def _words(text: str) -> list[str]:
    """The words of a phrase without outer punctuation; a lone initial keeps its full stop, so that it is no article."""
    spaced = compiled(r"(?<=\p{L})[-‐](?=\p{L})").sub(" ", text)
    found = (
        word
        if compiled(r"\p{L}\.").fullmatch(word)
        else word.strip(_OUTER)
        if not compiled(r"[-.]\d").match(word)
        else word.rstrip(_OUTER)
        for word in _TOKEN.findall(spaced)
    )
    return [compiled(r"(?<=\w)['’](?:s|re|ve|ll|m)$").sub("", word) for word in found if word]


def _bare(part: str, question: Question) -> str:
    said = _answering(_words(part), question)
    if len(said) > 1 and said[0].casefold() == "one":
        said = said[1:]
    elif len(said) > 2 and said[0] == "1" and compiled(phrases("how_many", ("zh",))).fullmatch(f"几{said[1]}"):
        said = said[2:]
    return _spelled(said[:-1] if len(said) > 1 and said[-1].casefold() in ("one", "ones") else said, question)


def _answering(said: list[str], question: Question) -> list[str]:
    """The words that answer: what only repeats the question, or talks about the picture, is off both ends."""
    start, end = 0, len(said)
    for index, word in enumerate(said[:-1]):
        if (
            word.casefold() in words("copula", question.languages)
            and _subject(said[start:index], question)
            and not all(_idle(other, question) for other in said[index:])
        ):
            start = index + 1
            break
    while start < end and _idle(said[start], question):
        start += 1
    behind = words("preposition", question.languages)
    while end > start:
        if _idle(said[end - 1], question) or (end < len(said) and said[end - 1].casefold() in behind):
            end -= 1
        else:
            break
    return said[start:end]


def _subject(said: list[str], question: Question) -> bool:
    return bool(said) and any(question.stem(word) in question.content for word in said)


def _idle(word: str, question: Question) -> bool:
    folded = word.casefold()
    if question.languages[0] == "ja" and compiled(r"[にでがはを]?(?:います|あります|いる|ある|です|でした|だ)").fullmatch(word):
        return True
    if folded in words("light", question.languages) or folded in words("talk", question.languages):
        return True
    return question.stem(word) in question.stems and not any(c.isdigit() for c in word)


@lru_cache(1024)
def _ordinal(word: str) -> str:
    """`19th` in words, any other word as it is."""
    from num2words import num2words

    found = compiled(r"(\d{1,3})(?:st|nd|rd|th)").fullmatch(word)
    return num2words(int(found[1]), to="ordinal").replace("-", " ") if found else word


def _bald(word: str) -> str:
    """A Latin word without accents, which English may leave out: `café`, `López`."""
    return compiled(r"(?<=\p{Latin})\p{Mn}+").sub("", unicodedata.normalize("NFD", word))


def _spelled(said: list[str], question: Question) -> str:
    short = values("abbreviation", ("spelled",))
    kept = [word.casefold() for word in said]
    kept = ["saint" if word in ("st", "st.") and number < len(kept) - 1 else word for number, word in enumerate(kept)]
    plain = [short.get(word.rstrip("."), _ordinal(word)) for word in kept if word not in words("light", question.languages[:1])]
    if question.languages[0] == "en":
        plain = [one_spelling(_bald(word)) for word in plain]
    if question.languages[0] == "ko" or ("do" in question.stems and "what" in question.stems):
        plain = [question.stem(word) for word in plain]
    spaceless = question.languages[0] in ("zh", "ja")
    return ("" if spaceless else " ").join(word for word in plain if word) or " ".join(said).casefold()
