"""`aigc corpus`: the texts that new ones are compared with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aigc.corpus import Added

corpus_app = typer.Typer(
    no_args_is_help=False,
    rich_markup_mode=None,
    help="Add published texts that new ones should not resemble, or list what was added.",
)
Folder = Annotated[
    Path | None, typer.Option("--corpus", metavar="DIR", help="Folder of the corpus. Default: run.corpus of settings.")
]
Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file. Default: ./aigc.toml where there is one.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@corpus_app.callback(invoke_without_command=True)
def corpus_root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        corpus_list()


@corpus_app.command("add")
def corpus_add(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="A sheet of texts, a .txt or .md with one, or the folder of a run."),
    ],
    column: Annotated[str, typer.Option("--column", help="Heading of the column that holds the texts.")] = "",
    folder: Folder = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Add texts. A file that is there already is passed over; one that cannot be read whole is not added."""
    import msgspec

    from aigc.corpus import add_to_corpus

    done = add_to_corpus(files, column, folder or _of_settings(config), _nothing if as_json else _show)
    if as_json:
        typer.echo(msgspec.json.encode({"added": [one._asdict() for one in done]}).decode())


@corpus_app.command("list")
def corpus_list(folder: Folder = None, config: Config = None, as_json: AsJson = False) -> None:
    """List what was added, oldest first."""
    import msgspec

    from aigc.duplicates import CorpusIndex
    from aigc.report import counted

    with CorpusIndex.read(folder or _of_settings(config)) as corpus:
        if as_json:
            facts = {"folder": str(corpus.folder), "digest": corpus.digest, "sources": corpus.sources}
            typer.echo(msgspec.json.encode(facts).decode())
            return
        for source in corpus.sources:
            typer.echo(f"{source.added_at[:10]}  {counted(source.texts, 'text'):>15}  {source.kind}  {source.name}")
        typer.echo(f"{corpus.folder}: {counted(len(corpus), 'text')}.")
        if not corpus.sources:
            typer.echo("Add what was published before: aigc corpus add FILE...")


def _of_settings(config: Path | None) -> Path:
    """The corpus that runs under these settings compare their texts with."""
    from aigc.settings_loading import load_settings
    from aigc.start import default_config

    return Path(load_settings(config or default_config(), {}).run.corpus)


def _show(added: Added) -> None:
    from aigc.report import counted

    source = added.source
    if not added.new:
        typer.echo(f"{source.name}: there already, with {counted(source.texts, 'text')}.")
        return
    notes = [f"{source.left_out:,} too short"] if source.left_out else []
    notes += [f"{added.unread:,} that cannot be read"] if added.unread else []
    typer.echo(f"{source.name}: {counted(source.texts, 'text')} added" + (f"; {', '.join(notes)}." if notes else "."))


def _nothing(_: Added) -> None:
    pass
