"""Errors after which a process can compute no more. Imports nothing of torch: the driving process reads this too."""

from __future__ import annotations

from aigc.errors import EngineError

DEADLY = (
    "CUDA error",
    "CUDA driver error",
    "HIP error",
    "Triton Error",
    "device-side assert",
    "illegal memory access",
    "unspecified launch failure",
    "CUBLAS_STATUS_EXECUTION_FAILED",
    "CUBLAS_STATUS_INTERNAL_ERROR",
    "CUBLAS_STATUS_MAPPING_ERROR",
    "CUDNN_STATUS_EXECUTION_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR",
    "CUDNN_STATUS_MAPPING_ERROR",
)
"""What torch, Triton and the libraries call the end of a context. CUDA says of a kernel that crashed (cudaErrorAssert,
cudaErrorIllegalAddress, cudaErrorLaunchFailure and their like) that all later work returns the same error until the
process is started anew. A few that torch reports in these words leave the context whole, such as a launch with a size
that no device has. They are counted in: a new process for nothing takes seconds, while work that goes on in a dead
context fails for every row."""


class EngineDied(EngineError):
    """What computed is gone, and with it the rows in flight; another process can go on. `cause` says what ended it."""

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__("engine", cause, "a step that computes", "Run again; the texts made so far are kept.")


def is_deadly(exc: BaseException) -> bool:
    """Whether the device's context is dead after `exc`. Ask first whether it only says that memory ran out."""
    text = str(exc)
    return any(words in text for words in DEADLY)


def first_line(exc: BaseException) -> str:
    """The line in which torch says what happened; the others advise on debugging."""
    return str(exc).strip().split("\n", 1)[0][:160]
