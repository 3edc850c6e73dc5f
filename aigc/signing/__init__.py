"""Who stands behind a run's files: a detached signature of its manifest, and a C2PA sidecar beside every file.

    identity      a key of one's own with its certificate and anchor
    certificates  whether a certificate may sign, and whether it leads to an anchor
    schemes, der  ways to sign; the form of what is signed
    cms           the manifest's signature
    assets        what a sidecar says of a file
    sidecar       c2pa-python: sidecars written and read
    signer        settings to a signer, and what it signs
    checks        what a signature proves

Import it where it is used: cryptography takes a tenth of a second, and most runs sign nothing.
"""

from __future__ import annotations

from aigc.settings import SigningSettings
from aigc.signing.assets import AssetFacts, Oversight
from aigc.signing.checks import SignatureCheck, check_sidecar, check_signature
from aigc.signing.identity import Identity, new_identity, show_identity
from aigc.signing.sidecar import sidecar_of
from aigc.signing.signer import Signer, anchors_of, open_signer, trusted_anchors

__all__ = [
    "AssetFacts", "Identity", "Oversight", "SignatureCheck", "Signer", "SigningSettings", "anchors_of",
    "check_sidecar", "check_signature", "new_identity", "open_signer", "show_identity", "sidecar_of",
    "trusted_anchors",
]
