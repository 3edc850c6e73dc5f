"""The model speaks to whoever asked for the text, before or after it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from aigc.filters.phrases import MARKS, in_quotation, straight
from aigc.filters.verdicts import FilterAction, asked, at_most_flag, leaf_texts, readable, wording
from aigc.records import Brief, Completion, Span, Verdict

_HEAD_CHARS, _TAIL_CHARS, _BEHIND_CHARS = 240, 320, 160
_OPENING = r"\A[\s*#>_\"“「]*"
_SENTENCE = re.compile(r"[.!?…。，！？\n*)）:：\"”]+[\s*#>_(\[（【~—-]*")
"""What stands before a closing. To try the patterns behind it alone is five times faster than everywhere."""
_EN_TEXT = (
    r"(?:texts?|versions?|drafts?|rewrites?|articles?|(?:blog |social media |social |\w+ )?posts?|ads?|ad copy"
    r"|advertisements?|copy|descriptions?|e-?mails?|newsletters?|letters?|repl(?:y|ies)|responses?|summar(?:y|ies)"
    r"|poems?|song|lyrics|story|scripts?|scenes?|screenplays?|dialogues?|dialogs?|conversations?|lesson plans?"
    r"|case stud(?:y|ies)|teaching cases?|headlines?|captions?|slogans?|taglines?|tweets?|press releases?|essays?"
    r"|paragraphs?|json(?: object)?|translations?)"
)
_EN_LIKE = r"(?:(?!(?:to|of|for|you|that|in|on|from|how|help)\b)[\w'’-]+,? ){0,6}?"
"""Words between an article and its noun."""
_EN_A = r"(?:an?|the|your|my|some|one|two|three|\d+)"
_EN_YES = (
    r"(?:sure(?: thing)?|certainly|of course|absolutely|definitely|great|okay|ok|alright|all right|no problem|got it"
    r"|understood|with pleasure)"
)
_EN_HERE = rf"(?:here(?:'s| is| are)|below (?:is|are)|(?:the )?following (?:is|are)) {_EN_A}"
_EN_MADE = (
    r"(?:written|created|drafted|prepared|composed|put together|crafted|come up with|revised|rewritten|generated)"
)
_EN_WRITE = r"(?:write|create|draft|compose|generate|craft|rewrite|revise|shorten|rephrase)"
_EN_BRIEF = r"(?:brief|information|details|facts|instructions|requirements|guidelines|prompt|request)"
_ZH_TEXT = (
    r"(?:文案|文章|广告|帖子|推文|邮件|简讯|通讯|回复|歌词|剧本|对话|教案|案例|摘要|总结|概述|新闻稿?|报道|描述|介绍|标题|稿子|初稿|脚本|范文|版本"
    r"|译文|诗|故事|内容|JSON)"
)
_ZH_WRITE = r"(?:写|撰写|创作|生成|整理|设计|拟|起草|准备|改写)"
_ZH_YES = (
    r"(?:好的|好|当然可以|当然|没问题|可以的?|明白了?|收到|非常乐意|很高兴为(?:您|你)服务)[，,。.！!~～：:]{1,2}\s*"
)
_STRONG_OPENINGS = (
    # Sure! Here's … : / Certainly, I'd be happy to write …
    rf"{_EN_YES}[,.!:;—–-]* ?(?:here(?:'s| is| are)|below (?:is|are)|the following is)"
    r"\b[^.!?:：\n]{0,160}(?:[:：]|[.!]?\n)",
    rf"(?:{_EN_YES}[,.!:;—–-]* ?)?i(?:'ll| will|'d| would| can)(?: (?:be )?(?:happy|glad|delighted|love|pleased) to)?"
    rf"(?: help(?: you)?(?: to)?)? {_EN_WRITE}\b[^.!?\n]{{0,60}}?\b{_EN_TEXT}\b",
    # Here's a short ad for the Fennick backpack:
    rf"{_EN_HERE} {_EN_LIKE}{_EN_TEXT}\b(?: [^.!?:：\n]{{1,120}})? ?[:：]",
    rf"{_EN_HERE} {_EN_LIKE}{_EN_TEXT}\b[^.!?\n]{{0,80}}? (?:that (?:meets|fits|follows|includes|uses) (?:your|the|all)"
    rf"|based on (?:the|your|these) {_EN_BRIEF}|as requested|you (?:asked|requested|can use))\b",
    rf"i(?:'ve| have) {_EN_MADE} (?:{_EN_A}|this) {_EN_LIKE}{_EN_TEXT}\b",
    r"as (?:requested|you (?:requested|asked))\b,? ?(?:here|this|i|below)\b",
    rf"(?:based on|using|given) (?:the|your|these) {_EN_BRIEF}\b[^.!?\n]{{0,50}}, (?:here(?:'s| is| are)"
    r"|i(?:'ve| have|'ll))\b",
    rf"thank(?:s| you) for (?:providing|sharing|giving)(?: me)?(?: with)? (?:the|these|this|your) {_EN_BRIEF}\b",
    rf"{_ZH_YES}(?:以下|下面)(?:就)?是",
    rf"(?:{_ZH_YES})?(?:这里|这)(?:就)?是[^。！？\n]{{0,40}}?[篇则份条个段封版首][^。！？：:\n]{{0,30}}?{_ZH_TEXT}[^。！？：:\n]{{0,20}}[：:]",
    rf"(?:{_ZH_YES})?我(?!们)(?:将|会|来|已|已经)?(?:为|给|帮)(?:您|你){_ZH_WRITE}",
    r"(?:以下|下面)(?:就)?是(?:我)?(?:为|给|帮|按照?|根据)(?:您|你)[^。！？：:\n]{0,40}",
    rf"(?:以下|下面)(?:就)?是(?:一|1|两|2|三|3|几)?[篇则份条个段封版首][^。！？：:\n]{{0,40}}?{_ZH_TEXT}[^。！？：:\n]{{0,20}}[：:]",
    r"(?:根据|按照|基于)(?:您|你)(?:所)?(?:提供|给出)?的(?:资料|信息|要求|素材|需求|内容|事实|指示)"
    rf"[^。！？\n]{{0,10}}[，,]\s*(?:以下|下面|我(?!们)|为(?:您|你){_ZH_WRITE})",
)
_WEAK_OPENINGS = (
    rf"{_EN_YES}(?:! |, (?=i\b|i'|here|there (?:are|is)\b|let me|let's|below|happy))",
    rf"(?:based on|according to) the {_EN_BRIEF} you\b",
    r"i(?:'d| would) be (?:happy|glad|delighted|pleased) to (?:help|assist)",
    r"(?:当然|好的|没问题)[，,！!]",
    r"(?:根据|按照)(?:您|你)(?:所)?(?:提供|给出)的(?:资料|信息|要求|素材|描述)",
)
_EN_CHANGE = r"(?:changes|revisions?|adjustments?|edits|modifications?|tweaks|versions?|alternatives?|variations?)"
_STRONG_CLOSINGS = (
    rf"(?:please )?(?:let me know|tell me|just say) if (?:you|there)[^.!?\n]{{0,30}}?"
    rf" (?:any|some|a|an|another|further|more|other)(?: \w+){{0,2}} {_EN_CHANGE}",
    rf"(?:(?:please )?(?:let me know|tell me) if (?:you(?:'d| would) like|you want)|would you like|do you want) me to"
    rf" (?:{_EN_WRITE}|make (?:any|it|changes)|change|adjust|edit|modify|expand|tweak)\b",
    rf"(?:please )?(?:feel free|you(?:'re| are) (?:welcome|free)|don't hesitate) to (?:\w+ (?:or|and) )?"
    r"(?:change|revise|adjust|edit|modify|tweak|customi[sz]e|personali[sz]e|adapt|tailor|use|replace)"
    rf" (?:(?:this|these|the|any)(?: [\w'’-]+){{0,3}}? (?:{_EN_TEXT}|placeholders?|wording|details)"
    r"|(?:it|this)?(?: ?as needed| ?to (?:better )?(?:fit|suit|match|reflect) your))\b",
    rf"i hope (?:this|these|the|my|that this)(?: [\w'’-]+){{0,3}}?(?: {_EN_TEXT})? (?:meets? your|fits? your|captures?"
    r"|is what you (?:were|had|wanted|need)|matches your)",
    rf"(?:this|the above|the)(?: [\w'’-]+){{0,2}}? {_EN_TEXT} (?:is|has|contains)(?: \w+)? \d+ (?:words|characters)\b",
    rf"note: (?:(?:this|the above) (?:\w+ )?{_EN_TEXT} (?:is|was|has|uses|follows|does|contains|can|should)"
    r"|i(?:'ve| have)? (?:kept|used|written|included|avoided|followed|tried|added|assumed))\b",
    r"(?:word count|total words|character count|字数|总字数|全文字数)[:：] ?(?:约|about|approximately)?\s*\d+",
    r"(?:全文|正文|本文|以上)(?:共|共计|约|大约|总计)\s*\d+\s*(?:个)?字",
    r"(?:如|如果|若|要是)(?:您|你)?(?:还)?(?:需要|需|想要?|希望|觉得|对)[^。！？\n]{0,30}?(?:修改|调整|改动|润色|优化|改写|其他版本|更多版本|不满意)"
    r"[^。！？\n]{0,20}?(?:告诉我|告知我|跟我说|和我说|告知(?=[。！!])|我(?=可以|会|很乐意|再|来|将))(?!们)",
    r"(?:希望)(?:这|以上|上述|本)[^。！？\n]{0,14}(?:符合|满足)(?:您|你)的?[^。！？\n]{0,10}(?:要求|需求|期望|期待|预期)",
    rf"以上(?:就)?是(?:我)?(?:为|给|帮|按照?|根据)(?:您|你)[^。！？\n]{{0,30}}{_ZH_TEXT}",
    rf"(?:这|以上)(?:篇|则|份|条|段|封|版|首)?{_ZH_TEXT}(?:仅供参考|(?:您|你)?可以?根据)",
)
_WEAK_CLOSINGS = (
    r"(?:i )?hope (?:this|that|it|these)(?: \w+){0,3}? (?:helps?|clarif\w+|is helpful|was helpful)",
    r"(?:and |so )?(?:please )?(?:let me know\b(?! (?:in the|below|what you think))|feel free to (?:ask|contact me)"
    r"|don't hesitate to (?:ask|contact me))\b",
    r"if you (?:have|need) (?:any|more|further|other|additional)[^.!?\n]{0,80}"
    r"(?:let me know|feel free|(?:just )?ask\b|i'll|i'd|i'm)",
    r"is there anything else (?:i can|you(?:'d| would) like|you need)",
    r"(?:希望)[^。！？\n]{0,16}(?:对|能够?|可以)(?:您|你)[^。！？\n]{0,6}(?:帮助|有用|启发)",
    r"(?:如|如果|若)(?:您|你)?(?:还)?(?:有|需要)[^。！？\n]{0,30}(?:问题|疑问|帮助|需要|需求)[^。！？\n]{0,16}"
    r"(?:告诉我|告知我|问我|联系我|向我|提问)(?!们)",
    r"以上(?:就)?是(?:我)?(?:为|给|帮|按照?|根据)(?:您|你)",
)
_CLOSING_HINTS = (
    "hope", "let me know", "tell me", "just say", "free to", "hesitate", "if you", "would you", "do you want",
    "welcome", "anything else", " words", " characters", "note:", "count:", "total words",
    "希望", "如果", "如您", "如你", "如需", "如有", "若", "要是", "字数", "全文", "正文", "本文", "以上", "仅供",
    "根据",
)


def _any(parts: tuple[str, ...], before: str) -> re.Pattern[str]:
    return re.compile(f"{before}(?:{'|'.join(parts)})", re.IGNORECASE)


_OPENINGS = (_any(_STRONG_OPENINGS, _OPENING), _any(_WEAK_OPENINGS, _OPENING))
_CLOSINGS = (_any(_STRONG_CLOSINGS, ""), _any(_WEAK_CLOSINGS, ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaTalkFilter:
    """Fails texts and fields that open or close with words to the requester, in English and Chinese.

    Sure are words about the text as a text ("Here is a short ad for …:", "以上是为您撰写的文案"). Politeness that a
    letter may end with, too ("Let me know if …", "希望对您有帮助"), flags; `strict` asks for the filter's action for
    it.
    """

    name: ClassVar[str] = "meta_talk"
    action: FilterAction = "retry"
    strict: bool = False

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        text = readable(completion)
        fields = completion.content.fields if completion.content else {}
        # Politeness counts in whole texts only: characters of a dialogue may well say "Sure, I will".
        whole = [text, *(value for value in fields.values() if isinstance(value, str))]
        leaves = [text, *(leaf for value in fields.values() for leaf in leaf_texts(value))]
        for is_hint, parts in ((False, leaves), (True, whole)):
            for part in parts:
                if found := _found(part, is_hint=is_hint):
                    return self._failed(brief, text, part, *found, is_hint=is_hint and not self.strict)
        return Verdict(filter=self.name, action="pass")

    def _failed(self, brief: Brief, text: str, part: str, reason: str, span: Span, *, is_hint: bool) -> Verdict:
        words, base = part[span.start:span.end], text.find(part)
        shown = " ".join(words.split())[:60]
        return Verdict(
            filter=self.name, action=(at_most_flag if is_hint else asked)(self.action), reason=reason, measured=shown,
            spans=[Span(start=base + span.start, end=base + span.end)] if base >= 0 else [],
            message=f"The text {'opens' if reason == 'opening' else 'closes'} with words to the requester: {shown}",
            advice="" if is_hint else wording(
                brief, en="Write only the text itself: no words to me before it or after it.",
                zh="只写正文，前后都不要对我说话（例如“好的，以下是……”“希望对您有帮助”）。"),
        )


def _found(part: str, *, is_hint: bool) -> tuple[str, Span] | None:
    """The reason code and the place of the words in `part`."""
    head = straight(part[:_HEAD_CHARS])
    if opening := _OPENINGS[is_hint].match(head):
        return "opening", _trimmed(opening, 0)
    start = max(0, len(part) - _TAIL_CHARS)
    tail = straight(part[start:]).rstrip()
    lower = tail.lower()
    if not any(hint in lower for hint in _CLOSING_HINTS):
        return None
    for before in _SENTENCE.finditer(tail):
        closing = _CLOSINGS[is_hint].match(tail, before.end())
        # At most a sentence stands behind a closing; further up such words are part of the text.
        if closing and len(tail) - closing.end() <= _BEHIND_CHARS and not in_quotation(part[:start + closing.start()]):
            return "closing", _trimmed(closing, start)
    return None


def _trimmed(match: re.Match[str], base: int) -> Span:
    lead = len(match[0]) - len(match[0].lstrip(MARKS + "\"“「"))
    return Span(start=base + match.start() + lead, end=base + match.end())
