"""The watermark without an engine: its key, what is refused, what ids have of it, and what chance makes of it."""

from __future__ import annotations

import math
import random
import stat
from pathlib import Path

import msgspec
import pytest
from msgspec import UNSET
from small_project import small_project

from aigc.errors import AigcError, SettingsError, UsageError
from aigc.hashing import digest
from aigc.job import Job
from aigc.records import EngineInfo, Sampling
from aigc.settings import Settings, WatermarkSettings
from aigc.settings_loading import load_settings
from aigc.watermark import LEVELS, Mark, examine, open_mark, pooled, read_key, write_new_key
from aigc.watermark.scheme import SALTS
from aigc.watermark.search import chance_of

MARK = Mark(bytes(range(16)), 4)


# The key -------------------------------------------------------------------------------------------------------------


def test_a_new_key_is_its_owners_alone_and_read_back(tmp_path: Path) -> None:
    made = write_new_key(tmp_path / "keys" / "ours.key")
    assert stat.S_IMODE((tmp_path / "keys" / "ours.key").stat().st_mode) == 0o600
    assert read_key(tmp_path / "keys" / "ours.key", 4) == made
    assert write_new_key(tmp_path / "other.key").secret != made.secret


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    made = write_new_key(tmp_path / "a.key")
    with pytest.raises(UsageError) as error:
        write_new_key(tmp_path / "a.key")
    assert str(error.value) == (
        f"{tmp_path}/a.key: found a file of that name; expected a new name. Take another name. A key that is lost "
        "finds none of its texts any more, so none is written over."
    )
    assert read_key(tmp_path / "a.key", 4) == made


@pytest.mark.parametrize(("data", "found"), [
    (None, "no readable file (No such file or directory)"),
    (b"", "something that is no key"),
    (b"0123456789abcdef", "something that is no key"),
    (b"z" * 32, "something that is no key"),
    (b"0" * 33, "something that is no key"),
    (b"\xff" * 32, "something that is no key"),
])
def test_a_file_that_is_no_key_says_so_and_shows_nothing_of_it(
    tmp_path: Path, data: bytes | None, found: str
) -> None:
    path = tmp_path / "a.key"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(SettingsError) as error:
        read_key(path, 4)
    assert str(error.value) == (
        f"{path}: found {found}; expected a file with 32 hex digits. "
        "Name a key file, or make one: aigc watermark new-key FILE."
    )


def test_nothing_that_is_shown_holds_the_secret() -> None:
    shown = f"{MARK!r} {MARK.ref} {MARK.key_id}"
    assert MARK.secret.hex() not in shown
    assert repr(MARK.secret)[2:-1] not in shown
    assert MARK.ref == f"gumbel-1:{MARK.key_id}:4"
    assert len(MARK.key_id) == 16


# What is refused -----------------------------------------------------------------------------------------------------


def test_no_mark_is_opened_where_none_is_asked_for(tmp_path: Path) -> None:
    assert open_mark(WatermarkSettings(key_file=str(tmp_path / "absent")), "openai") is None


@pytest.mark.parametrize(("table", "engine", "message"), [
    ({"on": True}, "local", "settings, key watermark.key_file: found nothing; expected the file of a key, since "
     "on = true. Name one that `aigc watermark new-key FILE` made, or set on = false."),
    ({"on": True, "key_file": "absent.key"}, "local", "absent.key: found no readable file (No such file or directory)"),
    ({"on": True, "key_file": "absent.key"}, "openai", "settings, key watermark.on: found true with engine.name = "
     "'openai': a server samples with noise of its own; expected engine.name = 'local'."),
    ({"on": True, "key_file": "absent.key"}, "scripted", "settings, key watermark.on: found true with engine.name = "
     "'scripted': scripted texts are not sampled; expected engine.name = 'local'."),
])
def test_what_cannot_be_marked_is_refused_with_a_reason(table: dict[str, object], engine: str, message: str) -> None:
    with pytest.raises(SettingsError) as error:
        open_mark(msgspec.convert(table, WatermarkSettings), engine)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("context_tokens", [0, 17])
def test_a_context_has_a_length_that_serves(context_tokens: int) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(None, {"watermark": {"context_tokens": context_tokens}}, {})
    assert str(error.value) == (
        f"settings, key watermark.context_tokens: found '{context_tokens}'; expected a whole number from 1 to 16. "
        "Correct it."
    )


def job(folder: Path, temperature: float) -> Job:
    """A job of two types, of which the sheet has one."""
    project = small_project(folder)
    project.pack("note", toml=NOTE_TOML)
    project.products("kettle")
    write_new_key(folder / "a.key")
    given = {"on": True, "key_file": str(folder / "a.key")}
    settings = load_settings(None, {"watermark": given, "run": {"templates": str(folder / "templates")},
                                    "types": {"note": {"sampling": {"temperature": temperature}}}}, {})
    return Job(folder / "briefs.csv", settings)


NOTE_TOML = """
    title = "Note"
    languages = ["en"]
    [fields.product]
    required = true
    [fields.facts]
    type = "list"
    [output]
    format = "text"
"""


def test_a_sheet_whose_texts_leave_nothing_to_chance_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        job(tmp_path, 0.0).survey()
    assert str(error.value) == (
        "settings of content type note, key temperature: found 0, where nothing is left to chance; expected above 0, "
        "since watermark.on = true. Raise it, or set watermark.on = false."
    )


def test_a_jobs_texts_name_the_mark_and_not_the_key(tmp_path: Path) -> None:
    made = job(tmp_path, 0.5)
    assert made.mark
    assert made.survey().briefs == 1
    (brief,) = made.rows()
    assert made.sampling(brief).watermark == made.mark.ref  # type: ignore[arg-type]
    kept = msgspec.json.encode([made.settings, made.sampling(brief)])  # type: ignore[arg-type]
    assert made.mark.secret.hex().encode() not in kept


# What ids have of it -------------------------------------------------------------------------------------------------


def test_ids_made_before_there_were_watermarks_stay() -> None:
    """As they were then: of requests, and of engines."""
    assert digest([Sampling(temperature=0.5, stop=["x"]).identity, Sampling(min_new_tokens=3).identity]) == (
        "sha256:8d3610069a3737f554d8accf431c8f055d3b416f642ced8dae9cf5b87c9ca6f1")
    info = EngineInfo(engine="local", model="m", model_digest="d")
    assert digest(info) == "sha256:7ca52bc434b1126980f5f7da7e349fc5057b13312a28d5241489e8d8de79ed6f"
    assert msgspec.json.decode(msgspec.json.encode(info), type=EngineInfo).watermark is UNSET


def test_key_and_context_are_part_of_what_determines_a_text() -> None:
    marks = ["", MARK.ref, Mark(MARK.secret, 5).ref, Mark(b"o" * 16, 4).ref]
    ids = {digest(Sampling(watermark=mark, min_new_tokens=least).identity) for mark in marks for least in (0, 3)}
    assert len(ids) == 8
    assert digest(EngineInfo(engine="local", model="m", model_digest="d", watermark=MARK.ref)) != digest(
        EngineInfo(engine="local", model="m", model_digest="d"))


def test_settings_of_a_run_hold_no_key(tmp_path: Path) -> None:
    write_new_key(tmp_path / "a.key")
    settings = load_settings(None, {"watermark": {"on": True, "key_file": str(tmp_path / "a.key")}}, {})
    assert (tmp_path / "a.key").read_text().strip().encode() not in msgspec.json.encode(settings)
    assert msgspec.convert(msgspec.to_builtins(settings), Settings) == settings


# What chance makes of it ---------------------------------------------------------------------------------------------


def texts(count: int, length: int) -> list[list[int]]:
    """Like texts: common tokens are common, and some runs of tokens come again."""
    chance, made = random.Random(17), list[list[int]]()
    for _ in range(count):
        tokens = [int(20 * math.exp(chance.expovariate(0.5))) % 50_000 for _ in range(length)]
        at = chance.randrange(length // 2)
        tokens[-20:] = tokens[at : at + 20]
        made.append(tokens)
    return made


def distance_from_uniform(values: list[float]) -> float:
    """The statistic of Kolmogorov and Smirnov, times the root of the number."""
    ordered, count = sorted(values), len(values)
    gaps = (max((at + 1) / count - value, value - at / count) for at, value in enumerate(ordered))
    return max(gaps) * math.sqrt(count)


@pytest.mark.parametrize("known", [False, True], ids=["any salt", "known salt"])
def test_under_a_wrong_key_p_values_are_uniform(known: bool) -> None:
    values = [examine(tokens, Mark(at.to_bytes(16, "big"), 4), salt=at % SALTS if known else None).p_value
              for at, tokens in enumerate(texts(400, 60))]
    assert distance_from_uniform(values) < 1.95, "one time in a thousand"
    assert 0.3 < sum(value < 0.5 for value in values) / len(values) < 0.7


def test_under_a_wrong_key_texts_together_are_uniform_too() -> None:
    parts = texts(30, 40)
    values = [pooled([(tokens, at) for at, tokens in enumerate(parts)], Mark(key.to_bytes(16, "big"), 4)).p_value
              for key in range(300)]
    assert distance_from_uniform(values) < 1.95


@pytest.mark.parametrize(("score", "count", "chance"), [
    (1.0, 1, math.exp(-1.0)),
    (3.0, 2, math.exp(-3.0) * 4.0),
    (10.0, 3, math.exp(-10.0) * (1 + 10 + 50)),
    (0.0, 5, 1.0),
    (5.0, 0, 1.0),
])
def test_the_tail_of_the_gamma_distribution_is_that_of_its_sum(score: float, count: int, chance: float) -> None:
    assert chance_of(score, count) == pytest.approx(chance, rel=1e-12)


def test_the_tail_holds_for_long_texts_and_far_out() -> None:
    assert chance_of(50_000.0, 50_000) == pytest.approx(0.5, abs=0.01)
    assert 0.0 <= chance_of(1e5, 10) < 1e-300
    assert chance_of(1e-9, 10_000) == pytest.approx(1.0)


def test_what_repeats_counts_once() -> None:
    tokens = texts(1, 50)[0][:30]
    once, again = examine(tokens, MARK, salt=3), examine(tokens * 9, MARK, salt=3)
    assert once.examined == 26
    assert again.examined == 30, "four contexts more, across the seam"


@pytest.mark.parametrize("tokens", [[], [1], [1, 2, 3, 4]])
def test_a_text_without_a_whole_context_shows_nothing(tokens: list[int]) -> None:
    found = examine(tokens, MARK)
    assert (found.tokens, found.examined, found.p_value) == (len(tokens), 0, 1.0)
    assert pooled([(tokens, 1)], MARK).p_value == 1.0
    assert pooled([], MARK, LEVELS).p_value == 1.0


def test_every_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AigcError) as error:
        open_mark(WatermarkSettings(on=True, key_file=str(tmp_path)), "local")
    assert error.value.remedy
