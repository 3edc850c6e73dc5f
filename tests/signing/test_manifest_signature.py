"""The detached signature of a manifest: who says it holds, and what is said where it does not."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aigc.errors import UsageError
from aigc.settings import SigningSettings
from aigc.signing import check_signature, new_identity, open_signer
from aigc.signing.certificates import read_certificates
from aigc.signing.cms import write_signed
from aigc.signing.identity import read_key
from aigc.signing.schemes import key_of, sign
from signing.authority import Flaws, issue
from signing.conftest import House

MANIFEST = json.dumps({"schema": "aigc.manifest/1", "rows": {"count": 12}}).encode()
OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="openssl, the outside judge, is not on this machine")
KINDS = ["p256", "p384", "p521", "rsa"]


def openssl_says(folder: Path, content: bytes, signature: bytes, anchor: Path, *more: str) -> tuple[int, str]:
    (folder / "manifest.json").write_bytes(content)
    (folder / "manifest.json.sig").write_bytes(signature)
    done = subprocess.run(
        ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", folder / "manifest.json.sig", "-content",
         folder / "manifest.json", "-CAfile", anchor, "-out", "/dev/null", *more],
        capture_output=True, text=True, timeout=30,
    )
    return done.returncode, done.stderr


def test_a_signature_holds_and_tells_whose_it_is(house: House) -> None:
    check = check_signature(MANIFEST, house.signer.sign_bytes(MANIFEST), house.anchors)
    assert (check.status, check.holds, check.subject) == ("valid", True, "Example News")
    assert check.message == "the signature is that of Example News."
    assert (check.fingerprint, check.time_source) == (house.signer.fingerprint, "signer")
    assert abs(datetime.fromisoformat(check.signed_at) - datetime.now(UTC)) < timedelta(minutes=1)


@needs_openssl
def test_openssl_finds_it_good_with_the_anchor_alone(house: House, tmp_path: Path) -> None:
    code, said = openssl_says(tmp_path, MANIFEST, house.signer.sign_bytes(MANIFEST), house.anchors[0])
    assert (code, said) == (0, "CMS Verification successful\n")


@needs_openssl
def test_openssl_finds_the_attributes_of_cades_in_it(house: House, tmp_path: Path) -> None:
    signature = house.signer.sign_bytes(MANIFEST)
    code, said = openssl_says(tmp_path, MANIFEST, signature, house.anchors[0], "-cades")
    assert (code, said) == (0, "CAdES Verification successful\n")


@needs_openssl
def test_openssl_refuses_another_manifest_and_another_anchor(
    house: House, stranger: House, tmp_path: Path
) -> None:
    signature = house.signer.sign_bytes(MANIFEST)
    assert openssl_says(tmp_path, MANIFEST + b" ", signature, house.anchors[0])[0] != 0
    assert openssl_says(tmp_path, MANIFEST, signature, stranger.anchors[0])[0] != 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("intermediate", [False, True], ids=["root", "one between"])
def test_certificates_of_an_authority_sign_with_every_kind_of_key(
    tmp_path: Path, kind: str, intermediate: bool
) -> None:
    issued = issue(tmp_path / "ca", Flaws(key=kind, intermediate=intermediate))
    signer = open_signer(SigningSettings(certificate=str(issued.certificate), key=str(issued.key)))
    signature = signer.sign_bytes(MANIFEST)
    assert check_signature(MANIFEST, signature, [issued.anchor]).status == "valid"
    if OPENSSL:
        assert openssl_says(tmp_path, MANIFEST, signature, issued.anchor)[0] == 0


def test_what_is_said_of_a_signature_that_does_not_hold(house: House, stranger: House) -> None:
    signature = house.signer.sign_bytes(MANIFEST)
    cases = {
        "tampered": (MANIFEST + b" ", signature, house.anchors),
        "untrusted": (MANIFEST, signature, stranger.anchors),
        "truncated": (MANIFEST, signature[:-1], house.anchors),
        "missing": (MANIFEST, b"", house.anchors),
        "damaged": (MANIFEST, signature + b"\0", house.anchors),
    }
    said = {name: check_signature(*case) for name, case in cases.items()}
    assert {name: check.status for name, check in said.items()} == {name: name for name in cases}
    assert [check.message for check in said.values()] == [
        "the signature is of other content: this was changed after it was signed, or never signed.",
        "the signature is signed by Example News, whose certificate leads to none of the anchors.",
        "the signature is cut off.",
        "the signature holds no byte.",
        "the signature cannot be read (1 bytes behind its end).",
    ]


def test_without_an_anchor_nobody_is_trusted(house: House) -> None:
    assert check_signature(MANIFEST, house.signer.sign_bytes(MANIFEST), []).status == "untrusted"


def test_one_of_several_anchors_is_enough(house: House, stranger: House) -> None:
    anchors = [*stranger.anchors, *house.anchors]
    assert check_signature(MANIFEST, house.signer.sign_bytes(MANIFEST), anchors).status == "valid"


def test_a_signature_of_another_key_than_its_certificate_names(house: House, stranger: House) -> None:
    chain = house.signer.chain
    secret = read_key(stranger.folder / "key.pem", "", "")
    scheme = key_of(chain[0]).scheme  # type: ignore[union-attr]
    forged = write_signed(MANIFEST, chain, scheme, datetime.now(UTC), lambda data: sign(secret, scheme, data))
    check = check_signature(MANIFEST, forged, house.anchors)
    assert check.status == "wrong_key"
    assert check.message == (
        "the signature was changed after it was made, or not made with the key of its certificate.")


def test_an_expired_certificate_holds_only_for_a_time_when_it_was_valid(tmp_path: Path) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=100)
    identity = new_identity(tmp_path / "key", "Example News", 30, now=long_ago)
    chain = read_certificates(tmp_path / "key" / "certificate.pem", "")
    secret, anchors = read_key(tmp_path / "key" / "key.pem", "", ""), [tmp_path / "key" / "anchor.pem"]
    scheme = key_of(chain[0]).scheme  # type: ignore[union-attr]
    signature = write_signed(MANIFEST, chain, scheme, long_ago, lambda data: sign(secret, scheme, data))

    check = check_signature(MANIFEST, signature, anchors)
    assert check.status == "expired"
    assert check.message == (
        f"the signature was signed by Example News, whose certificate expired on {identity.valid_until[:10]}; nothing "
        "proves that it was signed before.")
    assert check_signature(MANIFEST, signature, anchors, long_ago + timedelta(days=1)).status == "valid"
    assert check_signature(MANIFEST, signature, anchors, long_ago - timedelta(days=1)).status == "not_yet_valid"
    assert check_signature(MANIFEST + b" ", signature, anchors).status == "tampered"


def test_an_expired_certificate_of_a_stranger_is_a_stranger_s(tmp_path: Path, house: House) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=100)
    new_identity(tmp_path / "key", "Example News", 30, now=long_ago)
    chain = read_certificates(tmp_path / "key" / "certificate.pem", "")
    secret, scheme = read_key(tmp_path / "key" / "key.pem", "", ""), key_of(chain[0]).scheme  # type: ignore[union-attr]
    signature = write_signed(MANIFEST, chain, scheme, long_ago, lambda data: sign(secret, scheme, data))
    assert check_signature(MANIFEST, signature, house.anchors).status == "untrusted"


@pytest.mark.parametrize("kind", KINDS)
def test_every_flipped_bit_of_a_signature_is_found(tmp_path: Path, kind: str) -> None:
    issued = issue(tmp_path, Flaws(key=kind))
    signer = open_signer(SigningSettings(certificate=str(issued.certificate), key=str(issued.key)))
    signature = signer.sign_bytes(MANIFEST)
    found: Counter[str] = Counter()
    for at in range(len(signature)):
        flipped = bytearray(signature)
        flipped[at] ^= 1 << at % 8
        found[check_signature(MANIFEST, bytes(flipped), [issued.anchor]).status] += 1
    assert found["valid"] == 0
    assert sum(found.values()) == len(signature) > 800


def test_every_flipped_bit_of_the_manifest_is_found(house: House) -> None:
    signature = house.signer.sign_bytes(MANIFEST)
    for at in range(8 * len(MANIFEST)):
        flipped = bytearray(MANIFEST)
        flipped[at // 8] ^= 1 << at % 8
        assert check_signature(bytes(flipped), signature, house.anchors).status == "tampered"


def test_every_cut_is_called_a_cut(house: House) -> None:
    signature = house.signer.sign_bytes(MANIFEST)
    assert {check_signature(MANIFEST, signature[:at], house.anchors).status
            for at in range(1, len(signature))} == {"truncated"}


def test_noise_is_no_signature(house: House) -> None:
    noise = random.Random(7)
    for size in (*range(1, 60), 500, 5_000):
        assert check_signature(MANIFEST, noise.randbytes(size), house.anchors).status in ("damaged", "truncated")


@pytest.mark.parametrize(("content", "found"), [
    (None, "no readable file {path} (No such file or directory)"),
    (b"no certificate\n", "no certificate in {path}"),
], ids=["absent", "of something else"])
def test_an_anchor_that_cannot_be_used_is_named(
    house: House, tmp_path: Path, content: bytes | None, found: str
) -> None:
    path = tmp_path / "anchor.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        check_signature(MANIFEST, house.signer.sign_bytes(MANIFEST), [path])
    assert str(caught.value) == (
        f"{path}: found {found.format(path=path)}; expected root certificates in PEM. Name the anchor.pem that you had "
        "from whoever signed.")
