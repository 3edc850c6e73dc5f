"""Who has a say in a run beside the filters of a type: the texts it may repeat, the models that judge, its budget.

    find_models, open_published ─▶ what a row's fingerprint covers beside files and settings
    open_panel ─▶ Panel ─▶ Run: `judges` in the loop, `may_make` before each text, `marked` when results are written
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from aigc.batch_filters import FilterModels, find_filter_models, open_batch_filters
from aigc.duplicates import (
    CORPUS,
    CorpusIndex,
    Duplicates,
    Neighbours,
    Records,
    Thresholds,
    is_compared_in_part,
    neighbours,
    with_verdict,
)
from aigc.filters import broken
from aigc.job import Job
from aigc.jury import NOBODY, Judges
from aigc.models import ModelRef
from aigc.records import Brief, Completion, Record, Verdict
from aigc.safety import Unchecked
from aigc.tally import Tally

NEAR_DUPLICATE = "near_duplicate"


@dataclass(frozen=True)
class Panel:
    """`may_make` is why no more texts may be made, nothing while they may. `marked` adds what only all texts show."""

    judges: Judges = NOBODY
    may_make: Callable[[Tally], str] = lambda _: ""
    marked: Callable[[Records], Iterator[Record]] = iter


NO_PANEL = Panel()


class Published:
    """Comparisons of each content type's texts: with their siblings, their run, and what was published before.

    `own_runs` are earlier runs of the sheet: their texts are this run's rows.
    """

    def __init__(
        self, job: Job, corpus: CorpusIndex | None, own_runs: Sequence[str], say: Callable[[str], None] = lambda _: None
    ) -> None:
        self._say = say
        self._by_type = {
            name: Duplicates(thresholds, corpus, own_runs)
            for name in job.packs
            if (thresholds := job.comparison_of(name)) != _OFF
        }

    @property
    def digests(self) -> dict[str, str]:
        """By content type, a digest of what its texts are compared with and how, for the fingerprints of its rows."""
        return {name: found.digest for name, found in self._by_type.items()}

    def compare(self, brief: Brief, completion: Completion, siblings: Sequence[str]) -> Verdict:
        """See `jury.Compare`."""
        found = self._by_type.get(brief.content_type)
        return found.verdict(brief, completion, siblings) if found else Verdict(filter=NEAR_DUPLICATE, action="not_run")

    def marked(self, records: Records) -> Iterator[Record]:
        """`records`, in the sheet's order, each marked where its text is like one before it of the same type.

        How many were not compared with all that may be like them is said at the end.
        """
        seen = defaultdict[str, Neighbours[int]](lambda: neighbours(records))
        partly = 0
        for at, record in enumerate(records):
            found = self._by_type.get(record.content_type)
            marked = _marked(found, records, at, record, seen[record.content_type]) if found else record
            partly += is_compared_in_part(marked)
            yield marked
        if partly:
            self._say(f"near_duplicate: {partly:,} of the texts share so much with so many others that they were "
                      "compared with the likeliest of these alone, and are like none of them. `aigc trace` tells each.")

    @property
    def is_asked(self) -> bool:
        return bool(self._by_type)


def find_models(job: Job, used: Collection[str], say: Callable[[str], None] = lambda _: None) -> FilterModels:
    """The models that judge texts of `used` content types; rows' fingerprints cover their files from here on.

    Raises:
        AigcError: a model that settings name is not here.
    """
    settings, types = job.settings, {name: pack.type for name, pack in job.packs.items()}
    found = find_filter_models(settings.safety, settings.judge, settings.engine, types, used, say)
    job.read_by = {name: digest for name in types if (digest := found.digest_for(name))}
    return found


@contextmanager
def open_published(
    job: Job, own_runs: Sequence[str], say: Callable[[str], None] = lambda _: None
) -> Iterator[Published]:
    """The comparisons of a job; rows' fingerprints cover them from here on. The corpus is read as it is now.

    `say` is told where the settings name a corpus and none is there.

    Raises:
        StoreError: the corpus cannot be read.
    """
    folder = Path(job.settings.run.corpus)
    with ExitStack() as stack:
        corpus = stack.enter_context(CorpusIndex.read(folder)) if folder.exists() else None
        if not corpus and folder != CORPUS:
            say(f"run.corpus: no texts in {folder}, so nothing is compared with what was published before.")
        published = Published(job, corpus, own_runs, say)
        job.compared_with = published.digests
        yield published


@contextmanager
def open_panel(
    job: Job,
    writer: ModelRef,
    found: FilterModels,
    published: Published,
    may_make: Callable[[Tally], str] = lambda _: "",
) -> Iterator[Panel]:
    """All who judge the job's texts. Models are loaded at the first text that comes to them, and released at the end.

    Raises:
        ModelError: the model of [safety] is no classifier.
    """
    settings, types = job.settings, {name: pack.type for name, pack in job.packs.items()}
    filters = open_batch_filters(settings.safety, settings.engine, writer, found, types)
    with ExitStack() as stack:
        for item in filters:
            stack.callback(item.close)
        judges = Judges(
            compare=published.compare if published.is_asked else None,
            batch_filters=[item for item in filters if not isinstance(item, Unchecked)],
            at_once=[item for item in filters if isinstance(item, Unchecked)],
        )
        yield Panel(judges, may_make, published.marked)


def _marked(found: Duplicates, records: Records, at: int, record: Record, seen: Neighbours[int]) -> Record:
    """The record, marked; held where that fails: nobody has compared it, and results must not wait."""
    try:
        return found.marked(records, at, record, seen)
    except Exception as exc:  # noqa: BLE001 - all records are made by now
        attempt = record.attempt
        return with_verdict(record, broken(NEAR_DUPLICATE, exc, attempt.request_id if attempt else ""))


_OFF = Thresholds(action="off", elsewhere="off")
