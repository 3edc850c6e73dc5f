"""Who signs: settings to a signer that has been tried, and what it signs."""

from __future__ import annotations

import hashlib
import importlib
import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from aigc.disk import disk_errors, write_atomically
from aigc.errors import AigcError, SettingsError, SigningError, shown, writable
from aigc.settings import SigningSettings
from aigc.signing import sidecar
from aigc.signing.assets import AssetFacts, definition
from aigc.signing.certificates import check_signer, fingerprint_of, name_of, read_certificates
from aigc.signing.cms import write_signed
from aigc.signing.identity import ANCHOR, CERTIFICATE, KEY, read_key
from aigc.signing.schemes import Key, PrivateKey, sign

KEYS = Path(".aigc/keys")
"""Where a project's identities are, unless settings say another place."""
Callback: TypeAlias = Callable[[bytes], bytes]
"""Signs bytes where the key is: a device, a service. It hashes them itself, by the certificate's scheme."""
_TRIAL = AssetFacts(
    run_id="trial", digital_source_type="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
    model="trial", model_digest="", created_at="2026-01-01T00:00:00Z",
)


class Signer:
    """Signs a manifest's bytes and files. One for a run; not for several threads."""

    def __init__(
        self, chain: Sequence[x509.Certificate], key: Key, secret: PrivateKey | Callback, timestamp_url: str = ""
    ) -> None:
        self.chain, self._key = tuple(chain), key
        self._secret, self._timestamp_url = secret, timestamp_url
        self._context = sidecar.context(())
        self._signer = self._c2pa_signer(timestamp_url)
        self._failure: AigcError | None = None

    @property
    def name(self) -> str:
        """Whom the certificate names."""
        return name_of(self.chain[0])

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.chain[0])

    def sign_bytes(self, data: bytes) -> bytes:
        """The detached signature of `data`: CMS in DER.

        Raises:
            SigningError: the callback did not sign.
        """
        return write_signed(data, self.chain, self._key.scheme, datetime.now(UTC), self._sign)

    def sign_file(self, path: Path, facts: AssetFacts) -> Path | None:
        """Put a C2PA sidecar beside a file: all of it, or nothing. None for a file without a byte: C2PA signs none.

        Raises:
            SigningError: the callback did not sign, or no timestamp could be had.
            StoreError: a file cannot be read or written.
        """
        with disk_errors(path, "the file is as it was before"), path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
            if file.tell() == 0:
                return None
        sealed = self._seal(definition(path, facts, digest), self._signer, writable(path))
        beside = sidecar.sidecar_of(path)
        write_atomically(beside, lambda out: out.write(sealed))
        return beside

    def try_out(self, place: str) -> None:
        """Sign something small and have c2pa's Reader look at it: what it refuses is known before a run, not after.

        Raises:
            SettingsError: C2PA does not accept the certificate, or the callback does not sign.
        """
        asset, name = b"trial", Path("trial")
        claim = definition(name, _TRIAL, hashlib.sha256(asset).digest())
        expected, remedy = "one that signs what C2PA's Reader accepts", "See docs/signing.md, or: aigc keys new."
        try:
            trial = self._seal(claim, self._c2pa_signer(""), place)
        except SigningError as exc:
            raise SettingsError(place, exc.found, expected, remedy) from exc
        found = sidecar.read(trial, io.BytesIO(asset), self._context)
        if refused := [code for code in found.failures if code != "signingCredential.untrusted"]:
            raise SettingsError(place, f"a certificate that C2PA refuses ({', '.join(refused)})", expected, remedy)

    def _seal(self, claim: dict[str, Any], signer: Any, place: str) -> bytes:
        import c2pa

        self._failure = None
        try:
            return sidecar.seal(claim, signer, self._context)
        except c2pa.C2paError as exc:
            if self._failure:
                raise self._failure from exc
            remedy = ("Look whether the timestamp authority answers, or leave signing.timestamp_url out."
                      if self._timestamp_url else "Look at the certificate and its key: aigc keys show.")
            raise SigningError(place, f"no signature ({shown(exc, 160)})", "a C2PA sidecar", remedy) from exc

    def _c2pa_signer(self, timestamp_url: str) -> Any:
        if callable(self._secret):
            return sidecar.signer_of_callback(self._key.scheme.name, self.chain, self._answer, timestamp_url)
        key = self._secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return sidecar.signer_of_key(self._key.scheme.name, self.chain, key, timestamp_url)

    def _answer(self, data: bytes) -> bytes:
        """`_sign` for native code, which no exception crosses: it goes into the log there, and is lost."""
        try:
            return self._sign(bytes(data))
        except AigcError as exc:
            self._failure = exc
            return b""

    def _sign(self, data: bytes) -> bytes:
        if not callable(self._secret):
            return sign(self._secret, self._key.scheme, data)
        place, scheme = "settings, key signing.callback", self._key.scheme.name
        expected = f"a signature of {scheme} over the bytes it is given"
        remedy = "Correct the function: docs/signing.md tells what it is asked for."
        try:
            signature = self._secret(data)
        except Exception as exc:  # it is the user's own, and may raise anything; its message may hold a secret
            raise SigningError(place, f"{type(exc).__name__} as it was called", expected, remedy) from exc
        if not isinstance(signature, bytes) or not self._key.has_signed(self._key.as_der(signature), data):
            raise SigningError(place, "what the certificate does not confirm", expected, remedy)
        return self._key.as_der(signature)


def open_signer(settings: SigningSettings) -> Signer:
    """The signer that settings name, after it has signed something small.

    Raises:
        SettingsError: something is missing, expired, of the wrong kind, or c2pa-python is not installed.
    """
    sidecar.require("settings, key signing.enabled")
    certificate, key = _files(settings)
    place = "settings, key signing.certificate" if settings.certificate else "settings, key signing.identity"
    chain = read_certificates(certificate, place)
    own_key = check_signer(chain, place, datetime.now(UTC))
    if settings.callback:
        signer = Signer(chain, own_key, _callback(settings.callback), settings.timestamp_url)
        signer.try_out("settings, key signing.callback")
        return signer
    key_place = "settings, key signing.key" if settings.key else place
    secret = read_key(key, key_place, settings.passphrase_variable)
    if secret.public_key() != own_key.public:
        raise SettingsError(key_place, f"a key that {writable(certificate)} is not about", "the certificate's own key",
                            "Name the key and the certificate that were made together.")
    signer = Signer(chain, own_key, secret, settings.timestamp_url)
    signer.try_out(place)
    return signer


def anchors_of(settings: SigningSettings) -> list[Path]:
    """Where signatures are checked against, by the settings: none where they name no file that is there."""
    named = Path(settings.anchor) if settings.anchor else Path(settings.identity) / ANCHOR
    return [named] if settings.anchor or named.is_file() else []


def trusted_anchors(settings: SigningSettings) -> list[Path]:
    """The anchors of a project: that of its settings, and those of its earlier keys, which signed earlier runs."""
    return list(dict.fromkeys([*anchors_of(settings), *sorted(KEYS.glob(f"*/{ANCHOR}"))]))


def _files(settings: SigningSettings) -> tuple[Path, Path]:
    """The certificate and its key. The key's file is not looked at where a callback signs."""
    if settings.certificate:
        if bool(settings.key) == bool(settings.callback):
            found = "a key and a callback" if settings.key else "neither a key nor a callback"
            raise SettingsError("settings, key signing.certificate", f"{found} beside it", "one of the two",
                                "Set signing.key or signing.callback.")
        return Path(settings.certificate), Path(settings.key)
    for name in ("key", "callback"):
        if getattr(settings, name):
            raise SettingsError(f"settings, key signing.{name}", "no certificate beside it",
                                "the certificate it is for", "Set signing.certificate too.")
    folder = Path(settings.identity)
    if not (folder / KEY).exists():
        remedy = f"Make one: aigc keys new --out {writable(folder)}, or set signing.enabled = false."
        raise SettingsError("settings, key signing.identity", f"no identity in {writable(folder)}",
                            "a folder that aigc keys new made", remedy)
    return folder / CERTIFICATE, folder / KEY


def _callback(name: str) -> Callback:
    place, expected = "settings, key signing.callback", "package.module:function, which Python can import"
    remedy = "Correct it, or install the package into this environment."
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as exc:
        raise SettingsError(place, f"{shown(name)}, which cannot be imported", expected, remedy) from exc
    if not callable(found):
        raise SettingsError(place, f"{shown(name)}, which is no function", expected, remedy)
    return found  # type: ignore[no-any-return]
