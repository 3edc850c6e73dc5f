"""`aigc watermark` as its user meets it: on a tiny model that says ASCII, whose texts mean nothing and are marked."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from engine import tiny
from small_project import small_project
from typer.testing import CliRunner

from aigc.batch import BatchOrder, run_batch
from aigc.cli import app
from aigc.engine.local import LocalEngine
from aigc.errors import AigcError, SettingsError, UsageError
from aigc.export import ACCEPTED_JSONL, PARQUET
from aigc.filters import FILTERS
from aigc.marked import Found, Search, look
from aigc.models import ModelRef
from aigc.parquet_rows import read_rows
from aigc.settings import EngineSettings, Settings
from aigc.settings_loading import load_settings
from aigc.start import Request, start
from aigc.watermark import read_key, salt_of

KIND = """
    title = "Note"
    languages = ["en"]
    [fields.product]
    required = true
    [fields.facts]
    type = "list"
    [output]
    format = "text"
    [sampling]
    temperature = 1.0
    top_k = 40
    max_new_tokens = 150
    min_new_tokens = 150
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    return tiny.saved_plain(tmp_path_factory.mktemp("plain"))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: ModelRef) -> Path:
    """A project whose key is in ours.key, with another one's beside it."""
    monkeypatch.chdir(tmp_path)
    for name in ("ours", "theirs"):
        assert invoke("new-key", f"{name}.key")[0] == 0
    Path("aigc.toml").write_text(f'[run]\nmodel = "{model.folder()}"\n[engine]\ndevice = "cpu"\n', "utf-8")
    return tmp_path


def invoke(*arguments: str) -> tuple[int, str]:
    """Exit code and what was written; an error of ours has its own code, as `aigc.cli.main` gives it."""
    try:
        shown = CliRunner().invoke(app, ["watermark", *arguments], catch_exceptions=False)
    except AigcError as exc:
        return exc.exit_code, str(exc)
    return shown.exit_code, shown.output


def detect(*arguments: str) -> tuple[int, dict[str, Any]]:
    code, out = invoke("detect", *arguments, "--json")
    return code, json.loads(out)


def texts(model: ModelRef, count: int, *, key: str = "ours.key", tokens: int = 150) -> list[str]:
    mark = read_key(Path(key), 4)
    engine = LocalEngine(EngineSettings(device="cpu", dtype="float32", slots=8), model, mark=mark)
    prompts = [tiny.prompt(f"{at}", seed=at, max_new_tokens=tokens, min_new_tokens=tokens, watermark=mark.ref)
               for at in range(count)]
    return [made.text for made in engine.generate(prompts)]


def test_a_new_key_tells_what_to_do_with_it(folder: Path) -> None:
    code, out = invoke("new-key", "keys/more.key")
    assert code == 0
    assert out == (f"keys/more.key: key {read_key(Path('keys/more.key'), 4).key_id}, for you alone to read.\n"
                   'Under [watermark] in aigc.toml: on = true, key_file = "keys/more.key".\n')
    assert Path("keys/more.key").read_text().strip() not in out


def test_the_mark_of_a_text_file_is_found_by_its_key_and_by_no_other(model: ModelRef) -> None:
    Path("a.txt").write_text(texts(model, 1)[0], "utf-8")
    code, out = invoke("detect", "a.txt", "--key", "ours.key")
    assert code == 0
    assert "  tokens examined  14" in out
    assert "  verdict          the mark of this key, at 1e-06 false alarms a text\n" in out
    code, out = invoke("detect", "a.txt", "--key", "theirs.key")
    assert code == 1
    assert "  verdict          no mark of this key that can be told from chance, at 1e-06 false alarms a text\n" in out


def test_a_text_can_be_the_argument_itself(model: ModelRef) -> None:
    text = " a few words " + texts(model, 1)[0].replace("\0", "")
    code, found = detect(text, "--key", "ours.key")
    assert (code, found["found"], found["texts"][0]["name"]) == (0, True, "the text")
    code, found = detect("These are words of a person, who wrote them by hand.", "--key", "ours.key")
    assert (code, found["found"]) == (1, False)


def test_each_row_of_a_sheet_is_a_text_of_its_own(model: ModelRef) -> None:
    made = texts(model, 3)
    rows = [("1", made[0]), ("2", "A row that somebody wrote and nobody marked."), ("3", made[1])]
    with Path("sheet.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("nr", "copy"), *rows])
    lines = [msgspec.json.encode({"nr": nr, "body": text}) for nr, text in rows]
    Path("sheet.jsonl").write_bytes(b"\n".join(lines))
    for name, column in (("sheet.csv", "copy"), ("sheet.jsonl", "body")):
        code, found = detect(name, "--column", column, "--key", "ours.key")
        assert (code, found["marked"]) == (0, 2), name
        assert [text["marked"] for text in found["texts"]] == [True, False, True]
        assert found["together"] is None
    code, out = invoke("detect", "sheet.csv", "--key", "ours.key")
    assert "The mark is in 2 of 3 texts, at 1e-06 false alarms a text.\n" in out


def test_who_asks_for_fewer_false_alarms_finds_less(model: ModelRef) -> None:
    Path("a.md").write_text(texts(model, 1)[0], "utf-8")
    assert invoke("detect", "a.md", "--key", "ours.key", "--false-alarm-rate", "1e-300")[0] == 1
    assert invoke("detect", "a.md", "--key", "ours.key", "--context-tokens", "3")[0] == 1, "another context"


@pytest.mark.parametrize(("arguments", "message"), [
    (["absent.txt", "--key", "ours.key"], "'absent.txt': found no such file; expected a file, the folder of a run, or "
     "a text of several words. Correct the path."),
    (["some words here"], "--key: found no key, here or in the settings; expected the file of a key. Name the file of "
     "the key that the texts were marked with."),
    (["some words here", "--key", "absent.key"], "absent.key: found no readable file (No such file or directory)"),
    (["some words here", "--key", "ours.key", "--false-alarm-rate", "2"],
     "--false-alarm-rate: found '2.0'; expected a number between 0 and 1. Correct it."),
])
def test_what_cannot_be_looked_at_is_told_with_exit_code_2(arguments: list[str], message: str) -> None:
    code, told = invoke("detect", *arguments)
    assert code == 2
    assert told.startswith(message)


def test_a_batch_file_is_answered_with_the_mark_and_what_cannot_have_it_fails_alone(model: ModelRef) -> None:
    body = {"messages": [{"role": "user", "content": "Write a line."}], "max_tokens": 150, "min_tokens": 150,
            "top_k": 40}
    lines = [{"custom_id": name, "method": "POST", "url": "/v1/chat/completions",
              "body": {**body, "temperature": temperature}} for name, temperature in (("warm", 1.0), ("cold", 0.0))]
    Path("requests.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, lines)))
    with Path("aigc.toml").open("a") as file:
        file.write('[watermark]\non = true\nkey_file = "ours.key"\n')
    order = BatchOrder(requests=Path("requests.jsonl"), output=Path("results.jsonl"), errors=Path("errors.jsonl"))
    assert run_batch(order).request_counts.codes == {"watermark_needs_chance": 1}
    (error,), (answer,) = (map(json.loads, Path(name).read_text().splitlines()) for name in
                           ("errors.jsonl", "results.jsonl"))
    assert "temperature 0, where nothing is left to chance" in error["error"]["message"]
    text = answer["response"]["body"]["choices"][0]["message"]["content"]
    assert detect(f"as said: {text}", "--key", "ours.key")[1]["found"]


# Runs ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(folder: Path, model: ModelRef) -> Path:
    """The folder of a run with the mark."""
    project = small_project(folder)
    project.pack("note", toml=KIND)
    project.products("kettle", "lamp", "tent")
    with Path("aigc.toml").open("a") as file:
        file.write('[watermark]\non = true\nkey_file = "ours.key"\n')
    with start(Request(briefs="briefs.csv")) as started:
        assert started.run
        started.run.generate(started.job.rows())
        file = started.run.finish()
        assert sum(file.outcomes.values()) == 3
    return started.folder


def look_at(run: Path, *, records: bool, key: str = "") -> Found:
    return look(Search(source=str(run), key_file=key, records=records), settings())


def settings() -> Settings:
    return load_settings(Path("aigc.toml"), {})


def test_the_records_of_a_run_are_found_each_and_all_together(run: Path) -> None:
    found = look_at(run, records=True)
    assert [text.marked for text in found.texts] == [True, True, True]
    assert found.together
    assert found.together.p_value < min(text.p_value for text in found.texts)
    assert found.texts[0].name == "kettle variant 0"
    assert invoke("detect", str(run), "--records")[0] == 0


def test_a_runs_files_name_the_mark_and_hold_no_key(run: Path) -> None:
    mark, secret = read_key(Path("ours.key"), 4), Path("ours.key").read_text().strip().encode()
    for file in run.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert secret not in data, file
            assert bytes.fromhex(secret.decode()) not in data, file
    for row in read_rows(run / PARQUET):
        assert {attempt.sampling.watermark for attempt in row.record.attempts} == {mark.ref}
    engines = json.loads((run / "run.json").read_bytes())["engines"].values()
    assert [engine["watermark"] for engine in engines] == [mark.ref]


def test_a_marked_text_is_made_again_with_its_key_and_not_without(run: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["reproduce", run.name, "--sample", "3"], catch_exceptions=False).exit_code == 0
    Path("ours.key").rename("kept.key")
    with pytest.raises(SettingsError, match=r"ours\.key: found no readable file"):
        runner.invoke(app, ["reproduce", run.name, "--sample", "3"], catch_exceptions=False)


def test_the_readable_texts_of_a_run_are_looked_at_without_its_records(run: Path) -> None:
    lines = [{"id": "kettle", "variant": 0, "text": row.record.attempts[0].completion.text}
             for row in read_rows(run / PARQUET)]
    (run / ACCEPTED_JSONL).write_bytes(b"\n".join(map(msgspec.json.encode, lines)))
    found = look_at(run, records=False)
    assert (found.marked, found.together) == (3, None)


TALK = """
    title = "Talk"
    languages = ["en"]
    [fields.one]
    type = "persona"
    required = true
    [fields.two]
    type = "persona"
    required = true
    [fields.lines]
    type = "choice"
    choices = ["6"]
    default = "6"
    [output]
    format = "dialogue"
    speakers = ["one", "two"]
    turns = "lines"
    [output.fields.line]
    max_chars = 60
    [sampling]
    temperature = 1.0
    top_k = 40
    max_new_tokens = 80
"""


@pytest.fixture
def talk(folder: Path, model: ModelRef) -> Path:
    """The folder of a run with the mark whose texts are dialogues; no line is sent back."""
    project = small_project(folder)
    project.pack("talk", toml=TALK, system_j2="You are {{ speaker }}.\n", user_j2="Say a line.\n")
    project.sheet([{"id": name, "content_type": "talk", "one": "Ann: a rider", "two": "Bo: a smith"}
                   for name in ("a", "b")])
    filters = "".join(f'[filters.{name}]\naction = "flag"\n' for name in FILTERS if name not in ("format", "empty"))
    with Path("aigc.toml").open("a") as file:
        file.write(f'{filters}[watermark]\non = true\nkey_file = "ours.key"\n')
    with start(Request(briefs="briefs.csv")) as started:
        assert started.run
        started.run.generate(started.job.rows())
        started.run.finish()
    return started.folder


def test_a_dialogue_is_found_by_the_salts_of_its_lines(talk: Path) -> None:
    """Sixty characters a line are too few by themselves, and six lines under one salt are none."""
    found = look_at(talk, records=True)
    assert [(text.name, text.marked) for text in found.texts] == [("a variant 0", True), ("b variant 0", True)]
    assert all(text.tries == 1 for text in found.texts), "the salts are known"
    assert found.together
    assert found.together.p_value < min(text.p_value for text in found.texts)
    for row in read_rows(talk / PARQUET):
        attempt = row.record.attempt
        assert attempt
        assert attempt.turns
        assert len({salt_of(turn.seed) for turn in attempt.turns}) > 1


def test_records_of_another_key_are_refused_by_name(run: Path) -> None:
    own, other = (read_key(Path(name), 4) for name in ("ours.key", "theirs.key"))
    with pytest.raises(UsageError) as error:
        look_at(run, records=True, key="theirs.key")
    assert str(error.value) == (
        f"{run}: found records that name the watermark {own.ref}; expected one of key {other.key_id}. Name the key "
        "that they were made with, or leave --records out: then the texts alone are looked at."
    )


@pytest.mark.parametrize(("p_value", "shown"), [
    (3.04e-17, "3e-17"), (0.4312, "0.43"), (1e-6, "1e-06"), (1.04e-6, "1.04e-06"), (1.0000004e-6, "1.0000004e-06"),
    (0.96e-6, "9.6e-07"), (0.996e-6, "1e-06"), (0.0, "0"),
])
def test_a_p_value_is_told_on_the_side_of_the_limit_on_which_it_is(p_value: float, shown: str) -> None:
    from aigc.watermark_cli import _told

    assert _told(p_value, 1e-6) == shown
