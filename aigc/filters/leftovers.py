"""What was never meant for readers: placeholders left unfilled, chat tokens, the model's thinking."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from aigc.filters.verdicts import MAX_SPANS, FilterAction, asked, at_most_flag, readable, wording
from aigc.records import Brief, Completion, Span, Verdict

_HAN = "\u3400-\u9fff"
_THING = (
    r"(?:name|date|address|e-?mail|phone(?: number)?|number|company|brand|product|recipient|customer|sender|signature"
    r"|city|location|amount|price|url|website|link|title|year|topic|placeholder)"
)
_ZH_THING = (
    r"(?:姓名|名字|名称|公司|公司名|公司名称|品牌|品牌名|品牌名称|产品名|产品名称"
    r"|电话|联系方式|联系电话|邮箱|地址|日期|时间|链接|网址|价格|金额)"
)
_ZH_FILL = r"(?:请|在此|此处|这里)?(?:插入|填写|填入|填上|输入|补充|替换|待填|待定|待补充)"

_PLACEHOLDERS = tuple((trigger, re.compile(pattern, re.IGNORECASE)) for trigger, pattern in (
    # Not [Verse 1], [laughs] or [Enter Mara], and not a Markdown link.
    ("[", r"\[(?:(?:insert|your|fill in|placeholder|add your|enter (?:your|the|a))\b[^\[\]\n]{0,60}"
          rf"|(?:[\w'’]+ ){{0,3}}{_THING}|tbd|todo|{_ZH_FILL}[^\[\]\n]{{0,30}}"
          rf"|(?:您的|你的|贵|某)?{_ZH_THING})\](?!\()"),
    # Not LaTeX, where braces follow a command, _ or ^.
    ("{", r"\{\{[^{}\n]{0,80}\}\}|\{%[^%\n]{0,80}%\}|\$\{[\w.]{1,40}\}"
          r"|(?<![\w\\^}])\{[a-z_]{3,30}(?: [a-z_]{1,30}){0,2}\}"),
    ("<", r"<(?:insert|your)[ _-][^<>\n]{1,40}>|<(?:\w{1,20}[ _-]){0,2}(?:name|date|e-?mail|phone|company|brand|product"
          r"|number|amount|price|city)>|<(?:请|您的|你的|插入|填写)[^<>\n]{0,30}>"),
    # 【地址】 at the start of a line is a label with its value behind it; inside a sentence it stands for the value.
    ("【", rf"【(?:{_ZH_FILL}[^】\n]{{0,30}}|(?:您的|你的|贵|某){_ZH_THING})】|(?<=[{_HAN}，：、])【{_ZH_THING}】"),
    ("［", rf"［(?:{_ZH_FILL}[^］\n]{{0,30}}|(?:您的|你的|贵|某)?{_ZH_THING})］"),
    # Chinese writes XX公司; in English xxx may be kisses and XXL a size.
    ("xx", r"(?<![a-z0-9])(?-i:X{3,}|x{3,}(?=-x))(?![a-z0-9])"
           r"|(?<![a-z0-9])[x]{2,}(?=公司|品牌|先生|女士|老师|同学|[省市县区路街]|大学|学校|产品|[年月日元号]|有限)"),
    ("××", r"×{2,}"),
    ("lorem", r"\blorem ipsum\b"),
))
_CHAT_TOKENS = tuple((trigger, re.compile(pattern, re.IGNORECASE | re.MULTILINE)) for trigger, pattern in (
    # A short <s>…</s> is struck-through text in HTML; alone it is a token.
    ("<", r"(?P<meant><s>[^<>\n]{0,80}</s>)"
          r"|<[|｜][\w ▁/-]{1,40}[|｜]>|<</?SYS>>|</?(?:bos|eos|pad|unk|start_of_turn|end_of_turn|end_of_text)>"
          r"|\A\s{0,9}<s>|</s>\s{0,9}\Z"),
    ("inst]", r"\[/?INST\]"),
    ("###", r"^###\s?(?:Instruction|Response|Human|Assistant|User|System)\s?:"),
))
_THINKING = (("<", re.compile(r"</?(?:think|thinking|thought|reasoning|reflection|scratchpad)>", re.IGNORECASE)),)
_WHOLE_THOUGHT = re.compile(r"\s*<(think|thinking|thought|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)


class _Kind(NamedTuple):
    """One kind of leftover. A pattern is tried only where its trigger, lower case, stands in the text."""

    reason: str
    noun: str
    patterns: tuple[tuple[str, re.Pattern[str]], ...]
    advice_en: str
    advice_zh: str


_OF_THE_MODEL = (
    _Kind("thinking_tag", "thinking tags", _THINKING,
          "Write only the text itself, without your thoughts or tags like {}.",
          "只写正文，不要写思考过程，也不要有 {} 之类的标签。"),
    _Kind("chat_token", "chat tokens", _CHAT_TOKENS, "Write only the text itself, without marks like {}.",
          "只写正文，不要有 {} 之类的标记。"),
)
_PLACEHOLDER = _Kind(
    "placeholder", "unfilled placeholders", _PLACEHOLDERS,
    "Write real words in place of {}, or write the sentence without them. Leave nothing to be filled in.",
    "不要留 {} 这样的占位符，请写出实际内容，或改写句子。")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftoversFilter:
    """Fails placeholders, chat tokens and thinking tags in the readable text; flags the last two in the raw output.

    `allowed` are placeholders that are meant, such as a mail merge's `{{first_name}}`; so are those that stand in
    the brief itself.
    """

    name: ClassVar[str] = "leftovers"
    action: FilterAction = "retry"
    allowed: tuple[str, ...] = ()

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        text = readable(completion)
        for kind in (*_OF_THE_MODEL, _PLACEHOLDER):
            spans = [span for span in _found(text, kind) if not self._is_meant(text[span.start:span.end], brief)]
            if spans:
                return self._failed(brief, kind, [text[span.start:span.end] for span in spans], spans)
        return self._raw(brief, completion) or Verdict(filter=self.name, action="pass", measured=0, limit=0)

    def _raw(self, brief: Brief, completion: Completion) -> Verdict | None:
        """Tokens that the reading took away: worth a flag, or the reason why there was nothing to read."""
        raw = completion.text
        if completion.content and raw == completion.content.text:
            return None
        # A whole thought before the answer is how some models work.
        if completion.content and (thought := _WHOLE_THOUGHT.match(raw)):
            raw = raw[thought.end():]
        for kind in _OF_THE_MODEL:
            if spans := list(_found(raw, kind)):
                return self._failed(brief, kind, [raw[span.start:span.end] for span in spans], [],
                                    is_read=completion.content is not None)
        return None

    def _is_meant(self, found: str, brief: Brief) -> bool:
        return found in self.allowed or any(found in str(value) for value in brief.fields.values())

    def _failed(
        self, brief: Brief, kind: _Kind, found: list[str], spans: list[Span], *, is_read: bool = False
    ) -> Verdict:
        samples = ", ".join(list(dict.fromkeys(sample[:40] for sample in found))[:3])
        where = "text" if spans else "raw output"
        return Verdict(
            filter=self.name, action=(at_most_flag if is_read else asked)(self.action), reason=kind.reason,
            measured=len(found), limit=0, spans=spans[:MAX_SPANS],
            message=f"The {where} has {len(found)} {kind.noun}: {samples}.",
            advice=wording(brief, en=kind.advice_en.format(samples), zh=kind.advice_zh.format(samples)),
        )


def _found(text: str, kind: _Kind) -> Iterator[Span]:
    lower = text.lower()
    for trigger, pattern in kind.patterns:
        if trigger in lower:
            yield from (
                Span(start=match.start(), end=match.end())
                for match in pattern.finditer(text) if match.lastgroup != "meant"
            )
