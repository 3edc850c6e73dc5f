"""Broken settings, templates, models, run folders and command lines."""

from __future__ import annotations

import os
from pathlib import Path

from bad_inputs.cases import GOOD, HEADER, MANIFEST, Case
from model_folders import write_model, write_weights

LOCAL = {"AIGC_ENGINE_NAME": "local"}
USER, TOML = "templates/note/user.j2", "templates/note/template.toml"


def settings(name: str, toml: str | bytes, *says: str, code: int = 2) -> Case:
    return Case(name, "run briefs.csv", code, says, {"aigc.toml": toml})


def environment(name: str, variable: str, value: str, *says: str) -> Case:
    return Case(name, "check briefs.csv", 2, says, environ={variable: value})


def command(name: str, line: str, *says: str, code: int = 2, messages: int = 1) -> Case:
    return Case(name, line, code, says, messages=messages)


def template(name: str, file: str, content: str | bytes | None, *says: str) -> Case:
    return Case(name, "run briefs.csv", 1, says, {file: content})


def _half_a_model(folder: Path) -> None:
    weights = write_model(folder / "model") / "model.safetensors"
    os.truncate(weights, weights.stat().st_size // 2)


def _pickled_model(folder: Path) -> None:
    (write_model(folder / "model") / "model.safetensors").rename(folder / "model" / "pytorch_model.bin")


def _model_with_code(folder: Path) -> None:
    (write_model(folder / "model") / "config.json").write_text('{"auto_map": {"AutoModel": "mine.Model"}}')


def _model_without_tokenizer(folder: Path) -> None:
    (folder / "model").mkdir()
    write_weights(folder / "model" / "model.safetensors")


def _unfinished_run(folder: Path, status: str = "interrupted") -> Path:
    """A run of briefs.csv that did not finish."""
    from aigc.hashing import digest
    from aigc.provenance import ModelFacts, RunFile, encode
    from aigc.settings import Settings
    from aigc.store import Store

    run = folder / "outputs" / "2026-01-01-0000-briefs-aaaa"
    Store.create(run).close()
    facts = RunFile(
        run_id=run.name,
        status="running",
        briefs=str((folder / "briefs.csv").resolve()),
        job="sha256:0",
        settings=Settings(),
        model=ModelFacts(ref="scripted", digest=digest("scripted")),
        started_at="2026-01-01T00:00:00Z",
    )
    (run / "run.json").write_bytes(encode(facts))
    return run


def _locked_run(folder: Path) -> None:
    """The lock is held until this process ends: nothing else of it uses that folder."""
    from aigc.disk import take_lock

    take_lock(_unfinished_run(folder) / ".lock")


SETTINGS = [
    settings("broken_toml", "[run\nseed = 1\n", "aigc.toml: found broken TOML", "line 1", "Correct the line named."),
    settings("toml_not_utf8", "[run]\nout = '\u00e9'".encode("latin-1"), "aigc.toml: found bytes that are not UTF-8"),
    settings(
        "unknown_key",
        "[run]\nvariant = 2\n",
        "aigc.toml, key run.variant: found an unknown key",
        "Did you mean 'variants'?",
    ),
    settings("unknown_table", "[sampler]\ntop_k = 2\n", "key sampler: found an unknown key", "'sampling'"),
    settings(
        "value_of_the_wrong_type",
        '[run]\nvariants = "two"\n',
        "aigc.toml, key run.variants: found",
        "expected a whole number",
    ),
    settings("value_out_of_range", "[sampling]\ntop_p = 7\n", "top_p: found '7.0'; expected a number from"),
    settings(
        "no_attempts", "[run]\nmax_attempts = 0\n", "key run.max_attempts: found '0'; expected a whole number from 1"
    ),
    settings(
        "unknown_filter",
        "[filters.lenght]\naction = 'off'\n",
        "settings of content type note, key filters.lenght",
        "Did you mean 'length'?",
    ),
    settings(
        "unknown_filter_action",
        "[filters.length]\naction = 'sometimes'\n",
        "filters.length.action",
        "found 'sometimes'",
    ),
    settings("unknown_type_in_settings", "[types.noet.sampling]\ntop_k = 3\n", "types.noet", "note"),
    settings(
        "rule_for_unknown_column",
        '[[input.skip]]\ncolumn = "produkt"\nblank = true\n',
        "setting input.skip",
        "no column 'produkt'",
        "Did you mean 'product'?",
        code=1,
    ),
    settings("rule_without_condition", '[[input.skip]]\ncolumn = "product"\n', "says not when to skip", code=1),
    settings(
        "rule_that_leaves_nothing",
        '[[input.skip]]\ncolumn = "product"\nequals = "Bread"\n',
        "briefs.csv: found no brief left, with 1 brief left out",
        "input.skip",
        code=1,
    ),
    command("missing_config", "run briefs.csv --config other.toml", "other.toml: found no readable file", "--config"),
    command("map_to_unknown_column", "check briefs.csv --map product=Titel", "no column 'Titel'", "'product'", code=1),
    command(
        "map_of_unknown_field",
        "check briefs.csv --map produkt=product",
        "the field 'produkt'",
        "Did you mean 'product'?",
        code=1,
    ),
    command("malformed_map", "check briefs.csv --map product", "--map: found 'product'; expected FIELD=COLUMN"),
    command("unknown_default_type", "check briefs.csv --content-type noet", "'noet'", "Did you mean 'note'?", code=1),
    environment(
        "unknown_variable",
        "AIGC_MODLE",
        "x",
        "environment variable AIGC_MODLE: found an unknown setting",
        "Did you mean 'AIGC_MODEL'?",
    ),
    environment("bad_value_of_variable", "AIGC_SEED", "many", "environment variable AIGC_SEED: found 'many'; expected"),
    environment("choice_of_variable", "AIGC_ENGINE_DEVICE", "tpu", "AIGC_ENGINE_DEVICE: found 'tpu'; expected", "cuda"),
]

TEMPLATES = [
    command("no_templates_folder", "run briefs.csv --templates elsewhere", "--templates: found no folder elsewhere"),
    Case(
        "empty_templates_folder",
        "run briefs.csv --templates none",
        1,
        ("none: found no content type", "`aigc init`"),
        make=lambda folder: (folder / "none").mkdir(),
    ),
    template("broken_manifest", TOML, 'title = "Note', "template.toml: found broken TOML: Unterminated string"),
    template("unknown_key_of_manifest", TOML, MANIFEST + "[lenght]\n", "key lenght: found an unknown key", "'length'"),
    template(
        "unknown_key_of_field",
        TOML,
        MANIFEST + "[fields.brand]\nrequird = true\n",
        "key fields.brand.requird: found an unknown key",
        "'required'",
    ),
    template("manifest_without_title", TOML, MANIFEST.partition("\n")[2], "template.toml, key title: found nothing"),
    template(
        "reserved_field", TOML, MANIFEST + "[fields.tone]\n", "key fields.tone: found a name that every brief has"
    ),
    template("output_without_fields", TOML, MANIFEST.replace('"text"\n', '"json"\n'), "key output.fields", "0 fields"),
    template(
        "undefined_variable",
        USER,
        "Write.\n\nAbout {{ prodct }}.",
        "user.j2 line 3: found the undeclared variable 'prodct'",
        "Did you mean 'product'?",
    ),
    template("broken_jinja", USER, "Write.\n{% if product %}\n", "user.j2 line", "found broken Jinja"),
    template("no_user_template", USER, None, "templates/note: found no user.j2", "Add templates/note/user.j2"),
    template(
        "absent_include",
        USER,
        "{{ product }}{% include '_shared/none.j2' %}",
        "user.j2",
        "found an include of '_shared/none.j2', which is not there",
    ),
    template("template_not_utf8", USER, b"caf\xe9", "user.j2: found a file that cannot be read", "UTF-8"),
]

MODELS = [
    Case(
        "unknown_model",
        "run briefs.csv --model smollm2-135m-instrukt",
        1,
        ("model smollm2-135m-instrukt: found no such model", "Did you mean 'smollm2-135m-instruct'?"),
        environ=LOCAL,
    ),
    Case(
        "pickled_weights",
        "run briefs.csv --model ./model",
        1,
        ("pytorch_model.bin: found weights as a pickle", "*.safetensors"),
        make=_pickled_model,
        environ=LOCAL,
    ),
    Case(
        "half_downloaded_model",
        "run briefs.csv --model ./model",
        1,
        ("found a half-downloaded file", "bytes", "Copy"),
        make=_half_a_model,
        environ=LOCAL,
    ),
    Case(
        "model_with_code_of_its_own",
        "run briefs.csv --model ./model",
        1,
        ("config.json: found code of the model's own", "trust_remote_code = true"),
        make=_model_with_code,
        environ=LOCAL,
    ),
    Case(
        "folder_that_is_no_model",
        "run briefs.csv --model ./model",
        1,
        ("model ./model: found no config.json",),
        make=_model_without_tokenizer,
        environ=LOCAL,
    ),
    Case(
        "chinese_on_an_english_model",
        "run briefs.csv",
        1,
        ("found briefs in zh; expected en", "--model Qwen/Qwen3-0.6B"),
        {"briefs.csv": "content_type,language,product\nnote,zh,面包\n"},
        environ=LOCAL,
    ),
]

MANY = HEADER + "".join(f"b{number},note,Bread {number},5\n" for number in range(200))

RUNS = [
    Case(
        "file_where_the_runs_go",
        "run briefs.csv --out results",
        2,
        ("--out: found a file at results",),
        {"results": "not a folder"},
    ),
    Case(
        "file_in_the_path_of_the_runs",
        "run briefs.csv --out results/here",
        2,
        ("--out: found a file at results; expected a folder",),
        {"results": "not a folder"},
        as_process=True,
    ),
    Case(
        "disk_full",
        "run briefs.csv",
        1,
        ("journal.jsonl: found an error of the disk (File too large)", "ulimit -f", "finished rows are safe"),
        {"briefs.csv": MANY},
        as_process=True,
        most_bytes=65_536,
    ),
    Case(
        "locked_run", "run briefs.csv", 1, ("found a folder that process", "Wait until it has ended"), make=_locked_run
    ),
    Case(
        "damaged_run_json",
        "show 2026-01-01-0000-briefs-aaaa",
        1,
        ("run.json: found a damaged run.json", "Restore it from a copy"),
        {"outputs/2026-01-01-0000-briefs-aaaa/run.json": "{"},
    ),
    command("show_without_runs", "show", "outputs: found no run", "aigc run"),
    command("show_of_an_unknown_run", "show spring", "RUN: found 'spring', which is no run", "name the folder"),
    command("judge_of_an_unknown_run", "judge spring", "RUN: found 'spring', which is no run", "name the folder"),
    command("resume_without_a_run", "run briefs.csv --resume", "--resume: found no run of briefs.csv under outputs"),
    command("init_into_a_full_folder", "init templates", "templates: found something there already", "a new or empty"),
    command("row_past_the_end", "preview briefs.csv --row 7", "--row: found 7; expected 1 to 1."),
    Case(
        "preview_of_a_bad_row",
        "preview briefs.csv --row 2",
        2,
        ("line 3, product: found nothing", "2, a row with errors"),
        {"briefs.csv": GOOD + "b2,note,,1\n"},
        messages=2,
    ),
    command("unknown_type", "types noet", "TYPE: found 'noet'; expected one of note", "Did you mean 'note'?"),
    Case("unknown_option", "run briefs.csv --modle x", 2, ("No such option", "--model"), messages=0, as_process=True),
    command("missing_argument", "run", "Missing argument 'BRIEFS'", messages=0),
    command("unknown_command", "runn briefs.csv", "No such command 'runn'", messages=0),
    command("option_without_number", "run briefs.csv --seed many", "--seed", "valid integer", messages=0),
    command("row_zero", "preview briefs.csv --row 0", "Invalid value for '--row'", messages=0),
]

CASES = SETTINGS + TEMPLATES + MODELS + RUNS
