"""Files are whole or not there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import pytest

from aigc.disk import write_atomically
from aigc.errors import StoreError


def test_an_atomic_write_replaces_the_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    for content in (b"old", b"new"):
        write_atomically(path, lambda file, content=content: file.write(content))
        assert path.read_bytes() == content
        assert list(tmp_path.iterdir()) == [path]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.mark.parametrize(("error", "told"), [
    (ValueError("bad value"), (ValueError, "bad value")),
    (KeyboardInterrupt("stop"), (KeyboardInterrupt, "stop")),
    (OSError(28, "No space left on device"), (StoreError, "Free space on this disk, .*the file is as it was before")),
])
def test_a_failed_atomic_write_leaves_the_old_file(
    tmp_path: Path, error: BaseException, told: tuple[type[BaseException], str]
) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(b"old")

    def half(file: BinaryIO) -> None:
        file.write(b"ne")
        raise error

    with pytest.raises(told[0], match=told[1]):
        write_atomically(path, half)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
