"""`aigc batch` as its users run it, with the engine that needs no model."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from commands import Aigc

SECRET = "Zanzibar Glowworm Lantern"
COMMAND = [sys.executable, "-m", "aigc", "batch", "requests.jsonl", "-o", "results.jsonl"]
REQUESTS = 6000
JOURNAL = Path("results.jsonl.journal/journal.jsonl")


def write_requests(count: int, *more: str) -> None:
    rows = [json.dumps({"custom_id": f"r{number}", "method": "POST", "url": "/v1/chat/completions",
                        "body": {"messages": [{"role": "user", "content": f"{SECRET} {number}"}]}})
            for number in range(count)]
    Path("requests.jsonl").write_text("\n".join([*rows, *more]) + "\n")


def results(name: str = "results.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(name).read_text().splitlines()]


def stopped(how: signal.Signals, at_least_bytes: int) -> tuple[int, str]:
    """The exit code and stderr of a batch that gets the signal once its journal has that many bytes."""
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 60
        while not JOURNAL.exists() or JOURNAL.stat().st_size < at_least_bytes:
            assert process.poll() is None, "it ended before it was stopped"
            assert time.monotonic() < until
            time.sleep(0.002)
        process.send_signal(how)
        _, err = process.communicate(timeout=60)
    return process.returncode, err


def test_a_batch_killed_in_the_middle_is_finished_by_the_same_command(aigc_process: Aigc) -> None:
    write_requests(REQUESTS)
    code, _ = stopped(signal.SIGKILL, 200_000)
    assert code == -signal.SIGKILL
    assert not Path("results.jsonl").exists()
    made = JOURNAL.read_bytes().count(b"\n") - 1
    with JOURNAL.open("ab") as journal:
        journal.write(b"0badc0de\ttorn")
    shown = aigc_process("batch", "requests.jsonl", "-o", "results.jsonl", "--json")
    assert shown.code == 0, shown.err
    assert json.loads(shown.out)["made_before"] >= made - 1
    assert JOURNAL.read_bytes().count(b"\n") - 1 == REQUESTS, "every answer was made once"
    assert [result["custom_id"] for result in results()] == [f"r{number}" for number in range(REQUESTS)]
    after = [result["response"]["body"]["choices"] for result in results()]
    aigc_process("batch", "requests.jsonl", "-o", "undisturbed.jsonl", "-q")
    assert [result["response"]["body"]["choices"] for result in results("undisturbed.jsonl")] == after


def test_an_interrupted_batch_says_how_to_go_on(aigc: Aigc) -> None:
    write_requests(REQUESTS)
    code, err = stopped(signal.SIGINT, 200_000)
    assert code == 130, err
    assert "interrupted. All answers made so far are kept: the same command goes on from there." in err
    assert not Path("results.jsonl").exists()
    assert aigc("batch", "requests.jsonl", "-o", "results.jsonl", "-q").code == 0
    assert len(results()) == REQUESTS


def test_failed_requests_give_exit_code_3_and_no_prompt_is_shown(aigc: Aigc) -> None:
    write_requests(3, "{nope", json.dumps({"custom_id": "x", "method": "POST", "url": "/v1/chat/completions",
                                           "body": {"messages": SECRET, "model": "gpt"}}))
    shown = aigc("batch", "requests.jsonl", "-o", "results.jsonl", "--errors", "errors.jsonl")
    assert shown.code == 3
    assert "3 of 5 requests answered" in shown.out
    assert "1 error: invalid_json_line" in shown.out
    assert "Results: results.jsonl, errors: errors.jsonl" in shown.out
    assert [result["error"]["code"] for result in results("errors.jsonl")] == ["invalid_json_line", "invalid_type"]
    assert SECRET not in shown.out + shown.err + Path("errors.jsonl").read_text()


def test_requests_may_give_the_model_a_served_name(aigc: Aigc) -> None:
    write_requests(0, json.dumps({"custom_id": "x", "method": "POST", "url": "/v1/chat/completions",
                                  "body": {"model": "gpt", "messages": [{"role": "user", "content": "Hi"}]}}))
    assert aigc("batch", "requests.jsonl", "-o", "results.jsonl", "-q").code == 3
    assert aigc("batch", "requests.jsonl", "-o", "results.jsonl", "-q", "--served-model-name", "gpt").code == 0
    assert results()[0]["response"]["body"]["model"] == "gpt"


def test_a_batch_that_another_process_writes_is_refused(aigc: Aigc) -> None:
    write_requests(1)
    from aigc.store import Store

    with Store.create(Path("results.jsonl.journal")):
        shown = aigc("batch", "requests.jsonl", "-o", "results.jsonl")
    assert shown.code == 1
    assert "results.jsonl.journal: found a folder that process" in shown.err
