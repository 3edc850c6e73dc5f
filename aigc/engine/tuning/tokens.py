"""Lessons cut into tokens exactly as the engine asks and the model answers: what is learned is what is used.

The prompt goes through the engine's own `ChatEncoder`, the answer follows as the model would say it, and after it the
token by which the model ends a turn.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from aigc.engine.chat import ChatEncoder, PromptFault, Tokenizer, control_tokens
from aigc.engine.loader import load_tokenizer
from aigc.engine.tuning.values import Lesson, Tokens
from aigc.errors import ModelError
from aigc.records import Fault, Prompt, Sampling
from aigc.settings import EngineSettings

_ANSWER = "an answer that is nobody's"


class LessonEncoder:
    """Cuts lessons with the tokenizer of a model's folder.

    Raises:
        ModelError: there is no tokenizer that loads, or it has no token that ends a text.
    """

    def __init__(self, folder: Path, settings: EngineSettings) -> None:
        self._tokenizer = load_tokenizer(folder, settings)
        self._chat = ChatEncoder(self._tokenizer)
        self._markers = control_tokens(self._tokenizer)
        self._end = _end_of_turn(self._tokenizer, folder)

    def encode(self, lesson: Lesson, max_tokens: int) -> Tokens | Fault:
        """The lesson's tokens, or why it cannot be learned."""
        prompt = Prompt(request_id=lesson.name, messages=lesson.prompt, sampling=Sampling(), seed=0)
        if marker := next((marker for marker in self._markers if marker in lesson.answer), ""):
            return Fault(code="special_token", found=f"the control token {marker!r} inside the answer",
                         expected="plain text", remedy="Edit the text.")
        answer = self._tokenizer.encode(lesson.answer, add_special_tokens=False)
        try:
            given = self._chat.encode(prompt, max_tokens)
        except PromptFault as exc:
            return exc.fault
        if len(given) + len(answer) + 1 > max_tokens:
            return Fault(code="too_long", found=f"{len(given) + len(answer) + 1:,} tokens",
                         expected=f"at most {max_tokens:,}", remedy="Raise --max-tokens, if the memory has room.")
        return Tokens(prompt=given, answer=[*answer, self._end])


def _end_of_turn(tokenizer: Tokenizer, folder: Path) -> int:
    """The token that the chat template puts behind an answer, else the one that ends a text."""
    own = cast("int | None", getattr(tokenizer, "eos_token_id", None))
    if tokenizer.chat_template is not None:
        turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": _ANSWER}]
        rendered = cast("str", tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=False))
        tail = tokenizer.encode(rendered.rpartition(_ANSWER)[2], add_special_tokens=False)
        ends = {own, *tokenizer.get_added_vocab().values()}
        own = next((token for token in tail if token in ends), own)
    if own is None:
        raise ModelError(str(folder), "a tokenizer without a token that ends a text", "eos_token",
                         "Name it in tokenizer_config.json, or take another model.")
    return own
