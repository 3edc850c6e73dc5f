"""The default model, through everything: structured output, a real kill, the same texts after it."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from aigc.models import cache_folder
from aigc.settings import DEFAULT_MODEL

CACHE = cache_folder()  # the user's own, read before the fixtures hide it
SHEET = """\
id,content_type,language,variants,product,brand,facts,topic,source_text
mug,product_description,en,2,Enamel mug,Porto Works,350 ml;made in Porto;dishwasher safe,,
lamp,ad_copy,en,,Desk lamp,Lumen & Co,dims to 5%;two-year guarantee,,
fair,social_post,en,,,Harbour Fair,Saturday 10 to 4;free boats for children,the harbour fair,
note,summary,en,,,,,,The library lends tools. Members may keep a drill for a week. Late fees are gone since May.
"""
SETTINGS = """\
[run]
max_attempts = 2
[engine]
slots = 4
[sampling]
max_new_tokens = 80
"""

AIGC = [sys.executable, "-m", "aigc"]

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not (CACHE / "models" / DEFAULT_MODEL).is_dir(), reason="needs `aigc models pull`"),
]


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIGC_ENGINE_NAME", "local")
    monkeypatch.setenv("AIGC_CACHE", str(CACHE))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    Path("briefs.csv").write_text(SHEET, "utf-8")
    Path("aigc.toml").write_text(SETTINGS, "utf-8")


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "aigc", "run", "briefs.csv", "--json", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))


def finish(process: subprocess.Popen[str]) -> dict[str, object]:
    out, err = process.communicate(timeout=240)
    assert process.returncode in (0, 3), err
    assert "Traceback" not in err
    found: dict[str, object] = json.loads(out)
    return found


def answers(folder: Path) -> dict[tuple[str, int], list[tuple[str, str, str]]]:
    """Every attempt's text, end and seed by row."""
    rows = pq.read_table(folder / "records.parquet", columns=["brief_id", "variant", "attempts"]).to_pylist()
    return {
        (row["brief_id"], row["variant"]): [(a["text"], a["finish_reason"], a["seed"]) for a in row["attempts"]]
        for row in rows
    }


def wait_for_lines(journal: Path, lines: int) -> None:
    for _ in range(1200):
        if journal.exists() and journal.read_bytes().count(b"\n") >= lines:
            return
        time.sleep(0.1)
    raise AssertionError(f"the journal never had {lines} lines")


@pytest.mark.usefixtures("project")
def test_a_killed_run_ends_with_the_texts_of_an_undisturbed_one() -> None:
    undisturbed = finish(start("--out", "calm"))
    killed = start("--out", "killed")
    while not (journals := list(Path("killed").glob("*/journal.jsonl"))):
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.1)
    wait_for_lines(journals[0], 3)  # its heading and two rows or attempts
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    folder = journals[0].parent
    assert json.loads((folder / "run.json").read_text())["status"] == "running"
    assert not (folder / "records.parquet").exists()

    resumed = finish(start("--out", "killed"))
    assert resumed["run_id"] == folder.name
    calm = answers(Path(str(undisturbed["folder"])))
    assert answers(folder) == calm
    assert sorted(calm) == [("fair", 0), ("lamp", 0), ("mug", 0), ("mug", 1), ("note", 0)]
    assert calm["mug", 0][0][0] != calm["mug", 1][0][0], "variants differ"

    for attempts in calm.values():
        for text, ended, _ in attempts:
            if ended == "stop" and text.startswith("{"):
                assert json.loads(text), "what ended by itself parses"

    with (folder / "rejected.csv").open(encoding="utf-8-sig", newline="") as file:
        rejected = list(csv.DictReader(file))
    outcomes = resumed["outcomes"]
    assert isinstance(outcomes, dict)
    assert outcomes.get("accepted", 0) + len(rejected) == 5
    (engine,) = json.loads((folder / "run.json").read_text())["engines"].values()
    assert (engine["dtype"], engine["slots"], engine["batch_invariant"]) == ("bfloat16", 4, True)
    assert engine["model_digest"].startswith("sha256:")

    verified = subprocess.run([*AIGC, "verify", str(folder), "--json"], capture_output=True, text=True, check=False)
    assert (verified.returncode, json.loads(verified.stdout)["holds"]) == (0, True)
    again = subprocess.run([*AIGC, "reproduce", str(folder), "--sample", "9", "--json"], capture_output=True, text=True,
                           check=False)
    found = json.loads(again.stdout)
    # A checkout with changes in it, or a commit made meanwhile, is told as that; it says nothing of the texts.
    differences = [line for line in found["differences"] if not line.startswith("commit: ")]
    assert (again.returncode, found["same"], differences) == (0, True, [])
    assert [row["tokens_same"] for row in found["rows"]] == [True] * 5
