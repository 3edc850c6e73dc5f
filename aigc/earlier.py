"""What earlier runs of the same sheet have made: which runs those are, and their rows, found where they are needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from aigc.errors import StoreError, writable
from aigc.job import Job
from aigc.models import ModelRef
from aigc.provenance import RunFacts, RunFile, read_run, runs
from aigc.provenance.manifest import SIGNATURE
from aigc.records import UNFINISHED, UNFINISHED_REASONS, Attempt, Record
from aigc.store import Store

MOST_RUNS = 200
MOST_LINES = 4_000_000
"""Where the search in earlier runs ends: each keeps a file open, each line of a journal about 160 bytes in memory."""


def runs_of_sheet(job: Job, say: Callable[[str], None]) -> list[RunFacts]:
    """Runs of the job's sheet under its output folder, newest first.

    The file's name is enough: a project may have been moved, and fingerprints decide what fits.
    """
    return [run for run in runs(Path(job.settings.run.out), say) if Path(run.briefs).name == writable(job.briefs.name)]


def own_runs(job: Job) -> list[str]:
    """Names of the runs whose texts are this sheet's own rows, and so nothing that they may not be like.

    Those of the same path, or of the same bytes, or of bytes that once stood at that path: a sheet may have been
    edited since, moved or copied. The name alone is not enough: another customer's sheet may have it too.
    """
    path, made = writable(job.briefs.resolve()), runs(Path(job.settings.run.out))
    known = {tuple(sorted(job.inputs.values())), *(_digests(run) for run in made if run.briefs == path)}
    return [run.run_id for run in made if run.briefs == path or (run.inputs and _digests(run) in known)]


def _digests(run: RunFacts) -> tuple[str, ...]:
    return tuple(sorted(file.digest for file in run.inputs))


def same_results(job: Job, model: ModelRef, earlier: list[RunFacts]) -> tuple[Path, RunFile] | None:
    """The newest finished run of `earlier` that holds exactly what this job would make, and its folder."""
    wanted, out = job.digest(model), Path(job.settings.run.out)
    for run in earlier:
        if run.status == "finished" and run.job == wanted and not _is_unfinished(run):
            if job.settings.signing.enabled and not (out / run.run_id / SIGNATURE).is_file():
                continue  # its rows are taken over into a run that is signed
            try:
                return out / run.run_id, read_run(out / run.run_id)
            except StoreError:  # of another version of aigc: its rows can be taken over all the same
                continue
    return None


def _is_unfinished(run: RunFacts) -> bool:
    """Whether a finished run has rows that the next one makes, makes more for, or judges again."""
    return any(map(run.outcomes.get, UNFINISHED)) or any(map(run.reasons.get, UNFINISHED_REASONS))


def unfinished(job: Job, model: ModelRef, earlier: list[RunFacts]) -> RunFacts | None:
    """The run to go on with in its own folder: the newest that was asked for the same, where it did not finish.

    The same is sheet, rows, variants and model: a trial must not end as the big run that was interrupted before it.
    Nor does a run end as a judging of earlier texts, or as one that makes refused ones again, or the other way round.
    """
    asked = (writable(job.briefs.resolve()), job.limit, job.settings.run.variants, model.digest, job.judged_run,
             job.redo_of)
    for run in earlier:
        made = (run.briefs, run.limit, run.settings.run.variants, run.model.digest, run.judged_run, run.redo_of)
        if made == asked:
            return None if run.status == "finished" else run
    return None


class Earlier:
    """Rows and attempts of earlier runs, newest first. A journal is opened when no newer one has a row."""

    def __init__(self, folders: Iterable[Path], say: Callable[[str], None] = lambda _: None) -> None:
        self._folders, self._say = deque(folders), say
        self._stores: list[Store] = []
        self._opened = self._lines = 0

    def find(
        self, brief_id: str, variant: int, fingerprint: str, *, unfinished_too: bool = False
    ) -> Record | None:
        """The newest record with this fingerprint that is not unfinished; `taken_from` names the run that made it."""
        for store in self._each():
            try:
                record = store.find(brief_id, variant, fingerprint)
            except StoreError as exc:
                self._leave(store, exc)
                continue
            if record and (unfinished_too or not record.is_unfinished):
                return msgspec.structs.replace(record, taken_from=record.taken_from or store.run_id)
        return None

    def attempts(self, brief_id: str, variant: int) -> dict[str, Attempt]:
        """Every attempt ever made for the row that has a text, by request id; the newest of each."""
        found: dict[str, Attempt] = {}
        for store in self._each():
            try:
                made = store.attempts(brief_id, variant)
            except StoreError as exc:
                self._leave(store, exc)
                continue
            found = {**{name: attempt for name, attempt in made.items() if not attempt.completion.fault}, **found}
        return found

    def close(self) -> None:
        for store in self._stores:
            store.close()

    def _each(self) -> Iterator[Store]:
        yield from [*self._stores]
        while self._folders:
            if self._opened >= MOST_RUNS or self._lines >= MOST_LINES:
                older = "1 older run is" if len(self._folders) == 1 else f"{len(self._folders):,} older runs are"
                self._say(f"{older} not looked through: the newer ones fill the memory.")
                self._folders.clear()
                return
            folder = self._folders.popleft()
            try:
                store = Store.read(folder)
            except StoreError as exc:
                self._tell(exc)
                continue
            self._stores.append(store)
            self._opened, self._lines = self._opened + 1, self._lines + store.lines
            yield store

    def _leave(self, store: Store, exc: StoreError) -> None:
        self._stores.remove(store)
        store.close()
        self._tell(exc)

    def _tell(self, exc: StoreError) -> None:
        self._say(f"{exc} Nothing is taken over from this run.")
