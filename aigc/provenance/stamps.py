"""What made each row, put beside it, and the digest of both."""

from __future__ import annotations

import secrets
import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from aigc.hashing import canonical_json, digest_text
from aigc.provenance.merkle import Tree, leaf_hash
from aigc.records import Attempt, EngineInfo, Record
from aigc.stamped import Provenance, Stamped

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's term for what a trained model made, from its vocabulary of digital source types."""


@dataclass(frozen=True)
class Stamper:
    """Stamps of one run. `filters` are digests by content type, `engines` by their digests as attempts name them."""

    run_id: str
    model: str
    model_digest: str
    filters: Mapping[str, str]
    engines: Mapping[str, EngineInfo]
    hidden_label: bool = False
    tree: Tree = field(default_factory=Tree)

    def stamp(self, record: Record) -> Stamped:
        """The record with its provenance; its leaf is the tree's next."""
        record = _as_stored(record)
        shown = record.attempt or (record.attempts[-1] if record.attempts else None)
        provenance = Provenance(
            record_id=record.record_id,
            run_id=record.taken_from or self.run_id,
            brief_id=record.brief_id,
            source_file=record.source.file,
            source_line=record.source.line,
            content_type=record.content_type,
            template=record.template_digest,
            filters=self.filters.get(record.content_type, ""),
            model=self.model,
            model_digest=self.model_digest,
            hidden_label=self.hidden_label and record.outcome == "accepted",
            decisions=[decision for one in record.redone or () for decision in one.decisions],
        )
        if shown:
            provenance = msgspec.structs.replace(provenance, **self._of_attempt(shown))
        leaf = leaf_of(record, provenance)
        self.tree.add(leaf_bytes(leaf))
        return Stamped(record=record, provenance=provenance, leaf=leaf)

    def _of_attempt(self, attempt: Attempt) -> dict[str, object]:
        completion, engine = attempt.completion, self.engines.get(attempt.engine)
        content = completion.content
        return {
            "request_id": attempt.request_id,
            "prompt": attempt.prompt_commitment,
            "tokens_in": completion.tokens_in,
            "tokens_out": completion.tokens_out,
            "tokens_in_digest": completion.tokens_in_digest,
            "tokens_out_digest": completion.tokens_out_digest,
            "output": output_digest(content.text if content else completion.text),
            "sampling": attempt.sampling,
            "seed": str(attempt.seed),
            "attempt": attempt.number,
            "finish_reason": completion.finish_reason,
            "created_at": attempt.created_at,
            "engine": attempt.engine,
            "slots": engine.slots if engine else 0,
            "batch_invariant": bool(engine and engine.batch_invariant),
            "watermark": attempt.sampling.watermark,
            "digital_source_type": "" if completion.fault else GENERATED,
            "visible_label": bool(content and content.published != content.text),
        }


def output_digest(text: str) -> str:
    """Digest of a text that is the same for all ways in which Unicode may write it: form NFC, UTF-8."""
    return digest_text(unicodedata.normalize("NFC", text))


def leaf_of(record: Record, provenance: Provenance) -> str:
    """The row's leaf in the run's tree, as `sha256:<hex>`."""
    return "sha256:" + leaf_hash(leaf_entry(record, provenance)).hex()


def leaf_entry(record: Record, provenance: Provenance) -> bytes:
    """The JSON of which a leaf is the digest. It is not RFC 8785, which takes 150 times as long to write.

    docs/provenance.md says in what it differs. A test holds it fast: another form gives all earlier runs other leaves.
    """
    return canonical_json((record, provenance))


def leaf_bytes(leaf: str) -> bytes:
    return bytes.fromhex(leaf.removeprefix("sha256:"))


def told_leaf(leaf: str | None) -> bytes:
    """The bytes of a leaf that a file tells; what is no leaf counts as nothing, so that no root comes of it."""
    try:
        return leaf_bytes(leaf or "")
    except ValueError:
        return b""


def new_record_id() -> str:
    """A UUID of version 7: it sorts by the time when it was made (RFC 9562, section 5.7)."""
    value = (time.time_ns() // 1_000_000) << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    hexadecimal = f"{value:032x}"
    return "-".join((hexadecimal[:8], hexadecimal[8:12], hexadecimal[12:16], hexadecimal[16:20], hexadecimal[20:]))


def _as_stored(record: Record) -> Record:
    """The record with its errors told of the line where its row is now, as the file's readers see them."""
    at = record.row, record.brief_id, record.source
    if all((error.row, error.id, error.source) == at for error in record.errors):
        return record
    errors = [msgspec.structs.replace(error, row=at[0], id=at[1], source=at[2]) for error in record.errors]
    return msgspec.structs.replace(record, errors=errors)
