"""What the model is asked for a brief: one way for a run, and for whoever looks at a record or makes it again."""

from __future__ import annotations

from collections.abc import Sequence

from aigc.injection import WORTH_A_LOOK, find_in, texts_of, weight
from aigc.models import ModelRef, catalogue
from aigc.packs import Packs
from aigc.prompts import make_prompt, render
from aigc.records import Attempt, Brief, Message, Prompt, Record, Sampling
from aigc.settings import Settings

SMALL_PARAMETERS = 300_000_000
"""Below this many parameters a model copies the description of its answer's form instead of following it."""


class Asking:
    """Messages and prompts by the settings and template packs of a run."""

    def __init__(self, settings: Settings, packs: Packs) -> None:
        self._settings, self._packs = settings, packs
        self.describe_form = _describes_form(settings)

    def messages(self, brief: Brief, feedback: Sequence[str] = ()) -> list[Message]:
        """The exact messages that the model gets for `brief`, with what was wrong with its last attempt.

        Raises:
            TemplateError: the template fails on this brief.
        """
        fenced = _fenced(brief) if self._settings.input.injection in ("quarantine", "fence") else []
        return render(brief, self._packs, feedback, describe_form=self.describe_form, fenced=fenced)

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

    def prompt_of(self, record: Record, attempt: Attempt, text_key: str) -> Prompt:
        """The request that an attempt of a record was made from, made again from what the record keeps."""
        brief = brief_of(record)
        return self.prompt(brief, record.variant, attempt.number, attempt.feedback, attempt.sampling, text_key)


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
