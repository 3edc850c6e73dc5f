"""What a model that judges reads: turns laid out by its own chat template, so that none can be left out or speak as it.

Guards ship the whole of their instructions in their chat template. Llama Guard 3 8B takes a turn's content as a text;
Llama Guard 3 1B and 4 take a list of parts, and render a text as an empty conversation, which is safe.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import jinja2

from aigc.engine.chat import PromptFault, Tokenizer, control_tokens
from aigc.engine.questions import Question
from aigc.records import Message

_MARKER = "zq7xkv"
"""Stands for a turn's text where the form of contents is found out: no chat template contains it."""
_PROBLEMS = (jinja2.TemplateError, TypeError, ValueError, LookupError, AttributeError)
"""What a chat template raises on turns that it was not made for."""


class Turns:
    """Questions to token ids."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer, self._markers = tokenizer, control_tokens(tokenizer)
        self._in_parts: bool | None = None
        """Whether contents are lists of parts. None until the first question: a template may need its variables."""

    def encode(self, question: Question) -> tuple[list[int], dict[str, list[int]]]:
        """Tokens up to where the labels begin to differ, and what each label goes on with.

        A label's tokens depend on what stands before them, so each is encoded with all of it.

        Raises:
            PromptFault: the template does not take the turns, or the text cannot be encoded.
        """
        text = self._rendered(question)
        if question.opening.startswith("\n"):  # some templates of a family end with those line breaks, some without
            text = text.rstrip("\n")
        text += question.opening
        try:
            whole = [self._tokenizer.encode(text + label, add_special_tokens=False) for label in question.labels]
        except (UnicodeEncodeError, TypeError) as exc:
            found = "text that the tokenizer cannot encode"
            raise PromptFault("not_encodable", found, "valid Unicode", "Read the text yourself.") from exc
        shared = _shared(whole)
        rests = [tokens[shared:] for tokens in whole]
        if not all(rests) or len({rest[0] for rest in rests}) < len(rests):
            raise PromptFault(
                "labels_begin_alike", "labels of which one token does not tell one from another",
                "labels that differ in their first token", "Take another model, or name another safety.kind.",
            )
        return whole[0][:shared], dict(zip(question.labels, rests, strict=True))

    def _rendered(self, question: Question) -> str:
        if self._in_parts is None:
            self._in_parts = self._takes_parts(question)
        messages = [Message(role=each.role, content=self._harmless(each.content)) for each in question.messages]
        try:
            text = self._apply(messages, question, in_parts=self._in_parts)
        except _PROBLEMS as exc:
            raise _dropping(exc) from exc
        if not all(each.content.strip() in text for each in messages):  # some templates cut what they are given
            raise _dropping(None)
        return text

    def _takes_parts(self, question: Question) -> bool:
        """Whether the template shows contents as parts and not as texts. Found with markers: the words of a turn may
        stand in the template itself."""
        marked = [Message(role=each.role, content=f"{_MARKER}{at}") for at, each in enumerate(question.messages)]
        problem: Exception | None = None
        for in_parts in (False, True):
            try:
                text = self._apply(marked, question, in_parts=in_parts)
            except _PROBLEMS as exc:
                problem = problem or exc
                continue
            if all(each.content in text for each in marked):
                return in_parts
        raise _dropping(problem) from problem

    def _apply(self, messages: Sequence[Message], question: Question, *, in_parts: bool) -> str:
        turns = [
            {"role": each.role, "content": [{"type": "text", "text": each.content}] if in_parts else each.content}
            for each in messages
        ]
        rendered = self._tokenizer.apply_chat_template(
            cast("list[dict[str, str]]", turns), tokenize=False, add_generation_prompt=True, **question.variables
        )
        return cast("str", rendered)

    def _harmless(self, text: str) -> str:
        """`text` with the control tokens in it broken: judged as it reads, it can end no turn."""
        for marker in self._markers:
            if marker in text:
                text = text.replace(marker, f"{marker[0]} {marker[1:]}")
        return text


def _dropping(problem: Exception | None) -> PromptFault:
    kind = f" ({type(problem).__name__})" if problem else ""
    return PromptFault(
        "template_drops_text", f"a chat template that does not show the model these turns{kind}",
        "one that takes a user's and an assistant's turn", "Take another model, or mend its chat template.",
    )


def _shared(sequences: Sequence[Sequence[int]]) -> int:
    """How many tokens all sequences begin with."""
    count = 0
    for each in zip(*sequences, strict=False):
        if len(set(each)) > 1:
            break
        count += 1
    return count
