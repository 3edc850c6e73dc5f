"""What proves a run: a stamp beside each row, and at the end a manifest over all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from aigc.dataset import write_descriptions
from aigc.disk import write_atomically
from aigc.errors import StoreError
from aigc.filters import files_digest
from aigc.hashing import digest, digest_file
from aigc.job import Job
from aigc.models import ModelRef
from aigc.provenance import FileFacts, RunFacts, RunFile
from aigc.provenance.environment import CodeFacts, Environment, code_facts, environment
from aigc.provenance.manifest import (
    MANIFEST,
    SIGNATURE,
    SUMS,
    Decided,
    Forgotten,
    Level,
    Manifest,
    Previous,
    Rows,
    encode_manifest,
    kept_name,
    manifest_digest,
    signature_of,
    sums,
)
from aigc.provenance.stamps import GENERATED, Stamper
from aigc.records import EngineInfo, Value
from aigc.report import report
from aigc.review.ledger_head import read_head
from aigc.settings import Settings
from aigc.store import JOURNAL

if TYPE_CHECKING:
    from aigc.signing import Signer

REPORT = "report.md"


def open_stamper(job: Job, model: ModelRef, run_id: str, engines: Mapping[str, EngineInfo]) -> Stamper:
    """The stamps of a run's rows."""
    filters = {name: _filters_digest(job, name) for name in job.packs}
    return Stamper(run_id=run_id, model=model.ref, model_digest=model.digest, filters=filters, engines=engines,
                   hidden_label=job.settings.labels.hidden)


def stamper_of(manifest: Manifest) -> Stamper:
    """The stamps of a finished run, as they were."""
    run, model = manifest.run, manifest.run.model
    return Stamper(run_id=run.run_id, model=model.ref, model_digest=model.digest, filters=manifest.filters,
                   engines=run.engines, hidden_label=run.settings.labels.hidden)


class Sealed(Value, frozen=True):
    """What a manifest states beside run.json and the files: see `Manifest` for each."""

    rows: Rows
    filters: dict[str, str]
    columns: list[str]
    previous: Previous | None = None
    supersedes: list[str] = []
    forgotten: list[Forgotten] = []
    code: CodeFacts | None = None
    """Of a run that was made before: what made it. None for what makes it now."""
    environment: Environment | None = None


def sealed_by(stamper: Stamper, columns: Sequence[str], folder: Path, others: Sequence[RunFacts]) -> Sealed:
    """The statement on a run whose rows `stamper` has stamped. `others` are the runs beside it, newest first."""
    return Sealed(
        rows=Rows(count=stamper.tree.leaves, merkle_root=stamper.tree.root.hex()),
        filters=dict(stamper.filters),
        columns=list(columns),
        previous=_previous(folder, others),
    )


def seal(folder: Path, run: RunFile, sealed: Sealed, signer: Signer | None = None) -> RunFile:
    """Write report and manifest of a run whose results are in place. Returns its run.json, which names the manifest.

    A `signer` signs every file that the manifest tells, then the manifest.

    Raises:
        StoreError: the disk refused.
        SigningError: the signer did not sign.
    """
    run = msgspec.structs.replace(run, status="finished", manifest="")
    write_atomically(folder / REPORT, lambda file: file.write(report(run).encode()))
    files = [_facts(folder / JOURNAL), _facts(folder / REPORT), *write_descriptions(run, folder)]
    manifest = Manifest(
        run=run,
        code=sealed.code or code_facts(),
        environment=sealed.environment or environment(run.versions),
        rows=sealed.rows,
        reproducible=_level(run),
        filters=sealed.filters,
        columns=sealed.columns,
        files=[*files, *_kept(folder, len(sealed.supersedes)),
               *_sidecars(folder, run, [*run.outputs, *files[1:]], signer)],
        previous=sealed.previous,
        supersedes=sealed.supersedes,
        forgotten=sealed.forgotten,
    )
    data = encode_manifest(manifest)
    write_atomically(folder / MANIFEST, lambda file: file.write(data))
    if signer:
        signature = signer.sign_bytes(data)
        write_atomically(folder / SIGNATURE, lambda file: file.write(signature))
    listed = sums(manifest, manifest_digest(data))
    write_atomically(folder / SUMS, lambda file: file.write(listed))
    return msgspec.structs.replace(run, manifest=manifest_digest(data))


def open_run_signer(settings: Settings) -> Signer | None:
    """Who signs a run, where settings ask for it: the user's own, never those that a run's folder holds.

    Raises:
        SettingsError: the signer cannot be used.
    """
    if not settings.signing.enabled:
        return None
    from aigc.signing import open_signer

    return open_signer(settings.signing)


def _sidecars(folder: Path, run: RunFile, files: Sequence[FileFacts], signer: Signer | None) -> list[FileFacts]:
    """A C2PA sidecar beside each file; none beside one without a byte, which C2PA cannot sign."""
    if signer is None:
        return []
    from aigc.signing import AssetFacts

    facts = AssetFacts(run_id=run.run_id, digital_source_type=GENERATED, model=run.model.ref,
                       model_digest=run.model.digest, created_at=run.finished_at)
    written = (signer.sign_file(folder / file.path, facts) for file in files)
    return [_facts(path) for path in written if path]


def _kept(folder: Path, count: int) -> list[FileFacts]:
    """The manifests before this one, with their signatures."""
    names = [kept_name(number) for number in range(1, count + 1)]
    paths = [folder / name for kept in names for name in (kept, signature_of(kept))]
    return [_facts(path) for path in paths if path.is_file()]


def _level(run: RunFile) -> Level:
    engines = run.engines.values()
    return "bytes" if all(engine.engine != "openai" and engine.batch_invariant for engine in engines) else "inputs"


def _previous(folder: Path, others: Sequence[RunFacts]) -> Previous | None:
    """The newest finished run but this one that has a manifest."""
    for other in others:
        path = folder.parent / other.run_id / MANIFEST
        if other.run_id != folder.name and other.status == "finished" and path.is_file():
            return Previous(run_id=other.run_id, manifest=digest_file(path), decisions=_decided(path.parent))
    return None


def _decided(folder: Path) -> Decided:
    """How far the decisions on a run go now. A head that cannot be read is that run's own trouble, and no witness."""
    try:
        head = read_head(folder)
    except StoreError:
        return Decided()
    return Decided(lines=head.lines, digest=head.digest) if head else Decided()


def _facts(path: Path) -> FileFacts:
    return FileFacts(path=path.name, digest=digest_file(path), bytes=path.stat().st_size)


def _filters_digest(job: Job, name: str) -> str:
    """Digest of all that judges texts of a content type: thresholds, word lists, models, texts to compare with."""
    settings = job.settings
    tables = settings.filters_for(name, job.packs[name].type.filters)
    beside = (job.compared_with.get(name, ""), job.read_by.get(name, ""))
    return digest([tables, files_digest(job.filters_of(name)), settings.safety, settings.judge, *beside])
