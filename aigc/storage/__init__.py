"""Runs in shared storage (`s3://…`, `gs://…`, what else fsspec knows): a copy that other machines read and go on from.

    place    a folder there, and its errors
    incoming what others have made, brought into the working folder before a run
    outgoing what a run makes, taken there while it is made, run.json last
    beside   what people put beside it: decisions, files for editors, exports
    oblivion what was forgotten in one copy, forgotten in the other

A run is always written on a disk of this machine first: a journal is appended to and synced, which such storage cannot.
"""

from __future__ import annotations

from aigc.storage.beside import TEXTS_BESIDE
from aigc.storage.incoming import bring_run
from aigc.storage.outgoing import copied, publish, share_forgotten
from aigc.storage.place import Place, facts_of

__all__ = ["TEXTS_BESIDE", "Place", "bring_run", "copied", "facts_of", "publish", "share_forgotten"]
