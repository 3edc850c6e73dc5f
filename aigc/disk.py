"""Files that are whole or not there, locks that die with their holder, and the disk's errors with a remedy."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from aigc.errors import RunLocked, StoreError
from aigc.records import Value

_REMEDIES = {
    errno.ENOSPC: "Free space on this disk",
    errno.EDQUOT: "Free space in your quota on this disk",
    errno.EFBIG: "Raise the limit on file sizes (ulimit -f)",
    errno.EACCES: "Allow this user to write there, or choose another folder with --out",
    errno.EROFS: "Choose a folder on a writable disk with --out",
}


class _Holder(Value, frozen=True):
    """Who holds a lock. `started_at` is UTC, ISO 8601."""

    pid: int
    host: str
    started_at: str
    command: str = ""


def write_atomically(path: Path, writer: Callable[[BinaryIO], object]) -> None:
    """Put what `writer` writes at `path`: all of it or, whatever happens, what was there before.

    Raises:
        StoreError: the disk refused; what `writer` raises itself passes through.
    """
    # Not tempfile: its files are private to the user (0600), and results are for colleagues too.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with disk_errors(path, "the file is as it was before"):
        try:
            with temporary.open("xb") as file:
                writer(file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def take_lock(path: Path) -> int:
    """The descriptor of the lock file `path` of a run's folder: see `lock_or_holder`.

    Raises:
        RunLocked: another process has it; the message names the holder.
    """
    taken = lock_or_holder(path)
    if isinstance(taken, str):
        raise RunLocked(str(path.parent), f"a folder that {taken} is writing", "one that no other process writes",
                        "Wait until it has ended, or stop it. No file needs to be deleted.")
    return taken


def lock_or_holder(path: Path, command: str = "") -> int | str:
    """The descriptor of the lock file `path`, locked until it and what inherited it is closed, or their processes end;
    where another has it, who: `process 7 on a.example (aigc run briefs.csv, since 2026-11-24T01:43:00+00:00)`.

    `command` is what others are told that this process does.

    The kernel frees the lock even after kill -9. The file stays: were it removed, two could each lock one of that name.
    """
    with disk_errors(path, "nothing was changed"):
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(fd, 0)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            holder = _Holder(pid=os.getpid(), host=socket.gethostname(), started_at=now, command=command)
            os.write(fd, msgspec.json.encode(holder))
        except BlockingIOError:
            held_by = _holder(os.pread(fd, 4096, 0))
            os.close(fd)
            return held_by
        except BaseException:
            os.close(fd)
            raise
    return fd


def holder_of(path: Path) -> str:
    """Who holds the lock file `path` now, as `lock_or_holder` tells it; empty where nobody does. Takes nothing."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return ""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return ""
    except BlockingIOError:
        return _holder(os.pread(fd, 4096, 0))
    finally:
        os.close(fd)


def sync(path: Path) -> None:
    """Have the disk itself keep a file's bytes, or a folder's names, so that a power failure cannot lose them."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def json_bytes(value: object) -> bytes:
    """`value` as JSON in UTF-8, whatever its texts hold (see `without_surrogates`)."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(without_surrogates(msgspec.to_builtins(value)))


def without_surrogates(value: object) -> object:
    r"""`value` with lone surrogates, which UTF-8 cannot hold, as visible text where they stood: `\ud800`."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [without_surrogates(entry) for entry in value]
    if isinstance(value, dict):
        return {without_surrogates(key): without_surrogates(entry) for key, entry in value.items()}
    return value


@contextlib.contextmanager
def disk_errors(path: Path, safe: str) -> Iterator[None]:
    """Turn an OSError into a StoreError about `path` that tells what is `safe`."""
    try:
        yield
    except OSError as exc:
        raise disk_error(path, exc, safe) from exc


def disk_error(path: Path, exc: OSError, safe: str) -> StoreError:
    remedy = _REMEDIES.get(exc.errno or 0, "Check the disk")
    return StoreError(str(path), f"an error of the disk ({exc.strerror or exc})", "a disk that reads and writes",
                      f"{remedy}, then run the same command again: {safe}.")


def _holder(data: bytes) -> str:
    try:
        holder = msgspec.json.decode(data, type=_Holder)
    except msgspec.DecodeError:
        return "another process"
    command = f"{holder.command}, " if holder.command else ""
    return f"process {holder.pid} on {holder.host} ({command}since {holder.started_at})"
