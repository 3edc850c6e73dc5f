"""A run as it is opened: its run.json for a new session, its journal, and what the sessions before this one took."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
    left = _Left(session.began_at)
    try:
        for line in store.bodies(_Line):
            left.add(line)
    except StoreError:  # rows in another form, which this version does not take over either
        return msgspec.structs.replace(session, is_known=False)
    if not left.attempts:
        return msgspec.structs.replace(session, is_known=False)
    began_s = _seconds(session.began_at)
    generate_s = _seconds(left.last_at) - began_s
    return msgspec.structs.replace(
        session,
        texts=left.texts,
        accepted=left.accepted,
        attempts=left.attempts,
        tokens_in=left.tokens_in,
        tokens_out=left.tokens_out,
        generate_s=round(generate_s, 3),
        start_s=round(min(generate_s, max(0.0, left.first_s - began_s)), 3),
        is_known=True,
    )


@dataclass
class _Left:
    """Counts of a session's lines. `first_s` is when its first text was begun, `last_at` when its last one came."""

    began_at: str
    texts: int = 0
    accepted: int = 0
    attempts: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    first_s: float = math.inf
    last_at: str = ""
    _open: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    """Requests of rows that are not settled yet: the line that settles one has them once more."""

    def add(self, line: _Line) -> None:
        own = [one for one in line.made if one.created_at >= self.began_at]
        if not own or line.taken_from:
            return
        row = line.brief_id, line.variant
        known = self._open.pop(row, set()) if line.outcome else self._open.setdefault(row, set())
        for one in own:
            if one.request_id not in known:
                self._count(one)
        if line.outcome:
            self.texts += 1
            self.accepted += line.outcome == "accepted"
        else:
            known.update(one.request_id for one in own)

    def _count(self, one: _Attempt) -> None:
        self.attempts += 1
        self.tokens_in += one.completion.tokens_in
        self.tokens_out += one.completion.tokens_out
        self.first_s = min(self.first_s, _seconds(one.created_at) - one.completion.generate_s)
        self.last_at = max(self.last_at, one.created_at)


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
