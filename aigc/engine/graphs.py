"""Steps of a few shapes, sent to a GPU as one graph each instead of a thousand kernels.

A step is known by its shape: everything that differs from one to the next lies in memory that stays where it is, the
step's numbers in one buffer, the page table and the tokens chosen last in the runner's tensors. So the kernels of a
shape are recorded once (a CUDA graph) and from then on sent again by a single call.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

import torch

from aigc.engine.device import fill
from aigc.engine.plan import Plan

MOST_GRAPHS = 48
"""Shapes that are captured; the nodes of a graph take memory, of the device and of the host."""
WARM_UPS = 2
"""Runs before a capture: libraries make their handles, and Triton compiles, in the first."""

_log = logging.getLogger(__name__)

Run = Callable[[], torch.Tensor]


class Shape(NamedTuple):
    """Tokens of a step, padding included, and for how many of them logits are computed."""

    width: int
    asked: int


class StepInputs(NamedTuple):
    """What a forward pass is given, all int32.

    `tokens`, `rows`, `positions` [width]: each token (or PREVIOUS), whose it is, and where. `sampled` [asked]: indexes
    of those whose logits are wanted.
    """

    tokens: torch.Tensor
    rows: torch.Tensor
    positions: torch.Tensor
    sampled: torch.Tensor


class Capturer(Protocol):
    """Turns a run into something that runs again, on what then lies in the memory that the run reads."""

    def capture(self, run: Run) -> Run:
        """`run` can be called any number of times: it gives the same for the same memory.

        Raises:
            NotCapturedError: it runs, and cannot be captured.
        """


class NotCapturedError(RuntimeError):
    """A run that has to be made kernel by kernel; the message is why."""


class Eager:
    """Captures nothing: every run is made anew. For the CPU, and where graphs fail."""

    def capture(self, run: Run) -> Run:
        return run


class Steps:
    """Makes steps of a plan, each padded to a shape.

    Args:
        forward: logits [asked, vocabulary], in any float type, of a step's inputs. Must not refer to this object: the
            memory of keys and values goes with the last reference, not with the next garbage collection.
        slots: the most tokens in a step, and the row that padding belongs to.
        capturer: asked when a shape comes a second time, so that one that comes once costs no more than itself.
    """

    def __init__(
        self, forward: Callable[[StepInputs], torch.Tensor], slots: int, device: torch.device, capturer: Capturer
    ) -> None:
        self._forward, self._padding, self._capturer = forward, slots, capturer
        self._numbers = torch.zeros(4 * slots, dtype=torch.int32, device=device)
        self._seen: set[Shape] = set()
        self._replays: dict[Shape, Run] = {}

    @property
    def captured(self) -> set[Shape]:
        """Shapes that are replayed."""
        return set(self._replays)

    @torch.inference_mode()
    def run(self, plan: Plan, shape: Shape) -> torch.Tensor:
        """Float32 logits [sampled, vocabulary] of the plan, the host not waiting for them.

        They lie in memory that the next call writes to. Work that is sent to the device before that call may read and
        change them, since the device keeps the order; who wants them longer makes a copy.
        """
        numbers = _flat(plan, shape, self._padding)
        fill(self._numbers[: len(numbers)], numbers)
        return self._replay(shape)()[: len(plan.sampled)].float()

    def _replay(self, shape: Shape) -> Run:
        if replay := self._replays.get(shape):
            return replay
        run = partial(self._forward, self._inputs(shape))
        if shape not in self._seen or len(self._replays) >= MOST_GRAPHS:
            self._seen.add(shape)
            return run
        try:
            self._replays[shape] = self._capturer.capture(run)
        except NotCapturedError as exc:
            _log.warning("steps are sent kernel by kernel, which is slower: %s", exc)
            self._capturer = Eager()
            self._replays[shape] = run
        return self._replays[shape]

    def _inputs(self, shape: Shape) -> StepInputs:
        width, numbers = shape.width, self._numbers
        tokens, rows, positions = (numbers[at * width : (at + 1) * width] for at in range(3))
        return StepInputs(tokens, rows, positions, numbers[3 * width : 3 * width + shape.asked])


def _flat(plan: Plan, shape: Shape, padding: int) -> list[int]:
    """The plan's numbers as `StepInputs` takes them, one after the other, so that one copy brings them all."""
    idle = [0] * (shape.width - len(plan))
    rows = plan.rows + [padding] * len(idle)
    unasked = [0] * (shape.asked - len(plan.sampled))
    return [*plan.tokens, *idle, *rows, *plan.positions, *idle, *plan.sampled, *unasked]


class Output:
    """Memory for the logits of whichever graph ran last: of a large vocabulary, one for each would be gigabytes."""

    def __init__(self) -> None:
        self._room = torch.empty(0)

    def like(self, logits: torch.Tensor) -> torch.Tensor:
        """Float32 of the shape [asked, vocabulary] of `logits`. Graphs that have a part of a smaller room keep it."""
        if self._room.numel() < logits.numel():
            self._room = torch.empty(logits.numel(), dtype=torch.float32, device=logits.device)
        return self._room[: logits.numel()].view(logits.shape)


class CudaGraphs:
    """Captures runs as CUDA graphs that share one pool of memory.

    Sharing is sound since graphs are replayed one after the other on one stream, and nothing that one leaves in the
    pool is read after the next: logits are copied out.
    """

    def __init__(self, device: torch.device) -> None:
        self._device, self._output = device, Output()
        self._pool = torch.cuda.graph_pool_handle()
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def capture(self, run: Run) -> Run:
        """See `Capturer.capture`. A graph that does not give what the run itself gives, bit for bit, is refused."""
        expected = self._warm_up(run)
        logits = self._output.like(expected)
        graph = torch.cuda.CUDAGraph()
        try:
            self._record(graph, run, logits)
            graph.replay()
            same = torch.equal(logits.view(torch.int32), expected.view(torch.int32))
        except RuntimeError as exc:  # memory too: without graphs it may do
            first = exc.__context__ or exc  # ending a capture that failed fails again, and says less
            raise NotCapturedError(f"{type(first).__name__}: {first}".partition("\n")[0]) from exc
        if not same:
            raise NotCapturedError("a CUDA graph computed other bits than its kernels")
        return partial(_replay, graph, logits)

    def _warm_up(self, run: Run) -> torch.Tensor:
        """Float32 logits. On the stream of the capture, for which libraries keep work space of its own."""
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            for _ in range(WARM_UPS):
                logits = run()
            logits = logits.float()
        self._stream.synchronize()  # from here on the logits' memory may be used by either stream
        return logits

    def _record(self, graph: torch.cuda.CUDAGraph, run: Run, logits: torch.Tensor) -> None:
        # The outer context gives the stream back where ending a broken capture raises. Threads that have nothing to
        # do with this one may use CUDA meanwhile.
        with (
            torch.cuda.stream(self._stream),
            torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"),
        ):
            logits.copy_(run())


def _replay(graph: torch.cuda.CUDAGraph, logits: torch.Tensor) -> torch.Tensor:
    graph.replay()
    return logits
