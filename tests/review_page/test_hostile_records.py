"""Whatever stands in a record is read, and never runs: with the page's policy, and without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from samples import RUN_ID, Open, a_run, a_text, record_id, write_records

from aigc.records import Limits, Record, Span, Verdict
from aigc.review_page import all_rows, write_page

RUNS = "window.ran=(window.ran||0)+1"
PAYLOADS = (
    f"<script>{RUNS}</script>",
    f"</script><script>{RUNS}</script>",
    f"<!--<script>{RUNS}</script>",
    f"--><script>{RUNS}</script><!--",
    f"]]></script><script>{RUNS}//",
    f"<img src=x onerror={RUNS}>",
    f'"><img src=x onerror="{RUNS}">',
    f"'><svg onload='{RUNS}'>",
    f"<svg><script>{RUNS}</script></svg>",
    f"<svg><animate onbegin={RUNS} attributeName=x dur=1s>",
    f"<iframe srcdoc='<script>parent.{RUNS}</script>'></iframe>",
    f'<iframe src="javascript:parent.{RUNS}"></iframe>',
    f'<a href="javascript:{RUNS}" autofocus onfocus={RUNS}>press</a>',
    f"javascript:{RUNS}",
    f"<details open ontoggle={RUNS}><summary>x</summary></details>",
    f"<input autofocus onfocus={RUNS}>",
    f"<body onload={RUNS}><style>*{{display:none}}</style>",
    f"<math><mtext><table><mglyph><style><img src onerror={RUNS}>",
    f"<noscript><p title='</noscript><img src=x onerror={RUNS}>'>",
    f"<template><script>{RUNS}</script></template>",
    f"<meta http-equiv=refresh content='0;url=javascript:{RUNS}'>",
    "<base href='https://example.org/'><link rel=stylesheet href=//example.org/x.css>",
    f"<object data='data:text/html,<script>parent.{RUNS}</script>'>",
    f"&lt;script&gt;{RUNS}&lt;/script&gt; &#60;img src=x onerror={RUNS}&#62;",
    f"{{{{constructor.constructor('{RUNS}')()}}}} ${{{RUNS}}} `{RUNS}`",
    f"\u2028{RUNS}\u2029</title></textarea></style><script>{RUNS}</script>",
    "<div><p><b><i><table><tr><td></div></p><form action=//example.org><button>",
    f"\u202e)'{RUNS}'(lave\u202c \u2066\u05e9\u05dc\u05d5\u05dd\u2069 \u0645\u0631\u062d\u0628\u0627"
    f" <script>{RUNS}</script>",
    f"\\u003cscript\\u003e{RUNS}\\u003c/script\\u003e \\\" \\' \\n \x01 \U0001f600",
    "a" + "<img src=x onerror=window.ran=1> 中文 שלום " * 28_000,
)
"""Scripts, handlers, javascript:, broken markup, text from right to left, and a megabyte of text."""
ELEMENTS = (
    "script:not([data-rows]):not(:last-of-type), img, iframe, object, embed, base, link, math, template, audio, video, "
    "body a:not(.skip)"
)


def a_hostile_row(row: int, payload: str) -> Record:
    short = payload[:300]
    verdicts = [
        Verdict(
            filter=short,
            action="flag",
            reason=short,
            message=short,
            measured=short,
            limit=short,
            advice=short,
            spans=[Span(start=0, end=len(short)), Span(start=-5, end=10**9), Span(start=7, end=3)],
        )
    ]
    structured: dict[str, Any] = {
        short: payload,
        "__proto__": [short, short],
        "items": [{short: short, "constructor": short}],
    }
    return a_text(
        row,
        payload,
        fields=structured if row % 2 else None,
        verdicts=verdicts,
        earlier=[(short, verdicts)],
        label=short,
        brief_id=short + str(row // 2),
        variant=row % 2,
        content_type=short if row % 3 else "ad_copy",
        language=short,
        tone=short,
        audience=short,
        brief={short: short, "list": [short, "__proto__"], "toString": short},
        limits=Limits(keywords=[short], must_not_mention=[short]),
        outcome="held",
    )


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    write_records(folder, [a_hostile_row(row, payload) for row, payload in enumerate(PAYLOADS)])
    run = msgspec.structs.replace(a_run(), versions={"aigc": PAYLOADS[1]})
    run = msgspec.structs.replace(run, model=msgspec.structs.replace(run.model, ref=PAYLOADS[5]))
    write_page(run, all_rows(folder), folder / "review.html")
    return folder / "review.html"


def test_there_are_thirty_of_them() -> None:
    assert len(PAYLOADS) == 30
    assert len(PAYLOADS[-1].encode()) > 1_000_000


@pytest.mark.parametrize("bypass_csp", [False, True], ids=["under the policy", "without the policy"])
def test_nothing_in_a_record_runs(opened: Open, hostile_page: Path, bypass_csp: bool) -> None:
    page = opened(hostile_page, bypass_csp=bypass_csp)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("dialog", lambda dialog: (requests.append(dialog.message), dialog.dismiss()))
    assert page.locator("#found").inner_text() == "30 texts, 30 undecided"
    for n in range(len(PAYLOADS)):
        page.locator("#list").press("Home" if n == 0 else "ArrowDown")
        shown = page.locator("#body").evaluate("(body) => body.textContent")
        assert PAYLOADS[n][:300].split("\n")[0].split("\u2028")[0] in shown, n
        page.keyboard.press("t")
        page.keyboard.press("v")
        page.keyboard.press("v")
        for opened_details in page.locator("#side details").all():
            opened_details.evaluate("(details) => { details.open = true; }")
        if n % 5 == 0:
            page.keyboard.press("e")
            page.keyboard.press("Escape")
        page.keyboard.press("n")
        page.locator("dialog[open] textarea").fill(PAYLOADS[n][:300])  # the one before may be on its way out
        page.keyboard.press("Control+Enter")
    page.locator("#query").fill("<script>")
    page.wait_for_timeout(200)
    assert page.locator(ELEMENTS).count() == 0
    assert page.locator("[onerror], [onload], [onfocus], [href^='javascript:'], [src], [action], [srcdoc]").count() == 0
    assert page.evaluate("window.ran") is None
    assert requests == []


def test_nothing_in_a_file_of_decisions_runs(opened: Open, hostile_page: Path, tmp_path: Path) -> None:
    page = opened(hostile_page)
    bases = {row.record.record_id: row.base for row in all_rows(hostile_page.parent)}
    given: list[dict[str, Any]] = [{"aigc_review": 1, "run_id": RUN_ID, "editor": PAYLOADS[0]}]
    given += [
        {
            "record_id": record_id(row),
            "run_id": RUN_ID,
            "action": "edit",
            "editor": PAYLOADS[row],
            "at": "2026-11-24T10:00:00.000Z",
            "base": bases[record_id(row)],
            "text": PAYLOADS[row][:300] + "!",
            "note": PAYLOADS[row][:300],
        }
        for row in range(29)
    ]
    given.append({"record_id": f"x{PAYLOADS[5]}", "base": "x"})
    file = tmp_path / f"{PAYLOADS[5][:20].replace('/', '')}.jsonl"
    file.write_text("\n".join(map(json.dumps, given)), "utf-8")
    page.set_input_files("#import-file", file)
    page.locator("dialog").wait_for()
    assert page.locator("dialog li").first.inner_text().startswith("29 decisions taken")
    page.keyboard.press("Escape")
    for _ in range(len(PAYLOADS)):
        page.keyboard.press("j")
        page.keyboard.press("t")
    assert page.locator(ELEMENTS).count() == 0
    assert page.evaluate("window.ran") is None


def test_text_from_right_to_left_is_set_so_and_stays_in_its_place(opened: Open, tmp_path: Path) -> None:
    text = "שלום לכולם, זה טקסט.\nPlain English.\nمرحبا بالعالم"
    write_records(tmp_path, [a_text(1, text, language="he", brief={"product": "קומקום"})])
    write_page(a_run(), all_rows(tmp_path), tmp_path / "review.html")
    page = opened(tmp_path / "review.html")
    directions = page.locator(".prose p").evaluate_all(
        "(lines) => lines.map((line) => getComputedStyle(line).direction)"
    )
    assert directions == ["rtl", "ltr", "rtl"]
    assert page.locator("#head .title").evaluate("(title) => getComputedStyle(title).direction") == "rtl"
    assert page.locator("#actions").evaluate("(bar) => getComputedStyle(bar).direction") == "ltr"
