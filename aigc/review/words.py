"""What editors read in place of codes, in each language: verbs, reasons, states, outcomes, filters; and back."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Literal, TypeAlias, get_args

from aigc.content import base_language
from aigc.review.decisions import REASONS, VERBS, Verb

Language: TypeAlias = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

VERB_WORDS: dict[Language, dict[Verb, str]] = {
    "en": {"approve": "approve", "edit": "edit", "reject": "reject"},
    "zh": {"approve": "通过", "edit": "修改", "reject": "退回"},
}
REASON_WORDS: dict[Language, dict[str, str]] = {
    "en": {"facts_wrong": "facts wrong", "off_brief": "off brief", "tone_wrong": "tone wrong",
           "language_poor": "language poor", "repetitive": "repetitive", "too_long": "too long",
           "too_short": "too short", "unsafe": "unsafe", "legal": "legal", "duplicate": "duplicate", "other": "other"},
    "zh": {"facts_wrong": "事实错误", "off_brief": "偏离要求", "tone_wrong": "语气不当", "language_poor": "文字欠佳",
           "repetitive": "内容重复", "too_long": "过长", "too_short": "过短", "unsafe": "不安全", "legal": "法律问题",
           "duplicate": "与他文雷同", "other": "其他"},
}
STATE_WORDS: dict[Language, dict[str, str]] = {
    "en": {"approved": "approved", "rejected": "rejected", "in_conflict": "in conflict"},
    "zh": {"approved": "已通过", "rejected": "已退回", "in_conflict": "意见不一"},
}
OUTCOME_WORDS: dict[Language, dict[str, str]] = {
    "en": {"accepted": "passed checks", "held": "held for a person", "rejected": "rejected by checks",
           "exhausted": "no attempt passed", "short": "none passed yet", "failed": "no text",
           "invalid": "faulty brief"},
    "zh": {"accepted": "通过检查", "held": "待人工", "rejected": "检查未过", "exhausted": "多次未过", "short": "尚未过",
           "failed": "没有文本", "invalid": "写作要求有误"},
}
"""What checks made of a row. "Approved" and "refused" are words for what editors do, and stand for nothing else."""
FILTER_WORDS: dict[Language, dict[str, str]] = {
    "en": {"empty": "empty text", "format": "form", "encoding": "characters", "cut_off": "cut off", "length": "length",
           "repetition": "repetition", "turns": "lines of the dialogue", "refusal": "refusal",
           "meta_talk": "talk around the text", "leftovers": "leftovers", "markdown": "Markdown",
           "language": "language", "required_terms": "keywords", "names": "names", "forbidden_terms": "forbidden words",
           "injection": "orders in the brief", "profanity": "coarse words", "echo": "copied prompt",
           "readability": "readability", "tone": "tone", "advertising": "advertising law",
           "grounding": "facts not in the brief", "secrets": "secrets", "personal_data": "personal data",
           "disclosure": "AI label", "near_duplicate": "like another text", "safety": "safety", "judge": "judge"},
    "zh": {"empty": "无内容", "format": "格式", "encoding": "字符", "cut_off": "未写完", "length": "长度",
           "repetition": "重复", "turns": "对话台词", "refusal": "拒绝作答", "meta_talk": "正文外的话",
           "leftovers": "残留标记", "markdown": "Markdown", "language": "语言", "required_terms": "关键词",
           "names": "名称", "forbidden_terms": "禁用词", "injection": "需求中的指令", "profanity": "粗话",
           "echo": "照抄提示", "readability": "可读性", "tone": "语气", "advertising": "广告法",
           "grounding": "需求中没有的事实", "secrets": "密钥", "personal_data": "个人信息", "disclosure": "AI 标识",
           "near_duplicate": "与他文雷同", "safety": "安全", "judge": "评审"},
}
"""What a filter looks at. One that is not here has its own name."""
TYPE_WORDS: dict[Language, dict[str, str]] = {
    "en": {},
    "zh": {"ad_copy": "广告文案", "dialogue": "对话", "email_newsletter": "邮件通讯", "film_scene": "电影场景",
           "game_dialogue": "游戏对话", "lesson_plan": "教案", "news_article": "新闻",
           "product_description": "商品介绍", "service_reply": "客服回复", "social_post": "社交帖",
           "song_lyrics": "歌词", "summary": "摘要", "teaching_case": "教学案例"},
}
"""The shipped content types, whose templates have their titles in English."""
_AS = {"en": "as {}", "zh": "同 {}"}
_SAYS_AS = re.compile(r"(?:(?:the )?same as|as|与|同|跟)(?:[\s:：]+|(?<=[与同跟]))(\S.*?)(?:\s*(?:相同|一样))?",
                      re.I | re.S)
"""`as Ana`, `same as Ana`, `同 Ana`, `与Ana相同`."""
_ALSO: dict[str, Verb] = {
    "approved": "approve", "accept": "approve", "accepted": "approve", "ok": "approve", "批准": "approve",
    "同意": "approve", "采用": "approve", "okay": "approve", "good": "approve", "可以": "approve",
    "edited": "edit", "change": "edit", "changed": "edit", "编辑": "edit",
    "改": "edit", "rejected": "reject", "refuse": "reject", "拒绝": "reject", "不通过": "reject", "驳回": "reject",
}
"""What editors write where no list is offered, in CSV."""


def language_of(languages: Iterable[str]) -> Language:
    """The language of a review of texts in `languages`: that of most of them, English for all but Chinese."""
    chinese = [base_language(language) == "zh" for language in languages]
    return "zh" if 2 * sum(chinese) > len(chinese) else "en"


def read_verb(word: str) -> Verb | None:
    """The verb that `word` means in any of the languages; None where it means none."""
    return _VERBS.get(_folded(word))


def other_word(word: str) -> Verb | None:
    """The verb that `word` means without being a form of it, as `ok` does; None of `approved`, and of all others."""
    is_form = _folded(word).startswith(tuple(VERB_WORDS["en"].values()))
    return None if is_form else _ALSO.get(_folded(word))


def as_colleague(name: str, language: Language) -> str:
    """The decision of who decides as a colleague did."""
    return _AS[language].format(name)


def read_colleague(word: str) -> str:
    """Whose decision `word` takes over, in any of the languages; empty where it is no such word."""
    found = None if read_verb(word) else _SAYS_AS.fullmatch(unicodedata.normalize("NFC", word).strip())
    return " ".join(found[1].split()) if found else ""


def outcome_words(outcome: str, language: Language) -> str:
    return OUTCOME_WORDS[language].get(outcome, outcome)


def filter_words(name: str, language: Language) -> str:
    return FILTER_WORDS[language].get(name, name)


def type_words(name: str, title: str, language: Language) -> str:
    """What editors call a content type; `title` is its template's, empty where that is not at hand."""
    is_shipped_title = title.isascii()  # a house that names its types in Chinese means what it says
    return (TYPE_WORDS[language].get(name, "") if is_shipped_title else "") or title or name


def read_reason(word: str) -> str | None:
    """The code that `word` means, a code itself or its words in any of the languages; None where it means none."""
    return _REASONS.get(_folded(word))


def _folded(word: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", word).casefold().replace("_", " ").split())


_VERBS: dict[str, Verb] = {
    **{_folded(VERB_WORDS[language][verb]): verb for language in LANGUAGES for verb in VERBS},
    **_ALSO,
}
_REASONS = {
    **{_folded(code): code for code in REASONS},
    **{_folded(REASON_WORDS[language][code]): code for language in LANGUAGES for code in REASONS},
}
