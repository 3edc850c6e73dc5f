"""The engine that needs no model: it answers by rule, in a batch's order, and the same prompt always alike."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from aigc.engine import open_engine
from aigc.engine.scripted import ScriptedEngine, answer, fault
from aigc.hashing import digest
from aigc.job import shipped
from aigc.models import ModelRef
from aigc.outputs import read_output
from aigc.packs import load_packs
from aigc.records import Completion, Message, Prompt, Sampling
from aigc.settings import EngineSettings

PACKS = load_packs(shipped("templates"))


def prompt(number: int, schema: str | None = None, asked: str = "Write a note, please.") -> Prompt:
    return Prompt(
        request_id=f"request-{number}",
        messages=[Message(role="user", content=asked)],
        sampling=Sampling(),
        seed=number * 7_919 + 11,
        json_schema=schema,
    )


@pytest.mark.parametrize("name", list(PACKS))
def test_its_answers_have_the_form_that_every_shipped_type_declares(name: str) -> None:
    for number in range(50):
        text = answer(prompt(number, PACKS[name].type.json_schema("en")))
        read = read_output(Completion(request_id="r", text=text, finish_reason="stop"), PACKS[name], "en")
        assert read.content is not None, text
        assert read.repaired == ""


def test_english_answers_are_those_of_ever() -> None:
    """Runs made with it are taken over, and compared byte for byte, across versions."""
    schema = """{"type": "object", "properties": {
        "title": {"type": "string", "maxLength": 40},
        "body": {"type": "string", "minLength": 200, "maxLength": 600},
        "points": {"type": "array", "minItems": 3, "items": {"type": "string", "maxLength": 60}}}}"""
    assert answer(prompt(7, schema)).startswith('{"title":"This teacher asks about our garden in.","body":"Every ')
    texts = [answer(prompt(number, each, "A note on é and 请.")) for each in (None, schema) for number in range(500)]
    assert digest(texts) == "sha256:a34fb3bb0b8e14e2aa713db96d197170eb6db6b96f88aee8356ddb585c2454ed"


@pytest.mark.parametrize("name", [name for name, pack in PACKS.items() if pack.type.output.format != "dialogue"])
def test_a_chinese_prompt_is_answered_in_chinese_of_the_declared_form(name: str) -> None:
    for number in range(50):
        text = answer(prompt(number, PACKS[name].type.json_schema("zh"), "请用50个字介绍 Café Brévaud 的咖啡豆。"))
        read = read_output(Completion(request_id="r", text=text, finish_reason="stop"), PACKS[name], "zh")
        assert read.content is not None, text
        assert read.repaired == ""
        said = [letter for letter in read.content.text if letter.isalpha()]
        assert sum("\u4e00" <= letter <= "\u9fff" for letter in said) == len(said) > 20


@pytest.mark.parametrize(("asked", "language"), [
    ("Write about 小满一人食电饭煲 for a Chinese shop in New York.", "en"), ("コーヒーについて書いてください。", "en"),
    ("请写一段话。", "zh"), ("Über Kaffee, bitte.", "en"),
])
def test_what_most_of_a_prompt_is_written_in_decides_the_language(asked: str, language: str) -> None:
    text = answer(prompt(3, asked=asked))
    assert text.isascii() == (language == "en")
    assert text.endswith("。") == (language == "zh")


def test_the_seed_alone_decides_an_answer() -> None:
    first, second = (list(ScriptedEngine(slots=slots).generate(map(prompt, range(40)))) for slots in (1, 16))
    texts = {completion.request_id: completion.text for completion in first}
    assert texts == {completion.request_id: completion.text for completion in second}
    assert len(set(texts.values())) == 40


def test_of_listed_answers_it_gives_the_first() -> None:
    schema = '{"type": "object", "properties": {"answer": {"type": "string", "enum": ["yes", "no"]}}}'
    assert answer(prompt(1, schema)) == '{"answer":"yes"}'


def test_prompts_finish_in_an_order_of_their_own() -> None:
    done = [completion.request_id for completion in ScriptedEngine(slots=8).generate(map(prompt, range(40)))]
    asked = [f"request-{number}" for number in range(40)]
    assert sorted(done) == sorted(asked)
    assert done != asked


def test_none_means_to_go_on_with_what_is_in_flight_and_ends_it_when_nothing_is() -> None:
    waiting = iter([prompt(0), None, prompt(1), None, None, prompt(2)])
    done = [completion.request_id for completion in ScriptedEngine(slots=2).generate(waiting)]
    assert done == ["request-0", "request-1"]


def test_a_script_can_play_a_fault_or_a_cut_off_text() -> None:
    cut = Completion(request_id="", text="Half a", finish_reason="length", tokens_out=2)
    texts = ("request-0", fault("prompt_too_long")), ("request-1", cut), ("request-2", "Whole.")
    script: dict[str, str | Completion] = dict(texts)
    broken, half, whole = ScriptedEngine(lambda p: script[p.request_id], slots=1).generate(map(prompt, range(3)))
    assert broken.fault
    assert (broken.request_id, broken.fault.code, broken.finish_reason) == ("request-0", "prompt_too_long", "error")
    assert half == msgspec.structs.replace(cut, request_id="request-1")
    assert (whole.text, whole.finish_reason, whole.tokens_in, whole.tokens_out) == ("Whole.", "stop", 5, 1)


def test_the_settings_open_it_without_a_model() -> None:
    engine = open_engine(EngineSettings(name="scripted"), ModelRef(ref="scripted"))
    assert isinstance(engine, ScriptedEngine)
    assert engine.info().engine == "scripted"
    engine.close()


def test_shipped_templates_are_where_the_package_looks_for_them() -> None:
    assert (Path(shipped("templates")) / "product_description" / "template.toml").is_file()
