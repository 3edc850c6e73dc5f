"""What filters that look for phrases share: where a sentence begins, and whether it stands in quotation marks."""

from __future__ import annotations

SENTENCE_START = r"(?:\A|(?<=[.!?]\s)|(?<=[。！？\n]))[\s*#>_]*"
"""A pattern for the beginning of a sentence, with the marks of Markdown before its first word."""
MARKS = "*#>_ \n\t"
_ALIKE = str.maketrans("’‘", "''")
_PAIRS = (("“", "”"), ("「", "」"), ("『", "』"), ("《", "》"))


def straight(text: str) -> str:
    """`text` with straight apostrophes, as long as before."""
    return text.translate(_ALIKE)


def in_quotation(before: str) -> bool:
    """Whether `before`, all that precedes a place, leaves a quotation open."""
    return before.count('"') % 2 == 1 or any(before.count(a) > before.count(b) for a, b in _PAIRS)
