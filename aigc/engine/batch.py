"""The rows in flight, and the steps that move them all by one token.

A step holds at most as many tokens as there are slots: one of each row that is answering, and in the room that is left
the next piece of prompts that are still being read. So a step is always full while there is work, and a long prompt
never holds the others up.
"""

from __future__ import annotations

import logging
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import torch

from aigc.engine.chat import PromptFault
from aigc.engine.deaths import is_deadly
from aigc.engine.device import Arriving, to_device
from aigc.engine.listening import OnText
from aigc.engine.loaded import Loaded
from aigc.engine.marking import check_mark
from aigc.engine.plan import PREVIOUS, Plan
from aigc.engine.rows import Row, failed
from aigc.engine.runners import Runner
from aigc.engine.sampler import Sampler
from aigc.engine.sizing import is_out_of_memory
from aigc.records import Completion, Prompt
from aigc.watermark import Mark

if TYPE_CHECKING:
    from llguidance import LLMatcher

NO_CHOICE = -1
"""In place of a token where no allowed one had a finite probability."""

_log = logging.getLogger(__name__)


class Step(NamedTuple):
    """A step that was sent to the device: rows that were asked for a token, and their tokens.

    After the tokens, where a row asked for them, the logarithms of their probabilities as the bits of float64: so one
    copy brings both.
    """

    rows: list[Row]
    tokens: Arriving

    def wait(self) -> Iterator[tuple[Row, int, float]]:
        """Each row with its token and, if it was asked for, its logarithm."""
        values, count = self.tokens.wait(), len(self.rows)
        told = array("d", array("q", values[count:]).tobytes()) or [0.0] * count
        return zip(self.rows, values[:count], told, strict=True)


class Batch:
    """Up to `runner.slots` rows, of at most `context` tokens each.

    A step is launched, then collected; other steps may be launched in between.
    """

    def __init__(
        self, loaded: Loaded, runner: Runner, context: int, mark: Mark | None = None, on_text: OnText | None = None
    ) -> None:
        self.rows: dict[int, Row] = {}
        self._mark, self._on_text = mark, on_text
        self._loaded, self._runner, self._context = loaded, runner, context
        self._free = list(range(runner.slots - 1, -1, -1))
        self._device = loaded.model.device
        self._waits_for_pages = False
        """A prompt had too few: there is no use in asking again before a row ends."""
        self._warned = set[tuple[str, str]]()
        """Kinds of error at which a prompt was refused that were told of."""
        self._sampler = Sampler(runner.slots, self._device, loaded.end_tokens, mark)

    @property
    def can_run_ahead(self) -> bool:
        """Whether a step can be launched before the one before is collected."""
        return self._runner.knows_previous

    @property
    def has_room(self) -> bool:
        """Whether the next step can hold tokens of another row, and the last that was asked for had its pages."""
        if not self._free or self._waits_for_pages:
            return False
        return sum(max(1, row.unread) for row in self.rows.values()) < self._runner.slots

    @property
    def prompts(self) -> list[Prompt]:
        """Prompts in flight, the oldest first."""
        return [row.prompt for row in self.rows.values()]

    @torch.inference_mode()
    def admit(self, prompt: Prompt) -> Completion | None:
        """Take a prompt in. Returns its completion where it fails at once.

        Raises:
            NoRoom: it has to wait until other rows end.
        """
        try:
            check_mark(prompt.sampling, self._mark)
            tokens, matcher = self._encode(prompt), self._matcher(prompt)
        except PromptFault as exc:
            return failed(prompt, exc.fault)
        slot = self._free[-1]
        read = self._runner.open(slot, tokens, len(tokens) + prompt.sampling.max_new_tokens)
        if read is None:
            self._waits_for_pages = True
            raise NoRoom
        may_end, logprob = matcher is not None, prompt.logprob
        self._sampler.open(slot, prompt.sampling, prompt.seed, tokens, may_end=may_end, logprob=logprob)
        # Last, when nothing can fail any more: a prompt that was not taken in is still its caller's.
        self._free.pop()
        self.rows[slot] = Row(prompt, tokens, matcher, slot, read, time.perf_counter())
        return None

    @torch.inference_mode()
    def launch(self) -> Step | None:
        """Send a step to the device. None where every row waits for what is already there."""
        plan, asked = self._plan()
        if not len(plan):
            return None
        logits = self._runner.step(plan)
        slots, positions = [row.slot for row in asked], [row.count for row in asked]
        if not asked:
            return Step([], Arriving(torch.empty(0, dtype=torch.int64)))
        tokens, finite, logprobs = self._sampler.choose(logits, slots, positions, self._allowed(asked))
        self._runner.remember(slots, tokens)
        for row in asked:
            row.asked += 1
        told = torch.where(finite, tokens, NO_CHOICE)
        return Step(asked, Arriving(told if logprobs is None else torch.cat([told, logprobs.view(torch.int64)])))

    def collect(self, step: Step) -> list[Completion]:
        """Wait for a step. Returns the completions of rows that end with it."""
        answers, ended = list[Completion](), list[Row]()
        for row, token, logprob in step.wait():
            row.asked -= 1
            if self.rows.get(row.slot) is not row:
                continue  # it ended with the step before, when this one was already under way
            finite, ends = token != NO_CHOICE, self._loaded.end_tokens
            completion = row.take(token, self._loaded.tokenizer, ends, finite=finite, logprob=logprob)
            if completion is None and self._on_text and not self._on_text(row.said(self._loaded.tokenizer)):
                completion = row.break_off(self._loaded.tokenizer)
            if completion:
                answers.append(completion)
                ended.append(row)
        for row in ended:  # only now: where memory runs out above, all of them are made again
            self._close(row)
        return answers

    def _encode(self, prompt: Prompt) -> list[int]:
        with self._refusing(
            "not_encodable",
            "an error in its encoding",
            "messages that the model's chat template and tokenizer take",
            "Change the brief's cells; where all rows fail, take another model, or mend its chat template.",
        ):
            return self._loaded.chat.encode(prompt, self._context - prompt.sampling.max_new_tokens)

    def _matcher(self, prompt: Prompt) -> LLMatcher | None:
        if not prompt.json_schema:
            return None
        with self._refusing(
            "no_grammar",
            "an error in making its grammar",
            "a tokenizer and a schema that llguidance takes",
            "Take another model, or another [output] in the template pack.",
        ):
            return self._loaded.grammars.matcher(prompt.json_schema)

    @contextmanager
    def _refusing(self, code: str, found: str, expected: str, remedy: str) -> Iterator[None]:
        """Make of an error that lies in a prompt, a template, a tokenizer or a grammar a fault of the row alone.

        Errors of any type: templates and tokenizers are other people's. Their words may hold the prompt's, and are
        not told.
        """
        try:
            yield
        except PromptFault:
            raise
        except Exception as exc:
            if isinstance(exc, MemoryError | RuntimeError) and (is_out_of_memory(exc) or is_deadly(exc)):
                raise
            kind = type(exc).__name__
            if (code, kind) not in self._warned:
                self._warned.add((code, kind))
                _log.warning("a prompt fails as %s, with %s (%s); others may, without a line each", code, found, kind)
            raise PromptFault(code, f"{found} ({kind})", expected, remedy) from exc

    def _plan(self) -> tuple[Plan, list[Row]]:
        plan, asked, reading = Plan(), list[Row](), list[Row]()
        for row in self.rows.values():
            if row.unread:
                reading.append(row)
            elif row.can_be_asked:
                token = PREVIOUS if row.asked else row.tokens[-1]
                plan.feed(row.slot, [token], row.length, sample=True)
                asked.append(row)
        for row in reading:
            if (room := self._runner.slots - len(plan)) <= 0:
                break
            piece = row.read_on(room)
            plan.feed(row.slot, piece, row.read - len(piece), sample=not row.unread)
            if not row.unread:
                asked.append(row)
        return plan, asked

    def _close(self, row: Row) -> None:
        del self.rows[row.slot]
        self._runner.close(row.slot)
        self._waits_for_pages = False
        self._free.append(row.slot)

    def _allowed(self, rows: list[Row]) -> torch.Tensor | None:
        """Tokens that the rows' grammars allow, bool [rows, vocabulary]; None where no row has a grammar."""
        held = [(index, row.matcher) for index, row in enumerate(rows) if row.matcher]
        if not held:
            return None
        masks = self._loaded.grammars.allowed([matcher for _, matcher in held], self._device)
        if len(held) == len(rows):
            return masks
        allowed = torch.ones(len(rows), self._loaded.vocabulary, dtype=torch.bool, device=self._device)
        allowed[to_device([index for index, _ in held], self._device, torch.int64)] = masks
        return allowed


class NoRoom(Exception):
    """The cache has too few free pages for a prompt; rows in flight will give theirs back."""
