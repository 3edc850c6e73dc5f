"""The journal on a process that is killed and on a disk that is full or refuses."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from factories import a_record

from aigc.errors import StoreError
from aigc.store import JOURNAL, Store

HERE = Path(__file__).parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A closed run with records of b1, b2 and b3."""
    with Store.create(tmp_path / "run") as store:
        for row in (1, 2, 3):
            store.append(a_record(row))
    return tmp_path / "run"


def python(code: str, *arguments: str, **options: object) -> subprocess.Popen[str]:
    paths = os.pathsep.join([str(HERE), str(HERE.parent)])
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments], text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths}, **options,  # type: ignore[call-overload]
    )


APPEND_FOR_EVER = """
    import sys
    from pathlib import Path
    from factories import a_record
    from aigc.store import Store
    store = Store.create(Path(sys.argv[1]), sync_s=0.01)
    for row in range(10**9):
        store.append(a_record(row, brief={"notes": "x" * (row * 37 % 9000)}))
        sys.stdout.write(f"{row}\\n")
        sys.stdout.flush()
"""


def test_kill_9_loses_no_acknowledged_row(tmp_path: Path) -> None:
    process = python(APPEND_FOR_EVER, str(tmp_path / "run"))
    assert process.stdout
    for _ in range(500):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    acknowledged = 500 + len(process.stdout.read().splitlines())
    process.communicate()
    with Store.open(tmp_path / "run") as store:  # the dead holder's lock is gone with it
        assert store.damaged == []
        assert store.finished in (acknowledged, acknowledged + 1)
        assert None not in [store.find(f"b{row}", 0, f"sha256:f{row}") for row in range(acknowledged)]


APPEND_UNTIL_FULL = """
    import resource, sys
    from pathlib import Path
    from factories import a_record
    from aigc.errors import StoreError
    from aigc.store import Store
    store = Store.create(Path(sys.argv[1]))
    store.append(a_record(0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    for row in range(1, 1000):
        try:
            store.append(a_record(row))
        except StoreError as exc:
            sys.stdout.write(str(exc))
            break
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    store.append(a_record(row))
    store.close()
"""


def test_a_full_disk_is_told_with_its_remedy_and_leaves_no_torn_line(tmp_path: Path) -> None:
    # A limit on the file's size stops a write halfway, exactly as a full disk does.
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    out, err = python(APPEND_UNTIL_FULL, str(tmp_path / "run")).communicate()
    assert err == ""
    rows = int(re.search(r"command again: (\d+) finished rows are safe", out)[1])  # type: ignore[index]
    assert out.startswith(f"{tmp_path / 'run' / JOURNAL}: found an error of the disk (File too large); expected")
    assert "Raise the limit on file sizes (ulimit -f), then run the same command again" in out
    with Store.read(tmp_path / "run") as store:
        assert (store.finished, store.damaged, store.torn_bytes) == (rows + 1, [], 0)


def test_no_space_left_names_the_remedy(folder: Path) -> None:
    with Store.open(folder) as store:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, store._fd)
        os.close(full)
        with pytest.raises(StoreError, match=r"No space left on device.*Free space on this disk, .*: 3 finished rows"):
            store.append(a_record(4))
        with pytest.raises(StoreError, match="takes no more lines"):  # the torn piece could not be cut off
            store.append(a_record(4))


def test_a_folder_that_cannot_be_written_names_the_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match=r"file/run: found an error of the disk \(Not a directory\)"):
        Store.create(tmp_path / "file" / "run")
