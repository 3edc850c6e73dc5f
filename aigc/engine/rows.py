"""A row in flight: its prompt, its tokens so far, and when it ends."""

from __future__ import annotations

import time
from collections.abc import Set
from typing import TYPE_CHECKING

from aigc.engine.chat import Tokenizer
from aigc.engine.listening import settled_text
from aigc.hashing import digest_tokens
from aigc.records import Completion, Fault, FinishReason, Prompt

if TYPE_CHECKING:
    from llguidance import LLMatcher


class Row:
    """One prompt being answered. `tokens` are those chosen so far and known to the host."""

    def __init__(
        self,
        prompt: Prompt,
        prompt_tokens: list[int],
        matcher: LLMatcher | None,
        slot: int,
        read: int,
        started_s: float,
    ) -> None:
        self.prompt, self.matcher, self.slot = prompt, matcher, slot
        self.tokens: list[int] = []
        self.read = read
        """Tokens of the prompt that are in the cache, or on their way into it."""
        self.asked = 0
        """Tokens that steps under way will give it."""
        self._logprob = 0.0
        self._prompt_tokens, self._started_s = prompt_tokens, started_s
        self._tokens_in = len(prompt_tokens)

    @property
    def unread(self) -> int:
        """Tokens of the prompt still to be fed."""
        return self._tokens_in - self.read

    @property
    def count(self) -> int:
        """Tokens chosen so far, those under way included."""
        return len(self.tokens) + self.asked

    @property
    def length(self) -> int:
        """Position of the last token chosen: the prompt's tokens and all chosen before it."""
        return self._tokens_in + self.count - 1

    @property
    def can_be_asked(self) -> bool:
        """Whether the next token can be chosen before those under way are known. A grammar has to know them."""
        if self.count >= self.prompt.sampling.max_new_tokens:
            return False
        return not (self.asked and self.matcher)

    def read_on(self, most: int) -> list[int]:
        """The next piece of the prompt, at most `most` tokens."""
        piece = self._prompt_tokens[self.read : self.read + most]
        self.read += len(piece)
        return piece

    def take(
        self, token: int, tokenizer: Tokenizer, end_tokens: Set[int], *, finite: bool, logprob: float = 0.0
    ) -> Completion | None:
        """Take the next token. Returns the completion where the row ends with it."""
        if not finite:
            return failed(self.prompt, _NO_TOKEN, self._tokens_in, len(self.tokens))
        if self.matcher and self.matcher.is_error():
            return failed(self.prompt, _BROKEN_GRAMMAR, self._tokens_in, len(self.tokens))
        if token in end_tokens:
            return self._complete(tokenizer, "stop")
        self.tokens.append(token)
        self._logprob += logprob
        if self.matcher:
            if not self.matcher.consume_token(token):
                return failed(self.prompt, _BROKEN_GRAMMAR, self._tokens_in, len(self.tokens))
            if self.matcher.is_stopped():
                return self._complete(tokenizer, "stop")
        if self.prompt.sampling.stop and self._stopped(tokenizer):
            return self._complete(tokenizer, "stop")
        if len(self.tokens) >= self.prompt.sampling.max_new_tokens:
            return self._complete(tokenizer, "length")
        return None

    def said(self, tokenizer: Tokenizer) -> str:
        """The text so far, as far as no later token can change it."""
        return settled_text(_text(tokenizer, self.tokens), self.prompt.sampling.stop)

    def break_off(self, tokenizer: Tokenizer) -> Completion:
        """The completion of a text that is to go no further."""
        return self._complete(tokenizer, "stop")

    def _complete(self, tokenizer: Tokenizer, reason: FinishReason) -> Completion:
        text = _text(tokenizer, self.tokens)
        found = [at for stop in self.prompt.sampling.stop if (at := text.find(stop)) >= 0]
        text = text[: min(found, default=None)]  # all of them in the whole text: one may end inside another
        return Completion(
            request_id=self.prompt.request_id,
            text=text,
            finish_reason=reason,
            tokens_in=self._tokens_in,
            tokens_out=len(self.tokens),
            tokens_in_digest=digest_tokens(self._prompt_tokens),
            tokens_out_digest=digest_tokens(self.tokens),
            logprob=round(self._logprob, 6) if self.prompt.logprob else None,
            generate_s=round(time.perf_counter() - self._started_s, 4),
        )

    def _stopped(self, tokenizer: Tokenizer) -> bool:
        longest = max(len(stop.encode()) for stop in self.prompt.sampling.stop)
        tail = _text(tokenizer, self.tokens[-longest - 1 :])  # a token is at least a byte
        return any(stop in tail for stop in self.prompt.sampling.stop)


def failed(prompt: Prompt, fault: Fault, tokens_in: int = 0, tokens_out: int = 0) -> Completion:
    """The completion of a prompt that gave no text."""
    return Completion(
        request_id=prompt.request_id,
        text="",
        finish_reason="error",
        fault=fault,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
    )


def _text(tokenizer: Tokenizer, tokens: list[int]) -> str:
    # Control tokens in the middle of a text stay visible: a filter has to see them.
    return tokenizer.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False)


_NO_TOKEN = Fault(
    code="no_token",
    found="no finite probability for any allowed token",
    expected="at least one",
    remedy="Try another seed; if it stays, the model's weights or the pack's schema are at fault.",
)
_BROKEN_GRAMMAR = Fault(
    code="grammar",
    found="a token that the grammar refuses",
    expected="a token it allows",
    remedy="Simplify [output.fields] of the pack.",
)
