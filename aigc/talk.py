"""Dialogues under way: one attempt at a row, made line by line, each line by the persona whose turn it is.

    a line's request ─▶ completion ─▶ judged ─▶ in the journal ─▶ stands: the other one's turn
                                                               └▶ does not: the same line again, with the reason
    all lines stand  ─▶ the whole is the row's attempt, and is judged as any text is
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from aigc.asking import LineAsked, whole_prompt
from aigc.dialogue import (
    Persona,
    decides,
    fields_of,
    lines_of,
    personas_of,
    places,
    said_by,
    said_in,
    standing,
    stands,
)
from aigc.filters import feedback, judge
from aigc.filters.turns import TurnsFilter, placed
from aigc.hashing import canonical_json
from aigc.job import Job
from aigc.outputs import dialogue_content, read_line
from aigc.records import Attempt, Completion, Limits, Prompt, Span, Verdict
from aigc.rows import Row


@dataclass(slots=True)
class Talk:
    """One attempt at a dialogue of `count` lines."""

    personas: tuple[Persona, Persona]
    count: int
    tries: list[Attempt] = field(default_factory=list)
    """All that was made for its lines, in order."""
    said: list[str] = field(default_factory=list)
    """The lines that stand."""
    number: int = 0
    """Tries at the next line so far."""

    @property
    def speaker(self) -> str:
        return self.personas[len(self.said) % 2].name

    @property
    def tokens_out(self) -> int:
        return sum(turn.completion.tokens_out for turn in self.tries)


class Talks:
    """The dialogues of a run that are being made, by the row that each is for."""

    def __init__(self, job: Job, text_key: str) -> None:
        self._job, self._text_key = job, text_key
        self._under_way: dict[int, Talk] = {}

    def are_for(self, row: Row) -> bool:
        """Whether the row's texts are dialogues."""
        return self._job.packs[row.brief.content_type].type.output.format == "dialogue"

    def advice(self, row: Row) -> list[str]:
        """What the next request tells of the last try at its line."""
        talk = self._under_way[row.order]
        return feedback(talk.tries[-1].verdicts) if talk.number and self._job.settings.run.feedback else []

    def prompt(self, row: Row, advice: list[str]) -> Prompt:
        """The request for the next line, with `advice` on the last attempt at the whole.

        Raises:
            TemplateError: a template fails on this brief, or its personas are none.
        """
        if row.order not in self._under_way:
            output = self._job.packs[row.brief.content_type].type.output
            personas = personas_of(row.brief.fields, output, f"brief {row.brief.id}")
            self._under_way[row.order] = Talk(personas, lines_of(row.brief, output))
        talk = self._under_way[row.order]
        asked = LineAsked(said=[*talk.said], number=talk.number, feedback=advice, line_feedback=self.advice(row))
        sampling = self._job.sampling(row.brief)
        return self._job.asking.line_prompt(row.brief, row.variant, len(row.attempts), asked, sampling, self._text_key)

    def take(self, row: Row, prompt: Prompt, turn: Attempt) -> Attempt:
        """An attempt at the next line, as it is after it was read and judged."""
        talk = self._under_way[row.order]
        output = self._job.packs[row.brief.content_type].type.output
        completion = read_line(turn.completion, output, row.brief.language)
        turn = replace(turn, completion=completion, number=talk.number)
        turn = replace(turn, verdicts=self._verdicts(row, talk, prompt, completion))
        talk.tries.append(turn)
        if stands(turn) and completion.content:
            talk.said.append(completion.content.text)
            talk.number = 0
        else:
            talk.number += 1
        return turn

    def is_over(self, row: Row) -> bool:
        """Whether all lines stand, or the next one cannot be made."""
        talk, run = self._under_way[row.order], self._job.settings.run
        last = talk.tries[-1]
        is_rejected = any(verdict.action == "reject" for verdict in last.verdicts)
        is_out = 0 < run.max_tokens_per_text <= talk.tokens_out + _tokens(row.own_attempts)
        return (len(talk.said) == talk.count or last.completion.fault is not None or is_rejected
                or talk.number >= run.max_attempts or is_out)

    def whole(self, row: Row, advice: list[str]) -> Attempt:
        """The dialogue that is over as the row's next attempt; one that is not complete has the verdict that says so.

        Raises:
            TemplateError: the type's layout fails on it.
        """
        talk, job, brief = self._under_way.pop(row.order), self._job, row.brief
        number, sampling = len(row.attempts), job.sampling(brief)
        prompt = job.asking.prompt(brief, row.variant, number, advice, sampling, self._text_key)
        first, last = talk.tries[0], talk.tries[-1]
        row.messages = prompt.messages
        return Attempt(
            number=number,
            request_id=whole_prompt(prompt, talk.tries).request_id,
            seed=prompt.seed,
            sampling=sampling,
            completion=self._completion(row, talk, whole_prompt(prompt, talk.tries).request_id),
            verdicts=[] if len(talk.said) == talk.count else _unfinished(talk),
            created_at=last.created_at,
            engine=last.engine,
            feedback=advice,
            prompt_commitment=first.prompt_commitment,
            turns=talk.tries,
        )

    def _verdicts(self, row: Row, talk: Talk, prompt: Prompt, completion: Completion) -> list[Verdict]:
        """Of a line alone: what the brief demands of length and keywords it demands of the whole."""
        brief = replace(row.brief, limits=Limits(must_not_mention=row.brief.limits.must_not_mention))
        filters = self._job.filters(brief)
        alone = [item for item in filters if not isinstance(item, TurnsFilter)]
        verdicts = judge(brief, completion, alone, prompt.messages[:2])
        if completion.content is None:
            return verdicts
        said = said_by(talk.personas, [*talk.said, completion.content.text])
        found = (item.of_line(brief, said, [one.name for one in talk.personas])
                 for item in filters if isinstance(item, TurnsFilter))
        return [*verdicts, *filter(None, found)]

    def _completion(self, row: Row, talk: Talk, request_id: str) -> Completion:
        """The dialogue as one completion; its tokens are all that were made for it."""
        said, fault = said_by(talk.personas, talk.said), talk.tries[-1].completion.fault
        pack, visible = self._job.packs[row.brief.content_type], self._job.settings.labels.visible
        content = dialogue_content(said, pack, row.brief.language, visible) if said and not fault else None
        made = [turn.completion for turn in talk.tries]
        logprobs = [turn.completion.logprob for turn in standing(talk.tries)]
        known = [one for one in logprobs if one is not None]
        return Completion(
            request_id=request_id,
            text=canonical_json(fields_of(said)).decode() if content else "",
            finish_reason="error" if fault else "stop",
            tokens_in=sum(one.tokens_in for one in made),
            tokens_out=talk.tokens_out,
            logprob=round(sum(known), 6) if known and len(known) == len(logprobs) else None,
            generate_s=round(sum(one.generate_s for one in made), 4),
            fault=fault,
            content=content,
        )


def with_line_verdicts(attempt: Attempt) -> Attempt:
    """`attempt` with what was said of single lines that stand, where the same was not said of the whole."""
    content = attempt.completion.content
    if not attempt.turns or content is None:
        return attempt
    said, known = said_in(content.fields), {(verdict.filter, verdict.reason) for verdict in attempt.verdicts}
    lines = zip(standing(attempt.turns), said, places(content.text, said), strict=True)
    more = [placed(verdict, at, one.speaker, span) for at, (turn, one, span) in enumerate(lines)
            for verdict in turn.verdicts
            if verdict.action in ("flag", "hold") and (verdict.filter, verdict.reason) not in known]
    return replace(attempt, verdicts=[*attempt.verdicts, *more]) if more else attempt


def _unfinished(talk: Talk) -> list[Verdict]:
    """Why a dialogue ended before its last line. Nothing where it ended by a fault, which says so itself."""
    last, at = talk.tries[-1], len(talk.said)
    if last.completion.fault:
        return []
    failed = [placed(verdict, at, talk.speaker, Span(start=0, end=0)) for verdict in last.verdicts
              if decides([verdict])] if talk.number else []
    times = f"{talk.number} {'try' if talk.number == 1 else 'tries'}"
    message = f"{at} of {talk.count} lines stand." + (f" Line {at + 1} did not pass in {times}." if talk.number else "")
    return [*failed, Verdict(filter=TurnsFilter.name, action="retry", reason="unfinished_dialogue", measured=at,
                             limit=talk.count, message=message)]


def _tokens(attempts: Sequence[Attempt]) -> int:
    return sum(attempt.completion.tokens_out for attempt in attempts)
