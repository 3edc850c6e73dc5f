"""Commitments to what the model was asked: they prove a prompt to whoever is shown it, and give nothing away before.

A plain digest of a short prompt can be guessed by trying likely ones. A commitment is an HMAC under a salt of its run,
which is made of the project's secret and the run's name. The secret lies outside the runs, so that their folders can be
given away: `aigc verify` checks commitments where the secret is, and says so where it is not.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from aigc.disk import disk_errors
from aigc.errors import StoreError
from aigc.hashing import canonical_json
from aigc.records import Message

SECRET = Path(".aigc/secret")
SECRET_BYTES = 32
_ALGORITHM = "hmac-sha256"


class Commitments:
    """Commitments of one project."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def of(self, run_id: str, messages: Sequence[Message]) -> str:
        """`hmac-sha256:<run id>:<hex>` of the messages, under the salt of `run_id`."""
        entry = canonical_json([(message.role, message.content) for message in messages])
        salt = hmac.digest(self._secret, run_id.encode(), sha256)
        return f"{_ALGORITHM}:{run_id}:{hmac.digest(salt, entry, sha256).hex()}"

    def holds(self, commitment: str, messages: Sequence[Message]) -> bool:
        """Whether `commitment` was made of these messages by this project."""
        algorithm, _, rest = commitment.partition(":")
        made = self.of(rest.rpartition(":")[0], messages)
        # As bytes: a run's folder may have any name, and texts beyond ASCII are not compared.
        return algorithm == _ALGORITHM and hmac.compare_digest(made.encode(), commitment.encode())


def open_commitments(path: Path = SECRET) -> Commitments:
    """The project's commitments; its secret is made where there is none.

    Raises:
        StoreError: the secret is damaged, or the disk refuses.
    """
    found = read_commitments(path)
    if found:
        return found
    secret = secrets.token_bytes(SECRET_BYTES)
    with disk_errors(path, "nothing was changed"):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(secret)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(temporary, path)  # unlike a rename it fails where another process was first
            except FileExistsError:
                return open_commitments(path)
        finally:
            temporary.unlink(missing_ok=True)
    return Commitments(secret)


def read_commitments(path: Path = SECRET) -> Commitments | None:
    """The project's commitments, None where it has no secret.

    Raises:
        StoreError: the secret is damaged.
    """
    with disk_errors(path, "nothing was changed"):
        try:
            secret = path.read_bytes()
        except FileNotFoundError:
            return None
    if len(secret) != SECRET_BYTES:
        remedy = "Restore it from a copy. Or move it away: a new one is made, and earlier prompts cannot be proved."
        raise StoreError(str(path), f"{len(secret)} bytes", f"a secret of {SECRET_BYTES}", remedy)
    return Commitments(secret)
