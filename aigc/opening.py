"""A run as it is opened: its run.json for a new session, its journal, and what the sessions before this one took."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from aigc.errors import RunLocked, StoreError, writable
from aigc.job import Job
from aigc.models import ModelRef
from aigc.provenance import AdapterFacts, FileFacts, ModelFacts, RunFacts, RunFile, now, versions
from aigc.records import Value
from aigc.report import counted
from aigc.sessions import Session, SessionEnd, sessions_of_old
from aigc.store import Store


class _Completion(Value, frozen=True):
    tokens_in: int = 0
    tokens_out: int = 0
    generate_s: float = 0.0


class _Attempt(Value, frozen=True):
    """Of an attempt what tells of time and tokens; a dialogue's has one for each line."""

    request_id: str
    created_at: str
    completion: _Completion
    turns: list[_Attempt] = []


class _Line(Value, frozen=True):
    """A line of a journal: a row that is settled, or an attempt at one."""

    brief_id: str
    variant: int
    outcome: str = ""
    taken_from: str = ""
    attempts: list[_Attempt] = []
    attempt: _Attempt | None = None

    @property
    def made(self) -> list[_Attempt]:
        whole = [*self.attempts, *([self.attempt] if self.attempt else [])]
        return [one for attempt in whole for one in attempt.turns or [attempt]]


def new_run_file(
    job: Job, model: ModelRef, store: Store, same: RunFacts | None, earlier: Sequence[RunFacts]
) -> RunFile:
    """run.json as a session begins: of a new run, or of `same`, which it goes on with."""
    session_at = now()
    return RunFile(
        run_id=store.folder.name,
        status="running",
        briefs=writable(job.briefs.resolve()),
        job=job.digest(model),
        settings=job.settings,
        limit=job.limit,
        judged_run=job.judged_run,
        redo_of=job.redo_of,
        policy_override=job.override,
        model=model_facts(model),
        started_at=same.started_at if same else session_at,
        session_at=session_at,
        engines={name: info for run in earlier for name, info in run.engines.items()},
        inputs=[_facts(path, found) for path, found in job.inputs.items()],
        templates={name: pack.type.digest for name, pack in job.packs.items()},
        versions=versions(),
        sessions=[*(_sessions_before(same, store) if same else []), Session(began_at=session_at)],
    )


def reopened(folder: Path, say: Callable[[str], None]) -> Store | None:
    """The journal of a run to go on with; None where it is lost, so that its rows are made in a new folder."""
    try:
        store = Store.open(folder)
    except RunLocked:
        raise
    except StoreError as exc:
        say(f"{exc} A new run is started.")
        return None
    if store.torn_bytes:
        say("journal: the last line was torn and is dropped; its text is made again")
    if store.damaged:
        say(f"journal: {counted(len(store.damaged), 'damaged line')} left out; what they held is made again")
    return store


def model_facts(model: ModelRef) -> ModelFacts:
    adapter = None
    if added := model.adapter:
        path = writable(added.path.resolve())
        adapter = AdapterFacts(path=path, digest=added.digest, base_digest=added.base_digest)
    return ModelFacts(
        ref=model.ref, digest=model.digest, licence=model.licence, languages=model.languages, adapter=adapter,
        files=model.files,
    )


def _facts(path: Path, found: str) -> FileFacts:
    return FileFacts(path=writable(path), digest=found, bytes=path.stat().st_size)


def _sessions_before(same: RunFacts, store: Store) -> list[Session]:
    """The sessions of a run that is gone on with. One that could not tell its end is read from the journal."""
    last = Session(began_at=same.session_at or same.started_at)
    told = same.sessions or sessions_of_old(same.started_at, last)
    if told[-1].ended:
        return told
    stopped: dict[str, SessionEnd] = {"interrupted": "interrupted", "failed": "failed"}
    ended = stopped.get(same.status, "killed")  # it says `running` still, and nobody holds its lock
    return [*told[:-1], left_in_journal(store, msgspec.structs.replace(told[-1], ended=ended))]


def left_in_journal(store: Store, session: Session) -> Session:
    """What a session did, by the texts that it left: from its beginning to the last of them."""
    made, settled = dict[str, _Attempt](), dict[tuple[str, int], str]()
    try:
        for line in store.bodies(_Line):
            own = {one.request_id: one for one in line.made if one.created_at >= session.began_at}
            if own and not line.taken_from:
                made.update(own)
                if line.outcome:
                    settled[line.brief_id, line.variant] = line.outcome
    except StoreError:  # rows in another form, which this version does not take over either
        made.clear()
    if not made:
        return msgspec.structs.replace(session, is_known=False)
    began_s = _seconds(session.began_at)
    first_s = min(_seconds(one.created_at) - one.completion.generate_s for one in made.values())
    generate_s = _seconds(max(one.created_at for one in made.values())) - began_s
    return msgspec.structs.replace(
        session,
        texts=len(settled),
        accepted=sum(outcome == "accepted" for outcome in settled.values()),
        attempts=len(made),
        tokens_in=sum(one.completion.tokens_in for one in made.values()),
        tokens_out=sum(one.completion.tokens_out for one in made.values()),
        generate_s=round(generate_s, 3),
        start_s=round(min(generate_s, max(0.0, first_s - began_s)), 3),
        is_known=True,
    )


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
