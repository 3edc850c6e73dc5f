"""Messages to tokens: the model's chat template, or a plain-text layout for models without one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

import jinja2

from aigc.records import Fault, Message, Prompt


class Tokenizer(Protocol):
    """The part of a transformers tokenizer that the engine uses."""

    chat_template: str | None
    all_special_tokens: list[str]

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...
    def decode(
        self, token_ids: Sequence[int], *, skip_special_tokens: bool, clean_up_tokenization_spaces: bool
    ) -> str: ...
    def apply_chat_template(
        self, conversation: list[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool, **kwargs: object
    ) -> object: ...
    def get_added_vocab(self) -> dict[str, int]: ...


class PromptFault(Exception):
    """Raised for a prompt that cannot be generated from; the row fails alone."""

    def __init__(self, code: str, found: str, expected: str, remedy: str) -> None:
        super().__init__(code)
        self.fault = Fault(code=code, found=found, expected=expected, remedy=remedy)


class ChatEncoder:
    """Turns a prompt's messages into token ids, so that no cell can speak as the system or the assistant."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._folds_system = not self._takes_system()
        self._markers = control_tokens(tokenizer)

    def encode(self, prompt: Prompt, max_tokens: int) -> list[int]:
        """Token ids of `prompt`, at most `max_tokens` of them.

        Raises:
            PromptFault: empty, not encodable, holding the tokenizer's own control tokens, or too long.
        """
        self._check(prompt.messages)
        try:
            text = self.render(prompt.messages)
            tokens = self._tokenizer.encode(text, add_special_tokens=self._tokenizer.chat_template is None)
        except jinja2.TemplateError as exc:
            raise PromptFault(
                "chat_template",
                f"a chat template that refuses these turns ({type(exc).__name__})",
                "one that takes a user turn",
                "Take another model, or mend its chat template.",
            ) from exc
        except (UnicodeEncodeError, TypeError) as exc:
            raise PromptFault(
                "not_encodable",
                "text that the tokenizer cannot encode",
                "valid Unicode",
                "Remove lone surrogates from the brief's cells.",
            ) from exc
        if not tokens:
            raise PromptFault(
                "empty_prompt", "a prompt of no tokens", "some text", "Give the brief or the template text."
            )
        if len(tokens) > max_tokens:
            raise PromptFault(
                "prompt_too_long",
                f"{len(tokens):,} tokens",
                f"at most {max(0, max_tokens):,} beside the answer",
                "Shorten the brief's cells, lower max_new_tokens, or take a model with a longer context.",
            )
        return tokens

    def render(self, messages: list[Message]) -> str:
        """The text that the model reads, control tokens included."""
        if self._tokenizer.chat_template is None:
            return plain_layout(messages)
        turns = [{"role": message.role, "content": message.content} for message in messages]
        if self._folds_system and turns[0]["role"] == "system":
            instructions = turns.pop(0)["content"]
            turns[0] = {"role": "user", "content": f"{instructions}\n\n{turns[0]['content']}"}
        # Qwen3's template thinks aloud unless told not to; templates that do not know the variable ignore it.
        rendered = self._tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        return cast("str", rendered)

    def _takes_system(self) -> bool:
        """Whether the chat template has a place for a system turn; Gemma's, for one, refuses it."""
        if self._tokenizer.chat_template is None:
            return True
        turns = [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]
        try:
            self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        except jinja2.TemplateError:
            return False
        return True

    def _check(self, messages: list[Message]) -> None:
        if not any(message.content.strip() for message in messages if message.role == "user"):
            raise PromptFault(
                "empty_prompt", "an empty user message", "some text", "Give the brief or the template text."
            )
        for message in messages:
            try:
                message.content.encode("utf-8")
            except UnicodeEncodeError as exc:
                raise PromptFault(
                    "not_encodable", "a lone surrogate", "valid Unicode", "Remove it from the brief's cells."
                ) from exc
            for marker in self._markers:
                if marker in message.content:
                    raise PromptFault(
                        "special_token",
                        f"the control token {marker!r} inside the text",
                        "plain text",
                        "Remove it from the brief's cells: it would let the text speak as the model.",
                    )


def control_tokens(tokenizer: Tokenizer) -> list[str]:
    """Tokens by which a text could end its turn.

    Added vocabulary may hold ordinary words and runs of spaces; only markup can.
    """
    specials = {*tokenizer.get_added_vocab(), *tokenizer.all_special_tokens}
    return sorted(token for token in specials if len(token) > 2 and not token.isspace() and not token.isalnum())


def plain_layout(messages: list[Message]) -> str:
    """Messages as a plain text for base models: instructions, then the request, then an opening for the answer."""
    names = {"system": "", "user": "", "assistant": "Answer:\n"}
    blocks = [names[message.role] + message.content.strip() for message in messages if message.content.strip()]
    return "\n\n".join(blocks) + "\n\nAnswer:\n"
