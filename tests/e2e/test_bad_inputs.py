"""Whatever a user gives: no traceback, one message that says place, found, expected and remedy, the right exit code."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path

import pytest
from bad_inputs.cases import GOOD, HEADER, Case, lay_out
from bad_inputs.make_bad_inputs import CASES, make_all
from commands import Aigc

from aigc.export import FILES

MESSAGE = re.compile(r"^(aigc: )?\S.*?: found \S.*?; expected \S.*?\. \S.*$")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_input_is_refused_with_what_to_do(case: Case, aigc: Aigc, aigc_process: Aigc) -> None:
    lay_out(case, Path())
    arguments = shlex.split(case.command)
    if case.as_process:
        shown = aigc_process(*arguments, environ=case.environ, most_bytes=case.most_bytes)
    else:
        shown = aigc(*arguments, environ=case.environ)
    text = shown.out + shown.err
    assert "Traceback" not in text
    assert shown.code == case.code, text
    assert [phrase for phrase in case.says if phrase not in text] == [], text
    assert len([line for line in text.splitlines() if MESSAGE.match(line)]) == case.messages, text
    assert sum(line.startswith("aigc: ") for line in shown.err.splitlines()) <= 1
    assert looks_finished() == []


def looks_finished() -> list[str]:
    """Whatever under the working folder could be taken for the results of a run."""
    runs = [path for path in Path().glob("*/*/run.json") if '"finished"' in path.read_text()]
    return [str(path) for path in (*runs, *(path for name in FILES for path in Path().rglob(name)))]


def rows_of(name: str) -> list[dict[str, str]]:
    [path] = Path("outputs").glob(f"*/{name}")
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_every_case_can_be_made_as_a_folder_to_try(tmp_path: Path) -> None:
    make_all(tmp_path / "cases")
    folders = sorted(path.name for path in (tmp_path / "cases").iterdir())
    assert folders == sorted(case.name for case in CASES)
    assert len(folders) >= 100


def test_a_formula_runs_as_text_and_comes_out_as_text(aigc: Aigc) -> None:
    formula = '=HYPERLINK("http://example.com")'
    cells = formula.replace('"', '""')
    rows = f'"{cells}",note,@SUM(A1),5\n-2+3,note,,5\n'
    lay_out(Case("", "", 3, (), {"briefs.csv": HEADER + rows}), Path())
    assert aigc("run", "briefs.csv").code == 3
    assert [row["id"] for row in rows_of("accepted.csv")] == [f"'{formula}"]
    assert [row["id"] for row in rows_of("rejected.csv")] == ["'-2+3"]


def test_a_bad_row_is_named_and_kept_as_invalid_while_the_good_ones_run(aigc: Aigc) -> None:
    lay_out(Case("", "", 3, (), {"briefs.csv": GOOD + "b2,noet,Milk,1\n"}), Path())
    shown = aigc("run", "briefs.csv")
    assert shown.code == 3
    assert "briefs.csv line 3, content_type: found 'noet'" in shown.err
    assert "1 bad brief in the results as invalid; 1 good brief to run." in shown.err
    [bad] = rows_of("rejected.csv")
    assert (bad["id"], bad["outcome"], bad["reasons"]) == ("b2", "invalid", "unknown_content_type")
    assert "Did you mean 'note'?" in bad["details"]


def test_a_template_that_fails_on_one_brief_costs_that_brief_only(aigc: Aigc) -> None:
    template = "Write {{ 100 // grade }} words about {{ product }}."
    files = {"briefs.csv": GOOD + "b2,note,Milk,0\n", "templates/note/user.j2": template}
    lay_out(Case("", "", 3, (), files), Path())
    assert aigc("run", "briefs.csv").code == 3
    assert [row["id"] for row in rows_of("accepted.csv")] == ["b1"]
    [bad] = rows_of("rejected.csv")
    assert (bad["id"], bad["outcome"], bad["reasons"]) == ("b2", "invalid", "template_failed")
    assert "briefs.csv line 3: found ZeroDivisionError" in bad["details"]
    assert "Correct note/user.j2, or the brief's cell." in bad["details"]
    assert "note/user.j2, brief b2: found ZeroDivisionError" in aigc("run", "briefs.csv", "--dry-run").out


def test_a_disk_that_is_full_at_export_leaves_no_results_and_the_same_command_finishes(
    aigc: Aigc, aigc_process: Aigc
) -> None:
    rows = "".join(f"b{number},note,Bread {number},5\n" for number in range(150))
    lay_out(Case("", "", 1, (), {"briefs.csv": HEADER + rows}), Path())
    assert aigc("run", "briefs.csv").code == 0
    [run_file] = Path("outputs").glob("*/run.json")
    run_file.write_text(run_file.read_text().replace('"finished"', '"interrupted"'))
    for name in FILES:
        (run_file.parent / name).unlink()
    shown = aigc_process("run", "briefs.csv", most_bytes=32_768)
    assert shown.code == 1, shown.err
    assert "File too large" in shown.err
    assert MESSAGE.match(shown.err.splitlines()[-1])
    assert looks_finished() == []
    assert aigc("run", "briefs.csv").code == 0
    assert len(rows_of("accepted.csv")) == 150
