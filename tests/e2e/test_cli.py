"""Every command as its user meets it, with the engine that needs no model."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from bad_inputs.cases import HEADER, MANIFEST, Case, lay_out
from commands import Aigc

from aigc.export import FILES
from aigc.job import shipped
from aigc.sheets.columns import BUILT_IN

MEMO = {
    "templates/memo/template.toml": MANIFEST.replace("Note", "Memo"),
    "templates/memo/user.j2": "Write a memo about {{ product }}.",
    "templates/memo/system.j2": "You write memos.",
}
SHEET = HEADER + "b1,note,Bread,5\nb2,note,Milk,4\nb3,memo,Eggs,3\nb4,memo,Salt,2\n"


@pytest.fixture(autouse=True)
def _project(_own_folder: None) -> None:
    make_project(SHEET)


def make_project(sheet: str) -> None:
    lay_out(Case("", "", 0, (), {**MEMO, "briefs.csv": sheet}), Path())


def run_json(aigc: Aigc, *arguments: str, environ: dict[str, str] | None = None) -> dict[str, Any]:
    shown = aigc("run", "briefs.csv", "--json", *arguments, environ=environ)
    assert shown.code == 0, shown.err
    return dict(json.loads(shown.out))


def newest_run() -> Path:
    return max(Path("outputs").iterdir(), key=lambda path: path.stat().st_mtime_ns)


def edit(file: str, old: str, new: str) -> None:
    path = Path(file)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def taken_from(folder: Path) -> dict[str, str]:
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "records.parquet", columns=["brief_id", "taken_from"])
    return {row["brief_id"]: row["taken_from"] or "" for row in table.to_pylist()}


def test_a_run_leaves_results_of_every_row_in_the_order_of_the_sheet(aigc: Aigc) -> None:
    shown = aigc("run", "briefs.csv")
    assert shown.code == 0
    assert shown.out.startswith("4 of 4 texts accepted (100%), ")
    folder = newest_run()
    assert f"Results: outputs/{folder.name}" in shown.out
    whole = {*FILES, "run.json", "report.md", "journal.jsonl", "manifest.json", "SHA256SUMS", "croissant.json",
             "README.md", "review.html",
             ".lock"}
    assert {path.name for path in folder.iterdir()} == whole
    with (folder / "accepted.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["b1", "b2", "b3", "b4"]
    assert all(len(row["text"].split()) > 20 for row in rows)
    lines = [json.loads(line) for line in (folder / "accepted.jsonl").read_text().splitlines()]
    assert [line["brief"]["product"] for line in lines] == ["Bread", "Milk", "Eggs", "Salt"]
    assert (folder / "report.md").read_text().startswith(f"# Run {folder.name}")


def test_progress_and_messages_are_lines_on_stderr_and_nothing_on_stdout_but_the_result(aigc: Aigc) -> None:
    shown = aigc("run", "briefs.csv")
    assert shown.err.splitlines()[-1].startswith("4/4 texts · 4 accepted · ")
    assert "\x1b" not in shown.err + shown.out
    assert aigc("run", "briefs.csv", "--new", "--quiet").err == ""


def test_json_is_exactly_one_object_on_stdout(aigc: Aigc) -> None:
    file = run_json(aigc)
    assert (file["status"], file["rows"], file["outcomes"]) == ("finished", 4, {"accepted": 4})
    assert [output["path"] for output in file["outputs"]] == list(FILES)
    for command in (["check", "briefs.csv"], ["preview", "briefs.csv"], ["run", "briefs.csv", "--dry-run"], ["show"]):
        assert isinstance(json.loads(aigc(*command, "--json").out), dict), command


def test_a_dry_run_writes_nothing(aigc: Aigc) -> None:
    before = sorted(Path().rglob("*"))
    shown = aigc("run", "briefs.csv", "--dry-run")
    assert shown.code == 0
    languages = "Languages: en. Columns not used: none."
    assert f"briefs.csv: 4 good briefs, 0 bad.\n{languages}\n  memo    2 texts\n  note    2 texts\n" in shown.out
    assert "Nothing was written." in shown.out
    assert sorted(Path().rglob("*")) == before


def test_check_counts_rows_and_says_each_bad_one(aigc: Aigc) -> None:
    assert aigc("check", "briefs.csv").code == 0
    edit("briefs.csv", "b4,memo,Salt", "b4,memo,")
    shown = aigc("check", "briefs.csv")
    assert shown.code == 1
    first, *rest = shown.out.splitlines()
    assert first.startswith("briefs.csv line 5, product: found nothing; expected a value (What it is about).")
    assert rest[0] == "briefs.csv: 3 good briefs, 1 bad."
    assert not Path("outputs").exists()


@pytest.mark.parametrize("arguments", [["check", "briefs.csv"], ["run", "briefs.csv"]], ids=["check", "run"])
def test_a_column_that_the_heading_lacks_is_told_once(aigc: Aigc, arguments: list[str]) -> None:
    Path("briefs.csv").write_text("content_type,Title,grade\nnote,Bread,2\nnote,Milk,2\nnote,Salt,no\n")
    shown = aigc(*arguments)
    told = shown.out + shown.err
    assert told.count("found no column for the field product") == 1
    assert "briefs.csv line 2, product: " in told
    assert "It lies in the heading: of other rows it is not told again.\n" in told
    assert "briefs.csv line 4, grade: found 'no'" in told, "what is wrong with a cell is told of every row"
    assert arguments[0] == "run" or "Columns not used: Title.\n" in told


def test_check_prints_every_error_and_json_counts_them_all(aigc: Aigc) -> None:
    make_project(HEADER + "".join(f"b{number},note,,x\n" for number in range(600)))
    shown = aigc("check", "briefs.csv")
    assert (shown.code, len(shown.out.splitlines())) == (1, 1201)
    assert shown.out.splitlines()[-2].startswith("briefs.csv line 601, grade: found")
    assert shown.out.splitlines()[-1] == "briefs.csv: 0 good briefs, 600 bad."
    found = json.loads(aigc("check", "briefs.csv", "--json").out)
    assert (found["error_count"], len(found["errors"])) == (1200, 1000)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_sheet_whose_name_is_not_utf8_runs_like_any_other(aigc: Aigc, aigc_process: Aigc, kind: str) -> None:
    name = os.fsdecode(b"caf\xe9." + kind.encode())
    bread = '{"id": "b1", "content_type": "note", "product": "Bread"}\n{"id": "b2"}\n'
    Path(name).write_text(bread if kind == "jsonl" else HEADER + "b1,note,Bread,5\nb2,,,\n")
    shown = aigc_process("run", name)
    assert (shown.code, "Traceback" in shown.err) == (3, False)
    assert f"caf\\xe9.{kind} line " in shown.err
    shown = aigc_process("check", name)
    assert shown.out.splitlines()[-3] == f"caf\\xe9.{kind}: 1 good brief, 1 bad."
    assert "Nothing to do: " in aigc_process("run", name).err
    file = json.loads(aigc("show", "--json").out)
    assert file["briefs"].endswith(f"/caf\\xe9.{kind}")
    line = json.loads((newest_run() / "accepted.jsonl").read_text())
    assert line["brief"]["product"] == "Bread"


def test_prefect_is_given_no_name_that_it_could_not_keep(aigc: Aigc) -> None:
    name = os.fsdecode(b"caf\xe9.csv")
    Path("briefs.csv").rename(name)
    shown = aigc("run", name, environ={"PREFECT_API_URL": "http://127.0.0.1:9/api"})
    assert (shown.code, shown.err) == (2, (
        "aigc: BRIEFS: found caf\\xe9.csv, a name that is not UTF-8; expected a name that Prefect can keep. "
        "Rename the file, or unset PREFECT_API_URL.\n"
    ))


def test_preview_shows_the_exact_messages_of_a_row(aigc: Aigc) -> None:
    shown = aigc("preview", "briefs.csv", "--row", "3")
    assert shown.out == (
        "--- system ---\nYou write memos.\n\n--- user ---\nWrite a memo about Eggs.\n\n"
        "--- answer: text, at most 512 tokens ---\n"
    )
    found = json.loads(aigc("preview", "briefs.csv", "--row", "3", "--json").out)
    assert [message["content"] for message in found["messages"]] == ["You write memos.", "Write a memo about Eggs."]


def test_types_lists_the_types_and_the_fields_of_one(aigc: Aigc) -> None:
    assert [line.split()[0] for line in aigc("types").out.splitlines()[:2]] == ["memo", "note"]
    lines = aigc("types", "note").out.splitlines()
    assert "  product            text     required  What it is about." in lines
    assert "Output: text" in lines


def test_types_lists_the_columns_that_all_types_share(aigc: Aigc) -> None:
    lines = aigc("types", "note").out.splitlines()
    shared = lines[lines.index("Columns that every type has:") + 1 :]
    shared = shared[: shared.index("")]
    assert [line.split()[0] for line in shared] == list(BUILT_IN)
    assert all(line.endswith(".") for line in shared)
    assert "  keywords           list     optional  Each must occur in the text." in shared


@pytest.mark.parametrize(("name", "told"), [
    ("memmo", "Correct it. Did you mean 'memo'?"),
    ("Not", "Correct it. Did you mean 'note'?"),
    ("zz", "expected one of memo, note. Correct it."),
])
def test_an_unknown_type_is_told_with_the_nearest(aigc: Aigc, name: str, told: str) -> None:
    shown = aigc("types", name)
    assert (shown.code, shown.out) == (2, "")
    assert shown.err.endswith(f"{told}\n")


def test_a_run_is_judged_again_under_other_thresholds_and_its_texts_are_not_made_again(aigc: Aigc) -> None:
    run_json(aigc)
    before = newest_run()
    Path("strict.toml").write_text('[filters.forbidden_terms]\naction = "hold"\nterms = ["the"]\n', "utf-8")
    shown = aigc("judge", "--config", "strict.toml")
    assert shown.code == 3, shown.err
    assert f"Compared with {before.name}: accepted 4 → 0, held 0 → 4." in shown.out
    assert json.loads((newest_run() / "run.json").read_text("utf-8"))["tokens_out"] == 0
    again = aigc("judge", before.name, "--json")
    assert json.loads(again.out)["outcomes"] == {"accepted": 4}


def test_a_run_says_in_how_many_texts_nobody_checked_safety(aigc: Aigc) -> None:
    edit("briefs.csv", "b4,memo,Salt", "b4,memo,")
    shown = aigc("run", "briefs.csv")
    why = "nobody looked for harm, since safety.model is not set"
    assert f"  safety not run on 3: {why}" in shown.out.splitlines()
    report = (newest_run() / "report.md").read_text("utf-8")
    assert f"| `safety` | 3 | accepted 3 | {why} |" in report.splitlines()
    assert json.loads(aigc("show", "--json").out)["not_run"] == {"safety": {"accepted": 3}}


def test_show_summarises_the_newest_run_or_the_one_named(aigc: Aigc) -> None:
    first = run_json(aigc)
    second = run_json(aigc, "--new")
    assert f"Results: outputs/{second['run_id']}" in aigc("show").out
    assert f"Results: outputs/{first['run_id']}" in aigc("show", first["run_id"]).out
    assert json.loads(aigc("show", f"outputs/{first['run_id']}", "--json").out) == first


def test_runs_in_another_folder_are_found_by_it_and_its_option_is_told_where_none_is(aigc: Aigc) -> None:
    made = run_json(aigc, "--out", "trial")
    for command in ("show", "judge"):
        shown = aigc(command)
        assert (shown.code, shown.err) == (2, (
            "aigc: outputs: found no run; expected a run's folder. "
            "Start one with `aigc run`, or name the folder of your runs with --out.\n"
        ))
    assert json.loads(aigc("show", "--out", "trial", "--json").out) == made


def test_show_and_types_take_their_folders_from_the_settings(aigc: Aigc) -> None:
    Path("templates").rename("packs")
    Path("aigc.toml").write_text('[run]\nout = "made"\ntemplates = "packs"\n')
    made = run_json(aigc)
    assert f"Results: made/{made['run_id']}" in aigc("show").out
    assert [line.split()[0] for line in aigc("types").out.splitlines()[:2]] == ["memo", "note"]
    Path("aigc.toml").rename("other.toml")
    assert aigc("show").err.startswith("aigc: outputs: found no run; ")
    assert json.loads(aigc("show", "--config", "other.toml", "--json").out) == made
    assert json.loads(aigc("show", "--json", environ={"AIGC_OUT": "made"}).out) == made
    assert json.loads(aigc("show", "--out", "made", "--json", environ={"AIGC_OUT": "else"}).out) == made
    assert aigc("types", "note", "--config", "other.toml").code == 0


def test_a_new_project_runs_as_it_is(aigc: Aigc, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = aigc("init", "shop")
    assert shown.code == 0
    assert shown.out.splitlines() == [
        "shop/templates  one folder a content type",
        "shop/inputs     example briefs",
        "shop/aigc.toml  settings",
        "shop/outputs    results: a folder each run",
        "",
        "Next: cd shop && aigc run inputs/briefs.csv",
    ]
    monkeypatch.chdir("shop")
    assert aigc("check", "inputs/briefs.csv").code == 0
    assert aigc("run", "inputs/briefs.csv", "--limit", "4").code in (0, 3)
    assert (newest_run() / "records.parquet").is_file()


def test_the_shipped_chinese_sheet_can_be_rehearsed(aigc: Aigc) -> None:
    shown = aigc("run", str(shipped("inputs") / "zh/briefs.csv"), "--templates", str(shipped("templates")), "--json")
    file = json.loads(shown.out)
    assert (file["rows"], file["outcomes"]["accepted"] >= 24) == (25, True)
    fell_short = {reason for reason, rows in file["reasons"].items() if "exhausted" in rows}
    assert fell_short - {"missing_name"} == {"missing_keyword"}, "made-up words have neither keywords nor names"


@pytest.mark.parametrize(("model", "environ", "told"), [
    ("smolm2-135m-instruct", {}, "model smolm2-135m-instruct: found no such model; expected a name of `aigc models"),
    ("./nowhere", {}, "model ./nowhere: found no such model"),
    ("Qwen/Qwen3-0.6B", {}, ""),
    ("templates", {}, ""),
    ("our-served-name", {"AIGC_ENGINE_URL": "http://127.0.0.1:9/v1"}, ""),
])
def test_a_rehearsal_tells_a_name_that_is_no_models(aigc: Aigc, model: str, environ: dict[str, str], told: str) -> None:
    shown = aigc("run", "briefs.csv", "--model", model, "--quiet", environ=environ)
    assert (shown.code, bool(shown.err)) == ((1, True) if told else (0, False)), shown.err
    assert shown.err.startswith(f"aigc: {told}" if told else "")
    assert Path("outputs").exists() == (not told)


def test_models_are_listed_with_what_is_here(aigc: Aigc) -> None:
    first = aigc("models").out.splitlines()[0]
    assert first.split() == ["smollm2-135m-instruct", "not", "fetched", "Apache-2.0", "en"]
    assert aigc("models", "list").out == aigc("models").out


def test_doctor_finds_a_problem_and_its_remedy(aigc: Aigc) -> None:
    shown = aigc("doctor", "--json", "--config", "aigc.toml", environ={"AIGC_TEMPLATES": "nowhere"})
    assert shown.code == 2  # no such settings file
    shown = aigc("doctor", "--json", environ={"AIGC_TEMPLATES": "nowhere"})
    findings = {finding["name"]: finding for finding in json.loads(shown.out)}
    assert findings["python"]["status"] == "ok"
    assert findings["templates"]["status"] == "problem"
    assert findings["templates"]["remedy"]
    assert shown.code == 1


def test_help_and_import_load_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "prefect", "pandas", "pyarrow", "jinja2", "openpyxl", "numpy")
    program = f"""
import sys
import aigc.cli
sys.argv = ["aigc", "--help"]
try:
    aigc.cli.main()
finally:
    loaded = [name for name in {heavy} if name in sys.modules]
    sys.stderr.write(f"loaded: {{loaded}}")
"""
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert shown.stderr == "loaded: []"
    assert shown.stdout.startswith("Usage: aigc [OPTIONS] COMMAND [ARGS]...")


def test_the_command_line_overrides_the_environment_and_that_the_settings_file(aigc: Aigc) -> None:
    Path("aigc.toml").write_text("[run]\nseed = 1\nvariants = 2\nmax_attempts = 7\n")
    settings = run_json(aigc, "--seed", "3", environ={"AIGC_SEED": "2", "AIGC_VARIANTS": "1"})["settings"]["run"]
    assert (settings["seed"], settings["variants"], settings["max_attempts"]) == (3, 1, 7)


def test_the_settings_file_overrides_the_template_pack(aigc: Aigc) -> None:
    Path("templates/note/template.toml").write_text(
        MANIFEST + "[sampling]\ntemperature = 0.1\ntop_k = 11\ntop_p = 0.9\n"
    )
    Path("aigc.toml").write_text("[sampling]\ntop_k = 22\ntop_p = 0.8\n[types.note.sampling]\ntop_p = 0.5\n")
    sampling = json.loads(aigc("preview", "briefs.csv", "--json").out)["sampling"]
    assert (sampling["temperature"], sampling["top_k"], sampling["top_p"]) == (0.1, 22, 0.5)
    sampling = json.loads(aigc("preview", "briefs.csv", "--json", environ={"AIGC_SAMPLING_TOP_K": "33"}).out)[
        "sampling"
    ]
    assert sampling["top_k"] == 33


def test_the_same_command_again_has_nothing_to_do(aigc: Aigc) -> None:
    first = run_json(aigc)
    shown = aigc("run", "briefs.csv")
    assert shown.code == 0
    assert f"Nothing to do: {first['run_id']} already holds these results. --new makes them again." in shown.err
    assert len(list(Path("outputs").iterdir())) == 1


def test_an_edited_brief_is_made_again_and_all_others_are_taken_over(aigc: Aigc) -> None:
    first = run_json(aigc)
    edit("briefs.csv", "Milk", "Oat milk")
    second = run_json(aigc)
    assert second["taken_over"] == 3
    origin = first["run_id"]
    assert taken_from(newest_run()) == {"b1": origin, "b2": "", "b3": origin, "b4": origin}


def test_an_edited_template_touches_its_own_type_only(aigc: Aigc) -> None:
    origin = run_json(aigc)["run_id"]
    edit("templates/memo/user.j2", "Write", "Please write")
    run_json(aigc)
    assert taken_from(newest_run()) == {"b1": origin, "b2": origin, "b3": "", "b4": ""}


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=lambda stop: stop.name)
def test_a_stopped_run_says_so_and_the_same_command_finishes_it(aigc: Aigc, stop: signal.Signals) -> None:
    rows = 1500
    make_project(HEADER + "".join(f"b{number},note,Bread {number},5\n" for number in range(rows)))
    program = [sys.executable, "-c", "from aigc.cli import main; main()", "run", "briefs.csv"]
    with subprocess.Popen(program, env=os.environ, stderr=subprocess.PIPE, text=True) as process:
        wait_for_rows(process, 20)
        process.send_signal(stop)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "aigc: interrupted. All texts made so far are kept: the same command, without --new, goes on" in said
    assert "Traceback" not in said
    folder = newest_run()
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    assert not any((folder / name).exists() for name in FILES)
    assert f"{folder.name}: interrupted. The command that started it, without --new, goes on" in aigc("show").out
    shown = aigc("run", "briefs.csv", "--json")
    file = json.loads(shown.out)
    assert (file["run_id"], file["status"], file["rows"]) == (folder.name, "finished", rows)
    assert (file["taken_over"], file["made_before"] >= 10) == (0, True)
    assert 0 < file["timings"]["survey_s"] < 60


def test_settings_edited_while_a_run_works_do_not_change_where_it_is_shown(aigc: Aigc) -> None:
    make_project(HEADER + "".join(f"b{number},note,Bread {number},5\n" for number in range(500)))
    program = [sys.executable, "-c", "from aigc.cli import main; main()", "run", "briefs.csv"]
    with subprocess.Popen(
        program, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for_rows(process, 20)
        Path("aigc.toml").write_text("[run]\nout = 'elsewhere'\nsead = 1\n")
        shown, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert f"Results: outputs/{newest_run().name}" in shown


def wait_for_rows(process: subprocess.Popen[str], rows: int) -> None:
    """Return once the journal has more than `rows` lines, each a row or an attempt that was made."""
    for _ in range(3000):
        if sum(path.read_bytes().count(b"\n") for path in Path("outputs").glob("*/journal.jsonl")) > rows:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError("the run made no rows within 30 s")
