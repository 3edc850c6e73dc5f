"""Whether readers are told that AI made a text, in words that say so, and whether the text itself says otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

from aigc.content import base_language
from aigc.filters.phrases import in_quotation, straight
from aigc.filters.verdicts import MAX_SPANS, FilterAction, asked, readable, wording
from aigc.labels.visible import is_by_the_standard, is_clear, marks_in
from aigc.records import Brief, Completion, Content, Span, Verdict

_NAME = "[\u4e00-\u9fff]{2,3}"
_EN_HUMAN = (
    r"(?:an? |our |my |one of our |the )?(?:\w+ ){0,2}?(?:humans?|human beings?|real (?:person|people)|journalists?"
    r"|reporters?|editors?|copywriters?|writers?|staff|editorial team|hand)\b"
)
_EN_NAME = r"[A-Z][\w.'-]+(?: [A-Z][\w.'-]+){1,2}"
_EN_TEXT = (
    r"(?:this|the) (?:text|article|story|report|post|piece|copy|content|page|review|newsletter|letter|e-?mail|song|poem"
    r"|script|scene|description|summary|case|plan)"
)
_EN_AI = (
    r"(?:an? )?(?:AI|A\.I\.|artificial intelligence|generative AI|ChatGPT|chatbots?|machines?|robots?"
    r"|language models?)\b"
)
_EN_WRITTEN = r"(?:hand-?)?(?:written|authored|penned|composed|crafted|created|produced)"
_ZH_TEXT = "本(?:文|篇|稿|内容|报道|作品|剧本|歌词|文章|文案)"
_ZH_WRITE = "(?:撰写|采写|撰文|撰稿|编写|写作|创作|手写|原创|执笔|写成|写就)"
_ZH_AI = "(?:AI|人工智能|人工智慧|机器)"
_CLAIMS = (
    rf"{_EN_TEXT}(?: was| is| has been| were)? (?:\w+ )?{_EN_WRITTEN} (?:\w+ )?by {_EN_HUMAN}",
    rf"\b{_EN_WRITTEN} (?:\w+ )?by (?:an? )?(?:real |actual )?(?:humans?|human beings?|real (?:person|people))\b",
    r"\bhuman[- ](?:written|authored|made|crafted|created|generated)\b",
    rf"\bno {_EN_AI}(?: \w+)? (?:was|were|has been|have been) (?:used|involved)\b",
    rf"\b(?:{_EN_WRITTEN}|made) without (?:the (?:use|help|aid) of |any (?:help from )?)?{_EN_AI}",
    rf"\bnot (?:been )?(?:{_EN_WRITTEN}|made|generated) (?:by|with|using) {_EN_AI}",
    rf"^(?-i:(?:(?:Words|Written|Reported|Story) by|By(?= {_EN_NAME}, )) {_EN_NAME})"
    r"(?:, (?:staff |senior |chief )?(?:writer|reporter|correspondent|journalist|editor|columnist))?[ \t]*$",
    rf"{_ZH_TEXT}[^\n。，]{{0,6}}?(?:由|系|是|为)[^\n。，]{{0,16}}?(?:记者|编辑|作者|小编|主编|作家|本人|真人|老师|人工(?!智))"
    rf"[^\n。，]{{0,10}}?{_ZH_WRITE}",
    rf"(?<!非)(?:纯|全)?(?:人工(?!智)|真人){_ZH_WRITE}",
    r"原创手写|手写原创|纯手写|纯手工(?:撰写|写作|原创)",
    rf"(?:未|没有|没|并未|从未|不)(?:使用|用|借助|经过?|依靠|依赖)(?:任何)?{_ZH_AI}(?:工具|技术)?(?:进行|辅助|参与)?(?:生成|代笔|{_ZH_WRITE})",
    rf"(?:非|不是|并非)(?:由)?{_ZH_AI}(?:所)?(?:生成|代笔|写的|{_ZH_WRITE})",
    rf"[（(]\s*(?:本[报刊网台]|特约)?\s*(?:见习)?(?:记者|通讯员)\s*{_NAME}(?=[\s）)])",
    rf"(?:记者|通讯员)[ 　:：]*{_NAME}(?:[、 　]{_NAME})*[ 　]*(?:报道|采写|撰文|撰稿|摄影报道)",
    rf"^[ 　]*(?:文|撰文|作者|采写|执笔|撰稿)[ 　]*[/／:：|｜丨][ 　]*{_NAME}[ 　]*$",
)
_CLAIM = re.compile("|".join(f"(?:{claim})" for claim in _CLAIMS), re.IGNORECASE | re.MULTILINE)
_WORTH_A_LOOK = re.compile(
    r"human|(?<![A-Za-z])AI(?![A-Za-z])|A\.I\.|artificial|ChatGPT|chatbot|robot|machine|language model|written|authored"
    r"|penned|composed|crafted|created|produced|^by |^words by|^story by|^reported by"
    r"|[撰采]|手写|真人|人工|记者|通讯员|作者|执笔|编辑|小编|^[ 　]*文[ 　]*[/／:：|｜丨]",
    re.IGNORECASE | re.MULTILINE,
)
"""Without one of these there is no claim: ten times faster to see than the claims themselves."""
_NOT = re.compile(r"(?:\bnot|\bnever|n't|\brather than|\binstead of)(?: \w+)? ?\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosureFilter:
    """Marks texts without a visible label whose language is `demanded`, labels that do not say what they should, labels
    that the model has written beside the one that is placed, and texts that claim to be written by a person.

    Of texts that were never read for a run nobody has decided where their label goes: only their claims are looked at.
    """

    name: ClassVar[str] = "disclosure"
    action: FilterAction = "flag"
    demanded: tuple[str, ...] = ("zh",)

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        content = completion.content
        if content is None or not content.text.strip():
            return Verdict(filter=self.name, action="pass")
        found = self._of_label(brief, content) or self._of_claims(brief, readable(completion))
        return found or Verdict(filter=self.name, action="pass", measured=content.place or None)

    def _of_label(self, brief: Brief, content: Content) -> Verdict | None:
        marks = list(islice(marks_in(content.text), MAX_SPANS))
        placed = content.disclosure if content.published != content.text else ""
        if placed and not _says_so(placed, brief.language):
            return Verdict(
                filter=self.name, action=asked(self.action), reason="disclosure_unclear", measured=placed,
                message=f"The label does not name AI and that it generated the text: {placed}",
            )
        if placed and marks:
            return Verdict(
                filter=self.name, action=asked(self.action), reason="disclosure_repeated", measured=len(marks), limit=0,
                spans=[Span(start=mark.start, end=mark.end) for mark in marks],
                message="The text has a label of its own beside the one that is placed.",
                advice=wording(
                    brief, en="Do not add a note on how the text was made.", zh="不要写明文章是如何生成的。"),
            )
        if content.place == "off" and not marks and self._is_demanded(brief.language):
            return Verdict(
                filter=self.name, action=asked(self.action), reason="disclosure_missing", measured="none",
                limit=brief.language,
                message=f"Texts in {brief.language} are to say that AI made them, and this one has no label.",
            )
        return None

    def _of_claims(self, brief: Brief, text: str) -> Verdict | None:
        spans = list(islice(_claims(straight(text)), MAX_SPANS))
        if not spans:
            return None
        said = "; ".join(dict.fromkeys(text[span.start:span.end] for span in spans[:5]))
        return Verdict(
            filter=self.name, action=asked(self.action), reason="claims_human_author", measured=len(spans), limit=0,
            spans=spans, message=f"The text claims that a person wrote it: {said}.",
            advice=wording(brief, en="Do not say who wrote the text, and sign it with no name.",
                           zh="不要写明文章由谁撰写，也不要署名。"),
        )

    def _is_demanded(self, language: str) -> bool:
        return bool({language, base_language(language)} & set(self.demanded))


def _says_so(label: str, language: str) -> bool:
    """Whether a label's words say what its language asks for; of languages that nobody here reads, any do."""
    if base_language(language) == "zh":
        return is_by_the_standard(label)
    return base_language(language) != "en" or is_clear(label)


def _claims(text: str) -> Iterator[Span]:
    if not _WORTH_A_LOOK.search(text):
        return
    for match in _CLAIM.finditer(text):
        before = text[max(0, match.start() - 400):match.start()]
        if not _NOT.search(before) and not in_quotation(before):
            yield Span(start=match.start(), end=match.end())
