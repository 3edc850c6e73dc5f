"""A whole review in Firefox and in WebKit, Safari's engine: as an editor does it, from keys to the run's decisions."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from other_browsers import Visit, missing, visit, wait_until
from samples import RUN_ID, a_run, record_id, write_records
from test_hostile_records import ELEMENTS, PAYLOADS, a_hostile_row

from aigc.review.ledger import read_ledger
from aigc.review_page import all_rows, write_page
from aigc.review_sheet.returned import import_file

pytestmark = pytest.mark.slow

FILE = f"decisions-{RUN_ID}-Ana-Ruiz.jsonl"
DARK = "rgb(19, 18, 17)"


@pytest.fixture(params=["firefox", "webkit"])
def person(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Visit]:
    if reason := missing(request.param):
        pytest.skip(reason)
    home = tmp_path / "home"
    home.mkdir()
    with ExitStack() as until:
        yield visit(request.param, home, until)


def open_page(person: Visit, path: Path, count: int) -> None:
    person.open(path)
    person.until_it_says("#found", f"{count} texts")


def open_box(person: Visit, key: str, control: str) -> None:
    """Open a box above the page by its key, and see the keyboard in it."""
    person.press(key)
    person.until("document.activeElement.matches(arguments[0])", f"dialog[open] {control}")


def closed(person: Visit) -> None:
    person.until("!document.querySelector('dialog')")


def decided(person: Visit, count: int) -> None:
    person.until_it_says("#track-words", f"{count} of ")


def choose(person: Visit, name: str, value: str) -> None:
    person.run(
        "const list = document.getElementById(arguments[0]);"
        "list.value = arguments[1]; list.dispatchEvent(new Event('change'));",
        f"filter-{name}",
        value,
    )


def export(person: Visit, to: Path) -> list[dict[str, Any]]:
    """Export by the keyboard; returns the lines of the file that the browser saved, which is moved to `to`."""
    open_box(person, "x", "button.primary, input")  # the name, where there is none yet
    person.run("document.querySelector('dialog input[name=editor]').value = 'Ana Ruiz'")
    person.press("Enter")
    closed(person)
    saved = person.downloads / FILE
    wait_until(lambda: saved.is_file() and saved.read_bytes().endswith(b"\n"), f"{FILE} is saved")
    shutil.move(saved, to)
    return [json.loads(line) for line in to.read_text("utf-8").splitlines()]


def test_a_whole_review_in_other_browsers(person: Visit, sample_folder: Path, tmp_path: Path) -> None:
    open_page(person, sample_folder / "review.html", 6)
    assert not person.run("return document.getElementById('notice').checkVisibility()")  # decisions are kept
    named = "return getComputedStyle(document.querySelector('.field-name[title]')).textDecorationLine"
    assert person.run(named) == "underline"  # WebKit drops the whole line of a style in which it does not know a word

    find_texts(person)
    decide(person)
    look_again(person)
    heading, *decisions = export(person, tmp_path / FILE)
    assert heading == {"aigc_review": 1, "run_id": RUN_ID, "editor": "Ana Ruiz"}
    assert [(each["record_id"], each["action"], each.get("reason"), each.get("note")) for each in decisions] == [
        (record_id(2), "edit", None, None),
        (record_id(6), "reject", "too_short", "写长一些"),
        (record_id(1), "approve", None, "Nice."),
    ]
    assert decisions[0]["fields"]["headline"] == "Now: Ovenbird No. 3 Gooseneck Kettle"

    run = shutil.copytree(sample_folder, tmp_path / "run")
    imported = import_file(run, RUN_ID, tmp_path / FILE)
    assert (imported.taken, imported.problems) == (3, [])
    kept = read_ledger(run).decisions
    assert [(each.record_id, each.verb, each.editor, each.reason, each.note) for each in kept] == [
        (each["record_id"], each["action"], "Ana Ruiz", each.get("reason", ""), each.get("note", ""))
        for each in decisions
    ]

    person.run("localStorage.clear()")  # another machine takes them over, and has the same
    person.reload()
    decided(person, 0)
    person.give_file("#import-file", tmp_path / FILE)
    person.until_it_says("dialog .report", "(Ana Ruiz)")
    person.press("Enter")
    closed(person)
    assert export(person, tmp_path / "again.jsonl") == [heading, *decisions]


def find_texts(person: Visit) -> None:
    person.press("j")
    person.until_it_says("#head .place", "2 of 6")
    person.press("k")
    person.until_it_says("#head .place", "1 of 6")
    person.press("/")
    person.type("ana RUIZ trial")
    person.until_it_says("#found", "1 text,")
    person.press("Enter")
    assert person.texts("mark.hit") == ["Ana", "Ruiz", "trial"]
    person.run("document.getElementById('clear').click()")
    choose(person, "type", "song_lyrics")
    assert person.texts(".row-title") == ["Leaving a house at dawn"]
    person.run("document.getElementById('clear').click()")
    person.until_it_says("#found", "6 texts")
    person.press("Home")


def decide(person: Visit) -> None:
    person.press("e")
    person.until("document.activeElement.matches('.editor textarea')")
    person.press("Home")
    person.type("Now: ")
    person.until_it_says(".box-changes ins", "Now:")
    heights = "[...document.querySelectorAll('.editor textarea')].every((box) => box.scrollHeight <= box.clientHeight)"
    assert person.run(f"return {heights}")  # each box shows all of its text
    person.press("Control+Enter")
    decided(person, 1)
    person.run("document.querySelector('#asking input').focus()")
    person.type("Ana Ruiz")
    person.press("Enter")
    person.until_it_says("#who", "Ana Ruiz")
    person.until("document.activeElement.id === 'list'")

    open_box(person, "r", "input")
    person.press("7", "Tab")
    person.until("document.activeElement.matches('dialog textarea')")
    person.type("写长一些")
    person.press("Control+Enter")
    closed(person)
    decided(person, 2)
    open_box(person, "n", "textarea")
    person.type("Nice.")
    person.press("Control+Enter")
    closed(person)
    person.press("a")
    decided(person, 3)
    person.press("a")
    decided(person, 4)
    person.press("u")
    decided(person, 3)


def look_again(person: Visit) -> None:
    """What was decided, how the page is liked and where its reader was are there when it is loaded anew."""
    person.run("document.getElementById('language').click()")
    while person.run("return document.documentElement.dataset.theme") != "dark":
        person.run("document.getElementById('theme').click()")
    person.run("document.getElementById('list').focus()")
    person.reload()
    person.until_it_says("#track-words", "已处理 3 /")
    assert person.texts("#head .title") == ["小满一人食电饭煲"]
    assert person.run("return getComputedStyle(document.body).backgroundColor") == DARK
    person.press("Home")
    person.until("document.querySelector('.strip.edit')")
    person.run("document.getElementById('language').click()")
    decided(person, 3)
    person.run("document.getElementById('list').focus()")


def test_nothing_in_a_record_runs_in_other_browsers(person: Visit, tmp_path: Path) -> None:
    write_records(tmp_path, [a_hostile_row(row, payload) for row, payload in enumerate(PAYLOADS)])
    write_page(a_run(), all_rows(tmp_path), tmp_path / "review.html")
    open_page(person, tmp_path / "review.html", 30)
    shown = "return document.getElementById('body').textContent.includes(arguments[0])"
    for n, payload in enumerate(PAYLOADS):
        person.press("Home" if n == 0 else "ArrowDown")
        assert person.run(shown, payload[:300].split("\n")[0].split("\u2028")[0]), n
        person.press("t", "v", "v")
        person.run("for (const details of document.querySelectorAll('#side details')) details.open = true;")
        if n % 5 == 0:
            person.press("e", "Escape")
    assert person.run("return document.querySelectorAll(arguments[0]).length", ELEMENTS) == 0
    get_in(person)
    assert person.run("return (window.wrappedJSObject || window).ran") is None
    assert person.run("return performance.getEntriesByType('resource').length") == 0


def get_in(person: Visit) -> None:
    """Put into the page what nobody could get into it, and see each of them stopped by the page's policy."""
    person.run("""
      const page = (window.wrappedJSObject || window).document;
      const put = (tag, words) => {
        const made = page.createElement(tag);
        made.append(words);
        page.body.append(made);
      };
      window.stopped = [];
      document.addEventListener('securitypolicyviolation', (event) => window.stopped.push(event.effectiveDirective));
      put('script', 'window.ran = 1');
      put('style', 'body { opacity: .5 }');
      page.createElement('img').src = 'data:image/gif;base64,R0lGODlhAQABAAAAACw=';
    """)
    for directive in ("require-trusted-types-for", "style-src-elem", "img-src"):
        person.until("window.stopped.includes(arguments[0])", directive)
    assert person.run("return getComputedStyle(document.body).opacity") == "1"
