"""scripts/make_venv: what a machine lacks is named, and a half-made environment is made again."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOUND = """#!/bin/sh
case "$*" in
    "-m venv --clear "*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" && echo made >> "$4/../log" ;;
    *) exit 0 ;;
esac
"""
OLD, WITHOUT_VENV, WITHOUT_PIP = (
    "#!/bin/sh\nexit 1\n",
    '#!/bin/sh\ncase "$*" in *ensurepip*) exit 1 ;; esac\n',
    '#!/bin/sh\ncase "$*" in *pip*) exit 1 ;; esac\n',
)


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


SLOW = """#!/bin/sh
case "$*" in
    *install*) echo "Collecting torch>=2"; echo "  Downloading torch-2.13.0-cp311.whl (812.3 MB)"; exec sleep 2 ;;
esac
"""


def command(folder: Path) -> list[str]:
    return ["sh", str(ROOT / "scripts" / "make_venv"), str(folder / "venv"), "1"]


def environ(folder: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", **more}


def make_venv(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(folder), cwd=ROOT, env=environ(folder), capture_output=True, text=True, timeout=60)


def runs(process: int) -> bool:
    """Whether a process is there and has not ended, reaped or not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def slow_machine(folder: Path) -> Path:
    program(folder / "bin" / "python3", SOUND)
    program(folder / "venv" / "bin" / "python", SLOW)
    return folder


@pytest.mark.parametrize(("python", "made"), [(None, True), (WITHOUT_PIP, True), (SOUND, False)],
                         ids=["none", "no pip", "whole"])
def test_an_environment_is_made_where_it_has_no_pip_and_kept_where_it_has(
    tmp_path: Path, python: str | None, *, made: bool
) -> None:
    program(tmp_path / "bin" / "python3", SOUND)
    if python:
        program(tmp_path / "venv" / "bin" / "python", python)
    done = make_venv(tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "log").exists() == made


def test_the_package_named_is_that_of_the_interpreter_found(tmp_path: Path) -> None:
    programs = {"python3": OLD, "python3.13": OLD, "python3.12": WITHOUT_VENV, "id": "#!/bin/sh\necho 1000\n"}
    for name, text in programs.items():
        program(tmp_path / "bin" / name, text)
    done = make_venv(tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "aigc: python3.12 has no venv. Install it (Debian: sudo apt-get install python3.12-venv), "
        "then run make again.\n"
    )


def test_a_log_is_told_in_plain_lines_what_is_being_installed(tmp_path: Path) -> None:
    told = make_venv(slow_machine(tmp_path)).stderr.splitlines()
    assert told[0].startswith(f"aigc: installing into {tmp_path}/venv. ")
    beats = [re.fullmatch(r"  (\d+) s · package 1: torch-2\.13\.0 \(812\.3 MB\)", line) for line in told[1:-1]]
    assert beats
    assert all(beats)
    assert re.fullmatch(r"aigc: installed in \d+ s\.", told[-1])


def test_a_terminal_is_told_on_one_line(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(command(slow_machine(tmp_path)), cwd=ROOT, env=environ(tmp_path, TERM="xterm"),
                          stderr=theirs) as running:
        os.close(theirs)
        told = b""
        while b"installed in" not in told:
            told += os.read(ours, 4096)
        assert running.wait(timeout=60) == 0
    os.close(ours)
    assert told.count(b"\r\033[K") >= 2
    assert told.count(b"\r\n") == 2
    assert "s · package 1: torch-2.13.0 (812.3 MB)".encode() in told


def test_who_interrupts_it_leaves_no_pip_behind(tmp_path: Path) -> None:
    slow_machine(tmp_path)
    longer = SLOW.replace("exec sleep 2", f"echo $$ > {tmp_path}/pip; exec sleep 60")
    program(tmp_path / "venv" / "bin" / "python", longer)
    with subprocess.Popen(command(tmp_path), cwd=ROOT, env=environ(tmp_path), stderr=subprocess.PIPE,
                          text=True) as running:
        while not (tmp_path / "pip").exists() or not (tmp_path / "pip").read_text().strip():
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        told = running.communicate(timeout=60)[1]
    assert running.returncode == 130
    assert told.endswith("aigc: interrupted. The same command goes on.\n")
    pip = int((tmp_path / "pip").read_text())
    deadline = time.monotonic() + 30
    while runs(pip):
        assert time.monotonic() < deadline
        time.sleep(0.02)
