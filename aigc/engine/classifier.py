"""A model that answers with a label, asked about many texts at once: one reading of each, and the label's probability.

    questions ─▶ rows of tokens ─▶ steps over pages ─▶ logits after the last token ─▶ probabilities of the labels
                                                          └─ unsafe: the row writes on, greedily, for its categories

Rows share the pages of what they begin with alike, here a guard's whole policy, so that is read once.
"""

from __future__ import annotations

import gc
import logging
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import torch
from msgspec.structs import replace

from aigc.engine.chat import PromptFault, Tokenizer
from aigc.engine.deaths import EngineDied, first_line, is_deadly
from aigc.engine.device import to_device
from aigc.engine.loader import (
    BESIDE_THE_WRITER,
    device_for,
    end_tokens,
    load_model,
    load_tokenizer,
    loading,
    sizes_for,
)
from aigc.engine.pages import PAGE
from aigc.engine.plan import Plan
from aigc.engine.questions import Answer, Question
from aigc.engine.runners import PagedRunner, RowRunner, open_runner
from aigc.engine.sizing import is_out_of_memory
from aigc.engine.turns import Turns
from aigc.errors import EngineError
from aigc.models import ModelRef
from aigc.records import Fault
from aigc.settings import EngineSettings

CPU_SLOTS, CUDA_SLOTS = 256, 1024
"""Tokens in a step. Texts are read, hardly anything is written, so rows are few and steps full of them."""
CONTEXT = 8192
"""Tokens of a question, unless `engine.max_context` says: a policy, a brief's prompt and a text of 4,000 words."""
ROOM_TOKENS = 16_384
"""Tokens in the cache: a guard stands beside the model that writes, and takes little of its memory."""

_log = logging.getLogger(__name__)


class LabelClassifier:
    """Answers questions with the model of a folder, which is loaded at once.

    Raises:
        ModelError: the model cannot be loaded.
        EngineDied: the device's context is dead.
    """

    def __init__(self, settings: EngineSettings, ref: ModelRef) -> None:
        folder, self._place = ref.folder(), f"model {ref.ref}"
        with loading(self._place, BESIDE_THE_WRITER):
            self._device = device_for(settings)
            slots = settings.slots or (CUDA_SLOTS if self._device.type == "cuda" else CPU_SLOTS)
            settings = replace(settings, slots=slots, max_context=settings.max_context or CONTEXT)
            sizes = sizes_for(folder, settings, self._device)
            self._tokenizer = load_tokenizer(folder, settings)
            self._turns = Turns(self._tokenizer)
            self._model = load_model(folder, settings)
            self._ends = end_tokens(self._model, self._tokenizer)
        self._slots, self._context, self._most_pages = slots, sizes.context, sizes.pages
        self._runner: PagedRunner | RowRunner | None = None
        self._died = False

    def ask(self, questions: Sequence[Question]) -> list[Answer | Fault]:
        """See `Classifier.ask`."""
        try:
            encoded = [self._encoded(at, question) for at, question in enumerate(questions)]
        except Exception as exc:
            raise self._stopped(exc) from exc
        answers: dict[int, Answer | Fault] = {at: each for at, each in enumerate(encoded) if isinstance(each, Fault)}
        while len(answers) < len(questions):
            waiting = deque(each for each in encoded if isinstance(each, _Asked) and each.at not in answers)
            try:
                self._answer(waiting, answers)
                continue
            except (MemoryError, RuntimeError) as exc:
                if not is_out_of_memory(exc) or self._slots == 1:
                    raise self._stopped(exc) from exc
            except Exception as exc:
                raise self._stopped(exc) from exc
            # Out here, where the error is gone: its traceback held the step's tensors.
            self._slots //= 2
            self._drop_runner()
            _log.warning("out of memory: texts are judged with %d tokens in a step", self._slots)
        return [answers[at] for at in range(len(questions))]

    def close(self) -> None:
        del self._model
        self._drop_runner()

    def _drop_runner(self) -> None:
        self._runner = None
        gc.collect()
        if self._device.type == "cuda" and not self._died:  # a dead context refuses this too
            torch.cuda.empty_cache()

    def _stopped(self, exc: Exception) -> EngineError:
        if is_out_of_memory(exc):
            return EngineError(self._place, "no memory left to judge texts", "room for it", BESIDE_THE_WRITER)
        if is_deadly(exc):
            self._died = True
            return EngineDied(first_line(exc))
        found = f"{type(exc).__name__} as texts were judged"
        return EngineError(self._place, found, "a step that computes", "Take another model for [safety].")

    def _opened(self) -> PagedRunner | RowRunner:
        if self._runner is None:
            room = max(self._context, ROOM_TOKENS) // PAGE
            pages = max(min(room, self._most_pages), self._context // PAGE, self._slots + 2) + 1
            self._runner = open_runner(self._model, self._slots, pages, self._context)
        return self._runner

    def _encoded(self, at: int, question: Question) -> _Asked | Fault:
        try:
            tokens, labels = self._turns.encode(question)
        except PromptFault as exc:
            return exc.fault
        asked = _Asked(at, question, tokens, labels)
        return asked if asked.most_tokens <= self._context else _too_long(asked.most_tokens, self._context)

    @torch.inference_mode()
    def _answer(self, waiting: deque[_Asked], answers: dict[int, Answer | Fault]) -> None:
        """Answer what waits, into `answers`."""
        runner = self._opened()
        rows: dict[int, _Row] = {}
        free = list(range(runner.slots - 1, -1, -1))
        try:
            while waiting or rows:
                self._admit(waiting, rows, free)
                plan = Plan()
                asked = [row for row in rows.values() if row.feed(plan, runner.slots)]
                logits = runner.step(plan)
                for row in self._take(asked, logits) if asked else []:
                    answers[row.asked.at] = row.answer(self._tokenizer)
                    runner.close(row.slot)
                    del rows[row.slot]
                    free.append(row.slot)
        finally:
            for slot in rows:  # where an error ended it: a runner that lives is to have no rows
                runner.close(slot)

    def _admit(self, waiting: deque[_Asked], rows: dict[int, _Row], free: list[int]) -> None:
        """Take questions in while a step has room for more tokens and the cache for more rows."""
        runner = self._opened()
        while waiting and free and sum(row.wanted for row in rows.values()) < runner.slots:
            asked = waiting[0]
            read = runner.open(free[-1], asked.tokens, asked.most_tokens)
            if read is None:
                if rows:
                    return
                raise MemoryError("a cache too small for one question")
            waiting.popleft()
            slot = free.pop()
            rows[slot] = _Row(asked, slot, read)

    def _take(self, rows: list[_Row], logits: torch.Tensor) -> list[_Row]:
        """Give rows what follows their last token. Returns those that need no more."""
        judging = [at for at, row in enumerate(rows) if not row.probabilities]
        told = {}
        if judging:
            firsts = [[rest[0] for rest in rows[at].asked.labels.values()] for at in judging]
            most = max(map(len, firsts))
            ids = torch.tensor([each + each[:1] * (most - len(each)) for each in firsts], device=logits.device)
            found = logits[to_device(judging, logits.device, torch.int64)].gather(1, ids).tolist()
            told = {at: values[: len(first)] for at, values, first in zip(judging, found, firsts, strict=True)}
        likeliest = logits.argmax(-1).tolist() if len(judging) < len(rows) else []
        return [
            row for at, row in enumerate(rows)
            if (row.judged(told[at]) if at in told else row.wrote(likeliest[at], self._ends))
        ]


class _Asked(NamedTuple):
    """A question and its place among others, as tokens: those up to its labels, and what each label goes on with."""

    at: int
    question: Question
    tokens: list[int]
    labels: dict[str, list[int]]

    @property
    def most_tokens(self) -> int:
        """Tokens that it may have in the cache, those of its answer included."""
        return len(self.tokens) + max(map(len, self.labels.values())) + self.question.more_tokens


class _Row:
    """One question being answered. `_tokens` are all that is or will be in the cache, `_read` of them are."""

    def __init__(self, asked: _Asked, slot: int, read: int) -> None:
        self.asked, self.slot = asked, slot
        self.probabilities: dict[str, float] = {}
        self._tokens, self._read = list(asked.tokens), read
        self._written: list[int] = []
        self._fault: Fault | None = None

    @property
    def wanted(self) -> int:
        """Tokens that the next step could take."""
        return len(self._tokens) - self._read

    def feed(self, plan: Plan, most: int) -> bool:
        """Put what is unread into the plan, as far as it has room. Returns whether the row is then asked."""
        piece = self._tokens[self._read : self._read + most - len(plan)]
        if not piece:
            return False
        start, self._read = self._read, self._read + len(piece)
        plan.feed(self.slot, piece, start, sample=not self.wanted)
        return not self.wanted

    def judged(self, logits: list[float]) -> bool:
        """Take the labels' logits. Returns whether that is all."""
        values = torch.tensor(logits, dtype=torch.float64)
        if not values.isfinite().all():
            self._fault = _NOT_FINITE
            return True
        self.probabilities = dict(zip(self.asked.labels, values.softmax(0).tolist(), strict=True))
        asked = self.asked.question
        reached = sum(self.probabilities[label] for label in asked.go_on) >= asked.go_on_from
        if not (asked.more_tokens and asked.go_on and reached):
            return True
        self._tokens += self.asked.labels[max(asked.go_on, key=self.probabilities.__getitem__)]
        return False

    def wrote(self, token: int, ends: frozenset[int]) -> bool:
        """Take a token that the model went on with. Returns whether it is the last."""
        if token in ends:
            return True
        self._written.append(token)
        self._tokens.append(token)
        return len(self._written) >= self.asked.question.more_tokens

    def answer(self, tokenizer: Tokenizer) -> Answer | Fault:
        if self._fault:
            return self._fault
        rest = tokenizer.decode(self._written, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return Answer(probabilities=self.probabilities, rest=rest)


def _too_long(tokens: int, context: int) -> Fault:
    found, expected = f"a question of {tokens:,} tokens", f"at most {context:,}"
    remedy = "Read the text yourself, or take a model with a longer context."
    return Fault(code="too_long", found=found, expected=expected, remedy=remedy)


_NOT_FINITE = Fault(
    code="no_label",
    found="no finite probability of any label",
    expected="one of each",
    remedy="Take another model, or another engine.dtype.",
)
