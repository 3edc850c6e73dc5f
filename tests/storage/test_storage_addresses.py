"""Addresses of shared storage, and storage that is not there."""

from __future__ import annotations

import pytest
from shared_machines import (
    NEEDS_S3,
)

from aigc.errors import SettingsError, StoreError
from aigc.settings_loading import load_settings
from aigc.storage import Place


def test_an_address_as_out_is_a_copy_of_runs_under_a_folder_of_this_machine() -> None:
    run = load_settings(None, {"run": {"out": "s3://bucket/a/b"}}, {}).run
    assert (run.out, run.publish_to) == (".aigc/shared/s3/bucket/a/b", "s3://bucket/a/b")


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("s3://key:secret@bucket/a", "an address with a user or a password in it"),
        ("file:///mnt/runs", "the address of a folder"),
        ("s3://bucket/../other", "no address of a folder in shared storage"),
        ("s3://", "no address of a folder in shared storage"),
        ("simplecache::s3://bucket/a", "no address of a folder in shared storage"),
        ("s3://bucket/a?x=1", "no address of a folder in shared storage"),
    ],
)
@pytest.mark.parametrize("key", ["out", "publish_to"])
def test_an_address_that_is_none_is_refused_and_not_shown(key: str, url: str, found: str) -> None:
    with pytest.raises(SettingsError, match=rf"key run\.{key}: found {found}; expected s3://BUCKET/FOLDER") as caught:
        load_settings(None, {"run": {key: url}}, {})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("url", "found"), [
    ("nope://bucket/a", r"an error of the storage \(ValueError: Protocol not known: nope\)"),
])
def test_storage_that_nothing_knows_is_told(url: str, found: str) -> None:
    with pytest.raises(StoreError, match=f"{url}: found {found}; expected storage that reads and writes"):
        Place(url)


def test_a_missing_package_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object, **__: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", absent)
    with pytest.raises(StoreError, match=r"no package for it \(Install s3fs to access S3\).*pip install 'aigc\[s3\]'"):
        Place("s3://bucket/a")


@NEEDS_S3
@pytest.mark.parametrize(("bucket", "code"), [("none", "The specified bucket does not exist")])
def test_a_bucket_that_is_not_there_is_told(s3: str, bucket: str, code: str) -> None:
    with pytest.raises(StoreError, match=code):
        Place(f"s3://{bucket}/a").write("x", b"y")


@NEEDS_S3
def test_a_server_that_does_not_answer_is_told(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StoreError, match=r"s3://bucket/a/x: found an error of the storage .*the working folder has"):
        Place("s3://bucket/a").read("x")
