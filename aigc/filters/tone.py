"""What a brief's tone says of marks and words: no exclamation marks, no emoji, no questions, no slang."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal, NamedTuple, TypeAlias

from aigc.filters.facts.numerals import chinese_value, english_value, plain
from aigc.filters.verdicts import MAX_SPANS, Count, FilterAction, asked, at_most_flag, readable, wording
from aigc.records import Brief, Completion, Span, Verdict

_Mark: TypeAlias = Literal["exclamations", "emoji", "questions", "casual"]


class _Told(NamedTuple):
    """How a mark is found and spoken of."""

    pattern: re.Pattern[str]
    reason: str
    one: str
    many: str
    zh: str


_EMOJI = (  # Emoji_Presentation of Unicode 16; signs such as ✓ ★ © are emoji only before the variation selector
    "[\U0001f1e6-\U0001f1ff\U0001f300-\U0001f64f\U0001f680-\U0001f6ff\U0001f7e0-\U0001f7eb\U0001f90c-\U0001f9ff"
    "\U0001fa70-\U0001faff\u231a\u231b\u23e9-\u23ec\u23f0\u23f3\u2614\u2615\u2648-\u2653\u267f\u2693\u26a1\u26bd\u26be"
    "\u26c4\u26c5\u26ce\u26d4\u26ea\u26f2\u26f3\u26f5\u26fa\u26fd\u2705\u270a\u270b\u2728\u274c\u274e\u2753-\u2755\u2757"
    "\u2795-\u2797\u27b0\u27bf\u2b1b\u2b1c\u2b50\u2b55]|[\u00a9-\u3299]\ufe0f")
_CASUAL = (
    r"\b(?:gonna|wanna|gotta|kinda|sorta|ain't|y'all|lol|omg|yay|dude|bro|cuz|btw|hey (?:guys|there|folks|you)"
    r"|awesome|super (?:cool|excited|fun|easy))\b"
    "|哈哈|呵呵|嘿嘿|哇塞|绝绝子|yyds|宝子|家人们|亲们|么么哒|冲鸭|牛逼|超赞|酷毙|[啦哦呀哒噢呢]~")
_MARKS: dict[_Mark, _Told] = {
    "exclamations": _Told(re.compile(r"!+(?!=)"), "too_many_exclamations", "exclamation mark", "exclamation marks",
                          "感叹号"),
    "emoji": _Told(
        re.compile(rf"(?:{_EMOJI})(?:[\ufe0f\u20e3\U0001f3fb-\U0001f3ff]|\u200d.)*|(?<!\w)[:;]-?[)(dp](?!\w)"),
        "emoji", "emoji", "emoji", "表情符号"),
    "questions": _Told(re.compile(r"\?+(?![\w=&/])"), "questions", "question", "questions", "问句"),
    "casual": _Told(re.compile(_CASUAL), "casual_words", "slang word", "slang", "网络用语和口头语"),
}
_FORMAL: dict[_Mark, int] = {"exclamations": -1, "emoji": 0, "casual": 0}
_TONES: tuple[tuple[re.Pattern[str], dict[_Mark, int]], ...] = (
    (re.compile(r"\b(?:formal|professional|official|academic|business-?like|dignified|solemn)\b"
                "|正式|书面|公文|庄重|专业|学术"), _FORMAL),
    (re.compile(r"\b(?:calm|sober|serious|neutral|factual|matter-of-fact|understated|restrained)\b"
                "|冷静|克制|客观|中立|严肃|沉稳"),
     {"exclamations": -1}),
)
"""What tones say without saying it. -1 is the filter's `formal_exclamations`."""
_NOT_SO = re.compile(r"(?:\b(?:not|never|less|no|nor)\b[ -]?(?:too |so |very |overly )*|非|[不别][^,。;、]{0,3})\Z")
_NAMES: dict[_Mark, str] = {
    "exclamations": r"exclamations?(?: marks?| points?)?|感叹号|叹号",
    "emoji": r"emojis?|emoticons?|smileys?|表情(?:符号|包)?|颜文字",
    "questions": r"(?:rhetorical )?questions?(?: marks?)?|问句|反问|设问|问号|提问",
    "casual": r"slang|网络用语|流行语",
}
_NAMED = "(?:" + "|".join(f"(?P<{mark}>{names})" for mark, names in _NAMES.items()) + ")"
_NONE = re.compile(
    r"(?:\b(?:no|without|avoid|zero|never use|do not use|don't use)(?: any)?|[不勿无别禁][^,。;]{0,4}?)\s?" + _NAMED)
_MOST = re.compile(r"(?:at most|no more than|maximum|max\.?|up to|最多|不超过|至多)(?:用|有|使用)?\s?"
                   r"(?P<number>\d+|[a-z]+|[一二两三四五六七八九十])\s?个?" + _NAMED)
_WELCOME = re.compile(r"(?:\bwith(?: some| a few)?|\b(?:some|a few)|可以[用有]?|允许|适当使?用?|少量)\s?" + _NAMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToneFilter:
    """Counts marks against what the brief's tone says: `no emoji`, `at most one exclamation mark`, 正式, `formal`.

    The limits here hold for every brief, where its tone sets none; without either nothing is counted. A formal tone
    has no emoji, no slang, and `formal_exclamations` at most.
    """

    name: ClassVar[str] = "tone"
    action: FilterAction = "flag"
    formal_exclamations: Count = 1
    max_exclamations: Count | None = None
    max_emoji: Count | None = None
    max_questions: Count | None = None

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        limits = self._limits(brief)
        reading = plain(readable(completion)) if limits else ""
        broken = [(mark, most, found) for mark, most in limits.items()
                  if len(found := [match.span() for match in _MARKS[mark].pattern.finditer(reading)]) > most]
        if not broken:
            return Verdict(filter=self.name, action="pass")
        mark, most, found = broken[0]
        action = at_most_flag if all(mark == "casual" for mark, _, _ in broken) else asked
        spans = sorted(span for _, _, spans in broken for span in spans)[:MAX_SPANS]
        said = ", ".join(f"{_MARKS[mark].many} {len(found)} (at most {most})" for mark, most, found in broken)
        return Verdict(
            filter=self.name, action=action(self.action), reason=_MARKS[mark].reason, measured=len(found), limit=most,
            spans=[Span(start=start, end=end) for start, end in spans],
            message=f"The text is not in the tone asked for: {said}.",
            advice=wording(brief, en=" ".join(_advice(mark, most, "en") for mark, most, _ in broken),
                           zh="".join(_advice(mark, most, "zh") for mark, most, _ in broken)),
        )

    def _limits(self, brief: Brief) -> dict[_Mark, int]:
        given: dict[_Mark, int | None] = {
            "exclamations": self.max_exclamations, "emoji": self.max_emoji, "questions": self.max_questions}
        limits = {mark: most for mark, most in given.items() if most is not None}
        for mark, most in _said_of_marks(brief.tone, tuple(brief.limits.must_not_mention)):
            limits[mark] = self.formal_exclamations if most < 0 else most
        return limits


def _advice(mark: _Mark, most: int, language: str) -> str:
    told = _MARKS[mark]
    if language == "zh":
        return f"{told.zh}最多用{most}个。" if most else f"不要用{told.zh}。"
    return f"Use at most {most} {told.one if most == 1 else told.many}." if most else f"Use no {told.many}."


@lru_cache(maxsize=256)
def _said_of_marks(tone: str, ruled_out: tuple[str, ...]) -> list[tuple[_Mark, int]]:
    """What a tone says of marks, the plainest words last; also what a brief rules out by the mark's name alone."""
    said, reading = list[tuple[_Mark, int]](), plain(tone)
    for pattern, limits in _TONES:
        if any(not _NOT_SO.search(reading, 0, match.start()) for match in pattern.finditer(reading)):
            said += limits.items()
    welcome = {mark for match in _WELCOME.finditer(reading) for mark in _NAMES if match[mark]}
    said = [(mark, most) for mark, most in said if mark not in welcome]
    said += _named(reading)
    said += [(mark, 0) for term in ruled_out for mark, names in _NAMES.items() if re.fullmatch(names, plain(term))]
    return said


def _named(reading: str) -> Iterator[tuple[_Mark, int]]:
    for match in _NONE.finditer(reading):
        yield from ((mark, 0) for mark in _NAMES if match[mark])
    for match in _MOST.finditer(reading):
        number = match["number"]
        value = float(number) if number.isdigit() else chinese_value(number) if not number.isascii() else (
            english_value(number))
        yield from ((mark, int(value or 0)) for mark in _NAMES if match[mark] and value is not None)
