"""A folder with a model: which of its files matter, whether they are whole and safe to load, and their digest."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from aigc.errors import ModelError, shown
from aigc.hashing import canonical_json, digest, digest_file
from aigc.records import Value

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
DECISIVE = (
    "config.json", "generation_config.json", "chat_template.jinja", "chat_template.json", *TOKENIZERS, "merges.txt",
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
)
"""Files beside the weights that decide a text."""
PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl"})
MAX_HEADER_BYTES = 100_000_000
"""The limit of the safetensors format."""
SETTLED_NS = 2_000_000_000
"""A file younger than this may change again within one tick of its modification time; its digest is not kept."""
T = TypeVar("T")
_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")


class ModelFolder(Value, frozen=True):
    """A folder, the name that errors give it, and what a user does about a file that is missing or cut off."""

    place: str
    path: Path
    remedy: str

    def problem(self, name: str, found: str, expected: str, remedy: str = "") -> ModelError:
        return ModelError(f"{self.place}, {name}" if name else self.place, found, expected, remedy or self.remedy)


class _JsonFacts(msgspec.Struct):
    """What matters here of config.json and tokenizer_config.json."""

    auto_map: object = None
    chat_template: object = None


class _Index(msgspec.Struct):
    weight_map: dict[str, str]


class _Tensor(msgspec.Struct):
    data_offsets: tuple[int, int] = (0, 0)


class _Known(msgspec.Struct):
    """A file's digest and by what to tell that it is still the same file."""

    size: int
    mtime_ns: int
    digest: str


def decisive_files(folder: ModelFolder, *, trust_remote_code: bool) -> list[Path]:
    """The files that decide a text, weights first, after checking that they are whole and safe to load.

    Raises:
        ModelError: a file is missing, cut off or not JSON; the weights are pickles; or the model brings its own code
            without `trust_remote_code`.
    """
    path = folder.path
    if not (path / "config.json").is_file():
        raise _no_config(folder)
    if not trust_remote_code:
        _refuse_code(folder)
    weights = _weight_files(folder)
    for file in weights:
        check_safetensors(folder, file)
    if not any((path / name).is_file() for name in TOKENIZERS):
        raise folder.problem("", "no tokenizer", "tokenizer.json or tokenizer.model")
    others = [path / name for name in DECISIVE if (path / name).is_file()]
    return weights + others + (sorted(path.glob("*.py")) if trust_remote_code else [])


def has_chat_template(folder: ModelFolder) -> bool:
    files = (folder.path / name for name in ("chat_template.jinja", "chat_template.json"))
    return any(file.is_file() for file in files) or bool(_facts(folder, "tokenizer_config.json").chat_template)


def check_safetensors(folder: ModelFolder, file: Path) -> None:
    """Compare the size of `file` with the one that its header promises; the tensors themselves are not read.

    The format: 8 bytes with the header's length, little-endian; the header, JSON; then the tensors.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(8)
        if start == b"version ":
            raise folder.problem(file.name, "a Git LFS pointer in place of the weights", "the weights",
                                 "Fetch them with `git lfs pull` in that folder.")
        length = int.from_bytes(start, "little")
        if len(start) < 8 or 8 + length > size:
            raise _half_downloaded(folder, file, f"{size:,} bytes", "a whole safetensors file")
        if length > MAX_HEADER_BYTES:
            raise folder.problem(file.name, "something else than a safetensors file", "a safetensors file")
        header = stream.read(length)
    try:
        tensors = msgspec.json.decode(header, type=dict[str, _Tensor])
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise folder.problem(file.name, "a broken header", "a safetensors file") from exc
    promised = 8 + length + max((tensor.data_offsets[1] for tensor in tensors.values()), default=0)
    if size < promised:
        raise _half_downloaded(folder, file, f"{size:,} bytes", f"{promised:,} bytes")
    if size > promised:
        raise folder.problem(file.name, f"{size:,} bytes", f"{promised:,} bytes by its own header")


def model_digest(digests: Mapping[Path, str], root: Path) -> str:
    """One digest over names and contents; the same as `hashing.digest_files` gives."""
    return digest(sorted((path.relative_to(root).as_posix(), value) for path, value in digests.items()))


def file_digests(paths: Iterable[Path], cache_file: Path) -> dict[Path, str]:
    """The digest of each file, read again only if its size or modification time is not the one in `cache_file`.

    Writers replace the cache atomically; when two meet, one's news are lost and cost a reading later.
    """
    known, news, digests = _read_known(cache_file), {}, {}
    for path in paths:
        real, state = str(path.resolve()), path.stat()
        entry = known.get(real)
        if entry is None or (entry.size, entry.mtime_ns) != (state.st_size, state.st_mtime_ns):
            entry = _Known(state.st_size, state.st_mtime_ns, digest_file(path))
            if time.time_ns() - state.st_mtime_ns > SETTLED_NS:
                news[real] = entry
        digests[path] = entry.digest
    if news:
        with contextlib.suppress(OSError):  # a read-only or full cache costs time, never the run
            _write_known(cache_file, _read_known(cache_file) | news)
    return digests


def _no_config(folder: ModelFolder) -> ModelError:
    if (folder.path / "adapter_config.json").is_file():
        return folder.problem("", "an adapter without its base model", "config.json and *.safetensors of a whole model",
                              "Name its base model as --model, and this folder as --adapter.")
    return folder.problem("", "no config.json", "a folder with config.json, *.safetensors and a tokenizer")


def _refuse_code(folder: ModelFolder) -> None:
    for name in ("config.json", "tokenizer_config.json"):
        if _facts(folder, name).auto_map:
            raise folder.problem(name, "code of the model's own (auto_map)", "a model that the library knows",
                                 "Read that code, then allow it: `trust_remote_code = true` under [engine].")


def _weight_files(folder: ModelFolder) -> list[Path]:
    """The files that transformers loads: one file, else the shards of an index."""
    path = folder.path
    if (path / WEIGHTS).is_file():
        return [path / WEIGHTS]
    if (path / INDEX).is_file():
        return _shards(folder)
    names = sorted(file.name for file in path.iterdir() if file.is_file())
    if any(_SHARD.fullmatch(name) for name in names):
        raise folder.problem(INDEX, "a half-downloaded model: shards without their index", "the index beside them")
    pickled = [name for name in names if Path(name).suffix in PICKLES]
    if pickled:
        raise folder.problem(
            pickled[0], "weights as a pickle, which runs code when it is loaded", "*.safetensors",
            "Take a release with safetensors, or load it where that is safe and save it again with `save_pretrained`.",
        )
    raise folder.problem("", "no weights", f"{WEIGHTS}, or shards with {INDEX}")


def _shards(folder: ModelFolder) -> list[Path]:
    names = sorted(set(_read_json(folder, INDEX, _Index).weight_map.values()))
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise folder.problem(INDEX, f"a shard called {shown(name)}", "names of *.safetensors in the same folder")
        if not (folder.path / name).is_file():
            raise folder.problem(name, "a half-downloaded model: no such file", f"every shard that {INDEX} names")
    if not names:
        raise folder.problem(INDEX, "no shards", "the names of the shards")
    return [folder.path / name for name in names]


def _half_downloaded(folder: ModelFolder, file: Path, found: str, expected: str) -> ModelError:
    return folder.problem(file.name, f"a half-downloaded file of {found}", expected)


def _facts(folder: ModelFolder, name: str) -> _JsonFacts:
    return _read_json(folder, name, _JsonFacts) if (folder.path / name).is_file() else _JsonFacts()


def _read_json(folder: ModelFolder, name: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode((folder.path / name).read_bytes(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise folder.problem(name, "broken or half-downloaded JSON", "valid JSON") from exc


def _read_known(cache_file: Path) -> dict[str, _Known]:
    try:
        return msgspec.json.decode(cache_file.read_bytes(), type=dict[str, _Known])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):  # a cache: what cannot be read is made anew
        return {}


def _write_known(cache_file: Path, known: Mapping[str, _Known]) -> None:
    cache_file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{cache_file.name}.", dir=cache_file.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(canonical_json(known))
        Path(temporary).replace(cache_file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
