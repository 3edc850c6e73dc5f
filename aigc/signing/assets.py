"""What a sidecar says of a file, as C2PA has it (specification 2.4): made by what, with which model, when."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeAlias

from aigc import __version__
from aigc.records import Value

Oversight: TypeAlias = Literal["fully_autonomous", "prompt_guided", "human_validated"]
"""C2PA's words (18.28.4): nobody looked; people wrote what was asked for; people approved what came of it."""
RUN_ASSERTION = "aigc.run"
"""Ours. C2PA wants such labels to begin with an Internet domain, and this project has none."""
_MEDIA_TYPES = {
    ".csv": "text/csv", ".json": "application/json", ".jsonl": "application/jsonl", ".md": "text/markdown",
    ".html": "text/html", ".parquet": "application/vnd.apache.parquet",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}


class AssetFacts(Value, frozen=True):
    """What is known of a file that a run exported. It holds no brief, no prompt and no text.

    `title` and `media_type` are taken from the file's name unless they are given. `digital_source_type` is a term of
    IPTC's vocabulary, `created_at` ISO 8601; so are `edit_source_type` and `edited_at`, where people edited since.
    """

    run_id: str
    digital_source_type: str
    model: str
    model_digest: str
    created_at: str
    title: str = ""
    media_type: str = ""
    software: str = "aigc"
    software_version: str = __version__
    oversight: Oversight = "prompt_guided"
    edit_source_type: str = ""
    edited_at: str = ""


def definition(path: Path, facts: AssetFacts, sha256: bytes) -> dict[str, Any]:
    """The claim on a file in the form that c2pa reads. `sha256` is the digest of all its bytes."""
    agent = {"name": facts.software, "version": facts.software_version}
    created = {"action": "c2pa.created", "when": facts.created_at, "softwareAgent": agent,
               "digitalSourceType": facts.digital_source_type}
    edited = {"action": "c2pa.edited", "when": facts.edited_at, "digitalSourceType": facts.edit_source_type}
    assertions: dict[str, dict[str, Any]] = {
        "c2pa.actions.v2": {"actions": [created, *([edited] if facts.edited_at else [])]},
        "c2pa.ai-disclosure": {
            "modelType": "c2pa.types.model",
            "modelName": _without_folders(facts.model),
            "modelIdentifier": facts.model_digest,
            "contentProfile": {"humanOversightLevel": facts.oversight},
        },
        RUN_ASSERTION: {"run_id": facts.run_id, "media_type": facts.media_type or media_type_of(path)},
        # Given ready-made: c2pa would hold the file in memory, three times over, to make the same.
        "c2pa.hash.data": {"name": "jumbf manifest", "alg": "sha256", "hash": [*sha256], "pad": []},
    }
    return {
        "claim_version": 2,
        "claim_generator_info": [agent],
        "title": facts.title or path.name,
        "assertions": [{"label": label, "data": data, "created": True} for label, data in assertions.items()],
    }


def media_type_of(path: Path) -> str:
    return _MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream")


def _without_folders(model: str) -> str:
    """A model's name. Folders on the way to it say more of a machine and its people than of the model."""
    return Path(model).name if model.startswith(("/", "./", "../", "~")) else model
