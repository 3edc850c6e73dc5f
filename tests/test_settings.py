"""Settings: which layer wins, and what is said of a value that cannot be one."""

from __future__ import annotations

from pathlib import Path

import pytest

from aigc.duplicates import CORPUS
from aigc.errors import SettingsError
from aigc.records import Sampling
from aigc.settings import DEFAULT_MODEL, FilterTables, SamplingPatch, Settings
from aigc.settings_loading import load_settings
from aigc.settings_ranges import check_sampling
from aigc.settings_reading import Table


def config(folder: Path, text: str) -> Path:
    path = folder / "aigc.toml"
    path.write_text(text, "utf-8")
    return path


def test_without_any_layer_the_defaults_hold() -> None:
    settings = load_settings(None, {}, {})
    assert settings == Settings()
    assert (settings.run.model, settings.run.max_attempts, settings.engine.dtype) == (DEFAULT_MODEL, 3, "bfloat16")
    assert Path(settings.run.corpus) == CORPUS


@pytest.mark.parametrize(
    ("toml", "environ", "overrides", "seed"),
    [
        ("", {}, {}, 0),
        ("[run]\nseed = 1", {}, {}, 1),
        ("[run]\nseed = 1", {"AIGC_SEED": "2"}, {}, 2),
        ("[run]\nseed = 1", {"AIGC_RUN_SEED": "3"}, {}, 3),
        ("[run]\nseed = 1", {"AIGC_SEED": "2"}, {"run": {"seed": 4}}, 4),
        ("[run]\nvariants = 2", {"AIGC_SEED": "2"}, {"run": {"model": "m"}}, 2),
    ],
)
def test_command_line_over_environment_over_file_over_default(
    tmp_path: Path, toml: str, environ: dict[str, str], overrides: dict[str, Table], seed: int
) -> None:
    assert load_settings(config(tmp_path, toml), overrides, environ).run.seed == seed


def test_layers_are_merged_key_by_key(tmp_path: Path) -> None:
    path = config(tmp_path, '[run]\nseed = 1\nout = "a"\n[input.columns]\nproduct = "Title"\nbrand = "Maker"\n')
    settings = load_settings(path, {"input": {"columns": {"brand": "By"}}}, {"AIGC_OUT": "b", "HOME": "/root"})
    assert (settings.run.seed, settings.run.out) == (1, "b")
    assert settings.input.columns == {"product": "Title", "brand": "By"}


@pytest.mark.parametrize(
    ("variable", "text", "read"),
    [
        ("AIGC_STRICT", "true", lambda s: s.run.strict is True),
        ("AIGC_ENGINE_SLOTS", "8", lambda s: s.engine.slots == 8),
        ("AIGC_ENGINE_DEVICES", "0", lambda s: s.engine.devices == "0"),
        ("AIGC_ENGINE_NAME", "scripted", lambda s: s.engine.name == "scripted"),
        ("AIGC_SAMPLING_TEMPERATURE", "0.25", lambda s: s.sampling.temperature == 0.25),
        ("AIGC_INPUT_LANGUAGE", "zh", lambda s: s.input.language == "zh"),
        ("AIGC_SAFETY_MODEL", "/guard", lambda s: (s.safety.model, s.run.model) == ("/guard", DEFAULT_MODEL)),
        ("AIGC_CACHE", "/anywhere", lambda s: s == Settings()),
    ],
)
def test_variables_name_a_setting_and_are_read_as_its_type(variable: str, text: str, read: object) -> None:
    assert read(load_settings(None, {}, {variable: text}))  # type: ignore[operator]


def test_sampling_is_the_types_own_over_the_common_over_the_packs() -> None:
    settings = load_settings(
        None,
        {
            "sampling": {"temperature": 0.2, "top_k": 9},
            "types": {"ad_copy": {"sampling": {"temperature": 0.9}}},
        },
        {},
    )
    pack = Sampling(temperature=0.5, top_p=0.8, stop=["###"])
    assert settings.sampling_for("ad_copy", pack) == Sampling(temperature=0.9, top_p=0.8, top_k=9, stop=["###"])
    assert settings.sampling_for("summary", pack) == Sampling(temperature=0.2, top_p=0.8, top_k=9, stop=["###"])


def test_a_layer_can_set_a_value_back_to_its_default() -> None:
    assert SamplingPatch(temperature=0.7).over(Sampling(temperature=0.1)).temperature == 0.7


def test_filter_tables_are_merged_key_by_key_in_the_same_order() -> None:
    settings = load_settings(
        None,
        {
            "filters": {"length": {"action": "hold", "tolerance": 0.1}},
            "types": {"ad_copy": {"filters": {"length": {"action": "reject"}, "refusal": {"action": "off"}}}},
        },
        {},
    )
    pack: FilterTables = {"length": {"tolerance": 0.5}, "empty": {"action": "hold"}}
    assert settings.filters_for("ad_copy", pack) == {
        "length": {"action": "reject", "tolerance": 0.1},
        "empty": {"action": "hold"},
        "refusal": {"action": "off"},
    }
    assert settings.filters_for("summary", pack)["length"] == {"action": "hold", "tolerance": 0.1}
    assert pack == {"length": {"tolerance": 0.5}, "empty": {"action": "hold"}}, "the pack itself is left as it was"


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        (
            "[run]\nsed = 1",
            "{file}, key run.sed: found an unknown key; expected one of best_of, corpus, describe_form, "
            "feedback, max_attempts, max_tokens_per_text, model, out, publish_to, score, seed, shard_rows, strict, "
            "templates, "
            "variants. "
            "Remove it or correct its name. Did you mean 'seed'?",
        ),
        (
            "[rnu]\nseed = 1",
            "{file}, key rnu: found an unknown key; expected one of dataset, engine, filters, input, judge, labels, "
            "lineage, monitoring, policy, review, run, safety, sampling, signing, types, watermark. "
            "Remove it or correct its name. "
            "Did you mean 'run'?",
        ),
        (
            "[types.ad_copy.sampling]\ntop_q = 1",
            "{file}, key types.ad_copy.sampling.top_q: found an unknown key; expected one "
            "of max_new_tokens, min_new_tokens, min_p, repetition_penalty, stop, temperature, top_k, top_p. "
            "Remove it or correct its name. "
            "Did you mean 'top_p'?",
        ),
        ("[run]\nseed = -1", "{file}, key run.seed: found '-1'; expected a whole number from 0. Correct it."),
        ("[run]\nbest_of = 0", "{file}, key run.best_of: found '0'; expected a whole number from 1. Correct it."),
        ('[run]\nbest_of = 2\nscore = "logprob"\n[engine]\nname = "openai"',
         "{file}, key run.score: found 'logprob' with engine.name = \"openai\", which does not tell how likely a text "
         'was; expected "judge" or "". Correct it, or set run.best_of to 1.'),
        ("[run]\nbest_of = 65", "{file}, key run.best_of: found '65'; expected at most 64. Correct it."),
        (
            "[run]\nmax_tokens_per_text = -1",
            "{file}, key run.max_tokens_per_text: found '-1'; expected a whole number from 0. Correct it.",
        ),
        (
            "[safety]\nthreshold = 1.5",
            "{file}, key safety.threshold: found '1.5'; expected a number from 0 to 1. Correct it.",
        ),
        (
            "[policy]\nmax_rows = -1",
            "{file}, key policy.max_rows: found '-1'; expected a whole number from 0. Correct it.",
        ),
        (
            "[types.ad_copy.policy]\nmax_tokens = -1",
            "{file}, key types.ad_copy.policy.max_tokens: found '-1'; expected a whole number from 0. Correct it.",
        ),
        ("[engine]\nprocesses = -1",
         "{file}, key engine.processes: found '-1'; expected a whole number from 0. Correct it."),
        ('[engine]\ndevices = "0,1,1"',
         "{file}, key engine.devices: found '0,1,1'; expected \"all\", or numbers of GPUs such as \"0\" or \"0,2\", "
         "each once. `aigc doctor` lists them."),
        ("[run]\nvariants = 0", "{file}, key run.variants: found '0'; expected a whole number from 1. Correct it."),
        (
            "[run]\nseed = 9007199254740992",
            "{file}, key run.seed: found '9007199254740992'; expected at most 2^53 - 1. Take a smaller seed.",
        ),
        (
            "[sampling]\ntemperature = 9.0",
            "{file}, table sampling, key temperature: found '9.0'; expected a number from 0 to 5. Correct it.",
        ),
        (
            "[types.ad_copy.sampling]\ntop_p = 0.0",
            "{file}, table types.ad_copy.sampling, key top_p: found '0.0'; expected "
            "a number from 1e-06 to 1. Correct it.",
        ),
    ],
)
def test_a_file_that_cannot_be_settings_names_the_key(tmp_path: Path, toml: str, message: str) -> None:
    path = config(tmp_path, toml)
    with pytest.raises(SettingsError) as error:
        load_settings(path, {}, {})
    assert str(error.value) == message.replace("{file}", str(path))


@pytest.mark.parametrize(
    ("toml", "key", "expected"),
    [
        ('[run]\nseed = "x"', "run.seed", "number"),
        ("[run]\nstrict = 3", "run.strict", ""),
        ('[engine]\ndtype = "float8"', "engine.dtype", "bfloat16"),
        ("run = 3", "run", ""),
        ('[run]\nscore = "vote"', "run.score", 'one of "", logprob, judge'),
        ('[safety.actions]\nhate = "burn"', "safety.actions", ""),
        ('[policy]\nforbidden = "war"', "policy.forbidden", "a list"),
        ("[[input.skip]]\ncolumn = 3", "input.skip", ""),
    ],
)
def test_a_value_of_the_wrong_type_names_its_key_and_the_type(
    tmp_path: Path, toml: str, key: str, expected: str
) -> None:
    path = config(tmp_path, toml)
    with pytest.raises(SettingsError) as error:
        load_settings(path, {}, {})
    assert str(error.value).startswith(f"{path}, key {key}")
    assert expected in error.value.expected


@pytest.mark.parametrize(
    ("environ", "start"),
    [
        (
            {"AIGC_SEEDS": "1"},
            "environment variable AIGC_SEEDS: found an unknown setting; expected an AIGC_ variable of "
            "the settings. Unset it or correct its name. Did you mean 'AIGC_SEED'?",
        ),
        ({"AIGC_SEED": "one"}, "environment variable AIGC_SEED: found 'one'; expected "),
        ({"AIGC_STRICT": "perhaps"}, "environment variable AIGC_STRICT: found 'perhaps'; expected "),
        ({"AIGC_SEED": "-3"}, "settings, key run.seed: found '-3'; expected a whole number from 0. Correct it."),
    ],
)
def test_a_variable_that_cannot_be_a_setting_is_named(environ: dict[str, str], start: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(None, {}, environ)
    assert str(error.value).startswith(start)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    absent, broken, bytes_ = tmp_path / "absent.toml", tmp_path / "broken.toml", tmp_path / "bytes.toml"
    broken.write_text("[run\n")
    bytes_.write_bytes(b"[run]\nout = '\xff'\n")
    cases = [
        (
            absent,
            f"{absent}: found no readable file (No such file or directory); expected a TOML file. "
            "Give another path with --config, or leave it out.",
        ),
        (
            broken,
            f"{broken}: found broken TOML: Expected ']' at the end of a table declaration (at line 1, column 5); "
            "expected valid TOML. Correct the line named.",
        ),
        (
            bytes_,
            f"{bytes_}: found bytes that are not UTF-8 at offset 13; expected a UTF-8 text file. Save it as UTF-8.",
        ),
    ]
    for path, message in cases:
        with pytest.raises(SettingsError) as error:
            load_settings(path, {}, {})
        assert str(error.value) == message


def test_every_sampling_value_has_a_range() -> None:
    for key in ("temperature", "top_p", "min_p", "repetition_penalty", "top_k", "max_new_tokens", "min_new_tokens"):
        for number in (-1, 2_000_000):
            with pytest.raises(SettingsError, match=rf"here, key {key}: found '{number}'; expected a number from"):
                check_sampling(SamplingPatch(**{key: number}).over(Sampling()), "here")  # type: ignore[arg-type]
    check_sampling(Sampling(temperature=0.0, top_k=0, min_p=0.0), "here")


@pytest.mark.parametrize(
    ("stop", "found", "expected"),
    [
        (["\n\n", ""], "an empty text", "texts of 1 to 200 characters. Correct it or remove it."),
        (["x" * 201], "a text of 201 characters, 'xxx", "texts of 1 to 200 characters. Correct it or remove it."),
        ([str(number) for number in range(17)], "17 texts", "at most 16. Remove some of them."),
    ],
)
def test_stop_texts_are_few_and_short_and_not_empty(stop: list[str], found: str, expected: str) -> None:
    with pytest.raises(SettingsError) as error:
        check_sampling(Sampling(stop=stop), "here")
    assert str(error.value).startswith(f"here, key stop: found {found}")
    assert str(error.value).endswith(f"; expected {expected}")
    check_sampling(Sampling(stop=["x" * 200] * 16), "here")


def test_a_setting_that_utf8_cannot_hold_is_refused() -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(None, {"run": {"out": "caf\udce9"}}, {})
    assert str(error.value) == (
        "settings, key run.out: found 'caf\\udce9'; expected a text in UTF-8. Rename what it names."
    )
