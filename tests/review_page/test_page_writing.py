"""The file itself: what it may do, what it holds, how runs are parted, and that it is whole or not there."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from factories import a_stamper
from sample_run import sample_records
from samples import RUN_ID, a_run, a_text, record_id, write_records

import aigc.review_page.writing as writing
from aigc.errors import StoreError, UsageError
from aigc.export import export
from aigc.records import Record
from aigc.review.decisions import REASONS, Decision
from aigc.review.standing import standings
from aigc.review_page import Pages, Split, Telling, all_rows, write_page, write_pages, write_review_html
from aigc.review_page.embedding import script_json
from aigc.review_page.rows import AnyRow
from aigc.settings import RunSettings, Settings

TEMPLATES = Path(__file__).parents[2] / "templates"
_ELEMENT = re.compile(r'<script type="application/json" data-rows="(\w+)">(.*?)</script>', re.S)


def held(path: Path) -> dict[str, Any]:
    """The JSON that a page holds: `about`, `list`, and `texts` of all chunks together."""
    found: dict[str, Any] = {"texts": []}
    for name, data in _ELEMENT.findall(path.read_text("utf-8")):
        if name == "texts":
            found["texts"] += json.loads(data)
        else:
            found[name] = json.loads(data)
    return found


def rows_of(records: list[Record]) -> list[AnyRow]:
    return [AnyRow(record, f"sha256:{record.row}") for record in records]


def many(count: int, variants: int = 1, **changes: Any) -> list[AnyRow]:
    return rows_of(
        [
            a_text(row, f"Text {row}", brief_id=f"b{row // variants}", variant=row % variants, **changes)
            for row in range(count)
        ]
    )


def test_a_page_has_every_row_in_its_order(tmp_path: Path) -> None:
    write_records(tmp_path, sample_records())
    facts = write_page(a_run(), all_rows(tmp_path), tmp_path / "review.html")
    assert (facts.path, facts.rows, facts.bytes) == ("review.html", 10, (tmp_path / "review.html").stat().st_size)
    page = held(tmp_path / "review.html")
    assert [row["brief"] for row in page["list"]] == [record.brief_id for record in sample_records()]
    assert [bool(row.get("base")) for row in page["list"]] == [True] * 8 + [False] * 2
    assert page["texts"][1]["fields"]["bullets"][0] == "0.9 litres of brushed stainless steel"
    assert (page["about"]["run_id"], page["about"]["codes"], page["about"]["chunks"]) == (RUN_ID, list(REASONS), [10])


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    write_records(tmp_path, sample_records())
    one, other = (write_page(a_run(), all_rows(tmp_path), tmp_path / name) for name in ("a.html", "b.html"))
    assert one.digest == other.digest


def test_only_the_scripts_and_styles_of_the_page_may_run_and_nothing_may_be_asked_for(tmp_path: Path) -> None:
    write_page(a_run(), rows_of(sample_records()), tmp_path / "review.html")
    html = (tmp_path / "review.html").read_text("utf-8")
    policy = html.partition('Content-Security-Policy" content="')[2].partition('"')[0].replace("&#x27;", "'")
    inside = {kind: re.findall(rf"<{kind}>(.*?)</{kind}>", html, re.S) for kind in ("script", "style")}
    assert [len(found) for found in inside.values()] == [1, 1]
    allowed = {
        kind: base64.b64encode(hashlib.sha256(found[0].encode()).digest()).decode() for kind, found in inside.items()
    }
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{allowed['script']}'; style-src 'sha256-{allowed['style']}'; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    outside = html.replace(inside["script"][0], "").replace(inside["style"][0], "")
    assert re.findall(r'\b(?:src|href|action|on\w+|style)="(?!#reading)', _ELEMENT.sub("", outside)) == []


@pytest.mark.parametrize(
    "text", ["</script>", "<!--", "]]>", "&lt;", "\u2028\u2029", "\ud800 alone", "</SCRIPT >", "\x00"]
)
def test_no_value_can_end_the_element_that_holds_it(text: str) -> None:
    data = script_json({"text": text}).decode()
    assert not set("<>&\u2028\u2029") & set(data)
    assert json.loads(data)["text"] in (text, "\\ud800 alone")


def test_a_large_run_has_several_pages_and_variants_stay_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "PAGE_ROWS", 10)
    for name in ("review-4.html", "review-5.html", "review-7.html"):
        (tmp_path / name).write_text("of an earlier run")
    written = write_pages(tmp_path, a_run(), many(33, variants=3))
    assert [(facts.path, facts.rows) for facts in written] == [
        ("review.html", 12),
        ("review-2.html", 12),
        ("review-3.html", 9),
    ]
    assert [held(tmp_path / facts.path)["about"]["part"] for facts in written] == [1, 2, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "review-2.html",
        "review-3.html",
        "review-7.html",
        "review.html",
    ]


def test_pages_are_filled_while_rows_are_stamped(tmp_path: Path) -> None:
    with Pages(tmp_path) as pages:
        export(sample_records(), tmp_path, pages.passing(a_stamper(run_id=RUN_ID).stamp))
        (facts,) = pages.write(a_run())
    assert facts.digest == write_page(a_run(), all_rows(tmp_path), tmp_path / "again.html").digest


def test_pages_by_content_type(tmp_path: Path) -> None:
    written = write_pages(tmp_path, a_run(), rows_of(sample_records()), Split(by="content_type"))
    assert {facts.path: facts.rows for facts in written} == {
        "review-news_article.html": 1,
        "review-product_description.html": 4,
        "review-song_lyrics.html": 1,
        "review-teaching_case.html": 1,
        "review-social_post.html": 1,
        "review-service_reply.html": 1,
        "review-summary.html": 1,
    }
    assert held(tmp_path / "review-song_lyrics.html")["about"]["share"] == "song_lyrics"


def test_pages_by_editor_share_the_briefs_out_with_all_their_variants(tmp_path: Path) -> None:
    written = write_pages(tmp_path, a_run(), many(10, variants=2), Split(by="editor", editors=["Ana Ruiz", "陈林"]))
    assert [(facts.path, facts.rows) for facts in written] == [("review-Ana-Ruiz.html", 6), ("review-陈林.html", 4)]
    page = held(tmp_path / "review-陈林.html")
    assert ([row["brief"] for row in page["list"]], page["about"]["editor"]) == (["b1", "b1", "b3", "b3"], "陈林")


@pytest.mark.parametrize(
    ("editors", "found"),
    [
        ([], "found no name"),
        (["Ana", "ana"], "found the name 'Ana', whose page would have no name of its own"),
        (["Ana", "../"], "found the name '../'"),
        (["a/b", "a b"], "found the name 'a/b'"),
    ],
)
def test_editors_whose_pages_would_have_one_name_are_refused(tmp_path: Path, editors: list[str], found: str) -> None:
    with pytest.raises(UsageError, match=found):
        write_pages(tmp_path, a_run(), many(2), Split(by="editor", editors=editors))


def test_what_was_decided_before_is_told(tmp_path: Path) -> None:
    rows = many(3)
    given = [
        Decision(
            record_id=record_id(1),
            run_id=RUN_ID,
            verb=verb,
            editor=editor,
            at=f"2026-11-24T10:0{i}:00.000+00:00",
            base="sha256:1",
            reason=reason,
        )
        for i, (editor, verb, reason) in enumerate([("Ana", "approve", ""), ("Bo", "reject", "legal")])
    ]
    write_page(a_run(), rows, tmp_path / "review.html", Telling(standing=standings(given)))
    page = held(tmp_path / "review.html")
    assert [row.get("stands") for row in page["list"]] == [None, "in_conflict", None]
    assert [(one["editor"], one["verb"], one.get("reason")) for one in page["texts"][1]["before"]] == [
        ("Ana", "approve", None),
        ("Bo", "reject", "legal"),
    ]


def test_the_command_line_is_given_the_pages_of_a_finished_run(tmp_path: Path) -> None:
    write_records(tmp_path, sample_records())
    (tmp_path / "run.json").write_bytes(msgspec.json.encode(a_run()))
    assert write_review_html(tmp_path, all_rows(tmp_path), {}) == [tmp_path / "review.html"]


def test_the_command_lines_page_tells_what_templates_say_of_fields_where_they_are_there(tmp_path: Path) -> None:
    def help_with(templates: Path) -> Any:
        settings = Settings(run=RunSettings(templates=str(templates)))
        (tmp_path / "run.json").write_bytes(msgspec.json.encode(a_run(settings=settings)))
        write_review_html(tmp_path, all_rows(tmp_path), {})
        return held(tmp_path / "review.html")["about"]["help"]

    write_records(tmp_path, sample_records())
    assert help_with(tmp_path / "gone") == {}
    help_ = help_with(TEMPLATES)
    assert help_["product_description"]["brief"]["brand"] == "Who makes or sells it."
    assert help_["product_description"]["output"]["headline"]["en"] == "one line that names the product"
    assert help_["product_description"]["names"]["facts"] == "要点"


@pytest.mark.parametrize(("brief", "title"), [
    ({"brand": "Ovenbird", "customer": "Ms Calloway"}, "Ms Calloway"),
    ({"brand": "Ovenbird", "facts": ["steel"]}, "Ovenbird"),
    ({"facts": ["steel"]}, None),
])
def test_a_row_is_called_by_what_it_has_of_its_own(
    tmp_path: Path, brief: dict[str, Any], title: str | None
) -> None:
    text = "**Mira:** You took your time."
    write_page(a_run(), rows_of([a_text(0, text, brief=brief)]), tmp_path / "review.html")
    row = held(tmp_path / "review.html")["list"][0]
    assert (row.get("title"), row["excerpt"]) == (title, "Mira: You took your time.")


def test_a_page_that_cannot_be_finished_leaves_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "review.html").write_text("before")

    def torn() -> Iterator[AnyRow]:
        yield from many(60)
        raise StoreError("records.parquet", "what cannot be read", "records", "Restore it.")

    for write in (
        lambda: write_page(a_run(), torn(), tmp_path / "review.html"),
        lambda: write_pages(tmp_path, a_run(), torn()),
    ):
        with pytest.raises(StoreError):
            write()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("review.html", "before")]


def test_texts_are_not_gathered_in_memory(tmp_path: Path) -> None:
    rows = (AnyRow(a_text(row, "x" * 50_000), "sha256:x") for row in range(400))
    tracemalloc.start()
    try:
        facts = write_page(a_run(), rows, tmp_path / "review.html")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert facts.bytes > 20_000_000
    assert peak < 6_000_000
