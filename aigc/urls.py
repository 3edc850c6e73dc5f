"""What an address may hold, where it is written into results."""

from __future__ import annotations

from urllib.parse import urlsplit


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
