"""Stage I, open prompts: from a model's reply to an altered copy of a response, or to the reason why there is none.

`replaced` builds the copy itself, from one phrase and what is to stand in its place. `rewritten` takes a copy that the model
wrote, after taking away what is around it: thinking, a preamble, a note, a fence, a frame, quotation marks. No copy is used where
nothing but the looks would differ, or that could be told by them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, deque
from collections.abc import Container, Sequence
from dataclasses import dataclass

from ..types import Edit, Finish
from .alteration import JOINED, LONGEST_TEXT, REPLACE, flaw, locate, words
from .control_tokens import control_tokens
from .languages import language, one_spelling, table
from .lookalikes import plain
from .thinking import spoken

MOST_EDITS, MOST_WORDS = 4, 8
"""CHOSEN: places, and words on their larger side, in which a copy may differ. One fact takes several if words agree."""
MOST_PIECES = 20
"""CHOSEN: lines and sentences that are taken away from around a copy."""
LONGEST_PHRASE = 8
"""CHOSEN: words of a phrase that is replaced, and of what replaces it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """An altered copy and where it differs."""

    text: str
    edits: tuple[Edit, ...]


def replaced(original: str, reply: str, finish: Finish) -> Copy | str:
    """The response with the phrase replaced that the reply names, or a reason.

    Reasons: `altered_` and those of `flaw`; `nothing_to_replace` (the reply says NONE), `no_replacement_named`,
    `phrase_not_found`, `phrase_not_unique`, `phrase_too_long`, `whole_response_replaced`, `only_typography`, `new_markdown`.
    """
    if (reason := flaw(reply, finish)) is not None:
        return f"altered_{reason}"
    named = _named(_as_in(original, spoken(reply)))
    if isinstance(named, str):
        return named
    old, new = named
    if len(words(old)) > LONGEST_PHRASE or len(words(new)) > LONGEST_PHRASE:
        return "phrase_too_long"
    if essence(old) == essence(new):
        return "only_typography"
    places = re.findall(_whole(old), original) or re.findall(_whole(old), original, re.IGNORECASE)
    if len(places) != 1:
        return "phrase_not_unique" if places else "phrase_not_found"
    before, after = original.split(places[0]) if original.count(places[0]) == 1 else re.split(_whole(places[0]), original)
    if not re.search(r"\w", before + after):
        return "whole_response_replaced"
    if _markdown(new) > _markdown(old):
        return "new_markdown"
    start, new = _fitting(before, places[0], new, english=language(original) == "en")
    return Copy(text=before[:start] + new + after, edits=locate(before[start:] + places[0], new))


_LABELLED = re.compile(r"^[^\w\n]*(FROM|TO)\b\W*?[:：][ \t*_]*(.*)$", re.MULTILINE | re.IGNORECASE)
_NONE = re.compile(r"\W*(?:FROM\W*)?NONE\W*", re.IGNORECASE)
_REMARK = re.compile(r"\s+(?:[(\[][^()\[\]]*[)\]]|#.*)$")
"""What a model says of its own change: `five (incorrect)`."""
_PAIRS = ('""', "''", "“”", "‘’", "``", "«»", "「」", "„“", "<>", "[]", "**", "__")


def _named(reply: str) -> tuple[str, str] | str:
    """The two phrases of a reply, or a reason."""
    if _NONE.match(reply):
        return "nothing_to_replace"
    lines = {label.upper(): _bare(phrase) for label, phrase in _LABELLED.findall(reply)}
    old, new = lines.get("FROM", ""), lines.get("TO", "")
    if not re.search(r"[(\[#]", old):
        new = _REMARK.sub("", new)
    named = old and new and new != "NONE" and f"<{new}>" not in REPLACE
    if not named or (re.search(r"\w", old) and not re.search(r"\w", new)):
        return "no_replacement_named"
    if old[-1] in ".,;!?。，" and new[-1] != old[-1]:
        old = old[:-1]
    elif new[-1] in ".,;!?。，" and old[-1] != new[-1]:
        new = new[:-1]
    return (old, new) if old and new else "no_replacement_named"


def _bare(phrase: str) -> str:
    """A phrase without white space, quotation marks or emphasis around it."""
    phrase = phrase.strip()
    while len(phrase) > 2 and phrase[0] + phrase[-1] in _PAIRS:
        phrase = phrase[1:-1].strip()
    return phrase


def _whole(phrase: str) -> str:
    """A pattern of the phrase that does not begin or end inside a word, in scripts with spaces between words."""
    before = r"(?<!\w)" if _spaced(phrase[0]) else ""
    after = r"(?!\w)" if _spaced(phrase[-1]) else ""
    return before + re.escape(phrase) + after


def _spaced(character: str) -> bool:
    return character.isalnum() and len(words(character * 2)) == 1


def _fitting(before: str, old: str, new: str, *, english: bool) -> tuple[int, str]:
    """The new phrase with the capital and the article that it wants, so that neither gives the copy away, and where it starts.

    A phrase in small letters is replaced by one, a capital at the beginning of a sentence by one.
    """
    if old[0].isupper() and re.search(r"(?:^|[.!?]\s|\n)\W*$", before[-80:]):
        new = new[0].upper() + new[1:]
    elif old.islower() and new[1:].islower():
        new = new[0].lower() + new[1:]
    if not english:
        return len(before), new
    article = re.search(r"\b[Aa]n? $", before)
    start = article.start() if article else len(before)
    return start, re.sub(r"^([Aa])n? (?=([A-Za-z]+))", _article, before[start:] + new)


def _article(found: re.Match[str]) -> str:
    word = found[2].lower()
    vowel = re.match(r"[aeiou]|hour|honest|heir", word) and not re.match("uni|us[eu]|eu|one", word)
    return f"{found[1]}n " if vowel else f"{found[1]} "


def rewritten(original: str, reply: str, finish: Finish) -> Copy | str:
    """The copy that a reply holds, or a reason.

    Reasons: `altered_` and those of `flaw`; `copy_too_long`, `unchanged`, `only_typography` (spelling, case, punctuation,
    Markdown), `not_a_copy`, `too_many_edits`, `changed_at_both_ends` (or longer at one), `new_markdown`.
    """
    if (reason := flaw(reply, finish)) is not None:
        return f"altered_{reason}"
    if max(len(original), len(reply)) > LONGEST_TEXT:
        return "copy_too_long"
    copy = _unwrapped(original.strip(), _unremarked(original, _unended(_as_in(original, spoken(reply)))))
    if copy == original.strip():
        return "unchanged"
    if essence(copy) == essence(original):
        return "only_typography"
    edits = locate(original, copy)
    if (reason := _strange(original, copy, edits)) is not None:
        return reason
    return Copy(text=copy, edits=edits)


def _as_in(original: str, reply: str) -> str:
    """The reply without the backslashes that the request's `defuse` has put into the original."""
    return reply if "\\" in original else reply.replace("\\", "")


def _strange(original: str, copy: str, edits: tuple[Edit, ...]) -> str | None:
    """Why a copy that differs is none of one response with one other fact."""
    before, after = words(original), words(copy)
    stems = [Counter(word[:3].casefold() for word in side) for side in (before, after)]
    if 2 * (stems[0] & stems[1]).total() < 0.5 * (len(before) + len(after)):
        return "not_a_copy"
    if len(edits) > MOST_EDITS or sum(max(len(words(edit.before)), len(words(edit.after))) for edit in edits) > MOST_WORDS:
        return "too_many_edits"
    first, last = before[:1] != after[:1], before[-1:] != after[-1:]
    grown = (first and not edits[0].before) or (last and not edits[-1].before)
    if grown or (first and last and len(edits) > 1):
        return "changed_at_both_ends"
    return "new_markdown" if _markdown(copy) > _markdown(original) else None


_MARKDOWN = re.compile(
    r"\*\*|__|`|~~|==|^#{1,6} |^[-*+] |^\d+\. |(?<![\w*])\*[^*\s](?:[^*\n]*[^*\s])?\*(?![\w*])|(?<!\w)_[^_\n]+_(?!\w)"
    r"|\[|\{|</?[a-z]\w*>|[→←⇒]|[-=]>|<-",
    re.MULTILINE,
)
"""Markup, and other signs in which a change is shown: `[five]`, `<b>five</b>`, `three -> five`."""


def _markdown(text: str) -> int:
    return len(_MARKDOWN.findall(text))


_STRUCK = re.compile(r"(?:~~[^~\n]+~~|<(del|s|strike)>[^<>\n]+</\1>)[ \t]*")
_BRACKETED = re.compile(
    r"[*_]{0,3}\s{0,9}[*_]{0,3}(?:\((?P<a>[^()\n]{1,80})\)|（(?P<b>[^（）\n]{1,80})）|\[(?P<c>[^\[\]\n]{1,80})\](?!\())[*_]{0,3}"
)
_INSERTED = re.compile(r"<ins>([^<>\n]+)</ins>")
_REMARKING, _BESIDE_REMARK = (
    re.compile(rf"(?<![^\W{JOINED}])(?:{table('remark')[name]})(?![^\W{JOINED}])") for name in ("says", "beside")
)


def _unremarked(original: str, reply: str) -> str:
    """The reply without remarks on the change beside it, `five (not three)`, and without what it strikes out, `~~three~~ five`.

    A remark holds words about a change, and words that the copy has no more. Where the response has as many brackets, they are
    its own.
    """
    if not _STRUCK.search(original):
        reply = _INSERTED.sub(r"\1", _STRUCK.sub("", reply))
    if len(_BRACKETED.findall(reply)) <= len(_BRACKETED.findall(original)):
        return reply
    copied, had = (Counter(words(text.casefold())) for text in (_BRACKETED.sub(" ", reply), original))
    gone, new, spaceless = had - copied, copied - had, re.compile(f"[{JOINED}]")

    def kept(found: re.Match[str]) -> str:
        inside = (found["a"] or found["b"] or found["c"]).casefold()
        arrow = re.search("→|[-=]>", inside)
        rest = [word for word in words(_BESIDE_REMARK.sub(" ", _REMARKING.sub(" ", inside))) if word[0].isalnum()]
        told = arrow or any(word in gone for word in rest) or (not rest and _REMARKING.search(inside))
        known = all(word in gone or (arrow and word in new) or (spaceless.match(word) and word in had) for word in rest)
        return "" if told and known else found[0]

    return _BRACKETED.sub(kept, reply)


def _unended(reply: str) -> str:
    """The reply without the tokens that end it where an engine leaves them."""
    for found in sorted(control_tokens(plain(reply)), key=lambda found: found.end(), reverse=True):
        if found.end() == len(reply):
            reply = reply[: found.start()].rstrip()
    return reply


_SEGMENT = re.compile(
    r"[(（\[]?[^\n.!?。！？:：(（\[]*(?:(?:[.!?](?![\s)\"”*_]|$)|(?::(?=[^\W_])|：(?=\d))|(?<!\s)[(（\[])[^\n.!?。！？:：(（\[]*)*"
    r"[.!?。！？:：]*[)）\"”’*_\]]*\s*"
)
"""A line, a sentence, or a label with its colon, with the white space after it."""


def _unwrapped(original: str, reply: str) -> str:
    """The part of a reply that copies the original: without leading and trailing pieces that the original does not have.

    A reply may lose as many pieces (lines, sentences, labels) as it has more than the original, from either end, while
    most words of the piece are more than the original has.
    """
    reply = _unquoted(original, _QUOTE_MARKS.sub("", reply) if _quotes(reply) and not _quotes(original) else reply)
    pieces = deque(_pieces(reply))
    spare = min(len(pieces) - len(_pieces(original)), MOST_PIECES)
    surplus = Counter(words(reply.casefold()))
    known = set(words(original.casefold()))
    surplus.subtract(words(original.casefold()))
    while spare > 0 and len(pieces) > 1:
        last = not _in_a_sentence(pieces) and _foreign(pieces[-1], surplus)
        if _foreign(pieces[0], surplus) and not (last and _new(pieces[-1], known) and not _new(pieces[0], known)):
            piece = pieces.popleft()
        elif last:
            piece = pieces.pop()
        elif len(pieces) > 2 and _LABEL.search(pieces[-2]) and _foreign(pieces[-2] + pieces[-1], surplus):
            piece = pieces.pop()  # what a label is about, as in `Change made: three to seven`
            piece = pieces.pop() + piece
        else:
            break
        surplus.subtract(words(piece.casefold()))
        spare -= 1
    return _unquoted(original, "".join(pieces).strip())


_LABEL = re.compile(r"[:：][*_ ]*$")
_TAGGED = re.compile(r"<(\w+)>\s*(.+?)\s*</\1>", re.DOTALL)
_QUOTE_MARKS = re.compile(r"^> ?", re.MULTILINE)


def _quotes(text: str) -> bool:
    """Whether each line is marked as a quotation."""
    return all(line.startswith(">") for line in text.splitlines() if line.strip())


def _pieces(text: str) -> list[str]:
    return [piece for piece in _SEGMENT.findall(text) if piece]


def _foreign(piece: str, surplus: Counter[str]) -> bool:
    """Whether most words of a piece are more than the original has."""
    own = Counter(word for word in words(piece.casefold()) if word[0].isalnum())
    return 2 * sum(min(count, max(0, surplus[word])) for word, count in own.items()) > own.total() or not own


def _new(piece: str, known: Container[str]) -> bool:
    """Whether most words of a piece stand nowhere in the original."""
    own = [word for word in words(piece.casefold()) if word[0].isalnum()]
    return 2 * sum(word not in known for word in own) > len(own)


def _in_a_sentence(pieces: Sequence[str]) -> bool:
    """Whether the last piece is a bracket within the sentence before it."""
    return pieces[-1][0] in "(（[" and re.search(r"[\n.!?。！？:：][)）\"”’*_\]]*\s*$", pieces[-2]) is None


def _unquoted(original: str, copy: str) -> str:
    """The copy without quotation marks or a tag around it, where the original has none."""
    if (tagged := _TAGGED.fullmatch(copy)) and not original.startswith("<"):
        copy = tagged[2]
    around = copy[:1] + copy[-1:]
    if len(copy) > 2 and around in _PAIRS and original[:1] + original[-1:] != around and not original.startswith(copy[0]):
        return copy[1:-1].strip()
    return copy


_LIST_MARK = re.compile(r"^[ \t]*(?:[-*+•>]|\d[.)])[ \t]+(?=\S)", re.MULTILINE)
_ESSENTIAL = re.compile(rf"(?<![\w.])[-+]?\d+(?:[.,:/]\d+)*|[{JOINED}]|[^\W{JOINED}]+(?:'\w+)*|[^\w\s]")
_ACCENTS = re.compile("[\u0300-\u036f]")
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−"), "-") | dict.fromkeys(map(ord, "‘’‚`´"), "'")


def _bald(text: str) -> str:
    """The text in one form of each character, without the accents of Latin, Greek and Cyrillic letters."""
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", text))


_NUMBERS = {_bald(word): str(value) for row in table("numeral").values() for value, word in enumerate(row.split())}


def essence(text: str) -> str:
    """What a text says however it is typed: no case, spaces, punctuation, Markdown or articles; signs and numbers stay."""
    text = _bald(_LIST_MARK.sub(" ", text).translate(_DASHES).casefold()).translate(_DASHES)
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", one_spelling(text, short_forms=True))
    said = (_NUMBERS.get(piece, piece) for piece in _ESSENTIAL.findall(text) if piece not in ("a", "an", "the") and _says(piece))
    return "".join(f"|{piece}|" if piece[-1].isdigit() else piece for piece in said)


def _says(piece: str) -> bool:
    category = unicodedata.category(piece[0])
    return piece[-1].isalnum() or piece in "%°" or category[0] == "M" or (category in ("Sc", "So", "Sm") and piece not in "|~")
