"""The manifest's signature and the sidecars of files, against the certificates of those who are trusted to sign."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aigc.provenance.manifest import MANIFEST, SIGNATURE, Manifest
from aigc.verification.findings import Check, Finding, Status, concluded

if TYPE_CHECKING:
    from aigc.signing import SignatureCheck

SIDECAR = ".c2pa"
_WHO = ("untrusted", "expired", "not_yet_valid")
"""What may be wrong with who signed, where nothing is with what was signed."""
_TRUSTED = "one by a certificate that is valid and leads to an anchor of yours"
NO_ANCHOR = "whose certificate leads to none that is trusted here: name its anchor with --anchor"


def check_signatures(
    folder: Path, manifest: Manifest, data: bytes, anchors: Sequence[Path], *, is_due: bool
) -> list[Check]:
    """Checks of the signature and of all sidecars. `anchors` are files of root certificates.

    Who is trusted is never taken from the manifest: whoever writes another one writes another anchor into it. Nor is
    it the manifest alone that says whether there is to be a signature, for it can be taken away: a run without one is
    wrong where it `is_due` or the run's settings ask for it, and else told as not checked.

    Raises:
        UsageError: an anchor's file cannot be used.
    """
    is_asked = is_due or manifest.run.settings.signing.enabled
    sidecars = [file.path for file in manifest.files if file.path.endswith(SIDECAR)]
    if not is_asked and not (folder / SIGNATURE).is_file():
        return [Check(name="signature", status="not checked", detail="the run was not signed")]
    from aigc.signing import check_signature

    path = folder / SIGNATURE
    if not path.is_file():
        gone = Finding(place=SIGNATURE, found="no file", expected="the signature of the manifest")
        return [concluded("signature", "", [gone]), *_sidecars(folder, sidecars, anchors, manifest, None)]
    own = check_signature(data, path.read_bytes(), anchors)
    return [_check("signature", SIGNATURE, own, anchors), *_sidecars(folder, sidecars, anchors, manifest, own)]


def _sidecars(
    folder: Path, names: Sequence[str], anchors: Sequence[Path], manifest: Manifest, own: SignatureCheck | None
) -> list[Check]:
    """Checks of sidecars; `own` is that of the manifest's signature."""
    from aigc.signing import check_sidecar

    signed = {name.removesuffix(SIDECAR) for name in names}
    wanted = [file.path for file in manifest.run.outputs if file.bytes]
    missing = [Finding(place=f"{name}{SIDECAR}", found="no sidecar in the manifest", expected="one for every result")
               for name in wanted if name not in signed]
    looked = [(name, check_sidecar(folder / name.removesuffix(SIDECAR), anchors)) for name in names]
    checks = [_same_signer(name, own) if own and _is_said(found, own) else _check(name, name, found, anchors)
              for name, found in looked]
    return [*checks, concluded("sidecars", "", missing)] if missing else checks


def _is_said(found: SignatureCheck, own: SignatureCheck) -> bool:
    """Whether all that is against a sidecar is who signed it, and that was said of the manifest's signature."""
    return found.status in _WHO and (found.status, found.subject) == (own.status, own.subject)


def _same_signer(name: str, own: SignatureCheck) -> Check:
    return Check(name=name, status="not checked", detail=f"by {own.subject}, as the manifest: see signature")


def _check(name: str, place: str, found: SignatureCheck, anchors: Sequence[Path]) -> Check:
    status: Status = "wrong"
    if found.holds:
        status = "holds"
    elif found.status == "not_checked" or (found.status == "untrusted" and not anchors):
        status = "not checked"
    detail = found.message if status != "not checked" or found.status == "not_checked" else (
        f"by {found.subject}, {NO_ANCHOR}"
    )
    if status != "wrong":
        return Check(name=name, status=status, detail=detail.removesuffix("."))
    expected = _TRUSTED if found.status in _WHO else (
        f"one over {MANIFEST}" if place == SIGNATURE else "one over the file beside it"
    )
    why = found.message.removesuffix(".")
    what = Finding(place=place, found=f"a signature that does not hold ({found.status}: {why})", expected=expected)
    return concluded(name, "", [what])
