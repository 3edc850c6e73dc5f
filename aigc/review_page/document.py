"""The page without its rows: its style and scripts, and the policy under which nothing else runs."""

from __future__ import annotations

import base64
import hashlib
import html
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ASSETS = Path(__file__).parent / "assets"
STYLES = ("base.css", "list.css", "reading.css", "side.css", "dialogs.css")
SCRIPTS = (
    "words_en.js", "words_zh.js", "codes_en.js", "codes_zh.js", "language.js", "dom.js", "data.js", "places.js",
    "diff.js", "storage.js", "decisions.js", "standing.js", "transfer.js", "finding.js", "list.js", "texts.js",
    "reading.js", "editing.js", "variants.js", "versions.js", "side.js", "dialogs.js", "review.js", "keys.js",
    "main.js",
)
"""Joined in this order: each may use what those before it declare at once, and all that any declares later."""


@dataclass(frozen=True)
class Document:
    """What stands before a page's rows, and after them."""

    head: bytes
    tail: bytes


def document(title: str) -> Document:
    """The page around its rows. `title` is the run's id."""
    style, script = _joined(STYLES), "(() => {\n'use strict';\n" + _joined(SCRIPTS) + "})();\n"
    body = _read("page.html")
    filled = {"POLICY": html.escape(_policy(style, script)), "TITLE": html.escape(title), "STYLE": style}
    for name, text in filled.items():
        body = body.replace(f"%{name}%", text, 1)
    head, _, tail = body.partition("%ROWS%\n")
    before, _, after = tail.partition("%SCRIPT%")
    return Document(head=head.encode(), tail=f"{before}{script}{after}".encode())


def _policy(style: str, script: str) -> str:
    """A content security policy: this style and this script by their digests, and no request of any kind."""
    return "; ".join((
        "default-src 'none'", f"script-src {_source(script)}", f"style-src {_source(style)}",
        "base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'",
    ))


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _joined(names: tuple[str, ...]) -> str:
    return "".join(_read(name) for name in names)


@cache
def _read(name: str) -> str:
    return (ASSETS / name).read_text("utf-8")
