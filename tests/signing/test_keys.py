"""`aigc keys`: a key is made once, lies in its owner's hands, and is never shown."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aigc.errors import AigcError, SettingsError, StoreError, UsageError
from aigc.keys_cli import keys_app
from aigc.settings import SigningSettings
from aigc.signing import check_signature, new_identity, open_signer, show_identity

from .conftest import House


def said(*arguments: str | Path) -> str:
    result = CliRunner().invoke(keys_app, [str(argument) for argument in arguments])
    if isinstance(result.exception, AigcError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_new_key_says_what_to_give_to_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = said("new", "--name", "Example News").splitlines()
    identity = show_identity(tmp_path / ".aigc" / "keys" / "default")
    until = (datetime.now(UTC) + timedelta(days=365)).date().isoformat()
    assert shown == [
        f".aigc/keys/default: signs as Example News, until {until}.",
        "  key.pem          the secret key, without a passphrase. Whoever has it signs as you: keep it to yourself.",
        "  certificate.pem  goes into every signature.",
        "  anchor.pem       give this to whoever checks them, by a way they trust. Its fingerprint, to compare:",
        f"                   {identity.anchor_fingerprint}",
        "Sign runs with it: enabled = true under [signing] in aigc.toml.",
    ]
    assert open_signer(SigningSettings()).name == "Example News"


def test_a_key_goes_where_the_settings_look_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "aigc.toml").write_text('[signing]\nidentity = "keys/house"\n')
    assert said("new").splitlines()[0].startswith("keys/house: signs as aigc, until ")
    assert said("show").splitlines()[0].startswith("keys/house: signs as aigc, until ")
    assert said("new", "--out", "keys/next").splitlines()[-1] == (
        'Sign runs with it: enabled = true under [signing] in aigc.toml, and identity = "keys/next".')


def test_a_key_is_its_owner_s_alone_and_stays_out_of_git(tmp_path: Path) -> None:
    new_identity(tmp_path / "key", "Example News", 365)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "key").iterdir()}
    assert modes["key.pem"] == 0o600
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o700
    assert (tmp_path / "key" / ".gitignore").read_text() == "key.pem\n"


def test_a_gitignore_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.log\n")
    new_identity(tmp_path, "Example News", 365)
    assert (tmp_path / ".gitignore").read_text() == "*.log\n"


@pytest.mark.parametrize("name", ["key.pem", "certificate.pem", "anchor.pem"])
def test_nothing_is_written_over(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError) as caught:
        said("new", "--out", tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: found {name} there already; expected a folder without an identity. Name another folder with "
        "--out. None is written over: a key that is lost cannot be made again.")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("option", "value", "message"), [
    ("--days", "0", "--days: found 0; expected 1 to 3,650. Correct it."),
    ("--days", "3651", "--days: found 3,651; expected 1 to 3,650. Correct it."),
    ("--name", " ", "--name: found 1 characters; expected 1 to 56 that can be shown. Correct it."),
    ("--name", "x" * 57, "--name: found 57 characters; expected 1 to 56 that can be shown. Correct it."),
    ("--name", "a\nb", "--name: found 3 characters; expected 1 to 56 that can be shown. Correct it."),
    ("--passphrase-variable", "NO_SUCH", "--passphrase-variable: found NO_SUCH, which is not set; expected a variable "
     "with a passphrase. Set it, or leave the option out for a key without one."),
])
def test_what_cannot_be_is_refused(tmp_path: Path, option: str, value: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        said("new", "--out", tmp_path / "key", option, value)
    assert str(caught.value) == message
    assert not (tmp_path / "key").exists()


@pytest.mark.parametrize("name", ["某某新闻社", "Señal 7", "x" * 56])
def test_names_of_all_scripts_sign(tmp_path: Path, name: str) -> None:
    new_identity(tmp_path / "key", name, 1)
    signer = open_signer(SigningSettings(identity=str(tmp_path / "key")))
    check = check_signature(b"m", signer.sign_bytes(b"m"), [tmp_path / "key" / "anchor.pem"])
    assert (check.status, check.subject) == ("valid", name)


def test_a_passphrase_is_asked_for_by_its_variable_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "key"
    monkeypatch.setenv("HOUSE_PASSPHRASE", "correct horse")
    assert "the secret key, behind its passphrase." in said("new", "--out", folder, "--passphrase-variable",
                                                            "HOUSE_PASSPHRASE")
    settings = SigningSettings(identity=str(folder), passphrase_variable="HOUSE_PASSPHRASE")
    assert open_signer(settings).name == "aigc"
    assert b"ENCRYPTED" in (folder / "key.pem").read_bytes()

    monkeypatch.setenv("HOUSE_PASSPHRASE", "wrong horse")
    with pytest.raises(SettingsError) as caught:
        open_signer(settings)
    assert str(caught.value) == (
        "settings, key signing.identity: found a key that the passphrase does not open; expected a secret key in PEM. "
        "Correct HOUSE_PASSPHRASE.")
    monkeypatch.delenv("HOUSE_PASSPHRASE")
    with pytest.raises(SettingsError) as caught:
        open_signer(settings)
    assert str(caught.value) == (
        "settings, key signing.identity: found a key with a passphrase, which is not set; expected its passphrase in "
        "the environment variable HOUSE_PASSPHRASE. Set it, then run again.")


def test_show_tells_all_but_the_key(house: House) -> None:
    identity = show_identity(house.folder)
    assert said("show", house.folder).splitlines() == [
        f"{house.folder}: signs as Example News, until {identity.valid_until[:10]}.",
        "  key          ES256, secret, without a passphrase",
        f"  certificate  {identity.fingerprint}",
        f"  anchor       {identity.anchor_fingerprint}",
    ]
    secret = (house.folder / "key.pem").read_text().splitlines()[1]
    as_json = said("show", house.folder, "--json")
    assert secret not in as_json
    assert json.loads(as_json)["scheme"] == "ES256"


@pytest.mark.parametrize(("days_ago", "words"), [
    (340, ", which is in 24 days: make another, aigc keys new --out DIR."),
    (400, "which it could until {until}: make another, aigc keys new --out DIR."),
])
def test_a_key_that_ends_soon_or_has_ended_says_so(tmp_path: Path, days_ago: int, words: str) -> None:
    new_identity(tmp_path, "Example News", 365, now=datetime.now(UTC) - timedelta(days=days_ago))
    until = show_identity(tmp_path).valid_until[:10]
    assert said("show", tmp_path).splitlines()[0].endswith(words.format(until=until))


def test_a_folder_without_a_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        said("show", tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: found no readable file {tmp_path}/certificate.pem (No such file or directory); expected a file "
        "of certificates in PEM. Name one, or make an identity: aigc keys new.")


def test_a_disk_that_refuses_leaves_no_half_of_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from aigc.signing import identity

    write, calls = identity._write_new, []

    def fails_at_the_second(path: Path, data: bytes, mode: int) -> None:
        calls.append(path)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        write(path, data, mode)

    monkeypatch.setattr(identity, "_write_new", fails_at_the_second)
    with pytest.raises(StoreError, match="no identity was made"):
        new_identity(tmp_path / "key", "Example News", 365)
    monkeypatch.undo()
    new_identity(tmp_path / "key", "Example News", 365)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl, the outside judge, is not on this machine")
def test_openssl_finds_that_the_certificate_leads_to_the_anchor(house: House) -> None:
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", "smimesign", "-CAfile", house.folder / "anchor.pem",
         house.folder / "certificate.pem"],
        capture_output=True, text=True, timeout=30,
    )
    assert (done.returncode, done.stdout) == (0, f"{house.folder}/certificate.pem: OK\n")
