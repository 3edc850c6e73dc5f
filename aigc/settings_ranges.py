"""Ranges of settings: what a type alone does not say of a number or a text."""

from __future__ import annotations

import re

from aigc.errors import SettingsError, shown
from aigc.labels.hidden import is_allowed
from aigc.labels.provider_code import code_problem, looks_like_a_code
from aigc.records import Sampling
from aigc.settings import EngineSettings, LabelSettings, LineageSettings, RunSettings, Settings, SigningSettings
from aigc.urls import is_storage, storage_problem, url_problem

MOST_STOPS, LONGEST_STOP = 16, 200
MOST_BEST_OF = 64
LONGEST_CONTEXT = 16


def check_ranges(settings: Settings, place: str) -> None:
    """Raise SettingsError for the first value outside its range."""
    for key, number, lowest in (
        ("run.variants", settings.run.variants, 1),
        ("run.max_attempts", settings.run.max_attempts, 1),
        ("run.seed", settings.run.seed, 0),
        ("run.best_of", settings.run.best_of, 1),
        ("run.max_tokens_per_text", settings.run.max_tokens_per_text, 0),
        ("run.shard_rows", settings.run.shard_rows, 0),
        ("engine.slots", settings.engine.slots, 0),
        ("engine.max_context", settings.engine.max_context, 0),
        ("engine.processes", settings.engine.processes, 0),
        ("engine.ray_workers", settings.engine.ray_workers, 0),
        ("engine.concurrency", settings.engine.concurrency, 1),
        ("engine.max_retries", settings.engine.max_retries, 0),
        ("input.max_cell_chars", settings.input.max_cell_chars, 1),
        ("policy.max_rows", settings.policy.max_rows, 0),
        ("policy.max_tokens", settings.policy.max_tokens, 0),
        ("policy.budget_tokens", settings.policy.budget_tokens, 0),
        *((f"types.{name}.policy.max_rows", part.policy.max_rows, 0) for name, part in settings.types.items()),
        *((f"types.{name}.policy.max_tokens", part.policy.max_tokens, 0) for name, part in settings.types.items()),
    ):
        if number < lowest:
            raise SettingsError(f"{place}, key {key}", shown(number), f"a whole number from {lowest}", "Correct it.")
    if settings.run.seed > (1 << 53) - 1:
        found, key = shown(settings.run.seed), f"{place}, key run.seed"
        raise SettingsError(key, found, "at most 2^53 - 1", "Take a smaller seed.")
    if settings.run.best_of > MOST_BEST_OF:
        found, key = shown(settings.run.best_of), f"{place}, key run.best_of"
        raise SettingsError(key, found, f"at most {MOST_BEST_OF}", "Correct it.")
    if not 1 <= (context_tokens := settings.watermark.context_tokens) <= LONGEST_CONTEXT:
        found, key = shown(context_tokens), f"{place}, key watermark.context_tokens"
        raise SettingsError(key, found, f"a whole number from 1 to {LONGEST_CONTEXT}", "Correct it.")
    if not 0.0 <= settings.safety.threshold <= 1.0:
        found, key = shown(settings.safety.threshold), f"{place}, key safety.threshold"
        raise SettingsError(key, found, "a number from 0 to 1", "Correct it.")
    _check_storage(settings.run, place)
    _check_server(settings.engine, place)
    _check_devices(settings.engine.devices, place)
    _check_labels(settings.labels, place)
    _check_lineage(settings.lineage, place)
    _check_files_url(settings.monitoring.files_url, place)
    if not 0.0 <= (price := settings.monitoring.price_per_gpu_hour) < float("inf"):
        key = f"{place}, key monitoring.price_per_gpu_hour"
        raise SettingsError(key, shown(price), "a price from 0", "Correct it, or remove the key.")
    _check_signing(settings.signing, place)
    _check_score(settings, place)
    check_sampling(settings.sampling.over(Sampling()), f"{place}, table sampling")
    for name, part in settings.types.items():
        check_sampling(part.sampling.over(Sampling()), f"{place}, table types.{name}.sampling")


def _check_storage(run: RunSettings, place: str) -> None:
    """Refuse what would keep a secret in run.json. The values are not shown: they may be one."""
    for key, url in (("run.publish_to", run.publish_to), ("run.out", run.out if is_storage(run.out) else "")):
        if problem := storage_problem(url) if url else "":
            expected, remedy = "s3://BUCKET/FOLDER, gs://BUCKET/FOLDER", "Keys go into the environment; a path has no ://."
            raise SettingsError(f"{place}, key {key}", problem, expected, remedy)


def _check_server(engine: EngineSettings, place: str) -> None:
    """Refuse what would keep a secret in run.json. The values are not shown: they may be one."""
    if problem := url_problem(engine.url) if engine.url else "":
        expected, remedy = "http://HOST/v1 or https://HOST/v1", "A key goes into the environment."
        raise SettingsError(f"{place}, key engine.url", problem, expected, remedy)
    _check_variable(engine.key_variable, f"{place}, key engine.key_variable")
    if not 0.0 < engine.timeout_s <= 86_400.0:
        found, expected = shown(engine.timeout_s), "seconds above 0, at most a day"
        raise SettingsError(f"{place}, key engine.timeout_s", found, expected, "Correct it.")


def _check_devices(devices: str, place: str) -> None:
    numbers = devices.split(",")
    if devices != "all" and (not all(map(str.isdecimal, numbers)) or len({*map(int, numbers)}) < len(numbers)):
        expected, remedy = '"all", or numbers of GPUs such as "0" or "0,2", each once', "`aigc doctor` lists them."
        raise SettingsError(f"{place}, key engine.devices", shown(devices), expected, remedy)


def _check_score(settings: Settings, place: str) -> None:
    """Refuse a choice among texts by what their engine does not tell: the first would be taken, and called the best."""
    if settings.engine.name == "openai" and settings.run.best_of > 1 and settings.run.score == "logprob":
        found = "'logprob' with engine.name = \"openai\", which does not tell how likely a text was"
        raise SettingsError(f"{place}, key run.score", found, '"judge" or ""', "Correct it, or set run.best_of to 1.")


def _check_lineage(lineage: LineageSettings, place: str) -> None:
    if problem := url_problem(lineage.url) if lineage.url else "":
        expected, remedy = "http://HOST or https://HOST", "A key goes into the environment."
        raise SettingsError(f"{place}, key lineage.url", problem, expected, remedy)
    _check_variable(lineage.key_variable, f"{place}, key lineage.key_variable")
    if not 0.0 < lineage.timeout_s <= 60.0:
        found, expected = shown(lineage.timeout_s), "seconds above 0, at most a minute"
        raise SettingsError(f"{place}, key lineage.timeout_s", found, expected, "Correct it.")
    if not lineage.namespace.strip():
        found, expected = "an empty text", "a name that all jobs of this house share"
        raise SettingsError(f"{place}, key lineage.namespace", found, expected, "Give one, or remove the key.")


def _check_files_url(url: str, place: str) -> None:
    if problem := url_problem(url) if url else "":
        expected, remedy = "the http or https address of the folder of the runs", "Correct it, or remove the key."
        raise SettingsError(f"{place}, key monitoring.files_url", problem, expected, remedy)


def _check_signing(signing: SigningSettings, place: str) -> None:
    if problem := url_problem(signing.timestamp_url) if signing.timestamp_url else "":
        expected, remedy = "the http or https address of a timestamp authority", "Correct it, or remove the key."
        raise SettingsError(f"{place}, key signing.timestamp_url", problem, expected, remedy)
    _check_variable(signing.passphrase_variable, f"{place}, key signing.passphrase_variable")


def _check_variable(name: str, place: str) -> None:
    if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
        remedy = "Put the key into a variable, and that variable's name here."
        raise SettingsError(place, "no such name", "an environment variable's", remedy)


def _check_labels(labels: LabelSettings, place: str) -> None:
    """Refuse what a hidden label cannot hold. A code is not shown: a person's holds the number of their identity."""
    if problem := code_problem(labels.provider_code) if labels.provider_code else "":
        expected, remedy = "a provider's code of 27 characters", "Correct it: docs/labels.md tells how one is made up."
        raise SettingsError(f"{place}, key labels.provider_code", problem, expected, remedy)
    for key, name in (("producer", labels.producer), ("propagator", labels.propagator)):
        if not is_allowed(name):
            expected, remedy = "a name in visible ASCII, without spaces, quotes and backslash", "Write it another way."
            raise SettingsError(f"{place}, key labels.{key}", shown(name), expected, remedy)
    if problem := code_problem(labels.propagator) if looks_like_a_code(labels.propagator) else "":
        expected, remedy = "a provider's code of 27 characters, or a name", "Correct it."
        raise SettingsError(f"{place}, key labels.propagator", problem, expected, remedy)


def check_sampling(sampling: Sampling, place: str) -> None:
    """Raise SettingsError for a sampling value outside its range."""
    for key, number, low, high in (
        ("temperature", sampling.temperature, 0.0, 5.0),
        ("top_p", sampling.top_p, 1e-6, 1.0),
        ("top_k", sampling.top_k, 0, 1_000_000),
        ("min_p", sampling.min_p, 0.0, 1.0),
        ("repetition_penalty", sampling.repetition_penalty, 0.1, 10.0),
        ("max_new_tokens", sampling.max_new_tokens, 1, 1_000_000),
        ("min_new_tokens", sampling.min_new_tokens, 0, 1_000_000),
    ):
        if not low <= number <= high:
            expected = f"a number from {low:g} to {high:g}"
            raise SettingsError(f"{place}, key {key}", shown(number), expected, "Correct it.")
    if len(sampling.stop) > MOST_STOPS:
        raise SettingsError(
            f"{place}, key stop", f"{len(sampling.stop)} texts", f"at most {MOST_STOPS}", "Remove some of them."
        )
    for text in sampling.stop:
        if not 0 < len(text) <= LONGEST_STOP:
            found = f"a text of {len(text)} characters, {shown(text, 20)}" if text else "an empty text"
            raise SettingsError(
                f"{place}, key stop", found, f"texts of 1 to {LONGEST_STOP} characters", "Correct it or remove it."
            )
