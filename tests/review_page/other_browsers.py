"""Firefox and WebKit (Safari's engine) as the machine has them, driven by WebDriver with the standard library alone.

WebKitWebDriver speaks it over HTTP, and its browser needs a screen: Xvfb is one. Firefox speaks the same commands over
a socket of its own, `--marionette`, which is what geckodriver would translate to.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

DEADLINE_S = 60.0
FIREFOX = "firefox" if shutil.which("firefox") and not shutil.which("firefox-esr") else "firefox-esr"
KEYS = {
    "Control": "\ue009", "Enter": "\ue007", "Escape": "\ue00c", "Tab": "\ue004", "Home": "\ue011",
    "ArrowDown": "\ue015",
}
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
FIREFOX_LIKES = {
    "browser.aboutwelcome.enabled": False,
    "browser.download.alwaysOpenPanel": False,  # the panel takes the keyboard from the page
    "browser.download.folderList": 2,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "intl.accept_languages": "en-GB",
    "marionette.port": 0,
    "network.proxy.type": 1,  # it asks for news at its start: of nobody
    **{f"network.proxy.{kind}": "127.0.0.1" for kind in ("http", "ssl")},
    **{f"network.proxy.{kind}_port": 9 for kind in ("http", "ssl")},
}


class Driver(Protocol):
    """Carries out commands of WebDriver by their names there."""

    def command(self, name: str, **given: Any) -> Any: ...


class Marionette:
    """Firefox's own: `length:[0, number, command, parameters]` there, `length:[1, number, error, result]` back."""

    def __init__(self, port: int, until: ExitStack) -> None:
        connection = until.enter_context(socket.create_connection(("127.0.0.1", port), DEADLINE_S))
        self._stream = until.enter_context(connection.makefile("rwb"))
        self._told()
        self._number = 0
        self.command("NewSession", capabilities={"alwaysMatch": {}})

    def command(self, name: str, **given: Any) -> Any:
        self._number += 1
        message = json.dumps([0, self._number, f"WebDriver:{name}", {"sandbox": None, **given}]).encode()
        self._stream.write(b"%d:" % len(message) + message)
        self._stream.flush()
        _, _, error, result = self._told()
        if error:
            raise RuntimeError(f"{name}: {error['error']}: {error['message']}")
        return result["value"] if isinstance(result, dict) and set(result) == {"value"} else result

    def _told(self) -> Any:
        length = b""
        while (digit := self._stream.read(1)) != b":":
            if not digit:
                raise ConnectionError("Firefox has gone")
            length += digit
        return json.loads(self._stream.read(int(length)))


class WebDriver:
    """A driver's own: commands are addresses."""

    PATHS = {
        "NewSession": "", "Navigate": "/url", "Refresh": "/refresh", "ExecuteScript": "/execute/sync",
        "FindElement": "/element", "ElementSendKeys": "/element/{id}/value", "PerformActions": "/actions",
        "SetWindowRect": "/window/rect",
    }

    def __init__(self, port: int, until: ExitStack) -> None:
        self._address = f"http://127.0.0.1:{port}/session"
        session = self.command("NewSession", capabilities={"alwaysMatch": {}})
        self._address += f"/{session['sessionId']}"
        until.callback(self._ask, "DELETE", "", None)

    def command(self, name: str, **given: Any) -> Any:
        return self._ask("POST", self.PATHS[name].format(**given), json.dumps(given).encode())

    def _ask(self, method: str, path: str, body: bytes | None) -> Any:
        heads = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._address + path, body, heads, method=method)  # noqa: S310
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:  # noqa: S310
            return json.load(answer)["value"]


class Visit:
    """A person before a page."""

    def __init__(self, driver: Driver, downloads: Path) -> None:
        self._driver = driver
        self.downloads = downloads
        self._driver.command("SetWindowRect", width=1280, height=900)

    def open(self, path: Path) -> None:
        self._driver.command("Navigate", url=path.as_uri())

    def reload(self) -> None:
        self._driver.command("Refresh")

    def run(self, script: str, *given: Any) -> Any:
        """What a script returns that the browser itself runs: the page's policy does not bind it."""
        return self._driver.command("ExecuteScript", script=script, args=list(given))

    def press(self, *chords: str) -> None:
        """Press keys one after the other; those in one chord, as `Control+Enter`, together."""
        steps = []
        for chord in chords:
            keys = [KEYS.get(key, key) for key in chord.split("+")]
            steps += [("keyDown", key) for key in keys] + [("keyUp", key) for key in reversed(keys)]
        actions = [{"type": kind, "value": key} for kind, key in steps]
        self._driver.command("PerformActions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    def type(self, words: str) -> None:
        self.press(*words)

    def give_file(self, selector: str, path: Path) -> None:
        found = self._driver.command("FindElement", using="css selector", value=selector)
        self._driver.command("ElementSendKeys", id=found[ELEMENT], text=str(path))

    def texts(self, selector: str) -> list[str]:
        script = "return [...document.querySelectorAll(arguments[0])].map((element) => element.innerText.trim())"
        return list(self.run(script, selector))

    def until(self, script: str, *given: Any) -> None:
        """Wait until an expression holds."""
        wait_until(lambda: self.run(f"return Boolean({script})", *given), script)

    def until_it_says(self, selector: str, words: str) -> None:
        script = "[...document.querySelectorAll(arguments[0])].some((each) => each.innerText.includes(arguments[1]))"
        self.until(script, selector, words)


def wait_until(holds: Any, what: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"still not, after {DEADLINE_S:.0f} s: {what}")
        time.sleep(0.05)


def missing(browser: str) -> str:
    """What this machine lacks to drive a browser, and how Debian has it. '' where there is nothing."""
    needs = {"firefox": [FIREFOX], "webkit": ["WebKitWebDriver", "Xvfb"]}[browser]
    lacking = [name for name in needs if not shutil.which(name)]
    packages = {"firefox": "firefox-esr", "webkit": "webkit2gtk-driver xvfb"}[browser]
    return f"no {' and no '.join(lacking)} on this machine (apt-get install {packages})" if lacking else ""


def visit(browser: str, home: Path, until: ExitStack) -> Visit:
    """A browser that has never seen a page. It and all it needs end with `until`."""
    return Visit({"firefox": _firefox, "webkit": _webkit}[browser](home, until), home)


def _started(command: list[str], home: Path, until: ExitStack, **environment: str) -> None:
    log = until.enter_context((home / f"{Path(command[0]).name}.log").open("wb"))
    ours = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}  # where downloads go
    process = subprocess.Popen(command, stdout=log, stderr=log, env={**ours, "HOME": str(home), **environment})
    until.callback(process.wait, 20)
    until.callback(process.terminate)


def _firefox(home: Path, until: ExitStack) -> Driver:
    profile = home / "profile"
    profile.mkdir()
    likes = {**FIREFOX_LIKES, "browser.download.dir": str(home)}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in likes.items()]
    (profile / "user.js").write_text("".join(lines), "utf-8")
    _started([FIREFOX, "--headless", "--marionette", "--no-remote", "--profile", str(profile)], home, until)
    port = profile / "MarionetteActivePort"
    wait_until(lambda: port.is_file() and port.read_text(), "Firefox listens")
    return Marionette(int(port.read_text()), until)


def _webkit(home: Path, until: ExitStack) -> Driver:
    screen, port = home / "screen", _free_port()
    with screen.open("wb") as named:
        os.set_inheritable(named.fileno(), True)
        display = ["Xvfb", "-displayfd", str(named.fileno()), "-screen", "0", "1600x1200x24", "-nolisten", "tcp"]
        process = subprocess.Popen(display, pass_fds=[named.fileno()], stderr=subprocess.DEVNULL)
    until.callback(process.wait, 20)
    until.callback(process.terminate)
    wait_until(lambda: screen.read_text().endswith("\n"), "Xvfb has a screen")
    language = {"DISPLAY": f":{screen.read_text().strip()}", "LANG": "C.UTF-8", "LANGUAGE": "en_GB"}
    _started(["WebKitWebDriver", f"--port={port}"], home, until, **language)
    wait_until(lambda: _answers(port), "WebKitWebDriver listens")
    return WebDriver(port, until)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
