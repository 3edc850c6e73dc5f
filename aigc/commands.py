"""The commands as `aigc --help` shows them: by what they are for, those that a newcomer needs first, none cut off."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

SECTIONS: dict[str, dict[str, str]] = {
    "Make texts": {
        "run": "Generate a text for every row of a sheet.",
        "check": "Read a sheet and name every bad row. Generates nothing.",
        "init": "Lay out a new project: templates, example briefs, aigc.toml.",
        "preview": "Print the exact prompt of one row.",
        "types": "List the content types, or the columns of one.",
        "doctor": "Say what is wrong with this machine, and the remedy.",
        "batch": "Answer a file of OpenAI batch requests.",
        "chat": "Talk with a model, under the filters and policy of runs.",
    },
    "Judge": {
        "show": "Sum up a run: the newest, or the one named.",
        "report": "Print a run's report, or hold its filters against editors.",
        "judge": "Judge a run's texts again under today's settings.",
        "history": "List finished runs: texts, acceptance, speed, time.",
    },
    "Review and publish": {
        "review": "Give texts to editors, and take their decisions back.",
        "redo": "Make refused texts again, with what editors said.",
        "export": "Write texts for readers, with their labels.",
        "label": "Look at the labels that say that AI made a file's texts.",
        "corpus": "Keep published texts, which new ones must not resemble.",
    },
    "Trust": {
        "verify": "Check a run against its manifest: every file and row.",
        "trace": "Tell the story of one row, from brief to decision.",
        "reproduce": "Make texts again on this machine and compare the bytes.",
        "forget": "Remove all texts of a brief from all runs.",
        "keys": "Make a key that signs the files of runs, or show one.",
        "watermark": "Make a key for the watermark of texts, or look for the mark.",
    },
    "Every night": {
        "schedule": "Have new and changed sheets made at night.",
        "worker": "Make what the server has planned, one run at a time.",
        "ui": "Start a Prefect server, on whose pages runs are watched.",
        "storage": "Bring a run from shared storage, or take one there.",
    },
    "Models and learning": {
        "models": "List the models of the catalogue, or fetch one.",
        "dataset": "Make data to learn from: approved and edited texts.",
        "finetune": "Tune a model on such data, and measure if it is better.",
    },
}
"""Each description fits beside its command in 80 columns."""
_OTHERS = "Other commands"


class Sections(TyperGroup):
    """A group whose help lists commands in these sections, and those in none below."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        left = {name: command for name, command in self.commands.items() if not command.hidden}
        width = max(map(len, left), default=0)
        for title, described in SECTIONS.items():
            rows = [(name.ljust(width), what) for name, what in described.items() if left.pop(name, None)]
            _write(formatter, title, rows)
        _write(formatter, _OTHERS, [(name.ljust(width), _first_sentence(command)) for name, command in left.items()])


class Whole(TyperGroup):
    """A group whose help shows the first sentence on each command, whole."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        _write(formatter, "Commands", [(name, _first_sentence(command)) for name, command in self.commands.items()])


def _write(formatter: Any, title: str, rows: list[tuple[str, str]]) -> None:
    if rows:
        with formatter.section(title):
            formatter.write_dl(rows)


def _first_sentence(command: Any) -> str:
    said = " ".join((command.short_help or command.help or "").split("\n\n")[0].split())
    return said.partition(". ")[0].rstrip(".") + "." if said else ""
