"""Words and wordings by language: how answers are compared, how numbers and words are spelt. Data.

Patterns are for texts in lower case with straight apostrophes. Each language is a row, so that another one is another row.
"""

from __future__ import annotations

import re


def either(spaced: str, joined: str) -> str:
    """A pattern of alternatives, the first ones as whole words and those of scripts without spaces anywhere."""
    return rf"(?:(?<!\w)(?:{spaced})(?!\w)|{joined})"


ANSWER = either(
    "(?:response|assistant|reply|option|candidate|model|solution)s?|réponses?|respuestas?|respostas?|risposta|antwort|"
    "ответ|jawaban|"
    "yanıt|cevap|antwoord|odpowiedź|उत्तर|जवाब|الإجابة|الاجابة|إجابة",
    "答案|回答|回复|回覆|응답|답변",
)
"""What the two texts are called besides `answer`."""

FIRST = either(
    "first|former|1st|première|premier|primera|primeira|prima|erste|первый|первая|eerste|pierwsza|पहला|الأولى|pertama|birinci",
    "第一个|第一個|第一|最初の|一つ目の|첫 번째|첫번째",
)
SECOND = either(
    "second|latter|2nd|deuxième|seconde|segunda|seconda|zweite|второй|вторая|tweede|druga|दूसरा|الثانية|kedua|ikinci",
    "第二个|第二個|第二|二つ目の|2番目の|두 번째|두번째",
)
BETTER = either(
    "meilleure?|mieux|supérieure?|préférable|mejor|superior|preferible|melhor|migliore|besser|überlegen|vorzuziehen|лучше|"
    "предпочтительнее|beter|lepsza|lebih baik|daha iyi|बेहतर|أفضل",
    "更好|更佳|更优|更優|较好|更准确|更準確|胜出|獲勝|优于|"
    "より良い|より良く|より優れ|(?:方|ほう)が(?:良い|よい|いい)|優れて|더 낫|더 좋|더 우수|더 정확",
)
WORSE = either(
    "pire|moins bonne|peor|pior|peggiore|schlechter|хуже|slechter|gorsza|lebih buruk|daha kötü|बदतर|أسوأ",
    "更差|较差|不如|劣って|더 나쁘|더 못",
)
NEGATED = either(
    r"n'est pas|ne \w+ pas|no es|no está|não é|non è|nicht|kein\w*|не|нельзя|niet|bukan|tidak|değil|नहीं|ليست|ليس",
    r"并不|並不|不是|不能|没有|沒有|不(?=更)|ではな|ません|ない|않|아니",
)
EQUAL = either(
    r"égales|équivalentes|iguales|empate|iguais|uguali|pareggio|gleich gut|gleichwertig|unentschieden|одинаков\w*|ничья|gelijk|"
    r"sama baik|eşit|बराबर|متساوي\w*|متعادل\w*",
    "一样好|一樣好|同样|同樣|平局|相当|不相上下|同等|同じ|引き分け|동등|비슷|무승부",
)
"""What stands for `is better`, `is worse`, `not` and `equal` in other languages."""


_NUMERALS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty",
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze",
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce",
    "zero um dois três quatro cinco seis sete oito nove dez onze doze",
    "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici",
    "ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать",
    "零 一 二 三 四 五 六 七 八 九 十",
)
NUMERALS = {word: str(value) for line in _NUMERALS for value, word in enumerate(line.split())} | {
    "两": "2",
    "兩": "2",
    "a dozen": "12",
}
"""Small numbers in words."""

_SPELLINGS = (
    (r"\bgrey", "gray"),
    (r"(?<=\w\w)our(?=(?:s|ed|ing|ful|less|able|ite|ites|hood)?\b)", "or"),
    (r"(?<=\w\w)is(?=(?:e|es|ed|ing|ation|er|ers)\b)", "iz"),
    (r"(?<=\w\w)ys(?=(?:e|es|ed|ing)\b)", "yz"),
    (r"(?<=[a-z][aeiou])ll(?=(?:ed|ing|er|ers|ery)\b)", "l"),
    (r"(?<=[bcdghtv])re(?=s?\b)", "er"),
    (r"ogue(?=s?\b)", "og"),
    (r"(?<=[fst]en)ce(?=s?\b)", "se"),
)
_SHORT_FORMS = (
    (r"\b(can)not\b", r"\1 not"),
    (r"\bcan't\b", "can not"),
    (r"\bwon't\b", "will not"),
    (r"n't\b", " not"),
    (r"\b(it|that|there|he|she|what|here)'s\b", r"\1 is"),
    (r"'re\b", " are"),
    (r"'ve\b", " have"),
    (r"'ll\b", " will"),
    (r"\bi'm\b", "i am"),
    (r"&", " and "),
    (r"\bper ?cent\b", "%"),
)
"""British and American spellings, short and long forms: what is replaced in a text in lower case to make them one."""
_SPELLING, _LONG_FORM = (tuple((re.compile(old), new) for old, new in table) for table in (_SPELLINGS, _SHORT_FORMS))


def one_spelling(text: str, *, short_forms: bool = False) -> str:
    """A text in lower case in American spelling; `short_forms` also writes out `can't`, `it's` and their like."""
    for old, new in (*_SPELLING, *_LONG_FORM) if short_forms else _SPELLING:
        text = old.sub(new, text)
    return text


_COLOURS = "red|blue|green|yellow|orange|purple|pink|brown|black|white|gr[ae]y|silver|golden?|beige|violet|turquoise|colou?r\\w*"
CUES = {
    "attribute": rf"\b(?:{_COLOURS}|big|small|large|tiny|huge|tall|short|long|wide|narrow|thick|thin|round|square|oval|"
    "striped|spotted|plain|"
    r"wooden|metal|steel|glass|plastic|stone|brick|leather|paper|copper|dark|bright|light|old|new|young)\b",
    "count": r"\d|\b(?:" + "|".join([*_NUMERALS[0].split(), "both", "pair", "couple", "dozen", "single", "several"]) + r")\b",
    "position": r"\b(?:left|right|above|below|under\w*|over|behind|front|beside|besides|next to|near|between|inside|"
    "outside|top|bottom|corner|"
    r"middle|cent(?:re|er)|background|foreground|on|in|at|along|across|against|around|opposite|facing)\b",
    "action": r"\b\w{3,}ing\b|\b\w{2,}s (?:a|an|the|his|her|its|their|to|at|in|on|up|down|into|from|with|towards?)\b",
    "text": r"\d|[\"“«]|\b(?:reads?|says?|written|label\w*|titled?|named?|word|sign|caption|headline)\b",
}
"""What an English response holds that offers a change of a kind; any response names a thing, so `identity` has no cue."""
