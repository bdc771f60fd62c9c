"""An answer as plain text: without reasoning, control tokens, markup and typesetting, and as long as is examined.

What marks the answer itself (`\\boxed{}`, `<answer>`) becomes an answer line of its own.
"""

from __future__ import annotations

import json
import re
import unicodedata
from functools import lru_cache

import regex

from ..thinking import spoken

HEAD, TAIL = 500, 1_500
"""Characters of a long answer that are examined: how it begins, and how it ends."""

_TOKENS = re.compile(r"</?s>|<\|[^|<>]{1,40}\|>|<(?:end_of_turn|eos|pad|unk|end_of_utterance)>|\[/?INST\]|<｜[^｜<>]{1,40}｜>")
_RUNAWAY = re.compile(r"(?<=\S)\n+(?:Question|Hint|Human|USER|### ?(?:Human|User|Instruction))\s*:")
_ROLE = re.compile(
    r"^\s*(?:<s>\s*)?(?:(?:<\|[^|<>]{1,40}\|>|<start_of_turn>|<｜[^｜<>]{1,40}｜>)\s*(?:assistant|model)\s*(?:<\|[^|<>]{1,40}\|>|:)?"
    r"|assistant\s*:)\s*(?=\S)",
    re.IGNORECASE,
)
"""Whose turn it is, which some models write before their answer."""
_FENCE = re.compile(r"^[ \t]*```\w*[ \t]*$\n?", re.MULTILINE)
_STRUCK = re.compile(r"~~[^~\n]{1,80}~~")
_TIE = re.compile(r"(?<=[\w.])~(?=[A-Za-z\\])")
_ENDED = re.compile(r"(?<=\S)\s*(?:<\|(?:im_end|eot_id|endoftext)\|>|<end_of_turn>)[\s\S]*")
"""The end of a turn, and what a model that does not stop writes behind it."""
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufe0f]")
_EMOJI = regex.compile(r"\p{Emoji_Presentation}\p{Emoji_Modifier}?")
_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
_VULGAR = re.compile("(?<=\\d)(?=[¼½¾⅐-⅞])")
_DASHES = str.maketrans(
    {"−": "-", "‐": "-", "‑": "-", "﹣": "-", "⁄": "/", "’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "∶": ":"}
)
_MINUS = re.compile(r"(?<![^\s=(:])(?<!\d\s)[–—](?=\.?\d)|(?<![\w.,-])(?<!\d\s)(?:negative|minus)\s(?=\d)", re.IGNORECASE)
"""A minus in another dress: a dash right before a number and behind none, or the word."""
_AT_LEAST, _AT_MOST = re.compile(r"(?<![<>=-])>=(?!=)"), re.compile(r"(?<![<>=-])<=(?![=>])")
_TIMES = re.compile(r"(?<=\d)[ ]?(?<!\*)\*(?!\*)[ ]?(?=\d|\\?sqrt|√)")
"""An asterisk between numbers, which multiplies and marks nothing: `3*10^8`."""
_AM = re.compile(r"(?<=\d)\s(?=[ap]m\b)", re.IGNORECASE)
"""The space before `am`, which is a word as well."""
_URL = re.compile(r"\bhttps?://(?:www\.)?(?=\w)|(?<![\w.@/])www\.(?=\w+\.)", re.IGNORECASE)
_SLASH = re.compile(r"(?<=[a-z])/(?=\s*$)")
_LOOP = re.compile(r"\s*([^\W\d_]+)(?:[\s,.;]+\1\b){3,}\W*", re.IGNORECASE)
"""One word again and again."""
_HYPHEN = re.compile(r"(?<=(?<!\w)[A-F])–(?=\W*$)|(?<=[^\W\d_])–(?=\d)")
_PLUS_MINUS = re.compile(r"(?i)\+\s?/\s?-\s?(?=\d)|\bplus or minus (?=\d)|(?<!\d\s)(?<!\d)±\s(?=\d)")
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
_ANSWER_TAG = re.compile(r"<(answer|conclusion|final_answer)>([^<]{1,500})</\1>", re.IGNORECASE)
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]{1,40})\}\s*\{([^{}]{1,40})\}|\\[dt]?frac(\d)(\d)")
_ROOT = re.compile(r"(?:\\?sqrt|√)\s*(?:\{\s*([^{}]{1,40}?)\s*\}|\(([^()]{1,40})\)|(?<=t)\s*(\d))")
_GAP_ROOT = re.compile(r"(?<=\d)[ ](?=√\d)|(?<=\d) ?[*·×] ?(?=√\d)")
_MIXED = re.compile(r"(?<=\d)(?=\\[dt]?frac)")
_SI = re.compile(r"\\(?:SI|qty)\s*\{([^{}]{1,40})\}\s*\{([^{}]{1,40})\}")
_EXPONENT = re.compile(r"\^\{\s*(-?\w{1,6})\s*\}")
_WRAPPED = re.compile(
    r"\\(?:text|textbf|mathrm|mathbf|mathit|operatorname|textit|mbox|textrm|textsf|texttt|emph|bf|rm)\s*\{([^{}]*)\}"
)
_SIGNS = {
    r"\%": "%", r"\$": "$", r"\degree": "°", r"^\circ": "°", r"^{\circ}": "°", r"\circ": "°", r"\times": "×", r"\cdot": "·",
    r"\div": "÷", r"\pi": "π", r"\approx": "≈", r"\lt": "<", r"\gt": ">", r"\leq": "≤", r"\geq": "≥", r"\le": "≤", r"\ge": "≥",
    r"\pm": "±",
    r"\,": " ", r"\;": " ", r"\:": " ", r"\!": "", r"\ ": " ", r"\quad": " ", r"\left": "", r"\right": "", r"\&": "&", r"\#": "#",
}  # fmt: skip
_SIGN = re.compile("|".join(re.escape(sign) + ("(?![a-zA-Z])" if sign[-1].isalpha() else "") for sign in _SIGNS))
_COMMAND = re.compile(r"\\(?:mathrm|vec|mathbf|rm|bf|displaystyle|bullet|widehat|overline)(?![a-zA-Z])")
_MATHS = re.compile(r"\\[()\[\]]|\$\$|\$(?=\S)([^$\n]{0,200}?\S)\$(?!\d)")
_ONE_LETTER = re.compile(r"\$\s?(\w)\s?\$")
_HTML = re.compile(r"</?(?:b|i|u|em|strong|p|br|span|code|div|li|ul|ol|h[1-6]|sub|sup)\b[^<>]{0,100}>", re.IGNORECASE)
_MARKDOWN = re.compile(
    r"\*+|`+|~~|(?<![^\W_])_+(?=\S)|(?<=\S)_+(?![^\W_])|^[ \t]*#{1,6}[ \t]+|^[ \t]*>[ \t]+(?!\d)", re.MULTILINE
)
_INCH = re.compile(r"(?<=\d)\s?(?:\"|''|″)(?!\w)")
_FOOT = re.compile(r"(?<=\d)\s?['′](?![^\W\d]{2}|\d{3})")


def examined(text: str) -> str:
    """The head and the tail of a long text, so that no text takes long."""
    return text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n{text[-TAIL:]}"


@lru_cache(1024)
def clean(text: str) -> str:
    """The answer as plain text, up to where a model that does not stop asks itself the next question."""
    text = examined(_RUNAWAY.split(spoken(text), maxsplit=1)[0])
    text = _plain_of_json(_FENCE.sub("", _ENDED.sub("", _ROLE.sub("", text))))
    text = _INVISIBLE.sub("", _TOKENS.sub(" ", text))
    struck = _STRUCK.sub("", text)
    text = _TIE.sub(" ", struck if any(map(str.isalnum, struck)) else text)
    text = _SUPERSCRIPT.sub(lambda found: "^" + unicodedata.normalize("NFKC", found[0]), _VULGAR.sub(" ", text))
    text = unicodedata.normalize("NFKC", text).translate(_DASHES)
    text = _AT_MOST.sub("≤", _AT_LEAST.sub("≥", _SLASH.sub("", _URL.sub("", _AM.sub("", text)))))
    text = _TIMES.sub(" × ", _HYPHEN.sub("-", text))
    text = _MINUS.sub("-", _PLUS_MINUS.sub("±", _EXPONENT.sub(r"^\1", text)))
    text = _ANSWER_TAG.sub(r"\nAnswer: \2\n", text)
    if "\\" in text or "$" in text:
        text = _typeset(text)
    text = _GAP_ROOT.sub("", _rooted(text))
    bare = _EMOJI.sub("", text)
    text = bare if any(map(str.isalnum, bare)) else text
    text = _MARKDOWN.sub("", _HTML.sub(" ", _marked_lengths(text))).strip()
    return found[1] if (found := _LOOP.fullmatch(text)) else text


_SAID_BY_JSON = ("final_answer", "answer", "result", "response", "value")


def _plain_of_json(text: str) -> str:
    """What a JSON object gives for an answer; the text itself where it is none or gives several things."""
    if not (text.lstrip().startswith("{") and text.rstrip().endswith("}")):
        return text
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(said, dict):
        return text
    named = {name.casefold().replace(" ", "_"): value for name, value in said.items()}
    values = [named[name] for name in _SAID_BY_JSON if name in named] or list(said.values())[: len(said) == 1]
    value = values[0] if values else None
    value = ", ".join(map(str, value)) if isinstance(value, list) else value
    if isinstance(value, bool):
        value = "yes" if value else "no"
    return str(value) if isinstance(value, str | int | float) else text


def _rooted(text: str) -> str:
    """Roots by their sign: `\\sqrt{3}`, `\\sqrt3` and `sqrt(3)` as `√3`."""
    return _ROOT.sub(lambda found: f"√{found[1] or found[2] or found[3]}", text)


def _typeset(text: str) -> str:
    """LaTeX as plain text. A dollar sign before a number is money, not mathematics."""
    text = _MIXED.sub(" ", _rooted(_SI.sub(r"\1 \2", text)))
    text = _SIGN.sub(lambda found: _SIGNS[found[0]], text)
    for _ in range(3):
        text = _FRACTION.sub(lambda found: f"{found[1] or found[3]}/{found[2] or found[4]}", _WRAPPED.sub(r"\1", text))
    text = _COMMAND.sub("", text.replace("~", " ")) if "\\" in text else text
    text = _BOXED.sub(r"\nAnswer: \1\n", text)
    return _MATHS.sub(lambda found: found[1] or " ", _ONE_LETTER.sub(r" \1 ", text))


def _marked_lengths(text: str) -> str:
    """Inches and feet by their names where their marks cannot be quotation marks."""
    if text.count('"') % 2:
        text = _INCH.sub(" inch", text, count=1)
    if text.count("'") % 2 or " inch" in text:
        text = _FOOT.sub(" foot ", text, count=1)
    return text
