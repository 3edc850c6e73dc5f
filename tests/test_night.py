"""The sheets of a night, which errors pass, how long is waited, and what is published."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest
from small_project import small_project

from aigc.errors import BriefsError, EngineError, RunLocked, StoreError, UsageError
from aigc.night import LONGEST_WAIT_S, find_sheets, passes, sheet_key, wait_before_s
from aigc.nights_plan import check_timezone
from aigc.prefect_server import server_environment, shown_there
from aigc.published_files import is_published, publish


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def a_run() -> Path:
    """A finished run's folder."""
    project = small_project(Path())
    return project.out / project.run().run_id


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


@pytest.mark.parametrize(("where", "found"), [
    ("inputs", ["a.csv", "b.XLSX"]),
    ("inputs/b*", ["b.XLSX"]),
    ("inputs/a.csv", ["a.csv"]),
    ("inputs/[ab].*", ["a.csv", "b.XLSX"]),
    ("inputs/z*", []),
    ("inputs/p*", ["parts"]),
])
def test_sheets_are_those_of_a_folder_or_a_pattern(where: str, found: list[str]) -> None:
    touch("inputs/b.XLSX", "inputs/a.csv", "inputs/.hidden.csv", "inputs/~$b.xlsx", "inputs/notes.txt",
          "inputs/parts/part-0.parquet", "inputs/zh/c.csv")
    assert [path.name for path in find_sheets(where)] == found


@pytest.mark.parametrize("where", ["inputs", "inputs/*.csv"])
def test_a_folder_that_is_not_there_is_told(where: str) -> None:
    with pytest.raises(UsageError, match=re.escape("sheets: found no folder 'inputs'; expected a folder of sheets")):
        find_sheets(where)


@pytest.mark.parametrize(("name", "key"), [
    ("Spring 2027.csv", "spring-2027-csv"), ("a_b.tar.csv", "a-b-tar-csv"), (f"{'x' * 80}.csv", "x" * 60),
])
def test_a_key_is_made_of_letters_digits_and_hyphens(name: str, key: str) -> None:
    assert sheet_key(Path("inputs") / name) == key


def test_sheets_without_a_latin_letter_have_keys_of_their_own() -> None:
    keys = {sheet_key(Path(name)) for name in ("春.csv", "秋.csv")}
    assert len(keys) == 2
    assert all(re.fullmatch(r"[0-9a-f]{8}-csv", key) for key in keys)


def store_error(number: int) -> StoreError:
    error = StoreError("outputs", "a disk that refused", "room", "Make room.")
    error.__cause__ = OSError(number, "refused")
    return error


@pytest.mark.parametrize(("error", "again"), [
    (EngineError("GPU 0", "no memory", "memory", "Wait."), True),
    (RunLocked("outputs/x", "another process", "none", "Wait."), True),
    (MemoryError(), True),
    (OSError(errno.EIO, "refused"), True),
    (OSError(errno.EACCES, "refused"), False),
    (store_error(errno.ENOSPC), True),
    (store_error(errno.EROFS), False),
    (StoreError("outputs", "another format", "this one", "Move it."), False),
    (BriefsError("a.csv", "a bad row", "none", "Correct it."), False),
    (ValueError(), False),
])
def test_errors_of_memory_disk_and_device_pass_and_those_of_sheets_do_not(error: Exception, again: bool) -> None:
    assert passes(error) is again


def test_waits_double_up_to_an_hour_and_vary_by_half() -> None:
    assert [wait_before_s(again, 60.0, chance=0.5) for again in (1, 2, 3)] == [60.0, 120.0, 240.0]
    assert (wait_before_s(1, 60.0, chance=0.0), wait_before_s(1, 60.0, chance=1.0)) == (30.0, 90.0)
    assert wait_before_s(20, 60.0, chance=0.5) == LONGEST_WAIT_S


def test_a_time_zone_is_named_as_iana_has_it() -> None:
    check_timezone("Asia/Shanghai")
    with pytest.raises(UsageError, match="Europe/Berlin"):
        check_timezone("Europe/Berln")


def test_what_is_published_is_whole_and_published_once() -> None:
    run = a_run()
    there = publish(run, Path("published"))
    assert there == Path("published") / run.name
    assert sorted(path.name for path in there.iterdir()) == ["accepted.csv", "accepted.jsonl", "manifest.json"]
    assert is_published(run, Path("published"))
    stamp = (there / "manifest.json").stat().st_ino
    publish(run, Path("published"))
    assert (there / "manifest.json").stat().st_ino == stamp


def test_a_file_that_is_not_that_of_its_manifest_is_not_published() -> None:
    run = a_run()
    with (run / "accepted.csv").open("a") as file:
        file.write("x,y\n")
    with pytest.raises(StoreError, match="other bytes than its manifest tells"):
        publish(run, Path("published"))
    assert not (Path("published") / run.name).exists()
    assert not is_published(run, Path("published"))


def test_nothing_is_published_among_the_runs() -> None:
    run = a_run()
    with pytest.raises(UsageError, match="where the runs are"):
        publish(run, Path("outputs"))


def test_a_folders_runs_show_at_its_server_only_while_that_runs() -> None:
    with shown_there(Path(), "http://127.0.0.1:4200/api"):
        assert 'url = "http://127.0.0.1:4200/api"' in Path("prefect.toml").read_text()
    assert not Path("prefect.toml").exists()


def test_a_prefect_toml_of_the_projects_own_is_never_changed() -> None:
    own = '[api]\nurl = "http://server/api"\n'
    Path("prefect.toml").write_text(own)
    with (
        pytest.raises(UsageError, match="a file of yours that names http://server/api"),
        shown_there(Path(), "http://127.0.0.1:4200/api"),
    ):
        pass
    with shown_there(Path(), "http://server/api"):
        pass
    assert Path("prefect.toml").read_text() == own


def test_a_server_has_its_own_place_and_sends_nothing_to_prefects_makers() -> None:
    environ = {"PREFECT_API_URL": "http://elsewhere/api", "PREFECT_SERVER_API_PORT": "1", "PREFECT_UI_URL": "https://ours"}
    made = server_environment(Path("home"), "127.0.0.1", 4300, environ)
    assert (made["PREFECT_SERVER_ANALYTICS_ENABLED"], made["DO_NOT_TRACK"]) == ("false", "1")
    assert (made["PREFECT_SERVER_API_PORT"], made["PREFECT_UI_URL"]) == ("4300", "https://ours")
    assert "PREFECT_API_URL" not in made
