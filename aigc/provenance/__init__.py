"""What a run was made from, with what, and how it ended; and what proves it.

    run_file     run.json: what a run is asked for, and how it stands
    stamps       what made each row, put beside it
    merkle       one digest over all rows, by which each can be proved
    commitments  what the model was asked, provable and not to be guessed
    manifest     manifest.json: the statement over all of it
    environment  the program, what is installed, the machine
"""

from __future__ import annotations

from aigc.provenance.run_file import (
    RUN_FILE,
    SCHEMA_VERSION,
    AdapterFacts,
    FileFacts,
    ModelFacts,
    RunFacts,
    RunFile,
    Timings,
    encode,
    now,
    read_run,
    runs,
    versions,
)
from aigc.provenance.stamps import new_record_id

__all__ = [
    "RUN_FILE", "SCHEMA_VERSION", "AdapterFacts", "FileFacts", "ModelFacts", "RunFacts", "RunFile", "Timings",
    "encode", "new_record_id", "now", "read_run", "runs", "versions",
]
