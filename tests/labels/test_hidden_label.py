"""The seven texts of a hidden label, and the characters that they may hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aigc.errors import SettingsError
from aigc.labels.hidden import HiddenLabel, allowed_text, is_allowed, label_fields, label_of, label_text
from aigc.settings import LabelSettings
from aigc.settings_loading import load_settings

CODE = "001191440300708461136T1XGW3"


def test_a_label_is_written_as_the_standard_has_it() -> None:
    label = label_of(LabelSettings(provider_code=CODE, producer="Bakery"), "run-1")
    assert label is not None
    assert label_text(label) == (
        f'{{"AIGC":{{"Label":"1","ContentProducer":"{CODE}","ProduceID":"run-1","ReservedCode1":"",'
        f'"ContentPropagator":"{CODE}","PropagateID":"run-1","ReservedCode2":""}}}}')
    assert list(label_fields(label)) == list(json.loads(label_text(label))["AIGC"])


@pytest.mark.parametrize(("settings", "producer", "propagator"), [
    (LabelSettings(), "", ""),
    (LabelSettings(producer="Bakery"), "Bakery", "Bakery"),
    (LabelSettings(producer="Bakery", provider_code=CODE), CODE, CODE),
    (LabelSettings(provider_code=CODE, propagator="Platform"), CODE, "Platform"),
])
def test_as_long_as_nobody_else_passes_it_on_the_propagator_is_the_producer(
    settings: LabelSettings, producer: str, propagator: str
) -> None:
    label = label_of(settings, "id")
    assert label is not None
    assert (label.producer, label.propagator, label.propagate_id) == (producer, propagator, label.produce_id)


def test_no_label_where_settings_ask_for_none() -> None:
    assert label_of(LabelSettings(hidden=False, provider_code=CODE), "id") is None


@pytest.mark.parametrize(("text", "allowed"), [
    ("01a2232b-d51d-7175", "01a2232b-d51d-7175"),
    ("sha256:0b0e", "sha256:0b0e"),
    ("!#[]~", "!#[]~"),
    ("two words", "two%20words"),
    ('a"b', "a%22b"),
    ("a\\b", "a%5Cb"),
    ("a\tb\x7f", "a%09b%7F"),
    ("2026-简报", "2026-%E7%AE%80%E6%8A%A5"),
    ("\ud800", "%3F"),
])
def test_a_number_is_put_into_the_characters_of_a_label(text: str, allowed: str) -> None:
    assert allowed_text(text) == allowed
    assert is_allowed(allowed)
    assert is_allowed(text) is (text == allowed)


@pytest.mark.parametrize("code", range(0x20, 0x80))
def test_exactly_the_characters_of_the_standard_are_allowed(code: int) -> None:
    expected = code == 0x21 or 0x23 <= code <= 0x5B or 0x5D <= code <= 0x7E
    assert is_allowed(chr(code)) is expected


def test_each_piece_of_content_has_its_own_number() -> None:
    label = HiddenLabel(producer="Bakery").numbered("row 1")
    assert (label.produce_id, label.propagate_id, label.producer) == ("row%201", "row%201", "Bakery")


@pytest.mark.parametrize(("toml", "message"), [
    ('provider_code = "0011914403007084611360"',
     "aigc.toml, key labels.provider_code: found 22 characters; expected a provider's code of 27 characters. "
     "Correct it: docs/labels.md tells how one is made up."),
    ('provider_code = "001191440300708461136X1XGW3"',
     "aigc.toml, key labels.provider_code: found a unified social credit code whose check character does not fit; "
     "expected a provider's code of 27 characters. Correct it: docs/labels.md tells how one is made up."),
    ('producer = "Harbour Bakery"',
     "aigc.toml, key labels.producer: found 'Harbour Bakery'; expected a name in visible ASCII, without spaces, quotes "
     "and backslash. Write it another way."),
    ('propagator = "面包店"',
     "aigc.toml, key labels.propagator: found '面包店'; expected a name in visible ASCII, without spaces, quotes and "
     "backslash. Write it another way."),
    ('propagator = "001191440300708461136X1XGW3"',
     "aigc.toml, key labels.propagator: found a unified social credit code whose check character does not fit; "
     "expected a provider's code of 27 characters, or a name. Correct it."),
    ('visible = "yes"',
     "aigc.toml, key labels.visible: found 'yes'; expected one of by_type, on, off. Correct the value."),
])
def test_settings_that_no_label_can_hold_are_refused(
    toml: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("aigc.toml").write_text(f"[labels]\n{toml}\n", "utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(Path("aigc.toml"), {}, {})
    assert str(caught.value) == message


def test_a_code_can_come_from_the_environment() -> None:
    assert load_settings(None, {}, {"AIGC_LABELS_PROVIDER_CODE": CODE}).labels.provider_code == CODE
