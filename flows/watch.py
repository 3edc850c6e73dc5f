"""A flow run watched from a thread of its own: its progress shown, its GPUs read, and whether someone cancelled it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import httpx
from prefect import get_client, runtime
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import ArtifactUpdate

from aigc.gpu_memory import GpuMemory, gpu_memory, highest
from aigc.progress import figures
from aigc.tally import Tally

LOOK_EVERY_S = 2.0
SHOW_EVERY_S = 10.0
"""Each showing is an event at the server: more of them hide the others in its feed."""
LOOK_AT_GPUS_EVERY_S = 10.0
LAST_LOOK_S = 5.0
_log = logging.getLogger("aigc.flow")


class Watch:
    """Rows done as a progress artifact that moves, and an eye on whether someone cancelled the run at the server.

    Prefect stops only what a worker started; a run from the command line has to look for itself. A thread does both:
    Prefect's client tries a silent server again for a minute, and rows must not wait for that.
    """

    def __init__(self) -> None:
        self.cancelled = False
        self.gpus: list[GpuMemory] = []
        """Of each GPU the reading with most memory taken since the sheet was begun."""
        self._what, self._tally = "", Tally()
        self._artifact: UUID | None = None
        self._answers = True
        self._showing = threading.Lock()
        """Held while progress is shown, so that none of a sheet comes after that sheet's end."""
        self._over = threading.Event()
        self._gpus_at_s = self._shown_at_s = 0.0

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look every `LOOK_EVERY_S` seconds within the block. For the flow: a task's artifact is not on its page."""
        thread = threading.Thread(target=self._look, args=(UUID(str(runtime.flow_run.id)),), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join(LAST_LOOK_S)

    def begin(self, key: str, what: str) -> None:
        """Show the progress of another sheet from here on."""
        with self._showing:
            self._what, self._tally, self._artifact = what, Tally(), None
            self.gpus, self._gpus_at_s, self._shown_at_s = [], 0.0, 0.0
        with self.bearing_silence():
            made = create_progress_artifact(0.0, key=key, description=f"{what}: reading, loading the model")
            self._artifact = made if isinstance(made, UUID) else None  # typed as a coroutine too, for async flows

    def see(self, tally: Tally) -> None:
        """Take note of how far the run is.

        Raises:
            KeyboardInterrupt: the run was cancelled at the server; `cancelled` is set.
        """
        self._tally = tally
        if self.cancelled:
            raise KeyboardInterrupt

    def looks_cancelled(self) -> bool:
        """Whether the run is cancelled at the server, asked now where that answers."""
        if self._answers and not self.cancelled:
            with self.bearing_silence(), get_client(sync_client=True) as client:
                self._take_note(client, UUID(str(runtime.flow_run.id)))
        return self.cancelled

    def came_to(self) -> str:
        """How far the run was when it was stopped, as a sentence."""
        if self._tally.total:
            return f"Stopped at {self._tally.done:,} of {self._tally.total:,} texts of {self._what}."
        return f"Stopped at {self._what}." if self._what else "Stopped before the first sheet."

    def wait(self, seconds: float) -> None:
        """Wait; raises as `see` does."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))
            if self.cancelled:
                raise KeyboardInterrupt

    def end(self, what: str) -> None:
        """Show the sheet's end: all rows are done."""
        self._show_last(100.0, what)

    def stop(self, what: str) -> None:
        """Show that the sheet did not come to its end: the bar stays where it is."""
        self._show_last(100.0 * self._tally.done / self._tally.total if self._tally.total else 0.0, what)

    def _show_last(self, percent: float, what: str) -> None:
        if self._answers:
            with self.bearing_silence(), self._showing:
                self._tally = Tally()
                self._show(percent, what)

    @property
    def answers(self) -> bool:
        """Whether the server answered when it was last spoken to."""
        return self._answers

    @contextmanager
    def bearing_silence(self) -> Iterator[None]:
        """Go on where the API does not answer: the rows matter more than their picture."""
        try:
            yield
        except httpx.HTTPError as exc:
            if self._answers:
                _log.warning("the Prefect API does not answer (%s); the run goes on without it", type(exc).__name__)
            self._answers = False
        else:
            self._answers = True

    def _look(self, flow_run_id: UUID) -> None:
        with get_client(sync_client=True) as client:  # one for all looks: making it takes forty times as long as asking
            while not self._over.wait(LOOK_EVERY_S):
                self._look_at_gpus()
                with self.bearing_silence():
                    self._take_note(client, flow_run_id)
                    with self._showing:
                        self._show_progress(client)

    def _take_note(self, client: SyncPrefectClient, flow_run_id: UUID) -> None:
        state = client.read_flow_run(flow_run_id).state
        self.cancelled = bool(state and (state.is_cancelling() or state.is_cancelled()))

    def _show_progress(self, client: SyncPrefectClient) -> None:
        if time.monotonic() - self._shown_at_s < SHOW_EVERY_S:
            return
        if (tally := self._tally).total and self._artifact:
            self._shown_at_s = time.monotonic()
            done = f"{tally.done:,} of {tally.total:,} texts · {figures(tally)}"
            client.update_artifact(self._artifact, ArtifactUpdate(data=100.0 * tally.done / tally.total,
                                                                  description=done))

    def _look_at_gpus(self) -> None:
        if time.monotonic() - self._gpus_at_s >= LOOK_AT_GPUS_EVERY_S:
            self._gpus_at_s, self.gpus = time.monotonic(), highest(self.gpus, gpu_memory())

    def _show(self, percent: float, what: str) -> None:
        if self._artifact:
            update_progress_artifact(self._artifact, percent, what)
