"""`aigc chat` as it is used: a script on standard input, and a person's terminal with Ctrl-C and Ctrl-D."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aigc.models import cache_folder
from aigc.settings import DEFAULT_MODEL
from aigc.training_data.dialogues import read_dialogues

CACHE = cache_folder()  # the user's own, read before the fixtures hide it
AIGC = [sys.executable, "-m", "aigc", "chat"]
LONG_S, AGAIN_S = 120.0, 3.0
TAKE_TERMINAL = """import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])"""
"""Without a terminal that is its own Ctrl-C would be a letter like any other."""
needs_model = pytest.mark.skipif(not (CACHE / "models" / DEFAULT_MODEL).is_dir(), reason="needs `aigc models pull`")


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default model."""
    monkeypatch.setenv("AIGC_ENGINE_NAME", "local")
    monkeypatch.setenv("AIGC_CACHE", str(CACHE))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def script(text: str | bytes, *options: str) -> subprocess.CompletedProcess[str]:
    given = text if isinstance(text, bytes) else text.encode()
    done = subprocess.run([*AIGC, *options], input=given, capture_output=True, timeout=LONG_S, env=dict(os.environ))
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


# A script


def test_answers_go_to_standard_output_and_all_else_to_the_other() -> None:
    done = script("Hello, how is the sea?\n/save a.jsonl\nAnd the boat?\n")
    first, second = done.stdout.rstrip("\n").split("\n\n")
    assert (done.returncode, bool(first), bool(second)) == (0, True, True)
    assert re.fullmatch(r"Saved: a\.jsonl, 1 dialogue\.\n", done.stderr)
    assert len(read_dialogues(Path("a.jsonl")).dialogues[0].messages) == 2


def test_a_script_says_the_same_twice_and_nothing_is_told_in_colours() -> None:
    one, other = (script("Hello, how is the sea?\n/retry\n") for _ in range(2))
    assert one.stdout == other.stdout
    assert "\x1b" not in one.stdout + one.stderr
    first, second = one.stdout.rstrip("\n").split("\n\n")
    assert first != second


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("/xyzzy\n", "/xyzzy is no command. /help lists them"),
        ("/sav\n", "Did you mean '/save'?"),
        ("/save\n", "found no turn"),
        ("/retry\n", "Nothing was asked yet."),
        ("/undo\n", "There is nothing to take back."),
        ("/system\n", "No system message."),
        ("/system Be brief.\n/system\n", "System message: Be brief.\nSystem message: Be brief."),
        ("/system Be brief.\n/system -\n", "No system message."),
        ("/reset\n", "A new conversation."),
        ("/help\n", "/undo            take the last question"),
    ],
)
def test_every_command_answers(lines: str, told: str) -> None:
    done = script(lines)
    assert told in done.stderr
    assert done.stdout == ""


def test_a_line_goes_on_below_a_backslash_and_two_slashes_ask_one() -> None:
    done = script("How is\\\nthe sea?\n//etc is what?\n/save a.jsonl\n")
    assert done.returncode == 0
    (dialogue,) = read_dialogues(Path("a.jsonl")).dialogues
    assert [message.content for message in dialogue.messages if message.role == "user"] == [
        "How is\nthe sea?", "/etc is what?"]


@pytest.mark.parametrize("lines", [b"\xef\xbb\xbfHello?\r\n", b"Hell\xff?\n", b"Hello?", "大海好吗？\n".encode()])
def test_whatever_bytes_a_script_has_it_is_answered(lines: bytes) -> None:
    done = script(lines)
    assert (done.returncode, done.stdout.strip() != "") == (0, True)


def test_a_script_of_which_a_question_was_not_answered_ends_with_3() -> None:
    Path("aigc.toml").write_text('[policy]\nforbidden = ["casino"]\n', "utf-8")
    done = script("Where is the casino?\nWhere is the sea?\n")
    assert done.returncode == 3
    assert "Withheld (policy: forbidden_by_policy). policy.forbidden forbids 'casino'." in done.stderr
    assert done.stdout.count("\n") == 1


def test_a_system_message_comes_from_a_file_and_a_missing_one_is_told() -> None:
    Path("system.txt").write_text("Answer as a sailor.\n", "utf-8")
    assert "System message: Answer as a sailor." in script("/system\n", "--system", "system.txt").stderr
    done = script("", "--system", "none.txt")
    assert (done.returncode, "aigc: --system: found none.txt: No such file" in done.stderr) == (2, True)


# A terminal


class Terminal:
    """`aigc chat` at a terminal of its own."""

    def __init__(self, *options: str) -> None:
        self._master, slave = os.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_TERMINAL, *AIGC, *options], stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True, env={**os.environ, "TERM": "xterm"})
        os.close(slave)
        self.seen = ""

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def wait_for(self, text: str, *, since: int = 0) -> int:
        """Wait until the terminal shows `text`, after `since`; returns where it ends."""
        assert self._comes(text, since, LONG_S), f"{text!r} is not in {self.seen!r}"
        return self.seen.index(text, since) + len(text)

    def press_until(self, key: str, text: str, *, since: int) -> int:
        """Press a key, and again where nothing comes of it, as a person does.

        A Ctrl-C between the prompt and the wait for a key is kept by Python's readline until the next key; on a busy
        machine that moment is long.
        """
        deadline = time.monotonic() + LONG_S
        while time.monotonic() < deadline:
            self.type(key)
            if self._comes(text, since, AGAIN_S):
                return self.seen.index(text, since) + len(text)
        raise AssertionError(f"{text!r} is not in {self.seen!r}")

    def leave_by_ctrl_d(self) -> int:
        """Ctrl-D until the process has ended; its exit code. One between two prompts is taken by the terminal itself.
        """
        deadline = time.monotonic() + LONG_S
        while time.monotonic() < deadline:
            self.type("\x04")
            self._comes("\0never\0", 0, AGAIN_S)  # reads what there is, so that the process can write
            if (code := self.process.poll()) is not None:
                return code
        raise AssertionError(f"it has not ended: {self.seen!r}")

    def _comes(self, text: str, since: int, wait_s: float) -> bool:
        """Whether the terminal shows `text` within so many seconds, and before the process has ended."""
        deadline = time.monotonic() + wait_s
        while text not in self.seen[since:]:
            if time.monotonic() > deadline:
                return False
            if select.select([self._master], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self._master, 4096).decode("utf-8", "replace")
                except OSError:  # the other end is closed
                    self.process.wait(LONG_S)
                    return text in self.seen[since:]
        return True

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@contextmanager
def terminal(*options: str) -> Iterator[Terminal]:
    opened = Terminal(*options)
    try:
        yield opened
    finally:
        opened.close()


def test_a_terminal_is_greeted_and_left_by_ctrl_d() -> None:
    with terminal() as person:
        at = person.wait_for("generated by AI. /help lists commands, Ctrl-D leaves.")
        person.wait_for("> ", since=at)
        person.type("How is the sea?\n")
        at = person.wait_for("How is the sea?\r\n", since=at)
        at = person.wait_for("> ", since=at)
        at = person.press_until("\x03", "Ctrl-D or /quit leaves.", since=at)
        person.wait_for("> ", since=at)
        assert person.leave_by_ctrl_d() == 0


@pytest.mark.e2e
@needs_model
@pytest.mark.usefixtures("real")
def test_ctrl_c_stops_the_answer_and_not_the_chat() -> None:
    Path("aigc.toml").write_text("[sampling]\nmax_new_tokens = 400\n", "utf-8")
    with terminal() as person:
        at = person.wait_for("> ")
        person.type("Write a very long story about the sea.\n")
        at = person.wait_for("sea.\r\n", since=at)
        at = person.wait_for(" ", since=at)  # its first word is there, so that it streams
        person.type("\x03")
        at = person.wait_for("Stopped.", since=at)
        assert len(person.seen) < 3_000
        person.type("/save story.jsonl\n")
        at = person.wait_for("1 dialogue.", since=at)
        person.wait_for("> ", since=at)
        assert person.leave_by_ctrl_d() == 0
    (dialogue,) = read_dialogues(Path("story.jsonl")).dialogues
    assert 0 < len(dialogue.messages[1].content.split()) < 200


@pytest.mark.slow
@pytest.mark.e2e
@needs_model
@pytest.mark.usefixtures("real")
def test_the_default_model_talks_from_a_script_and_remembers() -> None:
    Path("aigc.toml").write_text("[sampling]\nmax_new_tokens = 24\ntemperature = 0.0\n", "utf-8")
    lines = "My name is Ines.\nWhat is my name?\n/save talk.jsonl\n"
    done = script(lines)
    assert done.stdout.rstrip("\n").count("\n\n") >= 1
    assert "Ines" in done.stdout.rpartition("\n\n")[2]
    saved = json.loads(Path("talk.jsonl").read_text("utf-8"))
    assert [message["role"] for message in saved["messages"]] == ["user", "assistant"] * 2
    assert saved["model"] == DEFAULT_MODEL
    assert script(lines).stdout == done.stdout
