"""`aigc run` as a Prefect flow, against a real server, and without one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from commands import Aigc
from prefect_api import artifacts, ask, environ, eventually, of_run, set_state

SECRET = "Zanzibar Glowworm Lantern"
HEADING = "id,content_type,product,facts\n"
SHEET = HEADING + "".join(f"p{n},product_description,{SECRET} {n},holds 1 litre;weighs 1 kg\n" for n in range(6))


def flow_run(api: str, err: str) -> dict[str, Any]:
    """The flow run whose address `aigc` told."""
    told = re.search(rf"^Prefect flow run .*: {api.removesuffix('/api')}/runs/flow-run/(\S+)$", err, re.MULTILINE)
    assert told, err
    [found] = of_run(api, "flow_runs", told[1])
    return found


def texts(folder: str) -> list[tuple[str, str]]:
    [file] = Path(folder).glob("*/accepted.jsonl")
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return [(row["id"], row["text"]) for row in rows]


def write_sheet(text: str = SHEET) -> None:
    Path("briefs.csv").write_text(text, "utf-8")


def test_a_run_is_a_flow_whose_texts_are_those_of_a_plain_run(api: str, aigc: Aigc, aigc_process: Aigc) -> None:
    write_sheet()
    plain = aigc("run", "briefs.csv", "--out", "plain")
    flow = aigc_process("run", "briefs.csv", "--out", "flow", environ=environ(api, AIGC_SHARD_ROWS="4"))
    assert (plain.code, flow.code) == (0, 0), plain.err + flow.err
    assert texts("flow") == texts("plain") != []
    assert "Finished in state" not in flow.err
    run = flow_run(api, flow.err)
    run_id = str(run["id"])
    assert run["state_name"] == "Completed"
    assert str(run["state"]["message"]).startswith("6 of 6 texts accepted (100%)")
    given: dict[str, Any] = run["parameters"]
    assert given["briefs"] == "briefs.csv"
    options = {name: value for name, value in given["run"].items() if value is not None}
    assert options == {"out": "flow", "strict": False, "mode": "auto"}
    eventually(lambda: len(of_run(api, "task_runs", run_id)) == 3, "tasks of all shards")
    [folder] = Path("flow").iterdir()
    tasks = [str(task["name"]) for task in of_run(api, "task_runs", run_id)]
    assert sorted(tasks) == [f"results of {folder.name}", "rows 1 to 4", "rows 5 to 6"]
    on_the_page = artifacts(api, run_id)
    assert on_the_page["aigc-progress"] == 100
    assert "6 of 6 texts accepted" in str(on_the_page["aigc-report"])
    assert "](" not in str(on_the_page["aigc-report"]), "links to files that the server does not have"


def test_the_server_gets_the_log_of_aigc_and_no_word_of_a_brief(api: str, aigc_process: Aigc) -> None:
    write_sheet(SHEET + "p9,product_description,,no product\n")
    shown = aigc_process("run", "briefs.csv", environ=environ(api))
    assert shown.code == 3, shown.err
    assert "briefs.csv line 8, product: " in shown.err
    assert "1 bad brief in the results as invalid; 6 good briefs to run." in shown.err
    run = flow_run(api, shown.err)
    by_run = {"logs": {"flow_run_id": {"any_": [run["id"]]}}, "sort": "TIMESTAMP_ASC"}

    def lines() -> list[str]:
        return [str(line["message"]) for line in ask(f"{api}/logs/filter", by_run) if line["name"] == "aigc.flow"]

    eventually(lambda: len(lines()) == 2, "log of aigc")
    assert lines()[0].endswith(": 6 good briefs, 1 bad, 6 texts")
    assert lines()[1].startswith("rows 1 to 7 done: 7 of 7 texts, ")
    everything = [flow_run(api, shown.err), ask(f"{api}/logs/filter", by_run), of_run(api, "artifacts", str(run["id"]))]
    assert SECRET not in json.dumps(everything)


def test_a_refused_sheet_fails_the_flow_with_the_same_message_and_exit_code(
    api: str, aigc: Aigc, aigc_process: Aigc
) -> None:
    write_sheet(HEADING + "p1,blgo,Lamp,bright\n")
    plain = aigc("run", "briefs.csv", "--strict")
    flow = aigc_process("run", "briefs.csv", "--strict", environ=environ(api))
    announced, rest = flow.err.split("\n", 1)
    assert (flow.code, rest) == (plain.code, plain.err)
    assert "Traceback" not in flow.err
    run = flow_run(api, announced)
    message = plain.err.splitlines()[-1].removeprefix("aigc: ")
    assert message.startswith("briefs.csv: found 1 bad brief; expected none, since --strict is set.")
    assert (run["state_name"], run["state"]["message"]) == ("Failed", message)


def test_a_run_cancelled_at_the_server_stops_and_can_be_gone_on_with(api: str, aigc: Aigc) -> None:
    write_sheet(HEADING + "".join(f"p{n},product_description,Lamp {n},bright\n" for n in range(400)))
    command = [sys.executable, "-c", "from aigc.cli import main; main()", "run", "briefs.csv", "--variants", "100"]
    with subprocess.Popen(command, env={**os.environ, **environ(api)}, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        run = flow_run(api, running.stderr.readline())
        eventually(lambda: artifacts(api, str(run["id"])).get("aigc-progress"), "progress", 60)
        set_state(api, str(run["id"]), "CANCELLING")
        err = running.stderr.read()
    assert running.returncode == 130, err
    assert "aigc: interrupted. All texts made so far are kept" in err
    [ended] = of_run(api, "flow_runs", str(run["id"]))
    assert ended["state_name"] == "Cancelled"
    [file] = Path("outputs").glob("*/run.json")
    assert json.loads(file.read_text())["status"] == "interrupted"
    assert 0 < float(artifacts(api, str(run["id"]))["aigc-progress"]) < 100


def test_a_deployment_calls_the_flow_with_plain_values(api: str) -> None:
    write_sheet()
    options = {"limit": 3, "columns": {}, "mode": "new"}
    asked = f"briefs='briefs.csv', run={options}, publishing={{'folder': 'published'}}"
    call = f"from flows.generate import generate; generate({asked})"
    ended = subprocess.run(
        [sys.executable, "-c", call], env={**os.environ, **environ(api)}, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    assert len(texts("outputs")) == 3
    assert not Path("published").exists(), "a trial of three rows beside whole sheets"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "http://me:hunter2@127.0.0.1:9/api",
            "aigc: Prefect: found no answer from http://127.0.0.1:9; expected a Prefect API. "
            "Start it with `aigc ui`, or unset PREFECT_API_URL.\n",
        ),
        (
            "{api}/nowhere",
            "aigc: Prefect: found {root} answers, but not as a Prefect API; expected a Prefect API. "
            "The address usually ends in /api: correct PREFECT_API_URL.\n",
        ),
    ],
    ids=["down", "another address"],
)
def test_an_api_that_cannot_be_used_is_told_at_once(api: str, aigc: Aigc, url: str, message: str) -> None:
    write_sheet()
    names = {"api": api, "root": api.removesuffix("/api")}
    started = time.monotonic()
    shown = aigc("run", "briefs.csv", environ={"PREFECT_API_URL": url.format(**names)})
    assert (shown.code, shown.err) == (1, message.format(**names))
    assert time.monotonic() - started < 5
    assert not Path("outputs").exists()


def test_without_an_api_prefect_is_never_imported_and_no_server_is_started(tmp_path: Path) -> None:
    write_sheet()
    script = (
        "import sys; from aigc.cli import app; app(['run', 'briefs.csv'], standalone_mode=False); "
        "sys.exit('prefect' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert len(texts("outputs")) == 6
    assert not (tmp_path / "prefect").exists(), "a server of Prefect's own would have put its database there"
