"""Whatever goes wrong, a run has exactly the rows that were asked for, and each has a text or says why it has none.

What one run could not do the next one does, and no text is made twice.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pytest
from judges import Broken, Guard
from small_project import GOOD, SHORT, Project, small_project

from aigc.engine.scripted import fault
from aigc.jury import Judges
from aigc.panel import NO_PANEL, Panel
from aigc.policy import Budget
from aigc.provenance import RunFile
from aigc.records import Brief, Completion, Prompt, Verdict
from aigc.store import Store

Expected: TypeAlias = list[tuple[str, list[str], int]]
"""Outcome, reasons and number of attempts of each row."""
HERE = Path(__file__).parent
VARIANTS = 2


def good(prompt: Prompt) -> str:
    return f"{GOOD} Number {prompt.seed % 1000}."


def then(*texts: str | Completion) -> Callable[[Prompt], str | Completion]:
    """Answers of a row's attempts: `good` for an empty text, the last again for all further ones."""

    def script(prompt: Prompt) -> str | Completion:
        text = texts[min(prompt.attempt, len(texts) - 1)]
        return f"{text} {prompt.attempt}." if text and isinstance(text, str) else text or good(prompt)

    return script


def broken_comparison(_: Brief, completion: Completion, siblings: Sequence[str]) -> Verdict:
    raise LookupError


def tokens(limit: int) -> Panel:
    return Panel(may_make=lambda tally: Budget(limit=limit).why_not(tally.tokens_out))


@dataclass(frozen=True)
class Trouble:
    """What goes wrong, what two rows come to with `best_of` 1 and 3, and what the next run then has to make."""

    one: Expected
    three: Expected
    left: tuple[int, int]
    """Texts for the next run to make, where nothing goes wrong in it."""
    script: Callable[[Prompt], str | Completion] = good
    panel: Panel = NO_PANEL
    settings: dict[str, object] = field(default_factory=dict)


NOT_PASSED = [("exhausted", ["too_short"], 3)] * 2
TROUBLES = {
    "a filter that runs a model raises": Trouble(
        [("held", ["filter_error"], 1)] * 2, [("held", ["filter_error"], 3)] * 2, (0, 0),
        panel=Panel(Judges(batch_filters=[Broken()])),
    ),
    "a filter that is asked at once raises": Trouble(
        [("held", ["filter_error"], 1)] * 2, [("held", ["filter_error"], 3)] * 2, (0, 0),
        panel=Panel(Judges(at_once=[Broken()])),
    ),
    "the comparison raises": Trouble(
        [("held", ["filter_error"], 1)] * 2, [("held", ["filter_error"], 3)] * 2, (0, 0),
        panel=Panel(Judges(broken_comparison)),
    ),
    "the run's tokens end after the first text": Trouble(
        [("accepted", [], 1), ("short", ["not_made"], 0)],
        [("accepted", ["not_made"], 1), ("short", ["not_made"], 0)], (1, 5), panel=tokens(1),
    ),
    "the run's tokens end after a text that does not pass": Trouble(
        [("short", ["not_made", "too_short"], 1), ("short", ["not_made"], 0)],
        [("short", ["not_made", "too_short"], 1), ("short", ["not_made"], 0)], (2, 6),
        script=then(SHORT), panel=tokens(1),
    ),
    "the first text fails": Trouble(
        [("failed", ["timeout"], 1)] * 2, [("failed", ["timeout"], 1)] * 2, (2, 6), script=then(fault("timeout")),
    ),
    "the second text fails": Trouble(
        [("accepted", [], 1)] * 2, [("accepted", ["not_made"], 2)] * 2, (0, 4), script=then("", fault("timeout")),
    ),
    "all attempts fall short": Trouble(
        [("exhausted", ["too_short"], 3)] * 2, [("exhausted", ["too_short"], 5)] * 2, (0, 0), script=then(SHORT),
    ),
    "a row's tokens end before a text passes": Trouble(
        [("exhausted", ["token_budget", "too_short"], 2)] * 2, [("exhausted", ["token_budget", "too_short"], 2)] * 2,
        (0, 0), script=then(SHORT), settings={"max_tokens_per_text": 10},
    ),
    "a row's tokens end after a text that passed": Trouble(
        [("accepted", [], 1)] * 2, [("accepted", ["token_budget"], 1)] * 2, (0, 0),
        settings={"max_tokens_per_text": 10},
    ),
    "a row's attempts end after a text that passed": Trouble(
        [("accepted", [], 1)] * 2, [("accepted", ["few_texts"], 5)] * 2, (0, 0), script=then("", SHORT),
    ),
    "a filter refuses the text": Trouble(
        [("rejected", ["unsafe"], 1)] * 2, [("rejected", ["unsafe"], 5)] * 2, (0, 0),
        panel=Panel(Judges(batch_filters=[Guard("litre")])),
    ),
}
FINAL = {"all attempts fall short", "a row's tokens end before a text passes", "a filter refuses the text"}
"""What another run of the same does not mend."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = small_project(tmp_path)
    project.products("kettle")
    project.set("run", variants=VARIANTS)
    return project


def found(project: Project, file: RunFile) -> Expected:
    records = project.records(file)
    assert [record.variant for record in records] == list(range(VARIANTS)), "as many rows as asked for, in their order"
    for record in records:
        assert record.content or record.reasons, "a text, or why there is none"
        assert (record.chosen is not None) == (record.outcome in ("accepted", "held"))
    return [(record.outcome, record.reasons, len(record.attempts)) for record in records]


@pytest.mark.parametrize("best_of", [1, 3])
@pytest.mark.parametrize("name", TROUBLES)
def test_every_row_that_was_asked_for_has_a_text_or_says_why(project: Project, name: str, best_of: int) -> None:
    trouble = TROUBLES[name]
    project.set("run", best_of=best_of, **trouble.settings)
    project.panel = trouble.panel
    file = project.run(trouble.script, slots=1)
    assert found(project, file) == (trouble.one if best_of == 1 else trouble.three)
    if name in FINAL:
        assert project.has_nothing_to_do()
        return
    kept = {a.request_id for record in project.records(file) for a in record.attempts if not a.completion.fault}
    project.panel = NO_PANEL
    after = found(project, project.run(slots=1, script=good))
    made = {prompt.request_id for prompt in project.prompts}
    assert {outcome for outcome, _, _ in after} == {"accepted"}, "the next run makes good what this one could not"
    assert len(made) == len(project.prompts) == trouble.left[best_of > 1]
    assert not made & kept, "and nothing twice"
    assert project.has_nothing_to_do()


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from judges import Guard
    from small_project import small_project
    from test_exactly_n import VARIANTS, good
    from aigc.jury import Judges
    from aigc.panel import Panel

    class Killing(Guard):
        def check(self, cases):
            if len(self.batches) == checks_before:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().check(cases)

    def script(prompt):
        sys.stdout.write(prompt.request_id + "\\n")
        sys.stdout.flush()
        return good(prompt)

    folder, best_of, checks_before = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    project = small_project(folder)
    project.set("run", variants=VARIANTS, best_of=best_of)
    project.panel = Panel(Judges(batch_filters=[Killing()]))
    project.run(script)
"""


@pytest.mark.parametrize(("best_of", "checks_before"), [(1, 0), (3, 0), (3, 4)])
def test_kill_9_between_a_text_and_its_verdict_loses_no_text_and_makes_none_twice(
    tmp_path: Path, best_of: int, checks_before: int
) -> None:
    paths = os.pathsep.join([str(HERE), str(HERE.parent)])
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path), str(best_of), str(checks_before)],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths}, timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    made = set(killed.stdout.split())
    project = small_project(tmp_path)
    project.set("run", variants=VARIANTS, best_of=best_of)
    project.panel = Panel(Judges(batch_filters=[Guard()]))
    with Store.read(project.out / project.newest().run_id) as store:
        rows = [(name, variant) for name in ("kettle", "lamp", "stool") for variant in range(VARIANTS)]
        kept = {request for row in rows for request in store.attempts(*row)}
    assert kept == made, "every text was in the journal when the process was killed"

    def results(file: RunFile) -> list[object]:
        return [
            (record.outcome, record.chosen, [(each.completion.text, each.verdicts) for each in record.attempts])
            for record in project.records(file)
        ]

    ended = results(project.run(good))
    assert not made & {prompt.request_id for prompt in project.prompts}
    assert len(made) + len(project.prompts) == 3 * VARIANTS * best_of
    assert ended == results(project.run(good, mode="new")), "as if nobody had killed it"
