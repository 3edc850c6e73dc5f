"""What the model is asked for a brief: one way for a run, and for whoever looks at a record or makes it again."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from aigc.dialogue import stands, tried
from aigc.hashing import digest
from aigc.injection import WORTH_A_LOOK, find_in, texts_of, weight
from aigc.models import ModelRef, catalogue
from aigc.packs import Packs
from aigc.prompts import make_prompt, render
from aigc.records import Attempt, Brief, Message, Prompt, Record, Sampling, Value
from aigc.settings import Settings

SMALL_PARAMETERS = 300_000_000
"""Below this many parameters a model copies the description of its answer's form instead of following it."""


class LineAsked(Value, frozen=True):
    """Which line of a dialogue is asked for, at which try, what was wrong with the last: with the whole, with it."""

    said: list[str] = []
    number: int = 0
    feedback: list[str] = []
    line_feedback: list[str] = []


class Asking:
    """Messages and prompts by the settings and template packs of a run."""

    def __init__(self, settings: Settings, packs: Packs) -> None:
        self._settings, self._packs = settings, packs
        self.describe_form = _describes_form(settings)

    def messages(
        self, brief: Brief, feedback: Sequence[str] = (), said: Sequence[str] = (), line_feedback: Sequence[str] = ()
    ) -> list[Message]:
        """The exact messages that the model gets for `brief`, with what was wrong with its last attempt.

        Of a dialogue, for the line after `said`, with what was wrong with the last try at it.

        Raises:
            TemplateError: the template fails on this brief.
        """
        fenced = _fenced(brief) if self._settings.input.injection in ("quarantine", "fence") else []
        return render(brief, self._packs, feedback, describe_form=self.describe_form, fenced=fenced, said=said,
                      line_feedback=line_feedback)

    def prompt(
        self, brief: Brief, variant: int, attempt: int, advice: Sequence[str], sampling: Sampling, text_key: str
    ) -> Prompt:
        """The request for one attempt at one variant; `text_key` is what stands for the model in its identity."""
        return make_prompt(
            self.messages(brief, advice),
            brief=brief,
            variant=variant,
            attempt=attempt,
            packs=self._packs,
            sampling=sampling,
            run_seed=self._settings.run.seed,
            model=text_key,
        )

    def line_prompt(self, brief: Brief, variant: int, attempt: int, asked: LineAsked, sampling: Sampling,
                    text_key: str) -> Prompt:
        """The request for one try at a line of a dialogue."""
        return make_prompt(
            self.messages(brief, asked.feedback, asked.said, asked.line_feedback),
            brief=brief,
            variant=variant,
            attempt=attempt,
            packs=self._packs,
            sampling=sampling,
            run_seed=self._settings.run.seed,
            model=text_key,
            part=(len(asked.said), asked.number),
        )

    def prompt_of(self, record: Record, attempt: Attempt, text_key: str) -> Prompt:
        """The request that an attempt of a record was made from, made again from what the record keeps.

        Of a dialogue it is what its first speaker was asked first, under the id of the whole.
        """
        brief = brief_of(record)
        prompt = self.prompt(brief, record.variant, attempt.number, attempt.feedback, attempt.sampling, text_key)
        return whole_prompt(prompt, attempt.turns) if attempt.turns else prompt

    def line_prompts_of(self, record: Record, attempt: Attempt, text_key: str) -> list[tuple[Prompt, Attempt]]:
        """The requests that all tries at the lines of a dialogue were made from, each with its attempt, in order."""
        brief, said, found = brief_of(record), list[str](), list[tuple[Prompt, Attempt]]()
        for _, number, turn in tried(attempt.turns or ()):
            asked = LineAsked(said=[*said], number=number, feedback=attempt.feedback, line_feedback=turn.feedback)
            found.append((self.line_prompt(brief, record.variant, attempt.number, asked, turn.sampling, text_key),
                          turn))
            if stands(turn) and turn.completion.content:
                said.append(turn.completion.content.text)
        return found


def whole_prompt(prompt: Prompt, turns: Sequence[Attempt]) -> Prompt:
    """The request of a whole dialogue: known by those of all that was tried for its lines."""
    return msgspec.structs.replace(prompt, request_id=digest([prompt.request_id, [one.request_id for one in turns]]))


def text_key(model: ModelRef, settings: Settings) -> str:
    """What stands for the model in a request's identity: its files and the arithmetic's precision."""
    return f"{model.digest} {settings.engine.precision}"


def brief_of(record: Record) -> Brief:
    """The brief as it was, from the record that was made of it."""
    return Brief(
        row=record.row,
        id=record.brief_id,
        content_type=record.content_type,
        language=record.language,
        fields=record.brief,
        limits=record.limits,
        source=record.source,
        tone=record.tone,
        audience=record.audience,
    )


def _fenced(brief: Brief) -> list[str]:
    """The brief's fields that may speak to the model."""
    found = find_in(texts_of(brief))
    return [name for name, findings in found.items() if weight(findings) >= WORTH_A_LOOK]


def _describes_form(settings: Settings) -> bool:
    if settings.run.describe_form != "auto":
        return settings.run.describe_form == "yes"
    known = catalogue().get(settings.run.model)
    return known is None or known.parameters >= SMALL_PARAMETERS
