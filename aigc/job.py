"""A job: a sheet, the settings and all that they name, opened and checked before the first token is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path

from msgspec.structs import replace

from aigc import __version__
from aigc.again import Again, Redo
from aigc.asking import Asking, text_key
from aigc.briefs import BriefSheet, read_briefs
from aigc.dialogue import lines_of
from aigc.duplicates import Thresholds
from aigc.errors import UsageError, nearest, shown, writable
from aigc.filters import Filter, build_filters, build_thresholds, files_digest
from aigc.forbidden import Forbidden
from aigc.hashing import canonical_json, digest, digest_bytes, digest_file
from aigc.models import ModelRef
from aigc.packs import Packs, load_packs
from aigc.policy import Mentions, Objection, Override, objections, tokens_at_most
from aigc.records import Brief, InvalidRow, Message, RowError, Sampling, Value
from aigc.safety.kinds import check_settings
from aigc.settings import FilterTables, Settings
from aigc.settings_ranges import check_sampling
from aigc.watermark import open_mark, refuse_certainty

SHIPPED = Path(__file__).parent / "shipped"
_REPOSITORY = Path(__file__).parent.parent
ERRORS_KEPT = 1000
"""Row errors that a survey keeps to show; all are in the results."""


class Survey(Value, frozen=True):
    """What a first reading of the whole sheet found."""

    briefs: int
    requests: int
    """Rows of the results that need text: briefs × variants."""
    invalid: int
    skipped: int
    languages: list[str]
    types: dict[str, int]
    """Requests by content type."""
    errors: list[RowError]
    error_count: int
    lines: dict[str, int] = {}
    """Lines that dialogues are asked for, by content type."""
    mentions: list[Mentions] = []
    """Terms that the policy forbids, and where they stand."""


class Job:
    """Everything a run works with except the engine. `limit` stops after that many rows of the sheet."""

    def __init__(self, briefs: Path, settings: Settings, *, limit: int | None = None) -> None:
        self._templates = templates_folder(settings.run.templates)
        self.briefs, self.settings, self.limit = briefs, _with_templates(settings, self._templates), limit
        self.packs: Packs = load_packs(self._templates)
        self.sheet: BriefSheet = read_briefs(briefs, self.packs.types, settings.input, variants=settings.run.variants)
        self._refuse_unknown_types()
        check_settings(settings.safety)
        for pack in self.packs.values():
            place = f"{pack.folder}/template.toml"
            build_filters(pack.type.filters, place, self._templates)
            _comparison(pack.type.filters, place)
        self._filters = {name: self._filters_of(name) for name in self.packs}
        self._comparisons = {name: self._comparison_of(name) for name in self.packs}
        self.mark = open_mark(settings.watermark, settings.engine.name)
        """The watermark that texts are given, if they are. It holds a secret."""
        self._sampling = {name: self._sampling_of(name) for name in self.packs}
        for name, sampling in self._sampling.items():
            check_sampling(sampling, f"settings of content type {name}")

        self.asking = Asking(self.settings, self.packs)
        self.override: Override | None = None
        """By whom and why the policy is set aside for this run, where it is."""
        self.compared_with: dict[str, str] = {}
        """By content type, a digest of the texts that its texts are compared with, where they are."""
        self.read_by: dict[str, str] = {}
        """By content type, a digest of the models that judge its texts, where they are not the one that writes them."""
        self.judged_run = ""
        """The run whose texts are judged again, where none is to be made."""
        self.redo: Redo | None = None
        """Rows that are made again because an editor refused their text, where there are such."""

    def _refuse_unknown_types(self) -> None:
        settings = self.settings
        named = [*((name, f"table types.{name}") for name in settings.types),
                 *((name, f"setting policy.content_types, {shown(name)}") for name in settings.policy.content_types)]
        for name, place in named:
            if name not in self.packs:
                raise UsageError(
                    place,
                    "no such content type",
                    "one of " + ", ".join(self.packs),
                    f"Correct the name in aigc.toml.{nearest(name, [*self.packs])}",
                )

    def _filters_of(self, name: str) -> tuple[Filter, ...]:
        tables = self.settings.filters_for(name, self.packs[name].type.filters)
        filters = build_filters(tables, f"settings of content type {name}", self._templates)
        left_out = {"injection"} if self.settings.input.injection == "off" else set[str]()
        left_out |= set() if self.packs[name].type.output.format == "dialogue" else {"turns"}
        return tuple(item for item in filters if item.name not in left_out)

    def _comparison_of(self, name: str) -> Thresholds:
        tables = self.settings.filters_for(name, self.packs[name].type.filters)
        return _comparison(tables, f"settings of content type {name}")

    def messages(self, brief: Brief, feedback: Sequence[str] = ()) -> list[Message]:
        """The exact messages that the model gets for `brief`, with what was wrong with its last attempt."""
        return self.asking.messages(brief, feedback)

    def rows(self) -> Iterator[Brief | InvalidRow]:
        """The sheet's rows in order, up to the limit."""
        return islice(iter(self.sheet), self.limit)

    def survey(self, on_error: Callable[[RowError], None] = lambda _: None) -> Survey:
        """Read the whole sheet once and count; every bad row is found before anything is generated.

        `on_error` is given every error as it is found: the survey itself keeps the first `ERRORS_KEPT`.
        """
        _ = self.inputs  # now, so that a sheet that changes from here on is noticed
        types: Counter[str] = Counter()
        lines: Counter[str] = Counter()
        languages: set[str] = set()
        briefs, invalid, error_count, errors = 0, 0, 0, list[RowError]()
        forbidden = Forbidden(self.settings)
        for row in self.rows():
            if isinstance(row, Brief):
                briefs += 1
                types[row.content_type] += row.variants
                if (output := self.packs[row.content_type].type.output).format == "dialogue":
                    lines[row.content_type] += row.variants * lines_of(row, output)
                languages.add(row.language)
                forbidden.see(row)
            else:
                invalid += 1
                error_count += len(row.errors)
                errors += row.errors[: max(0, ERRORS_KEPT - len(errors))]
                for error in row.errors:
                    on_error(error)
        self.refuse_certain(types)
        return Survey(
            briefs=briefs,
            requests=types.total(),
            invalid=invalid,
            skipped=self.sheet.skipped,
            languages=sorted(languages),
            types=dict(sorted(types.items())),
            errors=errors,
            error_count=error_count,
            lines=dict(sorted(lines.items())),
            mentions=forbidden.mentions,
        )

    def refuse_certain(self, types: Iterable[str]) -> None:
        """Raise UsageError where texts of one of `types` would be marked, but come out the same whatever the key."""
        for name in types:
            refuse_certainty(self._sampling[name], f"settings of content type {name}")

    def objections(self, survey: Survey) -> list[Objection]:
        """What the policy has against making all that a survey found."""
        run = self.settings.run
        tokens = {name: tokens_at_most(run, self._sampling[name].max_new_tokens, texts, survey.lines.get(name, 0))
                  for name, texts in survey.types.items()}
        return objections(self.settings, survey.types, tokens, survey.mentions)

    def filters(self, brief: Brief) -> tuple[Filter, ...]:
        return self.filters_of(brief.content_type)

    def filters_of(self, content_type: str) -> tuple[Filter, ...]:
        return self._filters[content_type]

    def comparison_of(self, content_type: str) -> Thresholds:
        """From which similarity on a text of this type is too like another, and what is asked for then."""
        return self._comparisons[content_type]

    def sampling(self, brief: Brief) -> Sampling:
        return self.sampling_of(brief.content_type)

    def sampling_of(self, content_type: str) -> Sampling:
        return self._sampling[content_type]

    def _sampling_of(self, name: str) -> Sampling:
        sampling = self.settings.sampling_for(name, self.packs[name].type.sampling)
        return replace(sampling, watermark=self.mark.ref) if self.mark else sampling

    @property
    def redo_of(self) -> str:
        """The run whose refused texts are made again, where some are to be."""
        return self.redo.run_id if self.redo and not self.judged_run else ""

    def again(self, brief: Brief, variant: int) -> Again | None:
        """What a row begins with that is made again; None for any other."""
        return self.redo.again.get((brief.id, variant)) if self.redo else None

    def keeps(self, brief: Brief, variant: int) -> bool:
        """Whether a row stays as it is, since others are made again."""
        return self.redo is not None and self.redo.keeps((brief.id, variant))

    def text_key(self, model: ModelRef) -> str:
        """What stands for the model in a request's identity: its files and the arithmetic's precision."""
        return text_key(model, self.settings)

    def fingerprints(self, model: ModelRef) -> Fingerprints:
        return Fingerprints(self, model)

    def digest(self, model: ModelRef) -> str:
        """Digest of all that decides the results of this job."""
        fingerprints = self.fingerprints(model)
        types = {name: fingerprints.of_type(name) for name in self.packs}
        redo = [self.redo.digest] if self.redo else []
        return digest([self.inputs_digest, types, self.limit, self.settings.input, self.settings.run.variants, *redo])

    @cached_property
    def inputs(self) -> dict[Path, str]:
        """The sheet's file or files with their digests, as they are when first asked for."""
        return self._read_inputs()

    @property
    def inputs_changed(self) -> bool:
        """Whether the sheet's files are no longer what `inputs` says."""
        try:
            return self._read_inputs() != self.inputs
        except OSError:
            return True

    @cached_property
    def inputs_digest(self) -> str:
        return digest([(writable(path.name), found) for path, found in self.inputs.items()])

    def _read_inputs(self) -> dict[Path, str]:
        whole = self.briefs.rglob("*") if self.briefs.is_dir() else [self.briefs]
        return {path: digest_file(path) for path in sorted(path for path in whole if path.is_file())}


class Fingerprints:
    """Digests of all that decides one row's record. The same fingerprint means the record can be taken as it is."""

    def __init__(self, job: Job, model: ModelRef) -> None:
        run, settings = job.settings.run, job.settings
        self._redo = job.redo
        self._types = {
            name: digest(
                [
                    __version__,
                    name,
                    pack.type.digest,
                    job.sampling_of(name).identity,
                    job.text_key(model),
                    job.asking.describe_form,
                    run.seed,
                    run.max_attempts,
                    run.feedback,
                    (run.best_of, run.score, run.max_tokens_per_text),
                    (settings.safety, settings.judge),
                    settings.input.injection,
                    settings.labels.visible,
                    job.compared_with.get(name, ""),
                    settings.filters_for(name, pack.type.filters),
                    files_digest(job.filters_of(name)),
                    *filter(None, [job.read_by.get(name)]),
                ]
            )
            for name, pack in job.packs.items()
        }

    def of_type(self, name: str) -> str:
        return self._types[name]

    def of(self, brief: Brief, variant: int) -> str:
        own = (brief.id, variant, brief.language, brief.tone, brief.audience, brief.limits, brief.fields)
        found = digest_bytes(self._types[brief.content_type].encode() + canonical_json(own))
        return self._redo.fingerprint((brief.id, variant), found) if self._redo else found

    @staticmethod
    def of_invalid(row: InvalidRow) -> str:
        return digest(["invalid", row])


def _comparison(tables: FilterTables, place: str) -> Thresholds:
    return build_thresholds("near_duplicate", Thresholds, tables.get("near_duplicate", {}), place)


def _with_templates(settings: Settings, folder: Path) -> Settings:
    """`settings` with the folder that templates come from, so that run.json tells it to a later look from elsewhere."""
    return replace(settings, run=replace(settings.run, templates=writable(folder.resolve())))


def templates_folder(given: str) -> Path:
    """The folder of template packs: the one given, else ./templates, else those that come with the package."""
    if given:
        folder = Path(given)
        if not folder.is_dir():
            raise UsageError("--templates", f"no folder {given}", "a folder of template packs", "Correct the path.")
        return folder
    local = Path("templates")
    return local if local.is_dir() else shipped("templates")


def shipped(name: str) -> Path:
    """A folder that comes with the package: inside it when installed from a wheel, beside it in a checkout."""
    inside = SHIPPED / name
    return inside if inside.is_dir() else _REPOSITORY / name
