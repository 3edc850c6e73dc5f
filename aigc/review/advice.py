"""What a model is told of a text that editors refused: their reasons as sentences, and their own words."""

from __future__ import annotations

from collections.abc import Iterable

from aigc.characters import mended
from aigc.content import base_language
from aigc.review.decisions import Decision
from aigc.review.words import Language

NOTE_CHARS = 1_000
"""Of an editor's note that the model is told: more is no note on a text, and takes the place of the brief."""
_REASONS: dict[Language, dict[str, str]] = {
    "en": {
        "facts_wrong": "An editor found wrong facts in it. State only what is given.",
        "off_brief": "An editor found that it misses the brief. Write what is asked for.",
        "tone_wrong": "An editor found its tone wrong. Keep to the tone that is asked for.",
        "language_poor": "An editor found its language poor. Write clearly and without mistakes.",
        "repetitive": "An editor found it repetitive. Say each thing once.",
        "too_long": "An editor found it too long. Write less.",
        "too_short": "An editor found it too short. Write more.",
        "unsafe": "An editor found that it could do harm. Leave out whatever could.",
        "legal": "An editor found it doubtful by law. Leave out claims and promises that nothing supports.",
        "duplicate": "An editor found it too like another text. Write it differently.",
        "other": "An editor refused it.",
    },
    "zh": {
        "facts_wrong": "编辑指出上一稿有事实错误，请只写给出的内容。",
        "off_brief": "编辑指出上一稿偏离要求，请按要求来写。",
        "tone_wrong": "编辑指出上一稿语气不当，请用所要求的语气。",
        "language_poor": "编辑指出上一稿文字欠佳，请写得通顺、没有语病。",
        "repetitive": "编辑指出上一稿内容重复，每个意思只说一次。",
        "too_long": "编辑指出上一稿过长，请写短一些。",
        "too_short": "编辑指出上一稿过短，请写长一些。",
        "unsafe": "编辑指出上一稿可能造成伤害，请去掉这样的内容。",
        "legal": "编辑指出上一稿有法律问题，请去掉没有依据的说法和承诺。",
        "duplicate": "编辑指出上一稿与他文雷同，请换一种写法。",
        "other": "编辑退回了上一稿。",
    },
}
_NOTE: dict[Language, str] = {"en": "The editor says: {note}", "zh": "编辑的意见：{note}"}


def advice_of(refusals: Iterable[Decision], language: str) -> list[str]:
    """What to tell the model of the refusals of a text in `language`: reasons first, then notes, each once."""
    words: Language = "zh" if base_language(language) == "zh" else "en"
    refused = [*refusals]
    reasons = [_REASONS[words].get(decision.reason, _REASONS[words]["other"]) for decision in refused]
    notes = [_NOTE[words].format(note=note) for decision in refused if (note := plain_note(decision.note, language))]
    return [*dict.fromkeys([*reasons, *notes])]


def plain_note(note: str, language: str) -> str:
    """A note as one line of plain text, no longer than a note may be: it stands in a list of the prompt."""
    line = " ".join(mended(note, language)[0].split())
    return line if len(line) <= NOTE_CHARS else line[: NOTE_CHARS - 1] + "…"
