"""Decoding held to a JSON schema: for each row and step, the set of tokens after which the text can still be completed.

The automaton is llguidance's (Rust; the one that vLLM, SGLang and llama.cpp use).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import llguidance
import llguidance.hf
import llguidance.numpy  # not llguidance.torch, whose import compiles for seconds
import numpy as np
import numpy.typing as npt
import torch

from aigc.engine.chat import PromptFault
from aigc.engine.device import send

_OPTIONS = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""One spelling of white space: free white space is where small models run on for ever."""
MOST_COMPILED = 256
"""Schemas whose grammars are kept: far more than the packs of a run have, few where every request brings its own."""


class Grammars:
    """Matchers for one tokenizer and vocabulary, and the masks of a step."""

    def __init__(self, tokenizer: object, vocabulary: int, end_tokens: Sequence[int]) -> None:
        # A backend tokenizer of transformers, as llguidance.hf asks for.
        self._tokenizer = llguidance.hf.from_tokenizer(tokenizer, n_vocab=vocabulary, eos_token=list(end_tokens))
        self._executor = llguidance.LLExecutor()
        self._compiled = lru_cache(MOST_COMPILED)(self._compile)
        self._vocabulary = vocabulary

    def matcher(self, json_schema: str) -> llguidance.LLMatcher:
        """A fresh matcher for `json_schema`; compiling is done once for each of the schemas that were asked for last.

        Raises:
            PromptFault: the schema cannot be compiled into a grammar.
        """
        return self._compiled(json_schema).deep_copy()

    def _compile(self, json_schema: str) -> llguidance.LLMatcher:
        grammar = llguidance.LLMatcher.grammar_from_json_schema(json_schema, defaults=_OPTIONS)
        matcher = llguidance.LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise PromptFault(
                "bad_schema",
                f"a schema that gives no grammar ({matcher.get_error()[:120]})",
                "a JSON schema that llguidance supports",
                "Correct [output.fields] in the template pack.",
            )
        return matcher

    def allowed(self, matchers: Sequence[llguidance.LLMatcher], device: torch.device) -> torch.Tensor:
        """Tokens that each matcher allows at its next step, bool [len(matchers), vocabulary]."""
        words: npt.NDArray[np.int32] = llguidance.numpy.allocate_token_bitmask(len(matchers), self._vocabulary)
        jobs = [(matcher, row) for row, matcher in enumerate(matchers)]
        llguidance.numpy.fill_next_token_bitmask_par(self._executor, jobs, words)
        if device.type == "cpu":
            bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little", count=self._vocabulary)
            return torch.from_numpy(bits.view(np.bool_))
        return unpacked(send(torch.from_numpy(words), device), self._vocabulary)


def unpacked(words: torch.Tensor, count: int) -> torch.Tensor:
    """The first `count` bits of each row of int32 words, the lowest first: bool [rows, count]."""
    bits = words.unsqueeze(-1) >> torch.arange(32, dtype=torch.int32, device=words.device)
    return (bits & 1).bool().flatten(1)[:, :count]
