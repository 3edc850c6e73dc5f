"""Near-duplicates: texts compared with other versions of their brief, with their run, and with all that came before.

`Duplicates` gives verdicts, `CorpusIndex` reads and `CorpusWriter` adds to what came before, on disk.
"""

from aigc.duplicates.corpus_files import CORPUS, Source
from aigc.duplicates.index import CorpusIndex, Found
from aigc.duplicates.neighbours import Neighbours
from aigc.duplicates.texts import Text, masked, shingles, similarity
from aigc.duplicates.verdicts import (
    Duplicates,
    Records,
    Thresholds,
    is_compared_in_part,
    neighbours,
    with_verdict,
)
from aigc.duplicates.writing import CorpusText, CorpusWriter

__all__ = [
    "CORPUS", "CorpusIndex", "CorpusText", "CorpusWriter", "Duplicates", "Found", "Neighbours", "Records", "Source",
    "Text", "Thresholds", "is_compared_in_part", "masked", "neighbours", "shingles", "similarity", "with_verdict",
]
