"""`aigc trace`: the story of one row, from its brief to what became of it, with what proves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, TypeAlias

from aigc.cells import cell_text
from aigc.decided import History, history_of
from aigc.dialogue import tried
from aigc.errors import AigcError
from aigc.past import Past, find_record
from aigc.provenance.commitments import SECRET, read_commitments
from aigc.provenance.manifest import manifest_digest
from aigc.provenance.merkle import inclusion_proof, is_included, leaf_hash
from aigc.provenance.stamps import leaf_entry, told_leaf
from aigc.records import PASSING, Attempt, EngineInfo, Message, Prompt, Value, Verdict
from aigc.review.ledger import Entry
from aigc.stamped import Stamped

Proof: TypeAlias = Literal["proved", "made again", "not to be had"]


class Asked(Value, frozen=True):
    """What the model was asked for an attempt. `proof` is `proved` where the run's commitment holds for it."""

    proof: Proof
    why: str
    messages: list[Message] = []


class Turn(Value, frozen=True):
    """A try at a line of a dialogue, both counted from 0: it is one of the attempt's `turns`, in their order."""

    line: int
    number: int
    asked: Asked


class Step(Value, frozen=True):
    """One attempt with what it was asked and what made it. Of a dialogue that is what was asked first, and `turns`."""

    attempt: Attempt
    asked: Asked
    engine: EngineInfo | None
    turns: list[Turn] = []


class Membership(Value, frozen=True):
    """That the row is one of the run's: its leaf, and the hashes beside its way to the manifest's root (RFC 6962)."""

    row: int
    rows: int
    leaf: str
    entry: str
    """The JSON of which the leaf is the digest, so that whoever is given this can make the leaf by himself; nothing
    where the row was forgotten."""
    path: list[str]
    root: str
    holds: bool
    forgotten: bool = False
    """Whether the manifest tells that the row's texts were removed: then its leaf is proved, and nothing else of it."""


class Trace(Value, frozen=True):
    """All there is to know about one row."""

    run_id: str
    folder: str
    row: Stamped
    steps: list[Step]
    membership: Membership
    manifest: str
    model_licence: str
    history: History = History()
    """What editors decided on its texts, also on those that were refused and made again."""


def trace(
    out: Path, name: str, run: str | None = None, say: Callable[[str], None] = lambda _: None, secret: Path = SECRET
) -> Trace:
    """The story of the row that `name` means.

    Raises:
        UsageError: no run has it.
        StoreError: the run that has it cannot be read.
    """
    past, place, row = find_record(out, name, run, say)
    return Trace(
        run_id=past.run.run_id,
        folder=str(past.folder),
        row=row,
        steps=[_step_of(past, row, one, secret) for one in row.record.attempts],
        membership=_membership(past, place, row),
        manifest=manifest_digest(past.manifest_bytes),
        model_licence=past.run.model.licence,
        history=history_of(past.folder, row.record),
    )


def _step_of(past: Past, row: Stamped, attempt: Attempt, secret: Path) -> Step:
    engine = past.run.engines.get(attempt.engine)
    try:
        prompt, tries = past.prompt_of(row, attempt), past.tries_of(row, attempt)
    except AigcError as exc:
        return Step(attempt=attempt, asked=Asked(proof="not to be had", why=str(exc)), engine=engine)
    turns = [Turn(line=line, number=number, asked=_asked(asked, turn, secret))
             for (line, number, _), (asked, turn) in zip(tried(attempt.turns or ()), tries, strict=True)]
    return Step(attempt=attempt, asked=_asked(prompt, attempt, secret), engine=engine, turns=turns)


def _asked(prompt: Prompt, attempt: Attempt, secret: Path) -> Asked:
    commitments = read_commitments(secret)
    if not attempt.prompt_commitment or commitments is None:
        why = f"no secret at {secret}" if attempt.prompt_commitment else "the run made no commitment"
        return Asked(proof="made again", why=f"its request id agrees; {why}", messages=prompt.messages)
    if commitments.holds(attempt.prompt_commitment, prompt.messages):
        return Asked(proof="proved", why="by the run's commitment", messages=prompt.messages)
    why = "its request id agrees, but the commitment is of another prompt or another project's secret"
    return Asked(proof="made again", why=why, messages=prompt.messages)


def _membership(past: Past, place: int, row: Stamped) -> Membership:
    beside = [told_leaf(leaf) for leaf in past.leaves()]
    path, root = inclusion_proof(beside, place), past.manifest.rows.merkle_root
    is_forgotten = any(place in one.rows for one in past.manifest.forgotten)
    entry = b"" if is_forgotten else leaf_entry(row.record, row.provenance)
    own = beside[place] if is_forgotten else leaf_hash(entry)
    return Membership(
        row=place + 1,
        rows=len(beside),
        leaf=row.leaf or "",
        entry=entry.decode(),
        path=[step.hex() for step in path],
        root=root,
        holds=own == beside[place] and is_included(own, place, len(beside), path, told_leaf(root)),
        forgotten=is_forgotten,
    )


def page(found: Trace) -> Iterator[str]:
    """The trace as lines for people."""
    record, made = found.row.record, found.row.provenance
    yield f"Record {record.record_id or '(without an id)'}"
    kind = f"{record.content_type} in {record.language}"
    yield f"  {record.outcome}, variant {record.variant} of brief {record.brief_id}, {kind}"
    yield f"  run {found.run_id}" + (f", taken over from {record.taken_from}" if record.taken_from else "")
    yield f"  row {found.membership.row:,} of {found.membership.rows:,}; " + _membership_line(found.membership)
    yield ""
    yield f"Brief, {record.source.file} line {record.source.line}"
    for name, value in {**record.brief, "tone": record.tone, "audience": record.audience}.items():
        if value not in ("", None, []):
            yield f"  {name}: {_one_line(', '.join(map(str, value)) if isinstance(value, list) else str(value))}"
    yield ""
    yield f"Model {made.model}" + (f", {found.model_licence}" if found.model_licence else "")
    yield f"  {made.model_digest}"
    yield f"Templates {made.template}"
    for step in found.steps:
        yield ""
        yield from _step(step, is_chosen=record.chosen == step.attempt.number)
        for judged in found.history.decisions:
            if judged.after == step.attempt.number + 1:
                yield ""
                yield from _decision(judged.entry)
    for digest in found.history.not_here:
        yield f"It was made again upon {digest}, a decision of a ledger that is not here."
    if found.history.state:
        yield ""
        by = f": the final word of {found.history.final}" if found.history.final else ""
        yield f"By what editors decided, it stands {found.history.state.replace('_', ' ')}{by}."
    for error in record.errors:
        yield ""
        yield error.message


def _step(step: Step, *, is_chosen: bool) -> Iterator[str]:
    attempt, completion = step.attempt, step.attempt.completion
    chosen = ", which stands for the row" if is_chosen else ""
    yield f"Attempt {attempt.number + 1}{chosen}: {attempt.created_at}, seed {attempt.seed}"
    if step.engine:
        facts = (step.engine.device, step.engine.dtype, f"{step.engine.slots} slots")
        yield f"  made by the {step.engine.engine} engine: " + ", ".join(filter(None, facts))
    yield f"  {completion.tokens_in:,} tokens in, {completion.tokens_out:,} out, ended by {completion.finish_reason}"
    for turn, made in zip(step.turns, attempt.turns or (), strict=False):
        yield from _turn(turn, made)
    if not step.turns:
        yield from _request(step.asked)
    if completion.fault:
        yield f"  no text: {completion.fault.code}, {completion.fault.found}"
    else:
        yield "  all lines together" if step.turns else "  answered"
        yield from (f"    {line}" for line in (completion.content or completion).text.splitlines())
    yield from map(_verdict, (verdict for verdict in attempt.verdicts if verdict.action not in PASSING))
    passed = [verdict for verdict in attempt.verdicts if verdict.action == "pass"]
    if passed:
        yield f"  passed: {', '.join(dict.fromkeys(verdict.filter for verdict in passed))}"
    yield from (f"    {verdict.filter}: {verdict.message}" for verdict in passed if verdict.message)


def _request(asked: Asked) -> Iterator[str]:
    yield f"  asked ({asked.proof}: {asked.why})"
    for message in asked.messages:
        yield f"    {message.role}:"
        yield from (f"      {line}" for line in message.content.splitlines())


def _turn(turn: Turn, made: Attempt) -> Iterator[str]:
    """A try at a line of a dialogue: what was asked, what came, and what was wrong with it."""
    again = f", try {turn.number + 1}" if turn.number else ""
    yield f"  Line {turn.line + 1}{again}: {made.created_at}, seed {made.seed}"
    yield from (f"  {line}" for line in _request(turn.asked))
    fault = made.completion.fault
    yield f"    no text: {fault.code}, {fault.found}" if fault else "    answered"
    if not fault:
        yield from (f"      {line}" for line in (made.completion.content or made.completion).text.splitlines())
    yield from (f"  {_verdict(verdict)}" for verdict in made.verdicts if verdict.action not in PASSING)


def _decision(entry: Entry) -> Iterator[str]:
    decision = entry.decision
    reason = f", {decision.reason}" if decision.reason else ""
    what = "Final word" if decision.final else "Decision"
    yield f"{what} of {decision.editor}: {decision.verb}{reason}, {decision.at}"
    yield f"  in run {decision.run_id}, from {entry.source}, {entry.digest}"
    if decision.note:
        yield f"  note: {_one_line(decision.note)}"
    edited = {"text": decision.text} if decision.text else decision.fields
    for name, value in edited.items():
        yield f"  {name} as edited"
        yield from (f"    {line}" for line in cell_text(value).splitlines())


def _verdict(verdict: Verdict) -> str:
    return f"  {verdict.action} by {verdict.filter}: {verdict.reason}. {_one_line(verdict.message)}".rstrip()


def _membership_line(membership: Membership) -> str:
    if membership.holds and membership.forgotten:
        return "forgotten, and its leaf proved to be one of the run's by its manifest"
    if membership.holds:
        return "proved to be one of the run's by its manifest"
    return "NOT as the manifest states: `aigc verify` tells more"


def _one_line(text: str) -> str:
    return " ".join(text.split())
