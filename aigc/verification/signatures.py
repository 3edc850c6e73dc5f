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
    return [_signature(folder, data, anchors), *_sidecars(folder, sidecars, anchors, manifest)]


def _signature(folder: Path, data: bytes, anchors: Sequence[Path]) -> Check:
    from aigc.signing import check_signature

    path = folder / SIGNATURE
    if not path.is_file():
        gone = Finding(place=SIGNATURE, found="no file", expected="the signature of the manifest")
        return concluded("signature", "", [gone])
    return _check("signature", SIGNATURE, check_signature(data, path.read_bytes(), anchors), anchors)


def _sidecars(folder: Path, names: Sequence[str], anchors: Sequence[Path], manifest: Manifest) -> list[Check]:
    from aigc.signing import check_sidecar

    signed = {name.removesuffix(SIDECAR) for name in names}
    wanted = [file.path for file in manifest.run.outputs if file.bytes]
    missing = [Finding(place=f"{name}{SIDECAR}", found="no sidecar in the manifest", expected="one for every result")
               for name in wanted if name not in signed]
    checks = [_check(name, name, check_sidecar(folder / name.removesuffix(SIDECAR), anchors), anchors)
              for name in names]
    return [*checks, concluded("sidecars", "", missing)] if missing else checks


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
    what = Finding(place=place, found=f"a signature that does not hold ({found.status}: {found.message})",
                   expected=f"one over {MANIFEST}" if place == SIGNATURE else "one over the file beside it")
    return concluded(name, "", [what])
