"""What a run was made from, with what, and how it ended; and what proves it.

    run_file  run.json: what a run is asked for, and how it stands
    merkle    one digest over all rows, by which each can be proved
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

__all__ = [
    "RUN_FILE", "SCHEMA_VERSION", "AdapterFacts", "FileFacts", "ModelFacts", "RunFacts", "RunFile", "Timings",
    "encode", "now", "read_run", "runs", "versions",
]
