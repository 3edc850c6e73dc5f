"""C2PA sidecars: what they say, what c2pa's own Reader finds, and what is said where one does not hold."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import c2pa
import msgspec
import pytest

from aigc.errors import StoreError
from aigc.hashing import digest_file
from aigc.signing import check_sidecar, new_identity, sidecar_of
from aigc.signing.certificates import read_certificates
from aigc.signing.identity import read_key
from aigc.signing.schemes import key_of
from aigc.signing.signer import Signer

from .authority import CSV, FACTS, GENERATED
from .conftest import House

FILES = {
    "accepted.csv": CSV,
    "accepted.jsonl": b'{"id":"b1","text":"A short text."}\n',
    "records.parquet": b"PAR1" + bytes(range(256)) * 40 + b"PAR1",
    "report.md": "# 报告\n".encode(),
    "run.json": b"{}\n",
    "review.xlsx": b"PK\x03\x04" + bytes(200),
    "b1.md": b"%PDF-1.7 is how this text begins.\n",
}


def reader(path: Path, anchor: Path, data: bytes | None = None) -> c2pa.Reader:
    """c2pa's Reader as anybody has it: its own defaults, and the anchor."""
    context = c2pa.Context.from_dict({"trust": {"trust_anchors": anchor.read_text()}})
    sidecar = sidecar_of(path).read_bytes() if data is None else data
    return c2pa.Reader("application/octet-stream", io.BytesIO(path.read_bytes()), sidecar, context=context)


def claim(path: Path, anchor: Path) -> dict[str, Any]:
    with reader(path, anchor) as found:
        told: dict[str, Any] = json.loads(found.json())
    manifest: dict[str, Any] = told["manifests"][told["active_manifest"]]
    return manifest


def a_file(folder: Path, name: str = "accepted.csv", data: bytes = CSV) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", FILES)
def test_c2pa_s_reader_trusts_the_sidecar_of_every_kind_of_file(house: House, tmp_path: Path, name: str) -> None:
    path = a_file(tmp_path, name, FILES[name])
    assert house.signer.sign_file(path, FACTS) == tmp_path / f"{name}.c2pa"
    with reader(path, house.anchors[0]) as found:
        assert found.get_validation_state() == "Trusted"
        assert found.get_validation_results()["activeManifest"]["failure"] == []
    check = check_sidecar(path, house.anchors)
    assert (check.status, check.subject) == ("valid", "Example News")
    assert check.message == f"{name}.c2pa is signed by Example News, and {name} is as it was then."
    assert path.read_bytes() == FILES[name]


def test_a_sidecar_says_what_made_the_file_and_nothing_of_what_is_in_it(house: House, tmp_path: Path) -> None:
    path = a_file(tmp_path)
    house.signer.sign_file(path, FACTS)
    found = claim(path, house.anchors[0])
    agent = {"name": "aigc", "version": FACTS.software_version}
    assert found["title"] == "accepted.csv"
    assert {entry["label"]: entry["data"] for entry in found["assertions"]} == {
        "c2pa.actions.v2": {"actions": [{
            "action": "c2pa.created", "when": "2026-11-28T17:00:00.125+00:00", "softwareAgent": agent,
            "digitalSourceType": GENERATED,
        }]},
        "c2pa.ai-disclosure": {
            "modelType": "c2pa.types.model", "modelName": "smollm2-135m-instruct",
            "modelIdentifier": "sha256:" + "ab" * 32, "contentProfile": {"humanOversightLevel": "prompt_guided"},
        },
        "aigc.run": {"run_id": "20261128-1700-abcd", "media_type": "text/csv"},
    }
    assert {**agent}.items() <= found["claim_generator_info"][0].items()
    assert b"short text" not in sidecar_of(path).read_bytes()


def test_all_that_a_sidecar_says_is_said_by_the_signer(house: House, tmp_path: Path) -> None:
    path = a_file(tmp_path)
    house.signer.sign_file(path, FACTS)
    with reader(path, house.anchors[0]) as found:
        (manifest,) = json.loads(found.detailed_json())["manifests"].values()
    assert len(manifest["claim"]["created_assertions"]) == 4
    assert not manifest["claim"].get("gathered_assertions")


def test_texts_that_people_approved_are_told_apart(house: House, tmp_path: Path) -> None:
    composite = GENERATED.replace("trained", "compositeWithTrained")
    facts = msgspec.structs.replace(FACTS, digital_source_type=composite, oversight="human_validated")
    path = a_file(tmp_path)
    house.signer.sign_file(path, facts)
    found = {entry["label"]: entry["data"] for entry in claim(path, house.anchors[0])["assertions"]}
    assert found["c2pa.actions.v2"]["actions"][0]["digitalSourceType"] == composite
    assert found["c2pa.ai-disclosure"]["contentProfile"] == {"humanOversightLevel": "human_validated"}


@pytest.mark.parametrize(("model", "told"), [
    ("/home/anna/models/house-7b", "house-7b"), ("./models/house-7b.gguf", "house-7b.gguf"),
    ("Qwen/Qwen3-4B", "Qwen/Qwen3-4B"),
])
def test_a_model_s_folders_are_nobody_s_business(house: House, tmp_path: Path, model: str, told: str) -> None:
    path = a_file(tmp_path)
    house.signer.sign_file(path, msgspec.structs.replace(FACTS, model=model))
    found = {entry["label"]: entry["data"] for entry in claim(path, house.anchors[0])["assertions"]}
    assert found["c2pa.ai-disclosure"]["modelName"] == told


def test_a_file_without_a_byte_has_no_sidecar_and_is_told_as_such(house: House, tmp_path: Path) -> None:
    path = a_file(tmp_path, data=b"")
    assert house.signer.sign_file(path, FACTS) is None
    assert not sidecar_of(path).exists()
    check = check_sidecar(path, house.anchors)
    assert (check.status, check.message) == ("empty", "accepted.csv holds no byte, and C2PA signs no such file.")


def test_what_is_said_of_a_sidecar_that_does_not_hold(house: House, stranger: House, tmp_path: Path) -> None:
    path, other = a_file(tmp_path), a_file(tmp_path, "rejected.csv", b"id\nb2\n")
    house.signer.sign_file(path, FACTS)
    house.signer.sign_file(other, FACTS)
    good, beside = sidecar_of(path).read_bytes(), sidecar_of(path)

    def said(sidecar: bytes | None = good, data: bytes = CSV, by: House = house) -> tuple[str, str]:
        path.write_bytes(data)
        beside.write_bytes(sidecar) if sidecar is not None else beside.unlink()
        check = check_sidecar(path, by.anchors)
        assert check.holds == (check.status == "valid")
        return check.status, check.message

    assert said() == ("valid", "accepted.csv.c2pa is signed by Example News, and accepted.csv is as it was then.")
    assert said(data=CSV + b" ") == (
        "tampered", "accepted.csv.c2pa is of other content: accepted.csv was changed after it was signed.")
    assert said(sidecar_of(other).read_bytes()) == (
        "other_file", "accepted.csv.c2pa is that of another file, 'rejected.csv'.")
    assert said(by=stranger) == (
        "untrusted",
        "accepted.csv.c2pa is signed by Example News, whose certificate leads to none of the anchors.")
    assert said(good[:-10]) == (
        "truncated", f"accepted.csv.c2pa is cut off: 10 of its {len(good):,} bytes are missing.")
    assert said(good[:3]) == ("truncated", "accepted.csv.c2pa is cut off.")
    assert said(good + b"more") == ("damaged", "accepted.csv.c2pa has 4 bytes behind its end.")
    assert said(b"not at all one of C2PA") == ("damaged", "accepted.csv.c2pa is no C2PA sidecar.")
    assert said(good.replace(b"Example News", b"Example Bank")) == (
        "wrong_key",
        "accepted.csv.c2pa was changed after it was signed, or not signed by the key it names.")
    assert said(good.replace(b"smollm2-135m", b"smollm2-999m")) == (
        "damaged", "accepted.csv.c2pa was changed after it was signed.")
    assert said(bytes(2 << 20)) == ("damaged", "accepted.csv.c2pa has 2,097,152 bytes, and is no sidecar.")
    assert said(None) == ("missing", "accepted.csv has no sidecar accepted.csv.c2pa.")
    path.unlink()
    check = check_sidecar(path, house.anchors)
    assert (check.status, check.message) == ("missing", "accepted.csv is not there.")


def test_a_file_under_another_name_is_still_itself(house: House, tmp_path: Path) -> None:
    path = a_file(tmp_path)
    house.signer.sign_file(path, FACTS)
    moved = path.rename(tmp_path / "for-the-agency.csv")
    shutil.move(sidecar_of(path), sidecar_of(moved))
    assert check_sidecar(moved, house.anchors).status == "valid"


def test_a_sidecar_outlives_its_certificate_only_as_expired(tmp_path: Path) -> None:
    path, folder = a_file(tmp_path), tmp_path / "key"
    ends = datetime.now(UTC) + timedelta(seconds=6)
    new_identity(folder, "Example News", 1, now=ends - timedelta(days=1))
    chain = read_certificates(folder / "certificate.pem", "")
    Signer(chain, key_of(chain[0]), read_key(folder / "key.pem", "", "")).sign_file(path, FACTS)  # type: ignore[arg-type]
    assert check_sidecar(path, [folder / "anchor.pem"]).status == "valid"

    time.sleep(max(0.0, (ends - datetime.now(UTC)).total_seconds()) + 1.1)
    check = check_sidecar(path, [folder / "anchor.pem"])
    assert check.status == "expired"
    assert check.message == (
        "accepted.csv.c2pa was signed by Example News, whose certificate has expired since, without a trusted time.")


def test_every_flipped_bit_of_a_file_is_found(house: House, tmp_path: Path) -> None:
    noise = random.Random(11)
    path = a_file(tmp_path, "records.parquet", noise.randbytes(40_000))
    house.signer.sign_file(path, FACTS)
    good = path.read_bytes()
    for _ in range(300):
        flipped, at = bytearray(good), noise.randrange(len(good))
        flipped[at] ^= 1 << noise.randrange(8)
        path.write_bytes(flipped)
        assert check_sidecar(path, house.anchors).status == "tampered", at


def test_a_flipped_bit_of_a_sidecar_is_found_or_changes_nothing_that_it_says(house: House, tmp_path: Path) -> None:
    """No hash of C2PA covers the identifiers of its boxes. The digest that a manifest keeps finds those too."""
    path = a_file(tmp_path)
    house.signer.sign_file(path, FACTS)
    beside, good = sidecar_of(path), sidecar_of(path).read_bytes()
    digest, meaning = digest_file(beside), claim(path, house.anchors[0])
    found: Counter[str] = Counter()
    for at in range(len(good)):
        flipped = bytearray(good)
        flipped[at] ^= 1 << at % 8
        beside.write_bytes(flipped)
        status = check_sidecar(path, house.anchors).status
        found[status] += 1
        assert digest_file(beside) != digest
        if status == "valid":
            assert claim(path, house.anchors[0]) == meaning, at
    assert found["valid"] < 80
    assert sum(found.values()) - found["valid"] > 3_100


def test_something_hidden_in_a_sidecar_s_padding_is_found(house: House, tmp_path: Path) -> None:
    path = a_file(tmp_path)
    house.signer.sign_file(path, FACTS)
    good = sidecar_of(path).read_bytes()
    hidden = good[:-200] + b"a secret message" + good[-184:]
    with reader(path, house.anchors[0], hidden) as found:
        assert found.get_validation_state() == "Trusted"
    sidecar_of(path).write_bytes(hidden)
    check = check_sidecar(path, house.anchors)
    assert (check.status, check.message) == (
        "damaged", "accepted.csv.c2pa has something in its padding, which is zeros.")


def test_every_cut_of_a_sidecar_is_called_a_cut(house: House, tmp_path: Path) -> None:
    path = a_file(tmp_path)
    house.signer.sign_file(path, FACTS)
    good = sidecar_of(path).read_bytes()
    for size in range(0, len(good), 7):
        sidecar_of(path).write_bytes(good[:size])
        assert check_sidecar(path, house.anchors).status == "truncated"


def test_a_sidecar_that_cannot_be_written_leaves_the_one_before(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = a_file(tmp_path)
    house.signer.sign_file(path, FACTS)
    before = sidecar_of(path).read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        house.signer.sign_file(path, FACTS)
    assert sidecar_of(path).read_bytes() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["accepted.csv", "accepted.csv.c2pa"]


def test_a_file_that_is_gone_is_an_error_of_the_disk(house: House, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        house.signer.sign_file(tmp_path / "gone.csv", FACTS)


def test_a_large_file_is_not_held_in_memory_while_it_is_signed(house: House, tmp_path: Path) -> None:
    """c2pa would hold it, three times over; the hash is made here, a part of the file at a time."""
    path = a_file(tmp_path, "records.parquet", bytes(128 << 20))
    code = f"""
import resource
from pathlib import Path
from aigc.settings import SigningSettings
from aigc.signing import AssetFacts, open_signer

def most_kib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

signer = open_signer(SigningSettings(identity={str(house.folder)!r}))
path, before = Path({str(path)!r}), most_kib()
facts = AssetFacts(run_id="r", digital_source_type={GENERATED!r}, model="m", model_digest="sha256:0",
                   created_at="2026-11-28T17:00:00Z")
signer.sign_file(path, facts)
assert most_kib() - before < 40 << 10, most_kib() - before
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert check_sidecar(path, house.anchors).holds
