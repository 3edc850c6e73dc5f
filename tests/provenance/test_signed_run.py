"""A run that signs: its manifest and every file, held against the anchor, and every way in which that fails."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from small_project import Project, small_project

from aigc.errors import SettingsError, StoreError
from aigc.forgetting import forget
from aigc.provenance.manifest import MANIFEST, SIGNATURE
from aigc.settings import SigningSettings
from aigc.verification import verify

pytest.importorskip("c2pa", reason="aigc[signing] is not installed")


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Path, Path]:
    """A project, the folder of its signed run, and the anchor."""
    from aigc.signing import new_identity

    folder = tmp_path_factory.mktemp("signed")
    new_identity(folder / "keys", name="Night desk", days=30)
    project = small_project(folder)
    project.products("bread", "rolls")
    project.set("signing", enabled=True, identity=str(folder / "keys"))
    return project, project.out / project.run().run_id, folder / "keys" / "anchor.pem"


@pytest.fixture
def folder(signed: tuple[Project, Path, Path], tmp_path: Path) -> Path:
    shutil.copytree(signed[1], tmp_path / "run")
    return tmp_path / "run"


def own(identity: Path) -> SigningSettings:
    """The user's own settings, with an identity."""
    return SigningSettings(enabled=True, identity=str(identity), anchor=str(identity / "anchor.pem"))


def status(folder: Path, anchors: list[Path]) -> dict[str, str]:
    return {check.name: check.status for check in verify(folder, anchors).checks}


def test_a_signed_run_holds_with_every_file_and_its_sidecar(
    signed: tuple[Project, Path, Path], folder: Path
) -> None:
    found = verify(folder, [signed[2]])
    assert found.findings == []
    held = {check.name for check in found.checks if check.status == "holds"}
    assert {"signature", "records.parquet.c2pa", "accepted.csv.c2pa", "accepted.jsonl.c2pa", "report.md.c2pa"} <= held
    assert "Night desk" in next(check.detail for check in found.checks if check.name == "signature")


def test_an_anchor_that_the_run_itself_names_is_not_trusted(folder: Path) -> None:
    assert status(folder, [])["signature"] == "not checked"


def test_a_project_trusts_the_anchors_of_its_settings_and_of_its_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aigc.signing import new_identity, trusted_anchors

    monkeypatch.chdir(tmp_path)
    assert trusted_anchors(SigningSettings()) == []
    for name in ("2027", "default"):
        new_identity(Path(".aigc/keys") / name, name="Night desk", days=30)
    old, new = Path(".aigc/keys/2027/anchor.pem"), Path(".aigc/keys/default/anchor.pem")
    assert trusted_anchors(SigningSettings()) == [new, old]
    assert trusted_anchors(SigningSettings(anchor="roots.pem")) == [Path("roots.pem"), old, new]


def rewritten(folder: Path, **signing: str) -> None:
    """Write a run's statement with other settings for signing, as somebody would who wants them to be used."""
    import msgspec

    from aigc.provenance import RUN_FILE, encode, read_run
    from aigc.provenance.manifest import encode_manifest, manifest_digest, read_manifest

    manifest, run = read_manifest(folder)[0], read_run(folder)
    settings = msgspec.structs.replace(
        run.settings, signing=msgspec.structs.replace(run.settings.signing, identity="", **signing)
    )
    data = encode_manifest(
        msgspec.structs.replace(manifest, run=msgspec.structs.replace(manifest.run, settings=settings))
    )
    (folder / MANIFEST).write_bytes(data)
    (folder / RUN_FILE).write_bytes(
        encode(msgspec.structs.replace(run, settings=settings, manifest=manifest_digest(data)))
    )


def unsigned(folder: Path) -> None:
    """Take a run's signatures away and write its statement as that of a run that asked for none."""
    import msgspec

    from aigc.hashing import digest_bytes
    from aigc.provenance import RUN_FILE, encode, read_run
    from aigc.provenance.manifest import SUMS, encode_manifest, read_manifest, sums

    manifest, _ = read_manifest(folder)
    settings = msgspec.structs.replace(manifest.run.settings, signing=msgspec.convert({}, type(
        manifest.run.settings.signing)))
    files = [file for file in manifest.files if not file.path.endswith(".c2pa")]
    manifest = msgspec.structs.replace(manifest, files=files,
                                       run=msgspec.structs.replace(manifest.run, settings=settings))
    data = encode_manifest(manifest)
    (folder / MANIFEST).write_bytes(data)
    (folder / SUMS).write_bytes(sums(manifest, digest_bytes(data)))
    run = msgspec.structs.replace(read_run(folder), settings=settings, manifest=digest_bytes(data))
    (folder / RUN_FILE).write_bytes(encode(run))
    for path in [folder / SIGNATURE, *folder.glob("*.c2pa")]:
        path.unlink()


def test_a_signature_that_was_taken_away_with_all_that_tells_of_it_is_missed_where_one_is_due(
    signed: tuple[Project, Path, Path], folder: Path
) -> None:
    unsigned(folder)
    assert status(folder, [signed[2]])["signature"] == "not checked"
    due = verify(folder, [signed[2]], is_signature_due=True)
    assert [finding.place for finding in due.findings if finding.place == SIGNATURE] == [SIGNATURE]


def test_without_an_anchor_nobody_is_trusted_and_that_is_said(folder: Path) -> None:
    found = verify(folder, [])
    [signature] = [check for check in found.checks if check.name == "signature"]
    assert signature.status == "not checked"
    assert "name its anchor with --anchor" in signature.detail


def test_anothers_anchor_makes_the_signature_wrong(folder: Path, tmp_path: Path) -> None:
    from aigc.signing import new_identity

    new_identity(tmp_path / "others", name="Somebody", days=30)
    found = verify(folder, [tmp_path / "others" / "anchor.pem"])
    [finding] = found.findings  # one, not one for each sidecar of the same signer
    assert finding.place == SIGNATURE
    assert "untrusted" in finding.found
    [sidecar] = [check for check in found.checks if check.name == "accepted.csv.c2pa"]
    assert (sidecar.status, sidecar.detail) == ("not checked", "by Night desk, as the manifest: see signature")


def test_a_manifest_that_was_written_anew_for_changed_files_is_not_signed(
    signed: tuple[Project, Path, Path], folder: Path
) -> None:
    from aigc.hashing import digest_bytes
    from aigc.provenance import RUN_FILE, encode, read_run
    from aigc.provenance.manifest import SUMS, encode_manifest, read_manifest, sums

    manifest, _ = read_manifest(folder)
    import msgspec

    data = encode_manifest(msgspec.structs.replace(manifest, reproducible="inputs"))
    (folder / MANIFEST).write_bytes(data)
    (folder / SUMS).write_bytes(sums(manifest, digest_bytes(data)))
    run = msgspec.structs.replace(read_run(folder), manifest=digest_bytes(data))
    (folder / RUN_FILE).write_bytes(encode(run))
    assert [finding.place for finding in verify(folder, [signed[2]]).findings] == [SIGNATURE]


@pytest.mark.parametrize("name", [SIGNATURE, "accepted.csv.c2pa", "records.parquet.c2pa"])
def test_a_signature_that_is_gone_or_cut_off_is_named(
    signed: tuple[Project, Path, Path], folder: Path, name: str
) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])
    assert [finding.place for finding in verify(folder, [signed[2]]).findings] == [name]
    (folder / name).unlink()
    assert [finding.place for finding in verify(folder, [signed[2]]).findings] == [name]


def test_each_file_is_told_once(signed: tuple[Project, Path, Path], folder: Path) -> None:
    names = [check.name for check in verify(folder, [signed[2]]).checks]
    assert len(names) == len({*names})


def test_a_brief_is_forgotten_in_a_signed_run_which_is_signed_anew(
    signed: tuple[Project, Path, Path], tmp_path: Path
) -> None:
    shutil.copytree(signed[0].out, tmp_path / "outputs")
    before = (tmp_path / "outputs" / signed[1].name / SIGNATURE).read_bytes()
    forget(tmp_path / "outputs", "rolls", signing=own(signed[2].parent))
    folder = tmp_path / "outputs" / signed[1].name
    assert verify(folder, [signed[2]]).findings == []
    assert (folder / SIGNATURE).read_bytes() != before
    assert (folder / "manifest-1.json.sig").read_bytes() == before


def test_a_key_that_the_run_itself_names_signs_nothing(
    signed: tuple[Project, Path, Path], tmp_path: Path
) -> None:
    shutil.copytree(signed[0].out, tmp_path / "outputs")
    with pytest.raises(SettingsError, match=r"found false, and run .* is signed; expected a key to sign what is left"):
        forget(tmp_path / "outputs", "rolls")
    assert verify(tmp_path / "outputs" / signed[1].name, [signed[2]]).findings == []


def test_a_function_that_the_run_itself_names_is_not_called(
    signed: tuple[Project, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(signed[0].out, tmp_path / "outputs")
    folder = tmp_path / "outputs" / signed[1].name
    rewritten(folder, callback="trap:spring", certificate=str(signed[2].parent / "certificate.pem"))
    (tmp_path / "trap.py").write_text("def spring(data):\n    open('sprung', 'w').close()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for signing, error in ((None, SettingsError), (own(signed[2].parent), StoreError)):
        with pytest.raises(error):
            forget(tmp_path / "outputs", "rolls", signing=signing)
    assert not (tmp_path / "sprung").exists()
    assert "trap" not in sys.modules


def test_a_manifest_that_takes_the_place_of_a_signed_one_needs_the_same_signer(
    signed: tuple[Project, Path, Path], tmp_path: Path
) -> None:
    from aigc.signing import new_identity, open_signer

    shutil.copytree(signed[0].out, tmp_path / "outputs")
    folder, anchors = tmp_path / "outputs" / signed[1].name, [signed[2]]
    forget(tmp_path / "outputs", "rolls", signing=own(signed[2].parent))
    new_identity(tmp_path / "others", name="Somebody", days=30)
    other = open_signer(SigningSettings(enabled=True, identity=str(tmp_path / "others")))
    data = (folder / MANIFEST).read_bytes()
    for signature in (other.sign_bytes(data), b""):
        (folder / SIGNATURE).write_bytes(signature)
        [check] = [check for check in verify(folder, anchors).checks if check.name == "earlier manifests"]
        assert [one.place for one in check.findings] == [SIGNATURE]
    (folder / SIGNATURE).unlink()
    [check] = [check for check in verify(folder, anchors).checks if check.name == "earlier manifests"]
    assert [(one.place, one.found) for one in check.findings] == [(SIGNATURE, "no file")]


def test_a_signed_run_whose_key_is_gone_is_signed_anew_with_the_key_of_today(
    signed: tuple[Project, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aigc.signing import new_identity

    shutil.copytree(signed[0].out, tmp_path / "outputs")
    monkeypatch.chdir(tmp_path)
    kept, new = Path(".aigc/keys/old"), Path(".aigc/keys/new")
    kept.mkdir(parents=True)
    shutil.copy(signed[2], kept)
    new_identity(new, name="Night desk", days=30)
    forget(tmp_path / "outputs", "rolls", signing=SigningSettings(enabled=True, identity=str(new)))
    folder, both = tmp_path / "outputs" / signed[1].name, [new / "anchor.pem", kept / "anchor.pem"]
    assert verify(folder, both).findings == []
    [missed] = verify(folder, both[:1]).findings
    assert (missed.place, missed.found) == (SIGNATURE, "the signature of another than of manifest-1.json")


def test_nothing_is_signed_anew_that_nobody_who_is_trusted_had_signed(
    signed: tuple[Project, Path, Path], tmp_path: Path
) -> None:
    shutil.copytree(signed[0].out, tmp_path / "outputs")
    folder = tmp_path / "outputs" / signed[1].name
    signature = (folder / SIGNATURE).read_bytes()
    for forged in (b"", signature[:-1] + bytes([signature[-1] ^ 1])):
        (folder / SIGNATURE).write_bytes(forged)
        with pytest.raises(StoreError, match=r"found manifest\.json\.sig not as the run left it"):
            forget(tmp_path / "outputs", "rolls", signing=own(signed[2].parent))


def test_a_run_that_cannot_sign_is_told_before_anything_is_made(tmp_path: Path) -> None:
    project = small_project(tmp_path)
    project.products("bread")
    project.set("signing", enabled=True, identity=str(tmp_path / "nowhere"))
    with pytest.raises(SettingsError, match=r"no identity in .*nowhere"):
        project.run()
    assert project.prompts == []
