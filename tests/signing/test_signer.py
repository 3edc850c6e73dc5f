"""Settings to a signer: what is refused before a run begins, keys in devices, and trusted times."""

from __future__ import annotations

import shutil
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aigc.errors import SettingsError, SigningError
from aigc.settings import SigningSettings
from aigc.signing import anchors_of, check_sidecar, check_signature, new_identity, open_signer, sidecar
from aigc.signing.certificates import PURPOSES, read_certificates
from aigc.signing.identity import read_key
from aigc.signing.schemes import key_of
from aigc.signing.signer import Signer

from .authority import CSV, FACTS, Flaws, Issued, issue, timestamp_authority
from .conftest import House

PLACE = "settings, key signing.certificate"
KINDS = "a key on P-256, P-384 or P-521, or RSA of 2,048 bits or more"
OTHER = "expected a certificate that C2PA lets sign. Take another certificate, or make an identity: aigc keys new."
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the timestamps")


def own(issued: Issued, **more: Any) -> SigningSettings:
    settings = SigningSettings(certificate=str(issued.certificate), key=str(issued.key))
    return msgspec.structs.replace(settings, **more)


@pytest.mark.parametrize(("flaws", "said"), [
    (Flaws(emailing=False), f"found a certificate whose extended key usage has none of emailProtection, "
     f"documentSigning, claimSigning; {OTHER}"),
    (Flaws(usages=False), f"found a certificate without key usage; {OTHER}"),
    (Flaws(signing=False), f"found a certificate whose key usage is not digitalSignature; {OTHER}"),
    (Flaws(issuer_key=False), f"found a certificate without authority key identifier; {OTHER}"),
    (Flaws(own_root=True), f"found a root certificate; {OTHER}"),
    (Flaws(authority=True), f"found a certificate of an authority, which signs certificates and not content; {OTHER}"),
    (Flaws(key="ed25519"), f"found a certificate for another key than {KINDS}; {OTHER}"),
    (Flaws(key="k1"), f"found a certificate for another key than {KINDS}; {OTHER}"),
    (Flaws(key="rsa1024"), f"found a certificate for another key than {KINDS}; {OTHER}"),
], ids=str)
def test_a_certificate_that_c2pa_would_refuse_is_refused_before_a_run(
    tmp_path: Path, flaws: Flaws, said: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        open_signer(own(issue(tmp_path, flaws)))
    assert str(caught.value) == f"{PLACE}: {said}"


@pytest.mark.parametrize("purpose", PURPOSES)
def test_each_purpose_that_c2pa_gives_certificates_will_do(tmp_path: Path, purpose: str) -> None:
    issued, path = issue(tmp_path, purpose=PURPOSES[purpose]), tmp_path / "accepted.csv"
    path.write_bytes(CSV)
    signer = open_signer(own(issued))
    signer.sign_file(path, FACTS)
    assert check_sidecar(path, [issued.anchor]).holds
    assert check_signature(b"m", signer.sign_bytes(b"m"), [issued.anchor]).holds


@pytest.mark.parametrize(("begins", "ends", "found"), [
    (-40, -10, "a certificate that expired on {end}"), (2, 10, "a certificate that is valid from {begin} on"),
])
def test_a_certificate_out_of_its_time_is_refused(tmp_path: Path, begins: int, ends: int, found: str) -> None:
    days = {name: (datetime.now(UTC) + timedelta(days=day)).date().isoformat()
            for name, day in (("begin", begins), ("end", ends))}
    with pytest.raises(SettingsError) as caught:
        open_signer(own(issue(tmp_path, Flaws(begins=begins, ends=ends))))
    assert str(caught.value) == (
        f"{PLACE}: found {found.format(**days)}; expected one that is valid now. Make a new identity: "
        "aigc keys new --out DIR, and name it in signing.identity.")


def test_an_expired_identity_is_refused(tmp_path: Path) -> None:
    new_identity(tmp_path / "key", "Example News", 30, now=datetime.now(UTC) - timedelta(days=31))
    with pytest.raises(SettingsError, match=r"^settings, key signing\.identity: found a certificate that expired on "):
        open_signer(SigningSettings(identity=str(tmp_path / "key")))


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    issued, other = issue(tmp_path / "a"), issue(tmp_path / "b")
    with pytest.raises(SettingsError) as caught:
        open_signer(own(issued, key=str(other.key)))
    assert str(caught.value) == (
        f"settings, key signing.key: found a key that {issued.certificate} is not about; expected the certificate's "
        "own key. Name the key and the certificate that were made together.")


def test_certificates_in_the_wrong_order_are_told_apart(tmp_path: Path) -> None:
    issued, stranger = issue(tmp_path / "a"), issue(tmp_path / "b", Flaws(intermediate=True))
    foreign = stranger.certificate.read_text().split("-----END CERTIFICATE-----\n")[1]
    issued.certificate.write_text(issued.certificate.read_text() + foreign + "-----END CERTIFICATE-----\n")
    with pytest.raises(SettingsError) as caught:
        open_signer(own(issued))
    assert str(caught.value) == (
        f"{PLACE}: found Between after Signer, which it did not sign; expected each certificate followed by the one "
        "that signed it. Put them in order, the signing certificate first.")


@pytest.mark.parametrize(("settings", "said"), [
    ({"identity": "keys"}, "settings, key signing.identity: found no identity in keys; expected a folder that aigc "
     "keys new made. Make one: aigc keys new --out keys, or set signing.enabled = false."),
    ({"certificate": "c.pem"}, "settings, key signing.certificate: found neither a key nor a callback beside it; "
     "expected one of the two. Set signing.key or signing.callback."),
    ({"certificate": "c.pem", "key": "k.pem", "callback": "a:b"}, "settings, key signing.certificate: found a key and "
     "a callback beside it; expected one of the two. Set signing.key or signing.callback."),
    ({"key": "k.pem"}, "settings, key signing.key: found no certificate beside it; expected the certificate it is for. "
     "Set signing.certificate too."),
    ({"callback": "a:b"}, "settings, key signing.callback: found no certificate beside it; expected the certificate it "
     "is for. Set signing.certificate too."),
    ({"certificate": "c.pem", "key": "k.pem"}, "settings, key signing.certificate: found no readable file c.pem (No "
     "such file or directory); expected a file of certificates in PEM. Name one, or make an identity: aigc keys new."),
])
def test_settings_that_name_no_signer_say_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError) as caught:
        open_signer(SigningSettings(**settings))
    assert str(caught.value) == said


def test_a_file_that_is_no_certificate_and_one_that_is_no_key(tmp_path: Path) -> None:
    issued = issue(tmp_path)
    certificate = issued.certificate.read_bytes()
    issued.certificate.write_text("nothing")
    with pytest.raises(SettingsError, match=r"signing\.certificate: found no certificate in "):
        open_signer(own(issued))
    issued.certificate.write_bytes(certificate)
    issued.key.write_text("nothing")
    with pytest.raises(SettingsError, match=r"signing\.key: found no secret key in "):
        open_signer(own(issued))


def test_a_key_that_everybody_can_read_is_refused(house: House, tmp_path: Path) -> None:
    folder = shutil.copytree(house.folder, tmp_path / "key")
    (folder / "key.pem").chmod(0o644)
    with pytest.raises(SettingsError) as caught:
        open_signer(SigningSettings(identity=str(folder)))
    key = folder / "key.pem"
    assert str(caught.value) == (
        f"settings, key signing.identity: found {key}, which everybody on this machine can reach (mode 0644); expected "
        f"a secret key that is its owner's. Run: chmod 600 {key}")


def test_without_c2pa_python_the_message_says_how_to_install_it(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "accepted.csv").write_bytes(CSV)
    house.signer.sign_file(tmp_path / "accepted.csv", FACTS)
    monkeypatch.setattr(sidecar, "is_available", lambda: False)
    with pytest.raises(SettingsError) as caught:
        open_signer(SigningSettings(identity=str(house.folder)))
    assert str(caught.value) == (
        "settings, key signing.enabled: found no c2pa-python, which writes sidecars; expected it installed. Run: "
        "pip install 'aigc[signing]'")
    check = check_sidecar(tmp_path / "accepted.csv", house.anchors)
    assert (check.status, check.message) == (
        "not_checked", "accepted.csv.c2pa needs c2pa-python to be read: pip install 'aigc[signing]'.")
    assert check_signature(b"m", house.signer.sign_bytes(b"m"), house.anchors).holds


def test_anchors_are_the_identity_s_unless_a_file_of_others_is_named(house: House, tmp_path: Path) -> None:
    assert anchors_of(SigningSettings(identity=str(house.folder))) == house.anchors
    assert anchors_of(SigningSettings(identity=str(tmp_path))) == []
    assert anchors_of(SigningSettings(anchor="roots.pem")) == [Path("roots.pem")]


DEVICE = """
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pathlib import Path
key = load_pem_private_key(Path({path!r}).read_bytes(), None)
other = ec.generate_private_key(ec.SECP256R1())
number = 3
def der(data): return key.sign(data, ec.ECDSA(hashes.SHA256()))
def raw(data):
    r, s = utils.decode_dss_signature(der(data))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")
def wrong(data): return other.sign(data, ec.ECDSA(hashes.SHA256()))
def nothing(data): return None
def broken(data): raise RuntimeError("PIN 1234 was refused")
"""


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SigningSettings:
    """A module of the user's that signs with a key which aigc is not given."""
    issued = issue(tmp_path / "ca")
    (tmp_path / "house_hsm.py").write_text(DEVICE.format(path=str(issued.key)))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "house_hsm", raising=False)
    return SigningSettings(certificate=str(issued.certificate), anchor=str(issued.anchor), callback="house_hsm:der")


@pytest.mark.parametrize("form", ["der", "raw"])
def test_a_key_that_stays_in_its_device_signs_both(device: SigningSettings, tmp_path: Path, form: str) -> None:
    settings = msgspec.structs.replace(device, callback=f"house_hsm:{form}")
    signer, path = open_signer(settings), tmp_path / "accepted.csv"
    path.write_bytes(CSV)
    signer.sign_file(path, FACTS)
    assert check_sidecar(path, anchors_of(settings)).status == "valid"
    assert check_signature(b"m", signer.sign_bytes(b"m"), anchors_of(settings)).status == "valid"


@pytest.mark.parametrize(("callback", "found"), [
    ("house_hsm:wrong", "what the certificate does not confirm"),
    ("house_hsm:nothing", "what the certificate does not confirm"),
    ("house_hsm:broken", "RuntimeError as it was called"),
    ("house_hsm:absent", "'house_hsm:absent', which cannot be imported"),
    ("house_hsm", "'house_hsm', which cannot be imported"),
    ("no.such.module:sign", "'no.such.module:sign', which cannot be imported"),
    ("house_hsm:number", "'house_hsm:number', which is no function"),
])
def test_a_callback_that_does_not_sign_is_found_out_before_a_run(
    device: SigningSettings, callback: str, found: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SettingsError) as caught:
        open_signer(msgspec.structs.replace(device, callback=callback))
    assert str(caught.value).startswith(f"settings, key signing.callback: found {found}; expected ")
    assert "1234" not in str(caught.value) + caplog.text


def test_a_device_that_fails_later_stops_the_signing_and_writes_nothing(
    device: SigningSettings, tmp_path: Path
) -> None:
    signer = open_signer(device)
    sys.modules["house_hsm"].key = sys.modules["house_hsm"].other  # type: ignore[attr-defined]
    path = tmp_path / "accepted.csv"
    path.write_bytes(CSV)
    for attempt in (lambda: signer.sign_file(path, FACTS), lambda: signer.sign_bytes(b"m")):
        with pytest.raises(SigningError) as caught:
            attempt()
        assert str(caught.value) == (
            "settings, key signing.callback: found what the certificate does not confirm; expected a signature of "
            "ES256 over the bytes it is given. Correct the function: docs/signing.md tells what it is asked for.")
    assert not (tmp_path / "accepted.csv.c2pa").exists()


@needs_openssl
def test_a_trusted_time_keeps_a_sidecar_good_after_its_certificate(tmp_path: Path) -> None:
    path, folder = tmp_path / "accepted.csv", tmp_path / "key"
    path.write_bytes(CSV)
    ends = datetime.now(UTC) + timedelta(seconds=6)
    new_identity(folder, "Example News", 1, now=ends - timedelta(days=1))
    chain = read_certificates(folder / "certificate.pem", "")
    key, secret = key_of(chain[0]), read_key(folder / "key.pem", "", "")
    with timestamp_authority(tmp_path / "tsa") as (url, anchor):
        Signer(chain, key, secret, url).sign_file(path, FACTS)  # type: ignore[arg-type]
    unknown = check_sidecar(path, [folder / "anchor.pem"])
    assert (unknown.status, unknown.signed_at, unknown.time_source) == ("valid", "", "")
    time.sleep(max(0.0, (ends - datetime.now(UTC)).total_seconds()) + 1.1)

    check = check_sidecar(path, [folder / "anchor.pem", anchor])
    assert (check.status, check.time_source) == ("valid", "authority")
    assert abs(datetime.fromisoformat(check.signed_at) - ends) < timedelta(seconds=30)
    without = check_sidecar(path, [folder / "anchor.pem"])
    assert (without.status, without.signed_at) == ("expired", "")


@needs_openssl
def test_a_trusted_time_is_not_asked_for_a_trial(house: House, tmp_path: Path) -> None:
    with timestamp_authority(tmp_path / "tsa") as (url, _):
        open_signer(SigningSettings(identity=str(house.folder), timestamp_url=url))
        assert not (tmp_path / "tsa" / "query").exists()


def test_an_authority_that_does_not_answer_is_named_and_nothing_is_written(house: House, tmp_path: Path) -> None:
    signer = open_signer(SigningSettings(identity=str(house.folder), timestamp_url="http://127.0.0.1:9/"))
    path = tmp_path / "accepted.csv"
    path.write_bytes(CSV)
    with pytest.raises(SigningError) as caught:
        signer.sign_file(path, FACTS)
    assert str(caught.value).startswith(f"{path}: found no signature (")
    assert str(caught.value).endswith(
        "expected a C2PA sidecar. Look whether the timestamp authority answers, or leave signing.timestamp_url out.")
    assert not (tmp_path / "accepted.csv.c2pa").exists()
