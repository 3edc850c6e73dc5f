"""README.md of a run's folder: a dataset card, with the front matter that Hugging Face's libraries read.

Nothing of a brief or a text is in it. What comes from settings, folders' names or a sheet's is data, and escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from aigc.dataset.croissant import ACCEPTED, CROISSANT, RECORDS, is_rehearsal, made_by
from aigc.dataset.escaping import code, table, yaml_text
from aigc.provenance import RunFile

CARD = "README.md"
OUTCOMES = {
    "accepted": "no filter objected",
    "held": "waits for a person's decision",
    "rejected": "refused by a filter",
    "exhausted": "no attempt passed",
    "short": "no text passed, and no more were to be made",
    "invalid": "the brief itself is wrong",
    "failed": "no text could be made",
}
_LICENCES = frozenset("""
    apache-2.0 mit bsd-2-clause bsd-3-clause isc gpl-2.0 gpl-3.0 lgpl-3.0 agpl-3.0 eupl-1.2 openrail unlicense cc0-1.0
    cc-by-2.0 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-4.0
    cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0 odc-by odbl pddl gfdl
""".split())
"""Licences that the hub knows by these names. It refuses a card that names another, unless as `other`."""
_SIZES = (
    (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"),
)


def card(run: RunFile, languages: list[str]) -> str:
    """README.md of the finished `run`; `languages` are those of its accepted texts."""
    return "\n".join(["---", *_front_matter(run, languages), "---", "", "\n\n".join(_body(run, languages)), ""])


def _front_matter(run: RunFile, languages: list[str]) -> Iterator[str]:
    yield f"pretty_name: {yaml_text(run.run_id)}"
    yield from _licence(run.settings.dataset.licence)
    if bases := sorted({language.partition("-")[0].lower() for language in languages}):
        yield "language:"
        yield from (f"- {yaml_text(base)}" for base in bases)
    yield from ("tags:", "- synthetic") if is_rehearsal(run) else ("tags:", "- synthetic", "- ai-generated")
    yield from ("task_categories:", "- text-generation")
    yield from ("size_categories:", f"- {_size(run.rows)}")
    # The one file of data is named: the folder holds others, and the library reads all configurations by the format
    # of the first, so that accepted.jsonl cannot be one beside it.
    yield from ("configs:", "- config_name: records", f"  data_files: {RECORDS}", "  default: true")


def _licence(licence: str) -> Iterator[str]:
    if not licence:
        return
    if licence.lower() in _LICENCES:
        yield f"license: {licence.lower()}"
        return
    is_address = licence.startswith(("http://", "https://"))
    name = "see-address" if is_address else re.sub(r"[^a-z0-9.]+", "-", licence.lower()).strip("-") or "see-card"
    yield from ("license: other", f"license_name: {yaml_text(name)}")
    if is_address:
        yield f"license_link: {yaml_text(licence)}"


def _size(rows: int) -> str:
    return next((name for limit, name in _SIZES if rows < limit), "100M<n<1B")


def _body(run: RunFile, languages: list[str]) -> Iterator[str]:
    yield f"# {code(run.run_id)}"
    yield f"**{made_by(run)}**"
    yield (f"{run.rows:,} rows of one run of `aigc`, begun {run.started_at[:10]} from the sheet "
           f"{code(Path(run.briefs).name)}. A row is a brief × a variant; {run.outcomes.get('accepted', 0):,} were "
           f"accepted. Languages of the accepted texts: {', '.join(map(code, languages)) or 'none'}.")
    yield "## Files"
    yield _files(run)
    yield "## Rows by outcome"
    yield _outcomes(run)
    yield "## Rows by content type"
    yield _types(run)
    yield "## The model"
    yield _model(run)
    yield "## How texts were checked"
    yield from _checks(run)
    yield "## What to know before use"
    yield _limits(run)
    yield "## Licence"
    yield _terms(run)


def _files(run: RunFile) -> str:
    about = {
        RECORDS: "every row, with all attempts, verdicts and digests of what made it",
        ACCEPTED: "accepted texts, an object a line",
        "accepted.csv": "the same for spreadsheets; an apostrophe stands before what one would run",
        "rejected.csv": "all other rows, with reasons",
    }
    rows = [(f"`{file.path}`", "" if file.rows is None else f"{file.rows:,}", about[file.path])
            for file in run.outputs if file.path in about]
    return table(("File", "Rows", ""), [*rows, (f"`{CROISSANT}`", "", "columns and digests, as Croissant tells them")])


def _outcomes(run: RunFile) -> str:
    rows = [(name, f"{run.outcomes[name]:,}", about) for name, about in OUTCOMES.items() if run.outcomes.get(name)]
    return table(("Outcome", "Rows", ""), rows)


def _types(run: RunFile) -> str:
    occurred = [name for name in OUTCOMES if run.outcomes.get(name)]
    rows = [
        (code(name) if name else "(none)", f"{sum(by.values()):,}", *(f"{by.get(one, 0):,}" for one in occurred))
        for name, by in sorted(run.acceptance.items())
    ]
    return table(("Content type", "Rows", *occurred), rows)


def _model(run: RunFile) -> str:
    model = run.model
    rows = [("Name", code(_last(model.ref))),
            ("Digest of its files", code(model.digest)), ("Its licence", code(model.licence or "not known"))]
    if model.languages:
        rows.append(("Languages its makers name", code(" ".join(model.languages))))
    if adapter := model.adapter:
        rows += [("Digest of the adapter in it", code(adapter.digest))]
    return table(("", ""), rows)


def _checks(run: RunFile) -> Iterator[str]:
    settings = run.settings
    attempts = settings.run.max_attempts
    yield ("Every text was read by the filters of its content type, and a row had up to "
           f"{attempts} {'attempt' if attempts == 1 else 'attempts'}. What was measured on each attempt, against "
           "which limit, stands in `attempts.verdicts` of the records.")
    if settings.safety.model:
        yield f"A classifier read texts for harm: {code(_last(settings.safety.model))}."
    else:
        yield "No classifier has read these texts for harm."
    if settings.judge.model:
        yield f"A model answered questions on texts: {code(_last(settings.judge.model))}."
    if run.reasons:
        ordered = sorted(run.reasons.items(), key=lambda item: (-sum(item[1].values()), item[0]))
        rows = [(code(reason), f"{sum(by.values()):,}") for reason, by in ordered]
        yield "What was found, a row once under each of its reasons:"
        yield table(("Reason", "Rows"), rows)


def _limits(run: RunFile) -> str:
    not_accepted = run.rows - run.outcomes.get("accepted", 0)
    lines = [
        "Texts may state what is not so. Filters hold them against their briefs, not against the world.",
        "Accepted means that no filter objected, not that a person has read the text.",
        "The records and the accepted texts hold the briefs they were made from, and where the sheet lay. Look at them "
        "before you give this folder to others.",
    ]
    if not_accepted:
        lines.append(f"The records also hold the texts of {not_accepted:,} rows that were not accepted; some may have "
                     "been refused for what they say.")
    if run.flagged:
        lines.append(f"{run.flagged:,} accepted rows were flagged for a look; their `reasons` say why.")
    return "\n".join(f"- {line}" for line in lines)


def _terms(run: RunFile) -> str:
    settings = run.settings.dataset
    maker = f" By {code(settings.creator)}." if settings.creator else ""
    if settings.licence:
        return f"{code(settings.licence)}.{maker}"
    return f"None is named. What the model's licence says of its output holds beside any that you name.{maker}"


def _last(ref: str) -> str:
    """A model's name without the folder where it lies, which may name a person."""
    return Path(ref).name if ref.startswith(("/", ".", "~")) else ref
