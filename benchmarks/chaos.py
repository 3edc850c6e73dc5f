"""A night that is stopped and killed in every way, and what is lost, doubled, and how long it takes until it goes on.

    python benchmarks/chaos.py [--json] [--only NAME,NAME] [--rows 200] [--step 0.03]

A Prefect server, a worker and a project on this machine, the night as `aigc schedule` plans it, and ScriptedEngine with
a delay in place of a model: two variants of every brief, a fifth of the answers unusable and tried again. When a
third of the rows is made, the event falls. Whatever died is started again as systemd would start it; then the next
night is asked for, or the server's own retry, and it has to come to its end.
Told of each event:

    state      of the disturbed run at the server, in the end
    closed     seconds from the event until the run's process had ended
    told       seconds from the event until the server had that state
    goes on    seconds from the event until the next row was made
    lost       rows of the undisturbed night that are missing
    doubled    rows that stand twice in the results, or were settled twice in the journal
    differing  rows with any other value than the undisturbed night's, apart from times
    remade     answers that had to be made a second time
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from chaos_arena import Server, Worker, deploy, wait_for
from kill import compare
from pipeline import write_sheet

SETTINGS = "[run]\nvariants = 2\nmax_attempts = 3\nshard_rows = 50\n"
SILENT_AFTER_S = 90.0
SERVER_AWAY_S = 30.0
LONGEST_S = 420.0
PLAN = """
import sys
from pathlib import Path
from aigc.nights_plan import NightsPlan
from flows.schedule import set_up
from prefect import get_client
folder, step, silent = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
done = set_up(NightsPlan(cron="0 2 * * *", timezone="Europe/Berlin", folder=folder, name=folder.name, pool=folder.name,
                         silent_after_s=silent, environment={"CHAOS_STEP_S": step}))
with get_client(sync_client=True) as client:
    found = client.read_deployment_by_name(done.deployment)
    client._client.patch(f"/deployments/{found.id}", json={"entrypoint": "chaos_flows.nightly"}).raise_for_status()
print(found.id)
"""


@dataclass
class Told:
    """What came of one event. Seconds; None where there was nothing to wait for."""

    event: str
    state: str = ""
    closed: float | None = None
    told: float | None = None
    goes_on: float | None = None
    lost: int = 0
    doubled: int = 0
    differing: int = 0
    remade: int = 0


class Night:
    """A project with its worker, and the night that is disturbed."""

    def __init__(self, server: Server, folder: Path, options: argparse.Namespace) -> None:
        folder.mkdir(parents=True)
        (folder / "inputs").mkdir()
        write_sheet(folder / "inputs" / "products.csv", options.rows)
        (folder / "aigc.toml").write_text(SETTINGS, "utf-8")
        self.server, self.folder = server, folder
        self.worker = Worker(server, folder, folder.name)
        self.deployment = deploy(server, PLAN, folder, [folder, options.step, SILENT_AFTER_S])
        self.run_id, self.rows = "", 2 * options.rows

    def begin(self) -> None:
        self.worker.start()
        self.run_id = self.server.run(self.deployment)

    def made(self) -> int:
        """Lines of the journal: a line for each row or attempt that stands."""
        return sum(path.read_bytes().count(b"\n") for path in self.folder.glob("outputs/*/journal.jsonl"))

    def flow(self) -> int:
        """The run's process: the newest of those that execute it."""
        return max(self.worker.flows())

    def kill_flow(self) -> None:
        for pid in self.worker.flows():
            os.kill(pid, signal.SIGKILL)

    def kill_worker(self) -> None:
        """Prefect's worker: `aigc worker` over it closes the run, ends, and is started again."""
        for pid in self.worker.prefect():
            os.kill(pid, signal.SIGKILL)

    def kill_all(self) -> None:
        """Both workers and the run's process, as when a machine loses its power."""
        assert self.worker.process
        for pid in [self.worker.process.pid, *self.worker.prefect(), *self.worker.flows()]:
            os.kill(pid, signal.SIGKILL)

    def state(self) -> str:
        return self.server.state(self.run_id)

    def ended(self) -> bool:
        return self.state() in FINAL


FINAL = ("Completed", "Failed", "Crashed", "Cancelled", "TimedOut")


def _cancel(night: Night) -> None:
    night.server.set_state(night.run_id, "CANCELLING")


def _terminate_flow(night: Night) -> None:
    os.kill(night.flow(), signal.SIGTERM)


def _interrupt_flow(night: Night) -> None:
    os.kill(night.flow(), signal.SIGINT)


def _terminate_worker(night: Night) -> None:
    assert night.worker.process
    night.worker.process.send_signal(signal.SIGTERM)


def _server_away(night: Night) -> None:
    night.server.stop(signal.SIGKILL)
    time.sleep(SERVER_AWAY_S)
    night.server.start()


EVENTS: dict[str, Callable[[Night], None]] = {
    "nothing": lambda _: None,
    "cancelled on its page": _cancel,
    "SIGINT to the flow": _interrupt_flow,
    "SIGTERM to the flow": _terminate_flow,
    "SIGTERM to the worker": _terminate_worker,
    "SIGKILL of the flow": Night.kill_flow,
    "SIGKILL of the flow, retried on its page": Night.kill_flow,
    "SIGKILL of the worker": Night.kill_worker,
    "SIGKILL of worker and flow": Night.kill_all,
    "SIGKILL of the server, back after 30 s": _server_away,
}
GOES_ON = ("nothing", "SIGKILL of the server, back after 30 s")
"""Events after which the run itself comes to its end."""


def disturbed(night: Night, event: str) -> Told:
    """One event in a night, and all that follows until its rows are made."""
    told = Told(event)
    night.begin()
    wait_for(lambda: night.made() > night.rows // 3, "rows", 120)
    began = time.monotonic()

    def since() -> float:
        return round(time.monotonic() - began, 1)

    at = night.made()
    if event in GOES_ON:
        falling = threading.Thread(target=EVENTS[event], args=(night,))
        falling.start()  # rows may be made while it lasts
        wait_for(lambda: night.made() > at, "further row", LONGEST_S, 0.02)
        told.goes_on = None if event == "nothing" else since()
        falling.join()
        wait_for(night.ended, "end", LONGEST_S)
        told.state = night.state()
    else:
        EVENTS[event](night)
        _gone_on_with(night, told, since)
    return told


def _gone_on_with(night: Night, told: Told, since: Callable[[], float]) -> None:
    wait_for(lambda: not night.worker.flows(), "end of the flow's process", LONGEST_S, 0.05)
    told.closed, at = since(), night.made()
    if told.event.endswith("retried on its page"):
        wait_for(night.ended, "end of the run", LONGEST_S)
        told.state, told.told = night.state(), since()
        night.server.set_state(night.run_id, "SCHEDULED", "AwaitingRetry")
        following = night.run_id
    else:
        following = night.server.run(night.deployment)
        wait_for(night.ended, "end of the run", LONGEST_S)
        told.state, told.told = night.state(), since()
    if night.server.state(following) != "Completed" and at < night.rows:
        wait_for(lambda: night.made() > at, "further row", LONGEST_S, 0.05)
        told.goes_on = since()
    wait_for(lambda: night.server.state(following) == "Completed", "completed night", LONGEST_S)


def measure(options: argparse.Namespace) -> list[Told]:
    events = [name for name in EVENTS if not options.only or any(word in name for word in options.only.split(","))]
    found = []
    with tempfile.TemporaryDirectory(prefix="aigc-chaos-", ignore_cleanup_errors=True) as temporary:
        server = Server(Path(temporary) / "server")
        server.start()
        try:
            calm = _one(server, Path(temporary) / "calm", "nothing", options)[0]
            for number, event in enumerate(name for name in events if name != "nothing"):
                night, told = _one(server, Path(temporary) / f"night-{number}", event, options)
                there = compare(night.folder, calm.folder)
                told.lost, told.doubled, told.differing = there.lost, there.doubled, there.differing
                told.remade = there.remade
                found.append(told)
                print(_line(told), flush=True)
        finally:
            server.stop()
    return found


def _one(server: Server, folder: Path, event: str, options: argparse.Namespace) -> tuple[Night, Told]:
    night = Night(server, folder, options)
    try:
        return night, disturbed(night, event)
    finally:
        night.worker.stop()
        night.kill_flow()


def _line(told: Told) -> str:
    def seconds(value: float | None) -> str:
        return "–" if value is None else f"{value:.1f} s"

    cells = [told.event, told.state, seconds(told.closed), seconds(told.told), seconds(told.goes_on),
             *(f"{number:,}" for number in (told.lost, told.doubled, told.differing, told.remade))]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--only", default="", help="only events whose names have one of these words")
    parser.add_argument("--rows", type=int, default=200, help="briefs of the sheet; each has two variants")
    parser.add_argument("--step", type=float, default=0.03, help="seconds of an answer")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that no server and no worker is left behind
    print("| Event | State | Closed | Told | Goes on | Lost | Doubled | Differing | Remade |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    found = measure(options)
    if options.json:
        print(json.dumps([asdict(told) for told in found]))
    sys.exit(any(told.lost or told.doubled or told.differing for told in found))


if __name__ == "__main__":
    main()
