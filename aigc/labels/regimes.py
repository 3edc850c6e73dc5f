"""What China, the European Union and C2PA ask of a file's labels, and which of it is there. No legal advice."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TypeAlias

from aigc.hashing import digest_file
from aigc.labels.found import LONG_TOKENS, Fault, FaultCode, Found
from aigc.labels.remedies import Remedies, other_forms, remedies_for
from aigc.records import Value

Regime: TypeAlias = Literal["cn", "eu", "c2pa"]
Status: TypeAlias = Literal["met", "missing", "not_needed", "ask"]
"""`ask`: what only a person, or another command, can say."""
GENERATED = "trainedAlgorithmicMedia"
"""End of IPTC's term for what a trained model made."""
SIDECAR = ".c2pa"
_MOST_SIDECAR_BYTES = 16 << 20


class Demand(Value, frozen=True):
    """One thing that a regime asks for. `clause` says where, `found` what there is, `remedy` what to do."""

    regime: Regime
    name: str
    clause: str
    status: Status
    found: str
    remedy: str = ""


def demands(found: Found, path: Path, regimes: Iterable[Regime]) -> list[Demand]:
    """What each of `regimes` asks of the file at `path`, in which `found` was found."""
    sidecar, remedies = _sidecar(path), remedies_for(path)
    told: dict[Regime, list[Demand]] = {
        "cn": _china(found, path, remedies), "eu": _europe(found, path, sidecar, remedies),
        "c2pa": _c2pa(path, sidecar, remedies),
    }
    return [demand for regime in regimes for demand in told[regime]]


def _china(found: Found, path: Path, remedies: Remedies) -> list[Demand]:
    hidden, visible = _hidden_label(found, path, remedies.again), _visible_in_china(found, remedies.visible)
    if not found.labelled:
        return [hidden, visible]
    return [hidden, *_carrier(found), *(_of_faults(found, remedies.again, *row) for row in _FIELDS), visible]


def _visible_in_china(found: Found, remedy: str) -> Demand:
    if not found.texts:
        return _no_texts("cn", "visible label", "5.1")
    return _demand(
        "cn", "visible label", "5.1", met=found.by_standard == found.texts, remedy=remedy,
        found=_of_texts(found, found.by_standard, "人工智能 or AI, with 生成 or 合成", found.first_off_standard),
    )


_FIELDS: tuple[tuple[str, str, tuple[FaultCode, ...], str], ...] = (
    ("seven texts", "annex E c) to i)", ("form", "label"), "Label is 1, 2 or 3, and all are texts."),
    ("provider", "annex E d), TC260-PG-20252A", ("producer", "code"),
     "Set labels.provider_code, else labels.producer."),
    ("content's number", "annex E e)", ("number",), "Give it one."),
    ("propagator", "annex E g) h), note 1", ("propagator",),
     "Set labels.provider_code, else labels.producer or labels.propagator."),
    ("characters", "annex E j)", ("characters",), "Take visible ASCII without spaces and backslash."),
    ("one label", "6.1 c)", ("several",), "Leave one."),
)


def _of_faults(
    found: Found, again: str, name: str, clause: str, codes: tuple[FaultCode, ...], remedy: str
) -> Demand:
    faults = [fault for fault in found.faults if fault.code in codes]
    return _demand("cn", name, clause, met=not faults,
                   found="; ".join(map(_told, faults)) or "as it should be", remedy=f"{remedy} {again}")


def _told(fault: Fault) -> str:
    more = f", and in {fault.count - 1:,} more" if fault.count > 1 else ""
    return f"{fault.place}: {fault.found}{more}"


def _hidden_label(found: Found, path: Path, again: str) -> Demand:
    clause = "6.1, annex E a) b)"
    if not found.carrier:
        return _demand("cn", "hidden label", clause, met=False, found="CSV has no place for one",
                       remedy=other_forms(path))
    what = f"{found.labelled:,} of {found.contents:,} rows" if found.kind == "jsonl" else (
        "there" if found.labelled else "none")
    first = f"; none in {found.first_unlabelled}" if found.kind == "jsonl" and found.first_unlabelled else ""
    return _demand("cn", "hidden label", clause, met=found.labelled == found.contents > 0,
                   found=f"{found.carrier}: {what}{first}", remedy=f"Set labels.hidden = true. {again}")


def _carrier(found: Found) -> list[Demand]:
    if found.kind not in ("parquet", "jsonl"):
        return []
    return [Demand(regime="cn", name="carrier", clause="6.1", status="ask",
                   found=f"{found.carrier}, which is this program's choice: no guide names a place in such files",
                   remedy="Ask whoever takes the file, or hand on .md, .xlsx or .docx.")]


def _europe(found: Found, path: Path, sidecar: str, remedies: Remedies) -> list[Demand]:
    marks = [name for name, is_there in (
        ("digital source type", any(term.endswith(GENERATED) for term in found.source_types)),
        ("AIGC label", found.labelled == found.contents > 0),
        ("C2PA sidecar", sidecar == "names this file"),
    ) if is_there]
    hidden = f"Set labels.hidden = true. {remedies.again}" if found.carrier else (
        f"CSV has no place for a hidden label. {other_forms(path)}")
    mark = _demand("eu", "machine-readable mark", "AI Act, Art. 50(2)", met=bool(marks),
                   found=", ".join(marks) or "none", remedy=f"{hidden} Or have it signed.")
    signed = _demand("eu", "signed metadata", "Code of Practice", met=sidecar == "names this file",
                     found=f"sidecar: {sidecar}", remedy=remedies.sign)
    return [mark, signed, _watermark(found), _told_to_readers(found)]


def _watermark(found: Found) -> Demand:
    name, clause = "watermark", f"Code of Practice, free text over {LONG_TOKENS} tokens"
    if not found.long_texts:
        what = f"no text over {LONG_TOKENS} tokens" if found.texts else "no texts that can be read here"
        return Demand(regime="eu", name=name, clause=clause, status="not_needed" if found.texts else "ask", found=what)
    if found.kind != "parquet":
        return Demand(regime="eu", name=name, clause=clause, status="ask",
                      found=f"{found.long_texts:,} long; such files do not say whether they have one",
                      remedy="Look at records.parquet of their run, or search the texts: docs/watermark.md.")
    return _demand("eu", name, clause, met=found.watermarked == found.long_texts,
                   found=f"{found.watermarked:,} of {found.long_texts:,} long texts",
                   remedy="Make the texts with a watermark: docs/watermark.md.")


def _told_to_readers(found: Found) -> Demand:
    name, clause = "visible label", "AI Act, Art. 50(4)"
    if not found.texts:
        return _no_texts("eu", name, clause)
    told = _of_texts(found, found.visible, "words that name AI", found.first_unseen)
    if found.visible == found.texts:
        return _demand("eu", name, clause, met=True, found=told, remedy="")
    remedy = ("Texts that inform the public on matters of public interest need one, unless a person has reviewed them "
              'and somebody answers for them. Then set labels.visible = "on".')
    return Demand(regime="eu", name=name, clause=clause, status="ask", found=told, remedy=remedy)


def _c2pa(path: Path, sidecar: str, remedies: Remedies) -> list[Demand]:
    beside = f"{path.name}{SIDECAR}"
    there = _demand("c2pa", "sidecar", "C2PA 2.4, external manifests", met=sidecar != "none",
                    found=f"{beside}: {'there' if sidecar != 'none' else 'no such file'}", remedy=remedies.sign)
    if sidecar == "none":
        return [there]
    return [
        there,
        _demand("c2pa", "this file's digest", "C2PA 2.4, c2pa.hash.data", met=sidecar == "names this file",
                found=sidecar, remedy="Restore the file as it was signed, or sign it again: docs/signing.md."),
        Demand(regime="c2pa", name="signature", clause="C2PA 2.4, claim signatures", status="ask",
               found="not looked at here", remedy="`aigc verify` checks who signed, and that nothing was changed."),
    ]


def _sidecar(path: Path) -> str:
    """`none`, or whether what lies beside a file names its SHA-256, as C2PA's hash of all bytes has it."""
    beside = path.with_name(path.name + SIDECAR)
    if not beside.is_file():
        return "none"
    if beside.stat().st_size > _MOST_SIDECAR_BYTES:
        return "names no digest that can be found"
    digest = bytes.fromhex(digest_file(path).partition(":")[2])
    return "names this file" if digest in beside.read_bytes() else "does not name this file as it is now"


def _of_texts(found: Found, count: int, words: str, first_without: str) -> str:
    where = "beside them, in the column disclosure" if found.beside else "in them"
    first = f"; none in {first_without}" if first_without else ""
    return f"{count:,} of {found.texts:,} texts have one {where} ({words}){first}"


def _no_texts(regime: Regime, name: str, clause: str) -> Demand:
    return Demand(regime=regime, name=name, clause=clause, status="ask", found="no texts that can be read here",
                  remedy="Look at the file yourself.")


def _demand(regime: Regime, name: str, clause: str, *, met: bool, found: str, remedy: str) -> Demand:
    return Demand(regime=regime, name=name, clause=clause, status="met" if met else "missing", found=found,
                  remedy="" if met else remedy)
