"""README.md of the data: a dataset card, with front matter by which Hugging Face's libraries find each split.

Nothing of a brief or a text is in it; what comes from names of runs and files is data, and escaped.
"""

from __future__ import annotations

from collections.abc import Iterator

from aigc.dataset.escaping import code, table, yaml_text
from aigc.training_data.values import EXAMPLES, HELD_OUT, PAIRS, SPLITS, STATEMENT, Statement

LEFT_OUT = {
    "no_text": "there is no text",
    "held": "waits for a person, who has not decided",
    "undecided": "no editor has decided",
    "rejected": "refused: the worse side of a pair at most",
    "in_conflict": "its editors differ",
    "edited_as_text": "the text of a type with fields was edited as a whole, so that the fields are not known",
    "changed_since": "a decision on another text than the record has now, which does not count",
    "dialogue": "a dialogue, whose lines were requests of their own",
    "other_prompt": "what the model was asked cannot be made again: the templates are gone or others",
    "duplicate": "like another answer that is in",
}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def card(statement: Statement, languages: list[str]) -> str:
    """README.md; `languages` are those of the examples."""
    lines = ["---", *_front_matter(statement, languages), "---", "", "\n\n".join(_body(statement)), ""]
    return "\n".join(lines)


def _front_matter(statement: Statement, languages: list[str]) -> Iterator[str]:
    rows = sum(file.rows or 0 for file in statement.files if file.path != HELD_OUT)
    if bases := sorted({language.partition("-")[0].lower() for language in languages if language}):
        yield "language:"
        yield from (f"- {yaml_text(base)}" for base in bases)
    yield from ("tags:", "- trl", *(["- synthetic"] if statement.runs else []))
    yield from ("task_categories:", "- text-generation")
    yield from ("size_categories:", f"- {next((name for limit, name in _SIZES if rows < limit), '1M<n<10M')}")
    yield "configs:"
    paths = {file.path for file in statement.files}
    for name in (EXAMPLES, PAIRS):
        if there := [split for split in SPLITS if f"{name}/{split}.jsonl" in paths]:
            yield from (f"- config_name: {name}", "  data_files:")
            for split in there:
                yield from (f"  - split: {split}", f"    path: {name}/{split}.jsonl")


def _body(statement: Statement) -> Iterator[str]:
    yield "# What a model learns from editors"
    yield (f"Made by `aigc dataset`, version {code(statement.made_with)}. Digest of all data: "
           f"{code(statement.digest)}.")
    if any(run.rehearsal for run in statement.runs):
        yield "**Made of a rehearsal: the scripted engine writes no content, and nothing is to be learned from it.**"
    yield "## Files"
    yield _files(statement)
    yield (f"`{EXAMPLES}` are conversations to imitate (`messages`), `{PAIRS}` a better and a worse answer to one "
           f"prompt (`prompt`, `chosen`, `rejected`). `{STATEMENT}` tells where each line came from.")
    yield "## Splits"
    yield (f"By brief, by a hash of it: no brief is in two splits. About {statement.held_out:.0%} of briefs are for "
           "validation and as many for test.")
    yield table(("Split", "Briefs and dialogues"), [(name, f"{statement.groups.get(name, 0):,}") for name in SPLITS])
    yield "## Sources"
    yield from _sources(statement)
    if statement.left_out:
        yield "## Left out"
        yield table(("Why", "Rows", ""),
                    [(code(why), f"{count:,}", LEFT_OUT[why]) for why, count in sorted(statement.left_out.items())])
    yield "## What to know before use"
    yield _limits(statement)
    yield "## Licence"
    yield _terms(statement)


def _files(statement: Statement) -> str:
    about = {EXAMPLES: "conversations to imitate", PAIRS: "pairs to prefer by"}
    rows = [(f"`{file.path}`", f"{file.rows or 0:,}",
             about.get(file.path.partition("/")[0], "held-out briefs, as they are put to a model"))
            for file in statement.files]
    return table(("File", "Rows", ""), rows)


def _sources(statement: Statement) -> Iterator[str]:
    if statement.runs:
        runs = [(code(run.run_id), code(run.manifest), f"{run.records:,}", f"{run.decisions:,}", code(run.model))
                for run in statement.runs]
        yield table(("Run", "Digest of its manifest", "Rows", "Decisions", "Model that wrote"), runs)
    if statement.dialogues:
        files = [(code(file.file), code(file.digest), f"{file.dialogues:,}", f"{file.bad_lines:,}")
                for file in statement.dialogues]
        yield table(("File of dialogues", "Digest", "Dialogues", "Bad lines"), files)


def _limits(statement: Statement) -> str:
    lines = ["The texts, the briefs and the prompts are in the files in full. Who is to be forgotten has to be "
             "taken out here too: `aigc forget` reaches the runs, not what was made of them."]
    if statement.runs and not statement.reviewed_only:
        lines.append("Of examples with `by` = `filters` no editor has decided: no filter objected, no more.")
    if statement.dialogues:
        lines.append("Dialogues were checked for their form. Whether they hold names or numbers of customers was not.")
    return "\n".join(f"- {line}" for line in lines)


def _terms(statement: Statement) -> str:
    own = sorted({run.licence for run in statement.runs if run.licence})
    models = sorted({run.model_licence or "not known" for run in statement.runs})
    lines = [f"The runs' results: {', '.join(map(code, own))}." if own else "None is named for the runs' results."]
    if models:
        lines.append(f"Licences of the models that wrote them: {', '.join(map(code, models))}.")
    return " ".join(lines)
