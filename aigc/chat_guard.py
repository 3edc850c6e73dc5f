"""What guards a conversation: terms that the policy forbids, filters, and a gate that an answer passes as it comes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aigc.batch_filters import ModelFilter
from aigc.characters import CONTROL, mended
from aigc.errors import shown
from aigc.filters import Case, Filter, build_filters, judge
from aigc.filters.matching import TermList, fold
from aigc.job import templates_folder
from aigc.packs import Pack
from aigc.records import Brief, Completion, Content, Limits, Message, Source, Verdict
from aigc.settings import Settings, TypeSettings

OF_A_BRIEF = frozenset({"format", "length", "required_terms", "readability", "tone", "advertising", "disclosure",
                        "injection", "turns"})
"""Filters that hold a text against what a brief asks for: a conversation has none."""
_AT_ONCE = frozenset({"forbidden_terms", "profanity", "secrets", "personal_data"})
"""Filters that can tell by a piece of a text what its rest cannot mend."""
_WITHHOLDS = ("hold", "reject")
_HAN, _LATIN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]"), re.compile("[A-Za-zÀ-ɏ]")
_ENGLISH = re.compile(r"\b(?:the|a|is|are|you|i|what|how|why|who|when|where|do|does|can|to|of|and|it|my|me)\b", re.I)
_LEAST_ENGLISH = 0.15
_SENTENCE_END = re.compile(r"[.!?][\"”’')]*\s|[。！？…][”’」』）]?|\n")
_WORD_END = re.compile(r"\s|[，、；：,;]")
_DELICATE = re.compile(r"[\d@＠]|://|\bwww\.|[A-Za-z0-9_-]{16,}")
"""What may be the beginning of a number, an address or a key: it waits for the end of its sentence."""


class Guard:
    """Judges what is asked and what is answered. Nothing of either is kept."""

    def __init__(self, settings: Settings, pack: Pack | None, models: Sequence[ModelFilter] = ()) -> None:
        name = pack.type.name if pack else ""
        tables = settings.filters_for(name, pack.type.filters if pack else {})
        built = build_filters(tables, f"settings of {name or 'a chat'}", templates_folder(settings.run.templates))
        self._filters = [item for item in built if item.name not in OF_A_BRIEF]
        self._at_once = [item for item in self._filters if item.name in _AT_ONCE and item.action in _WITHHOLDS]
        self._type, self._models = name, models
        own = settings.types.get(name, TypeSettings()).policy.forbidden
        self._terms = {key: TermList(terms) for key, terms in (
            ("policy.forbidden", settings.policy.forbidden), (f"types.{name}.policy.forbidden", own)) if terms}

    @property
    def forbids(self) -> bool:
        """Whether the policy forbids any term."""
        return bool(self._terms)

    @property
    def waits(self) -> bool:
        """Whether nothing of an answer can be shown before all of it was judged: a model judges it."""
        return bool(self._models)

    def forbidden(self, text: str) -> Verdict | None:
        """What the policy has against a text, asked or answered."""
        folded = fold(text)
        for key, terms in self._terms.items():
            if found := terms.found_in(folded):
                return Verdict(filter="policy", action="reject", reason="forbidden_by_policy", measured=found[0],
                               message=f"{key} forbids {shown(found[0])}.")
        return None

    def so_far(self, text: str, asked: Sequence[Message]) -> Verdict | None:
        """Why an answer must not be shown, as far as its beginning tells."""
        return self.forbidden(text) or withheld(self._judged(text, asked, self._at_once))

    def whole(self, completion: Completion, asked: Sequence[Message]) -> list[Verdict]:
        """What there is to say of a whole answer. Models are asked of one to which nothing else objects."""
        text = sound(completion.text)
        policy = self.forbidden(text)
        verdicts = [*([policy] if policy else []), *self._judged(text, asked, self._filters, completion)]
        for item in self._models:
            if not withheld(verdicts):
                verdicts += item.check([Case(brief=_brief(self._type, asked), messages=[*asked],
                                             completion=_read(text, completion))])
        return [verdict for verdict in verdicts if verdict.action not in ("pass", "not_run")]

    def _judged(
        self, text: str, asked: Sequence[Message], filters: Sequence[Filter], completion: Completion | None = None
    ) -> list[Verdict]:
        brief = _brief(self._type, asked)
        applied = [item for item in filters if brief.language or item.name != "language"]
        return judge(brief, _read(text, completion), applied, asked)


def sound(text: str) -> str:
    """An answer as it is kept and judged: without what no reader would miss."""
    return mended(text, language_of(text) or "en")[0].strip()


def withheld(verdicts: Sequence[Verdict]) -> Verdict | None:
    """The verdict by which an answer is not shown, if there is one."""
    strict = [verdict for verdict in verdicts if verdict.action in _WITHHOLDS]
    return next((verdict for verdict in strict if verdict.action == "reject"), strict[0] if strict else None)


def language_of(text: str) -> str:
    """`zh` or `en` where a text is in one of them, else nothing: an answer is to be in the language of its question."""
    han, latin = len(_HAN.findall(text)), len(_LATIN.findall(text))
    if han * 5 > latin:
        return "zh"
    words = len(text.split())
    return "en" if words and len(_ENGLISH.findall(text)) >= _LEAST_ENGLISH * words else ""


def _brief(name: str, asked: Sequence[Message]) -> Brief:
    """The conversation as filters know a brief: what was said in it is the ground of what is answered."""
    said = [message.content for message in asked if message.role != "assistant"]
    users = [message.content for message in asked if message.role == "user"]
    return Brief(row=0, id="chat", content_type=name or "chat", language=language_of(users[-1] if users else ""),
                 fields={"conversation": "\n".join(said)}, limits=Limits(), source=Source(file="chat", line=1))


def _read(text: str, completion: Completion | None) -> Completion:
    reason = completion.finish_reason if completion else "stop"
    tokens = completion.tokens_out if completion else 0
    return Completion(request_id="chat", text=text, finish_reason=reason, tokens_out=tokens, content=Content(text=text))


@dataclass
class Gate:
    """Lets an answer through as it comes: word by word, as far as `why_not` has nothing against it.

    Without `why_not` it goes through as it is. What may be a number or an address waits for the end of its sentence.
    """

    show: Callable[[str], None]
    why_not: Callable[[str], Verdict | None] | None
    stopped_by: Verdict | None = None
    shown: int = 0
    """Characters of the answer that were let through."""
    _text: str = ""
    _has_begun: bool = False

    def hear(self, text: str) -> bool:
        """Take the answer as far as it is there; False where no more of it is wanted."""
        if not text.startswith(self._text[: self.shown]):  # a server that was asked again begins again
            self.show("\n")
            self.shown = 0
        self._text = text
        if self.why_not is None:
            self._let(len(text))
            return True
        if (end := _passable(text, self.shown)) > self.shown:
            self.stopped_by = self.why_not(text[:end].strip())
            if self.stopped_by:
                return False
            self._let(end)
        return True

    def finish(self, text: str) -> None:
        """Let through what is left of an answer that may be shown."""
        self._text = text
        self._let(len(text))

    def _let(self, end: int) -> None:
        piece = self._text[self.shown : end]
        self.shown = max(self.shown, end)
        piece = piece if self._has_begun else piece.lstrip()
        self._has_begun |= bool(piece)
        if piece:
            self.show(CONTROL.sub("", piece))  # a terminal obeys them


def _passable(text: str, start: int) -> int:
    """Up to where a text can be judged and shown: the end of a word, or of a sentence where it holds figures."""
    rest = text[start:]
    ends = [match.end() for match in _WORD_END.finditer(rest)] + [match.end() for match in _SENTENCE_END.finditer(rest)]
    end = max(ends, default=0)
    if _DELICATE.search(rest[:end]):
        end = max((match.end() for match in _SENTENCE_END.finditer(rest)), default=0)
    return start + end
