"""The watermark looked for: in a text, in the texts of a file or a run, and in the records of a run."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from aigc import models
from aigc.corpus import texts_of
from aigc.dialogue import standing
from aigc.engine.tokens import open_tokenizer
from aigc.errors import UsageError, shown, writable
from aigc.export import ACCEPTED_JSONL, PARQUET
from aigc.parquet_rows import read_rows
from aigc.provenance import RUN_FILE, read_run
from aigc.records import Attempt, Record, Value
from aigc.settings import Settings
from aigc.watermark import LEVELS, Evidence, Level, Mark, examine, level_of, pooled, read_key, salt_of

Cut = Callable[[str], list[int]]


class Search(Value, frozen=True):
    """What a person asked for: the arguments of `aigc watermark detect`. What is left empty comes from the settings."""

    source: str
    key_file: str = ""
    model: str = ""
    column: str = ""
    records: bool = False
    context_tokens: int | None = None
    false_alarm_rate: float = 1e-6


class Part(NamedTuple):
    """What was said in one go. Its salt is known where its record is."""

    text: str
    salt: int | None = None


class Text(NamedTuple):
    """A text to look at. A dialogue has a part for each of its lines, which were requests of their own."""

    name: str
    parts: tuple[Part, ...]
    levels: tuple[Level, ...] = LEVELS


class Looked(Value, frozen=True):
    """What one text shows. `examined` are tokens whose context is whole and new: without a mark they score about 1 each
    in any one try, and `score` is that of the best of `tries`."""

    name: str
    tokens: int
    examined: int
    tries: int
    score: float
    p_value: float
    marked: bool


class Found(Value, frozen=True):
    """What a search came to. `together` is about all records at once; None where salts are not known."""

    key_id: str
    context_tokens: int
    model: str
    false_alarm_rate: float
    found: bool
    """Whether the mark is in any of the texts, or in all together."""
    marked: int
    texts: list[Looked]
    together: Looked | None = None
    unread: int = 0
    """Rows of a sheet that could not be read."""


def look(search: Search, settings: Settings) -> Found:
    """Look for the mark of a key.

    Raises:
        UsageError: there is nothing of that name to look at, or no record that names this key.
        SettingsError: no key that can be used.
        ModelError: no tokenizer of the model. BriefsError, StoreError: a file that cannot be read.
    """
    if not 0.0 < search.false_alarm_rate < 1.0:
        found = shown(search.false_alarm_rate)
        raise UsageError("--false-alarm-rate", found, "a number between 0 and 1", "Correct it.")
    mark, unread = _mark(search, settings), list[int]()
    if search.records:
        mark = _own_mark(Path(search.source), mark)
        texts = _raw_texts(Path(search.source), mark)
    else:
        texts = _texts(search.source, search.column, unread)
    model = search.model or _model_of(Path(search.source)) or settings.run.model
    cut = open_tokenizer(_folder(model, settings), settings.engine)
    looked, together = _examined(texts, cut, mark, search.false_alarm_rate, together=search.records)
    marked = sum(text.marked for text in looked)
    return Found(
        key_id=mark.key_id, context_tokens=mark.context_tokens, model=model,
        false_alarm_rate=search.false_alarm_rate, found=marked > 0 or bool(together and together.marked),
        marked=marked, texts=looked, together=together, unread=len(unread),
    )


def _mark(search: Search, settings: Settings) -> Mark:
    key_file = search.key_file or settings.watermark.key_file
    if not key_file:
        remedy = "Name the file of the key that the texts were marked with."
        raise UsageError("--key", "no key, here or in the settings", "the file of a key", remedy)
    return read_key(Path(key_file), search.context_tokens or settings.watermark.context_tokens)


def _examined(
    texts: Iterable[Text], cut: Cut, mark: Mark, rate: float, *, together: bool
) -> tuple[list[Looked], Looked | None]:
    looked, known, levels = list[Looked](), list[tuple[Sequence[int], int]](), set[Level]()
    for text in texts:
        own = [(array("i", cut(part.text)), part.salt) for part in text.parts]
        salted = [(tokens, salt) for tokens, salt in own if salt is not None]
        if len(own) == 1:
            [(tokens, salt)] = own
            looked.append(_looked(text.name, examine(tokens, mark, salt=salt, levels=text.levels), rate))
        else:
            looked.append(_looked(text.name, pooled(salted, mark, text.levels), rate))
        known += salted
        levels.update(text.levels if salted else ())
    if not together:
        return looked, None
    return looked, _looked("all", pooled(known, mark, tuple(sorted(levels))), rate)


def _looked(name: str, evidence: Evidence, rate: float) -> Looked:
    return Looked(
        name=name, tokens=evidence.tokens, examined=evidence.examined, tries=evidence.tries,
        score=round(max(0.0, evidence.score), 3), p_value=evidence.p_value, marked=evidence.p_value <= rate,
    )


def _texts(source: str, column: str, unread: list[int]) -> Iterator[Text]:
    """The texts of a file or a run's folder; else the argument itself, where it looks like a text."""
    path = Path(source)
    if not _exists(path):
        if len(source.split()) < 2:
            raise UsageError(shown(source), "no such file", "a file, the folder of a run, or a text of several words",
                             "Correct the path.")
        yield Text("the text", (Part(source),))
        return
    is_run = (path / RUN_FILE).exists()
    for text in texts_of(path / ACCEPTED_JSONL if is_run else path, column, unread):
        row = f"{text.brief_id} variant {text.variant}" if text.brief_id else f"line {text.line}"
        yield Text(row if text.line else writable(path.name), (Part(text.text),))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a text is too long for a name, or holds what no name can
        return False


def _own_mark(folder: Path, mark: Mark) -> Mark:
    """The mark with the context that the first record which names its key was made with.

    Raises:
        UsageError: none names it.
    """
    refs = {attempt.sampling.watermark for _, attempt in _made(folder)} - {""}
    for ref in sorted(refs):
        own = replace(mark, context_tokens=int(ref.rpartition(":")[2]))
        if own.ref == ref:
            return own
    found = f"records that name the watermark {', '.join(sorted(refs))}" if refs else "records that name no watermark"
    remedy = "Name the key that they were made with, or leave --records out: then the texts alone are looked at."
    raise UsageError(writable(folder), found, f"one of key {mark.key_id}", remedy)


def _raw_texts(folder: Path, mark: Mark) -> Iterator[Text]:
    """What the model said in the records that name this mark, before it was laid out."""
    for record, attempt in _made(folder):
        if attempt.sampling.watermark == mark.ref:
            made = standing(attempt.turns) if attempt.turns else [attempt]
            parts = tuple(Part(one.completion.text, salt_of(one.seed)) for one in made)
            yield Text(f"{record.brief_id} variant {record.variant}", parts, (level_of(attempt.sampling),))


def _made(folder: Path) -> Iterator[tuple[Record, Attempt]]:
    """Each record with the attempt whose text stands for its row, else its last with a text."""
    for row in read_rows(folder / PARQUET):
        record = row.record
        with_text = [attempt for attempt in record.attempts if not attempt.completion.fault]
        if attempt := record.attempt or (with_text[-1] if with_text else None):
            yield record, attempt


def _model_of(folder: Path) -> str:
    """The model that a run's texts are of; empty where it is no run."""
    return read_run(folder).model.ref if _exists(folder / RUN_FILE) else ""


def _folder(model: str, settings: Settings) -> Path:
    """Where the model's tokenizer is: weights are not needed, so a folder of it alone will do."""
    if Path(model).is_dir():
        return Path(model)
    engine = settings.engine
    return models.resolve(model, trust_remote_code=engine.trust_remote_code, fetch=False).folder()
