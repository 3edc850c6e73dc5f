"""The watermark's key: a file that nobody else should read, and a digest of it that anybody may."""

from __future__ import annotations

import os
import re
import secrets
import struct
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256, shake_256
from pathlib import Path

from aigc.disk import disk_errors
from aigc.errors import SettingsError, UsageError, writable
from aigc.records import Sampling
from aigc.settings import WatermarkSettings

SCHEME = "gumbel-1"
"""Changes with anything that decides which noise a token has: what one scheme marks, another does not find."""
KEY_BYTES = 16
LANES = 2
"""Sums of a context that are made apart: 64 bits decide its noise, and 24 of the other."""
_HEX = re.compile(rb"[0-9a-f]{%d}" % (2 * KEY_BYTES))


@dataclass(frozen=True)
class Mark:
    """A secret, and how many tokens before one decide its noise. Of the secret nothing is written down but `key_id`."""

    secret: bytes = field(repr=False)
    context_tokens: int = 4

    @cached_property
    def key_id(self) -> str:
        """64 bits of a digest: they tell keys apart, and a key of 128 random bits cannot be guessed from them."""
        return sha256(b"aigc watermark key id\0" + self.secret).hexdigest()[:16]

    @property
    def ref(self) -> str:
        """What texts with this mark are known by, and what a text's identity has of it."""
        return f"{SCHEME}:{self.key_id}:{self.context_tokens}"

    @cached_property
    def words(self) -> list[list[int]]:
        """By lane, signed 64-bit numbers made of the secret: a factor a token, one of the salt, and a beginning."""
        count = self.context_tokens + 2
        stream = shake_256(b"aigc watermark %s\0%d\0" % (SCHEME.encode(), self.context_tokens) + self.secret)
        words = struct.unpack(f"<{LANES * count}q", stream.digest(LANES * count * 8))
        return [list(words[lane * count : (lane + 1) * count]) for lane in range(LANES)]


def open_mark(settings: WatermarkSettings, engine: str) -> Mark | None:
    """The mark that settings ask for; None where they ask for none.

    Raises:
        SettingsError: the key file cannot be used, or the engine cannot leave a mark.
    """
    if not settings.on:
        return None
    refuse_engine(engine)
    if not settings.key_file:
        remedy = "Name one that `aigc watermark new-key FILE` made, or set on = false."
        raise SettingsError("settings, key watermark.key_file", "nothing", "the file of a key, since on = true", remedy)
    return read_key(Path(settings.key_file), settings.context_tokens)


def refuse_engine(engine: str) -> None:
    """Raise SettingsError for an engine whose noise is not ours to key."""
    if engine == "local":
        return
    why = "a server samples with noise of its own" if engine == "openai" else "scripted texts are not sampled"
    raise SettingsError("settings, key watermark.on", f"true with engine.name = '{engine}': {why}",
                        "engine.name = 'local'", "Set watermark.on = false, or take the local engine.")


def refuse_certainty(sampling: Sampling, place: str) -> None:
    """Raise SettingsError for texts with a mark of which nothing is left to chance."""
    if sampling.watermark and sampling.temperature == 0:
        raise SettingsError(f"{place}, key temperature", "0, where nothing is left to chance",
                            "above 0, since watermark.on = true", "Raise it, or set watermark.on = false.")


def read_key(path: Path, context_tokens: int) -> Mark:
    """The key that lies in a file. No message holds a byte of it.

    Raises:
        SettingsError: it cannot be read, or holds no key.
    """
    expected = f"a file with {2 * KEY_BYTES} hex digits"
    remedy = "Name a key file, or make one: aigc watermark new-key FILE."
    try:
        with path.open("rb") as file:
            data = file.read(1000)
    except OSError as exc:
        raise SettingsError(writable(path), f"no readable file ({exc.strerror})", expected, remedy) from exc
    if not _HEX.fullmatch(data.strip().lower()):
        raise SettingsError(writable(path), "something that is no key", expected, remedy)
    return Mark(bytes.fromhex(data.decode().strip()), context_tokens)


def write_new_key(path: Path) -> Mark:
    """Make a key of random bits in a new file that only its owner can read.

    Raises:
        UsageError: there is something of that name.
        StoreError: the disk refuses.
    """
    secret = secrets.token_bytes(KEY_BYTES)
    with disk_errors(path, "no key was made"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as exc:
            remedy = "Take another name. A key that is lost finds none of its texts any more, so none is written over."
            raise UsageError(writable(path), "a file of that name", "a new name", remedy) from exc
        with os.fdopen(fd, "wb") as file:
            file.write(secret.hex().encode() + b"\n")
    return Mark(secret)
