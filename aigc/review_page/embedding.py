"""Values in HTML that stay values, whatever their texts say."""

from __future__ import annotations

from aigc.disk import json_bytes

_ESCAPED = (
    (b"<", b"\\u003c"),  # `</script` would end the element, `<!--` hide what follows
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
    ("\u2028".encode(), b"\\u2028"),  # line ends to older scripts, not to JSON
    ("\u2029".encode(), b"\\u2029"),
)


def script_json(value: object) -> bytes:
    """`value` as JSON for the inside of a script element: no byte of it can end the element or be read as markup."""
    data = json_bytes(value)
    for given, escaped in _ESCAPED:
        data = data.replace(given, escaped)
    return data
