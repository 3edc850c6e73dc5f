"""A night that is stopped, killed and starved in every way, and what is lost, doubled, and how long until it goes on.

    python benchmarks/chaos.py [--json] [--only NAME,NAME] [--rows 200] [--step 0.03] [--keep FOLDER]

A Prefect server, a worker, a webhook and a project on this machine, the night as `aigc schedule` plans it, and
ScriptedEngine with a delay in place of a model, in a process of its own as on a GPU: two variants of every brief, a
fifth of the answers unusable and tried again. When a third of the rows is made, the event falls. Whatever died is
started again as systemd would start it; then the next night is asked for, or the server's own retry, and it has to
come to its end. Told of each event:

    state      of the disturbed run at the server, in the end
    closed     seconds from the event until the run's process had ended
    told       seconds from the event until the server had that state
    goes on    seconds from the event until the next row was made
    nights     further runs that were needed
    lost       rows of the undisturbed night that are missing
    doubled    rows that stand twice in the results, or were settled twice in the journal
    differing  rows with any other value than the undisturbed night's, apart from times
    remade     answers that had to be made a second time
    people     what the webhook was told, and seconds from the event until the first of it
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from chaos_arena import Server, wait_for
from chaos_model import NO_MEMORY
from chaos_night import LONGEST_S, Night
from chaos_webhook import Webhook
from kill import compare

SERVER_AWAY_S = 30.0
DISK_FULL_S = 5.0
AGAIN_S = 8.0
"""Before a sheet is tried again; half of it more or less by chance."""
MESSAGES_S = 60.0
"""How long a message to people may take that is expected."""


@dataclass
class Told:
    """What came of one event. Seconds; None where there was nothing to wait for."""

    event: str
    state: str = ""
    closed: float | None = None
    told: float | None = None
    goes_on: float | None = None
    nights: int = 0
    lost: int = 0
    doubled: int = 0
    differing: int = 0
    remade: int = 0
    people: list[str] = field(default_factory=list)
    people_s: float | None = None
    fell_short: str = ""
    """What did not come."""


@dataclass(frozen=True)
class Event:
    """Something that happens to a night. `ends` is whether the run ends by it, so that another has to follow."""

    act: Callable[[Night], None]
    ends: bool = True
    retried: bool = False
    """The same run again, as by the button on its page."""
    parameters: Mapping[str, object] = field(default_factory=dict)
    has_worker: bool = True
    people: int = 0
    """Messages that are expected at least."""
    drains_s: float = 0.0
    """So long after it, rows may still come that were made before."""


def _nothing(_: Night) -> None:
    """What is seen is the night itself."""


def _cancel(night: Night) -> None:
    night.server.set_state(night.run_id, "CANCELLING")


def _send(sent: signal.Signals) -> Callable[[Night], None]:
    return lambda night: os.kill(night.flow(), sent)


def _terminate_worker(night: Night) -> None:
    assert night.worker.process
    night.worker.process.send_signal(signal.SIGTERM)


def _server_away(night: Night) -> None:
    night.server.stop(signal.SIGKILL)
    time.sleep(SERVER_AWAY_S)
    night.server.start()


def _no_memory(night: Night) -> None:
    (night.folder / NO_MEMORY).touch()


def _disk_full(night: Night) -> None:
    """The journal can take no more for some seconds."""
    flow = night.flow()
    with night.full_disk(flow):
        time.sleep(DISK_FULL_S)


def _no_worker(night: Night) -> None:
    wait_for(lambda: night.people, "word of a late night", LONGEST_S)
    night.worker.start()


_TRIES = {"tries": {"again": 2, "wait_s": AGAIN_S}}
EVENTS: dict[str, Event] = {
    "nothing": Event(_nothing, ends=False),
    "cancelled on its page": Event(_cancel),
    "SIGINT to the flow": Event(_send(signal.SIGINT), people=1),
    "SIGTERM to the flow": Event(_send(signal.SIGTERM), people=1),
    "SIGTERM to the worker": Event(_terminate_worker, people=1),
    "SIGKILL of the flow": Event(Night.kill_flow, people=1),
    "SIGKILL of the flow, retried on its page": Event(Night.kill_flow, retried=True, people=1),
    "SIGKILL of the worker": Event(Night.kill_worker, people=1),
    "SIGKILL of worker and flow": Event(Night.kill_all, people=1),
    "SIGKILL of the model's process": Event(Night.kill_model, ends=False, drains_s=0.3),
    "SIGKILL of the server, back after 30 s": Event(_server_away, ends=False),
    "no memory, once": Event(_no_memory, ends=False, drains_s=0.3, parameters=_TRIES),
    "no room on the disk for 5 s": Event(_disk_full, ends=False, drains_s=0.1, parameters=_TRIES),
    "no worker when it is due": Event(_no_worker, ends=False, has_worker=False, people=1),
    "fewer accepted than are wanted": Event(_nothing, ends=False, people=1,
                                            parameters={"alerts": {"least_accepted": 0.999}}),
}


def disturbed(night: Night, name: str) -> Told:
    """One event in a night, and all that follows until its rows are made."""
    told, event = Told(name), EVENTS[name]
    try:
        _disturb(night, event, told)
    except TimeoutError as exc:
        told.fell_short = str(exc)
    told.state = told.state or night.state()
    return told


def _disturb(night: Night, event: Event, told: Told) -> None:
    night.begin(event.parameters, has_worker=event.has_worker)
    if event.has_worker:
        wait_for(lambda: night.made() > night.rows // 3, "rows", LONGEST_S)
    began, at = time.monotonic(), night.made()

    def look() -> None:
        since = round(time.monotonic() - began, 1)
        if told.closed is None and event.ends and not night.worker.flows():
            told.closed = since
        if told.goes_on is None and event.act is not _nothing and night.made() > at:
            told.goes_on = since
        if told.told is None and night.ended():  # last: the server may be away
            told.told, told.state = since, night.state()

    with night.looking(look):
        event.act(night)
        if event.drains_s:
            time.sleep(event.drains_s)
            at, told.goes_on = night.made(), None
        if event.ends:
            wait_for(lambda: told.closed is not None, "end of the flow's process", LONGEST_S)
            at, told.goes_on = night.made(), None  # what it made while it was closed is not going on
            _follow(night, event, told)
        wait_for(lambda: told.told is not None, "end of the run", LONGEST_S)
        if event.people:
            wait_for(lambda: len(night.people) >= event.people, "word to people", MESSAGES_S)
    told.people = [text.partition(": ")[2].partition(":")[0] for _, text in night.people]
    told.people_s = round(night.people[0][0] - began, 1) if night.people else None


def _follow(night: Night, event: Event, told: Told) -> None:
    """Ask for the night again until one is completed."""
    for told.nights in range(1, 4):
        following = night.run_id if event.retried and told.nights == 1 else night.ask()
        if following == night.run_id:
            wait_for(lambda: told.told is not None, "end of the run", LONGEST_S)
            night.server.set_state(following, "SCHEDULED", "AwaitingRetry")
        if night.final_state(following) == "Completed":
            return
    told.fell_short = "none of three further nights was completed"


def measure(options: argparse.Namespace) -> list[Told]:
    names = [name for name in EVENTS if not options.only or any(word in name for word in options.only.split(","))]
    found = []
    with (
        tempfile.TemporaryDirectory(prefix="aigc-chaos-", ignore_cleanup_errors=True) as temporary,
        Webhook() as webhook,
    ):
        place = options.keep or Path(temporary)
        server = Server(place / "server")
        server.start()

        def one(folder: str, name: str) -> tuple[Night, Told]:
            night = Night(server, webhook, place / folder, options.rows, options.step)
            try:
                return night, disturbed(night, name)
            finally:
                night.end()

        try:
            calm, _ = one("calm", "nothing")
            for number, name in enumerate(name for name in names if name != "nothing"):
                night, told = one(f"night-{number}", name)
                if not told.fell_short:
                    _compare(night, calm, told)
                found.append(told)
                print(_line(told), flush=True)
        finally:
            server.stop()
    return found


def _compare(night: Night, calm: Night, told: Told) -> None:
    there = compare(night.folder, calm.folder)
    told.lost, told.doubled, told.differing = there.lost, there.doubled, there.differing
    told.remade = there.remade


def _line(told: Told) -> str:
    def seconds(value: float | None) -> str:
        return "–" if value is None else f"{value:.1f} s"

    people = f"{', '.join(told.people)} after {seconds(told.people_s)}" if told.people else "–"
    cells = [told.event, told.state, seconds(told.closed), seconds(told.told), seconds(told.goes_on),
             *(f"{number:,}" for number in (told.nights, told.lost, told.doubled, told.differing, told.remade)), people]
    return f"| {' | '.join(cells)} |" + (f" fell short: {told.fell_short}" if told.fell_short else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--only", default="", help="only events whose names have one of these words")
    parser.add_argument("--keep", type=Path, help="folder for projects and logs, which are otherwise removed")
    parser.add_argument("--rows", type=int, default=200, help="briefs of the sheet; each has two variants")
    parser.add_argument("--step", type=float, default=0.03, help="seconds of an answer")
    options = parser.parse_args()
    for ending in (signal.SIGTERM, signal.SIGINT):  # so that no server and no worker is left behind
        signal.signal(ending, signal.default_int_handler)
    print("| Event | State | Closed | Told | Goes on | Nights | Lost | Doubled | Differing | Remade | People told |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---|", flush=True)
    found = measure(options)
    if options.json:
        print(json.dumps([asdict(told) for told in found]))
    sys.exit(any(told.lost or told.doubled or told.differing or told.fell_short for told in found))


if __name__ == "__main__":
    main()
