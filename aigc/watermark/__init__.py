"""The mark that the sampler leaves in a text, and how it is found again: integers and a tail of the gamma distribution.

    key      the secret, its file, and what may be written down of it
    scheme   what the noise of a token is keyed with: the same integers as in the engine, here of numpy
    search   how likely a text's tokens are to score so high by chance

After Aaronson 2022 (talk, University of Texas): a token is argmax of log-probability plus noise, which follows the
model exactly, and whoever knows the noise sees that it was high wherever a token was chosen. It knows no tokenizer.
"""

from __future__ import annotations

from aigc.watermark.key import Mark, open_mark, read_key, refuse_certainty, refuse_engine, write_new_key
from aigc.watermark.scheme import salt_of
from aigc.watermark.search import LEVELS, Evidence, Level, examine, level_of, pooled

__all__ = [
    "LEVELS", "Evidence", "Level", "Mark", "examine", "level_of", "open_mark", "pooled",
    "read_key", "refuse_certainty", "refuse_engine", "salt_of", "write_new_key",
]
