"""How a flow ends, whatever ended it: the state on its page says what came of it, and how to go on."""

from __future__ import annotations

from collections.abc import Callable

from prefect import State, get_run_logger
from prefect.exceptions import TerminationSignal
from prefect.states import Cancelled, Crashed, Failed

from aigc.errors import AigcError
from flows.logs import logs_to_api
from flows.telling import showing_life
from flows.watch import Watch

KEPT = "All texts made so far are kept; the same parameters go on from there."


def ended(make: Callable[[Watch], State[None]]) -> State[None]:
    """The state that `make` returns, or one that tells what ended it. Meanwhile the server sees that the run lives.

    States are returned rather than raised: their message is then our own, and no traceback goes to the log.
    """
    watch = Watch()
    try:
        with logs_to_api(), showing_life(), watch.looking():
            return make(watch)
    except AigcError as exc:
        get_run_logger().error(str(exc))
        return Failed(message=str(exc))
    except KeyboardInterrupt:
        return _stopped(watch, is_cancelled=watch.cancelled)
    except TerminationSignal:  # from the worker: because of a cancel, or because it ends itself
        return _stopped(watch, is_cancelled=watch.looks_cancelled())


def _stopped(watch: Watch, *, is_cancelled: bool) -> State[None]:
    """In the log too: a worker that cancels a run puts words of its own in the place of the state's message."""
    told = f"{watch.came_to()} {KEPT}"
    get_run_logger().warning(told)
    return Cancelled(message=told) if is_cancelled else Crashed(message=told)
