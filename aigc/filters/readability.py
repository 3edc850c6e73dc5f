"""The text is harder to read than its audience reads with ease."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, NamedTuple

import msgspec

from aigc.content import PER_CHARACTER_LANGUAGES, base_language
from aigc.filters.verdicts import FilterAction, at_most_flag, readable, wording
from aigc.records import Brief, Completion, Verdict

Audience = Literal["auto", "children", "general", "expert"]
Score = Annotated[float, msgspec.Meta(ge=0)]

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_SENTENCE_END = re.compile(r"[.!?…]+[\"”’')\]]*(?=\s|$)|[。！？]+|\n+")
_LONG_WORD_LETTERS = 6
"""LIX: words of more letters are long."""
_FEWEST_SENTENCES, _FEWEST_WORDS = 3, 50
_EXPERTS = re.compile(
    r"\b(?:experts?|specialists?|engineers?|developers?|doctors?|physicians?|clinicians?|researchers?|scientists?"
    r"|lawyers?|academics?|professionals?)\b|专家|专业人士|工程师|医生|医护|研究人员|学者|律师|开发者", re.IGNORECASE)
_CHILDREN = re.compile(
    r"\b(?:child(?:ren)?|kids?|pupils?|preschoolers?|primary school|elementary|(?:year|grade)s? [1-6]\b"
    r"|age[sd]? (?:[4-9]|1[0-2])\b)|儿童|小学|孩子|小朋友|幼儿|少儿|[一二三四五六]年级", re.IGNORECASE)
_AROUND_CHILDREN = re.compile(
    r"\b(?:parents?|teachers?|carers?|caregivers?|guardians?|educators?|famil(?:y|ies)|grandparents?|mothers?|fathers?"
    r"|adults?)\b|家长|父母|爸|妈|老师|教师|家庭|成人", re.IGNORECASE)
"""Who reads about or for children is no child."""


class _Limits(NamedTuple):
    ari: float
    lix: float
    sentence_chars: float


_OF_AUDIENCE = {
    "children": _Limits(ari=6, lix=30, sentence_chars=20),
    "general": _Limits(ari=12, lix=50, sentence_chars=45),
    "expert": _Limits(ari=0, lix=0, sentence_chars=0),
}
"""ARI is a school year in the USA (12: the last). LIX: 30 easy, 50 difficult (Björnsson 1968). 0: no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadabilityFilter:
    """Flags texts that are hard to read for their audience. Off unless a type asks for it.

    English is measured by the Automated Readability Index, Chinese and Japanese by the mean length of a sentence
    in characters, other languages by LIX. `audience` `auto` reads the brief's; a limit over 0 stands above it.
    """

    name: ClassVar[str] = "readability"
    action: FilterAction = "off"
    audience: Audience = "auto"
    max_ari: Score = 0.0
    max_lix: Score = 0.0
    max_sentence_chars: Score = 0.0

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        audience = _audience_of(brief.audience) if self.audience == "auto" else self.audience
        limits = _OF_AUDIENCE[audience]
        text, language = readable(completion), base_language(brief.language)
        if language in PER_CHARACTER_LANGUAGES:
            measure, score = "sentences have a mean length in characters of", _sentence_chars(text)
            limit = self.max_sentence_chars or limits.sentence_chars
        elif language == "en":
            measure, score, limit = "its ARI is", _ari(text), self.max_ari or limits.ari
        else:
            measure, score, limit = "its LIX is", _lix(text), self.max_lix or limits.lix
        if score is None or not limit or score <= limit:
            return Verdict(filter=self.name, action="pass", measured=score, limit=limit or None)
        return Verdict(
            filter=self.name, action=at_most_flag(self.action), reason="hard_to_read", measured=score, limit=limit,
            message=f"The text is hard to read for a {audience} audience: {measure} {score:g}, the limit {limit:g}.",
            advice=wording(brief, en="Write shorter sentences and use shorter, more common words.",
                           zh="句子写短一些，用更常见的词。"),
        )


def _audience_of(words: str) -> Literal["children", "general", "expert"]:
    if _CHILDREN.search(words) and not _AROUND_CHILDREN.search(words):
        return "children"
    return "expert" if _EXPERTS.search(words) and not _CHILDREN.search(words) else "general"


def _ari(text: str) -> float | None:
    """Automated Readability Index (Senter and Smith, 1967)."""
    words, sentences = _counted(text)
    if sentences < _FEWEST_SENTENCES or len(words) < _FEWEST_WORDS:
        return None
    letters = sum(map(len, words))
    return round(4.71 * letters / len(words) + 0.5 * len(words) / sentences - 21.43, 1)


def _lix(text: str) -> float | None:
    """Words a sentence, and the percentage of words with more than six letters."""
    words, sentences = _counted(text)
    if sentences < _FEWEST_SENTENCES or len(words) < _FEWEST_WORDS:
        return None
    long_words = sum(len(word) > _LONG_WORD_LETTERS for word in words)
    return round(len(words) / sentences + 100 * long_words / len(words), 1)


def _sentence_chars(text: str) -> float | None:
    parts = [len(_CJK.findall(part)) for part in _SENTENCE_END.split(text)]
    lengths = [length for length in parts if length]
    if len(lengths) < _FEWEST_SENTENCES or sum(lengths) < _FEWEST_WORDS:
        return None
    return round(sum(lengths) / len(lengths), 1)


def _counted(text: str) -> tuple[list[str], int]:
    """The words, and how many sentences or lines have one."""
    return _WORD.findall(text), sum(bool(_WORD.search(part)) for part in _SENTENCE_END.split(text))
