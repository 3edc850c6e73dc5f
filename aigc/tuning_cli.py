"""`aigc dataset` and `aigc finetune`: what editors decided as data, and a model that learned from it.

Exit codes: 0 made, or better than before; 1 error, 2 usage; 3 some lines of dialogues were bad, or the tuned model was
not shown to be better; 130 interrupted.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from aigc.engine.tuning.values import Point
    from aigc.training_data.writing import Made
    from aigc.tuning.statement import Plan
    from aigc.tuning.tuning import Tuned

EXIT_NOT_ALL, EXIT_INTERRUPTED = 3, 130
EVERY_S = 30.0
SHOWN = 40
"""Bad lines that a terminal shows; `--json` has all."""
Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file. Default: ./aigc.toml where there is one.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Epochs = Annotated[
    float, typer.Option("--epochs", show_default=False, help="Passes over the data. Default: by its size.")
]
Batch = Annotated[int, typer.Option("--batch", show_default=False, help="Answers in a step. Default: by its size.")]
MaxTokens = Annotated[
    int, typer.Option("--max-tokens", show_default=False, help="Longer examples are left out. Default: 2048.")
]
Method = Annotated[
    Literal["sft", "dpo"],
    typer.Option("--method", help="sft: imitate the examples. dpo: prefer the better answer of each pair."),
]
Beta = Annotated[
    float, typer.Option("--beta", show_default=False, help="Of dpo: the larger, the nearer to the base. Default: 0.1.")
]


def dataset(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN...]", help="Finished runs, by id or folder.")
    ] = None,
    dialogues: Annotated[
        list[Path] | None, typer.Option("--dialogues", metavar="FILE", help="Dialogues, JSON Lines; repeat for more.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder of the data. Default: under datasets/.")
    ] = None,
    held_out: Annotated[
        float, typer.Option("--held-out", metavar="SHARE", help="Of briefs, for each of validation and test.")
    ] = 0.1,
    reviewed_only: Annotated[
        bool, typer.Option("--reviewed-only", help="Only what editors decided, not what filters alone let pass.")
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make data that a model learns from: approved and edited texts, pairs of a better and a worse one, dialogues."""
    import msgspec

    from aigc.training_data.making import Order, make

    order = Order(runs=[_run_folder(name, config) for name in runs or []], dialogues=dialogues or [], out=out,
                  held_out=held_out, reviewed_only=reviewed_only)
    made = make(order, (lambda _: None) if as_json else _say)
    if as_json:
        facts = {"folder": str(made.folder), "new": made.new, "bad_lines": made.bad}
        parts = {name: getattr(made.statement, name) for name in ("digest", "groups", "left_out", "files", "runs")}
        typer.echo(msgspec.json.encode({**facts, **parts}).decode())
    else:
        _show_data(made)
    if made.bad:
        raise typer.Exit(EXIT_NOT_ALL)


def finetune(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A folder that `aigc dataset` made.")],
    base: Annotated[
        str, typer.Option("--base", metavar="MODEL", help="The model to tune: named as for --model of `aigc run`.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder of the tuned model. Default: under tuned/.")
    ] = None,
    method: Method = "sft",
    full: Annotated[
        bool, typer.Option("--full", help="Train all weights, and write a whole model, no adapter.")
    ] = False,
    epochs: Epochs = 0.0,
    batch: Batch = 0,
    learning_rate: Annotated[
        float, typer.Option("--learning-rate", show_default=False, help="Default: by the method, and by --full.")
    ] = 0.0,
    rank: Annotated[int, typer.Option("--rank", help="Rank of the adapter's matrices.")] = 16,
    beta: Beta = 0.0,
    max_tokens: MaxTokens = 0,
    eval_texts: Annotated[
        int, typer.Option("--eval-texts", help="Held-out texts that each model writes to be judged; 0 for none.")
    ] = 64,
    seed: Annotated[int, typer.Option("--seed", help="Another seed gives another model.")] = 0,
    templates: Annotated[
        Path | None, typer.Option("--templates", metavar="DIR", help="Template packs to judge by. Default: the runs'.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Tune a model on DATA, and measure whether it is better. The same command goes on where a stopped one left off."""
    import msgspec

    from aigc.settings_loading import load_settings
    from aigc.start import default_config, find_model
    from aigc.tuning.recipes import Options
    from aigc.tuning.tuning import Order, tune

    settings = load_settings(config or default_config(),
                             {"run": {"model": base}, "engine": {"name": "local", "adapter": ""}})
    options = Options(method=method, full=full, epochs=epochs, batch=batch, learning_rate=learning_rate, rank=rank,
                      beta=beta, max_tokens=max_tokens, seed=seed, eval_texts=eval_texts)
    is_quiet = quiet or as_json
    order = Order(data=data, base=find_model(settings, [], _say), settings=settings.engine, options=options, out=out,
                  templates=templates)
    try:
        tuned = tune(order, (lambda _: None) if is_quiet else _say, _Steps(quiet=is_quiet))
    except KeyboardInterrupt:
        _say("aigc: interrupted. All up to the last checkpoint is kept: the same command goes on from there.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if as_json:
        typer.echo(msgspec.json.encode({"folder": str(tuned.folder), "new": tuned.new,
                                        **msgspec.to_builtins(tuned.statement)}).decode())
    else:
        _show_tuned(tuned, base)
    if tuned.statement.finding.call != "better":
        raise typer.Exit(EXIT_NOT_ALL)


class _Steps:
    """Says how the loss falls and how long the rest takes, a line for each look at validation, or now and then."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet, self._began, self._said_s, self._loss = quiet, (0, 0.0), 0.0, 0.0

    def __call__(self, point: Point, plan: Plan) -> None:
        import time

        from aigc.report import duration

        now_s, steps = time.monotonic(), plan.recipe.steps
        if not self._began[1]:
            self._began = point.step, now_s
        self._loss = self._loss if point.train is None else point.train
        is_due = point.validation is not None or now_s - self._said_s >= EVERY_S
        if self._quiet or not is_due or point.step == self._began[0]:
            return
        self._said_s = now_s
        each_s = (now_s - self._began[1]) / (point.step - self._began[0])
        looked = "" if point.validation is None else f", on validation {point.validation:.3f}"
        _say(f"step {point.step:,} of {steps:,}: loss {self._loss:.3f}{looked}; "
             f"{each_s:.1f} s a step, at most {duration(each_s * (steps - point.step))} left")


def _show_tuned(tuned: Tuned, base: str) -> None:
    from aigc.tuning.card import CALLS
    from aigc.tuning.comparison import told

    statement = tuned.statement
    trained, plan = statement.trained, statement.plan
    early = ", stopped since validation no longer gained" if trained.stopped_early else ""
    typer.echo(f"{trained.steps:,} steps{early}; kept step {trained.best_step:,}; "
               f"{trained.trained_parameters:,} of {trained.parameters:,} weights trained.")
    for one in statement.shifts:
        typer.echo(f"  {told(one)}")
    typer.echo(f"{CALLS[statement.finding.call]} {'; '.join(statement.finding.why)}.")
    typer.echo(f"{tuned.folder}{'' if tuned.new else ' holds this already'}: digest {statement.digest[:19]}…")
    if statement.finding.call == "better":
        named = f"--model {tuned.folder}" if plan.recipe.weights == "full" else \
            f"--model {base} --adapter {tuned.folder}"
        typer.echo(f"Next: aigc run BRIEFS {named}")


def _show_data(made: Made) -> None:
    from aigc.report import counted
    from aigc.training_data.card import LEFT_OUT

    for line in made.bad[:SHOWN]:
        _say(line.message)
    if (more := len(made.bad) - SHOWN) > 0:
        _say(f"… and {more:,} more; --json has them all.")
    statement = made.statement
    for file in statement.files:
        typer.echo(f"  {file.path:<28}{counted(file.rows or 0, 'row'):>12}")
    for code, count in sorted(statement.left_out.items()):
        typer.echo(f"  left out: {count:,} {code} ({LEFT_OUT[code]})")
    groups = ", ".join(f"{count:,} {name}" for name, count in statement.groups.items())
    typer.echo(f"Briefs and dialogues: {groups}.")
    if not statement.groups.get("test"):
        typer.echo("Too few to hold any out: a model tuned on this cannot be shown to be better.")
    typer.echo(f"{made.folder}{'' if made.new else ' holds this already'}: digest {statement.digest[:19]}…")
    typer.echo(f"Next: aigc finetune {made.folder} --base MODEL")


def _run_folder(name: str, config: Path | None) -> Path:
    from aigc.runs import find_run
    from aigc.settings_loading import load_settings
    from aigc.start import default_config

    return find_run(Path(load_settings(config or default_config(), {}).run.out), name, _say)[0]


def _say(line: str) -> None:
    typer.echo(line, err=True)
