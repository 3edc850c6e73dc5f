"""What an address may hold, where it is written into results."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

_STORAGE = re.compile(r"[a-z][a-z0-9+.-]*://[^\s?#@:]+")


def url_problem(url: str) -> str:
    """Why `url` cannot be a server's address, without showing it; empty if it can.

    A user, a password or a query may be a secret, so an address has none.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "no address"
    if parts.scheme not in ("http", "https") or not host or any(ch.isspace() for ch in url):
        return "no http or https address"
    if "@" in parts.netloc:
        return "an address with a user or a password in it"
    return "an address with a query or a fragment" if parts.query or parts.fragment else ""


def is_storage(out: str) -> bool:
    """Whether `out` names shared storage, and no folder of this machine."""
    return "://" in out


def storage_problem(url: str) -> str:
    """Why `url` cannot be an address in shared storage, without showing it; empty if it can."""
    if "@" in url:
        return "an address with a user or a password in it"
    if url.startswith(("file:", "local:")):
        return "the address of a folder"
    if not _STORAGE.fullmatch(url) or ".." in url.split("/"):
        return "no address of a folder in shared storage"
    return ""


def working_folder(url: str) -> Path:
    """Where runs are made that go to `url`: .aigc/shared/s3/bucket/prefix for s3://bucket/prefix."""
    scheme, _, rest = url.partition("://")
    return Path(".aigc", "shared", scheme, *(part for part in rest.split("/") if part))
