"""The model answers the request with a refusal, or speaks of itself as an AI."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from aigc.filters.phrases import MARKS, SENTENCE_START, in_quotation, straight
from aigc.filters.verdicts import Count, FilterAction, asked, at_most_flag, readable, wording
from aigc.records import Brief, Completion, Span, Verdict

_HINTS = (
    "can't", "cannot", "can not", "unable", "not able", "won't", "will not", "sorry", "apolog", " ai", "language model",
    " appropriate", " ethical", " acceptable", " respectful", " accurate", "decline", "comfortable", "have access",
    "your request", "your question", "the question",
    "抱歉", "对不起", "不好意思", "作为", "无法", "不能", "没办法", "我是", "换个话题",
)
"""One of these stands in every refusal below; most texts have none and are done."""

_EN_NOT = (
    r"i(?:'m| am)?(?: \w+)? (?:cannot|can't|can not|won't|will not|not able to|unable to|not comfortable"
    r"|must decline to)(?: (?:and|or) (?:will not|won't|cannot|should not))?(?: \w+ly| in good conscience)?,?"
)
_EN_MATTER = (
    r"(?:information|instructions?|guidance|advice|assistance|explanations?|content|details|responses?|answers?"
    r"|examples?|suggestions?|opinions?|material|requests?|topics?|tips|ways|methods|strateg\w+|reason\w*|arguments?"
    r"|justifications?|process|plans?|activit\w+|behaviou?rs?|descriptions?|articles?|harm\w*|illegal|hate\w*"
    r"|stereotypes?|solutions?|resources?|help that|personal|private|confidential|passwords?|passport"
    r"|security number)"
)
_EN_WRITING = r"(?:provid|offer|suppl|suggest|creat|generat|produc|writ|discuss|promot|condon|endors)\w*"
_AI = r"(?:ai|artificial intelligence|(?:large )?language model)(?: (?:language )?model| assistant| chatbot)?"
_AS_AI = (
    rf"as an? (?:[\w-]+,? (?:and )?){{0,4}}?{_AI}"
    r"(?: (?:developed|created|trained|made|built) by [\w ]{1,20})?"
)
_EN = (
    # Sorry, but I can't assist with that. / I'm unable to help you with this request.
    rf"{_EN_NOT} (?:assist|help)(?:ing)?(?: you)?"
    r"(?: (?:with|in|by|on) (?:that|this|your|it|such|any|the request)\b|[.,])",
    # I cannot fulfil your request. / I can't answer that question.
    rf"{_EN_NOT} (?:fulfil+|satisfy|comply with|accommodate|complete|process|answer|respond to|engage (?:in|with))\b"
    r"(?: \w+){0,3} (?:request|question|prompt|task|topic|activit\w+|conversation|discussion)",
    # I cannot provide information or guidance on …: the verb's object is what was asked for.
    rf"{_EN_NOT} {_EN_WRITING}(?: (?:or|and) {_EN_WRITING})?(?: [\w',-]+){{0,6}}? {_EN_MATTER}\b",
    # It is illegal to steal a car, and I cannot provide advice on how to do so.
    rf"[^.!?\n\"“”]{{10,80}}, (?:and|so|but) {_EN_NOT} {_EN_WRITING}(?: (?:or|and) {_EN_WRITING})?"
    r" (?:information|instructions?|guidance|advice|assistance|content|suggestions?)\b",
    r"i (?:must|(?:will )?have to) (?:\w+ly )?decline (?:your|this|that|to (?:provid|writ|creat|generat|answer))",
    r"i (?:don't|do not) feel comfortable (?:provid|writ|creat|generat|answer|discuss|assist|help)",
    r"(?:your|the|this) (?:request|question|prompt) (?:you (?:asked|provided|posed) )?"
    r"(?:itself )?(?:goes against|violates|promotes|perpetuates|contains|is based on|is inappropriate|is harmful)"
    r"(?: an?)?(?: (?:\w+ and )?(?:harmful|offensive|inappropriate|inaccurate|derogatory|hateful|unethical|illegal)"
    r"| (?:my|our|ethical|content|safety|moral))",
    r"it(?:'s| is) not (?:appropriate|ethical|acceptable) (?:for me )?"
    r"to (?:provid|promot|suggest|discuss|shar|creat|generat)",
    r"it(?:'s| is) not within my (?:programming|guidelines|capabilit|ethical)",
    r"i (?:don't|do not) have access to (?:personal|real-?time|private|current|the internet|that|any)",
)
_EN_SELF = rf"(?:sorry, |however, |but )?{_AS_AI},? (?:i|my)\b|i(?:'m| am) (?:just |only |merely )?an? {_AI}[.,]"
_SORRY = (
    r"(?:no, |(?:(?:i'm|i am) )?(?:\w+ly |so )?(?:sorry|i apologi[sz]e|(?:my )?apologies|unfortunately)"
    r"[^.!?\n]{0,30}?[,.]? (?:but )?)?"
)
_BEFORE = rf"{_SORRY}(?:(?:however, |but )?{_AS_AI},? |i(?:'m| am) (?:just |only )?an? {_AI}[.,] (?:and |so )?)?"
"""What may stand before the words that refuse: an apology, the model's name for itself."""
_MORAL_WORD = r"(?:appropriate|ethical|acceptable|respectful)"
_MORAL = (
    r"(?:i (?:don't|do not) think |i'm not sure (?:that )?)?it(?:'s| is| would be) (?:(?:not|never|neither) )?"
    rf"(?:(?:accurate|\w+) (?:or|and|nor) {_MORAL_WORD} to \w+"
    rf"|{_MORAL_WORD} (?:(?:or|and|nor) \w+ )?"
    r"to (?:provid|promot|suggest|encourag|discuss|shar|engag|glorif|ask|request))"
)
"""Only as the very first words: an article may well say so further down."""
_ZH_SELF = r"(?:人工智能|AI|大?语言模型|大模型|智能助手|聊天机器人)(?:语言)?(?:模型|助手|助理|程序)?"
_ZH_AS_AI = rf"(?:[^。！？\n]{{0,8}}[，,])?作为(?:一个|一名|一款|一位)?{_ZH_SELF}[，, ]{{0,2}}"
_ZH_NOT = r"(?:无法|不能|没办法|没有办法|不便|不可以)(?:继续)?(?:为(?:您|你)|向(?:您|你)|帮(?:您|你)|直接)?"
_ZH_DO = r"(?:提供|满足|完成|协助|帮助|回答|生成|撰写|写|创作|处理|讨论|参与|支持|执行|给出|编写|做)"
_ZH = (
    rf"(?:非常|很|十分|真的)?(?:抱歉|对不起|不好意思)[，,。！! ]{{0,2}}(?:但是?|不过)?我(?!们){_ZH_NOT}{_ZH_DO}",
    rf"{_ZH_AS_AI}(?:我|本)(?!们)(?:\w{{2,4}})?{_ZH_NOT}{_ZH_DO}",
    rf"我(?!们){_ZH_NOT}{_ZH_DO}(?:您|你|这|该|此|相关|关于|任何|涉及|上述|有关|那)",
    r"(?:[您你]好[，,！!]?)?(?:这个|该|此|您的|你的)(?:问题|请求|话题|要求|内容)"
    rf"[^。！？\n]{{0,12}}{_ZH_NOT}(?:回答|满足|提供|讨论|协助|完成)",
    r"(?:我们|让我们)?(?:来)?换个话题(?:再)?聊",
)
_ZH_SPEAKS = rf"{_ZH_AS_AI}(?:我|本)|我(?:只)?是(?:一个|一名|一款)?{_ZH_SELF}[，,。]"
_REFUSAL = re.compile(
    rf"{SENTENCE_START}(?:{_BEFORE}(?:{'|'.join(_EN)})|{'|'.join(_ZH)})|\A[\s*#>_]*(?:{_MORAL})", re.IGNORECASE)
_SPEAKS_AS_AI = re.compile(rf"{SENTENCE_START}(?:{_SORRY}(?:{_EN_SELF})|{_ZH_SPEAKS})", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalFilter:
    """Looks for a phrase that refuses the request in the first `head_chars`, in English and Chinese.

    The phrase must open a sentence outside quotation marks and speak of the request: characters in dialogue and
    songs may well say that they can't. Phrase lists miss refusals that argue instead (docs/filters.md has figures).

    A text that speaks as an AI and yet answers is flagged; `strict` asks for the filter's action for it, too.
    """

    name: ClassVar[str] = "refusal"
    action: FilterAction = "retry"
    head_chars: Count = 300
    strict: bool = False

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        head = straight(readable(completion)[:self.head_chars])
        lower = head.lower()
        if not any(hint in lower for hint in _HINTS):
            return Verdict(filter=self.name, action="pass")
        if found := _first(_REFUSAL, head):
            return self._failed(brief, found, "refusal", "refuses the request", is_hint=False)
        if found := _first(_SPEAKS_AS_AI, head):
            return self._failed(brief, found, "speaks_as_ai", "speaks as an AI", is_hint=not self.strict)
        return Verdict(filter=self.name, action="pass")

    def _failed(self, brief: Brief, found: Span, reason: str, does: str, *, is_hint: bool) -> Verdict:
        return Verdict(
            filter=self.name, action=(at_most_flag if is_hint else asked)(self.action), reason=reason,
            measured=found.start, limit=self.head_chars, spans=[found],
            message=f"The text {does} (at character {found.start + 1}).",
            advice="" if is_hint else wording(
                brief, en="Write the text itself. Do not decline, apologise or speak about yourself.",
                zh="请直接写出正文，不要拒绝、道歉，也不要谈论你自己。"),
        )


def _first(pattern: re.Pattern[str], head: str) -> Span | None:
    for match in pattern.finditer(head):
        if not in_quotation(head[:match.start()]):
            return Span(start=match.start() + len(match[0]) - len(match[0].lstrip(MARKS)), end=match.end())
    return None
