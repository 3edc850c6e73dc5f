"""Labels in Markdown, as other programs write them and as we do."""

from __future__ import annotations

import json

import pytest
from label_files import LABEL

from aigc.errors import LabelError
from aigc.labels.found import Tally
from aigc.labels.front_matter import labels_in, with_label
from aigc.labels.hidden import HiddenLabel, label_fields, label_text

FIELDS = label_fields(LABEL)
INNER = json.dumps(FIELDS)


def block(quote: str, indent: str = "  ", newline: str = "\n") -> str:
    return newline.join(["AIGC:", *(f"{indent}{name}: {quote}{value}{quote}" for name, value in FIELDS.items()), ""])


def read(text: str) -> HiddenLabel | None:
    tally = Tally("markdown", "front matter AIGC")
    tally.add_content("the file", *labels_in(text, "a.md")[0])
    found = tally.found()
    assert found.faults == []
    return found.label


@pytest.mark.parametrize("matter", [
    block("'"), block('"', "    "), block(""), "title: x\n" + block("'") + "tags: [a]\n",
    f"AIGC: {INNER}\n", f"AIGC: '{label_text(LABEL)}'\n", f"AIGC: {json.dumps(label_text(LABEL))}\n",
    f"\"AIGC\": {INNER}\n", "AIGC:\n  # ours\n\n" + block("'").partition("\n")[2],
])
def test_a_label_is_read_however_it_is_written(matter: str) -> None:
    assert read(f"---\n{matter}---\n\n# Bread\n") == LABEL
    assert read(f"---\n{matter}...\n# Bread\n") == LABEL
    assert read("\ufeff" + f"---\n{matter}---\n# Bread\n".replace("\n", "\r\n")) == LABEL


@pytest.mark.parametrize(("text", "body"), [
    ("# Bread\n\n---\n\nAIGC: no\n", "# Bread\n\n---\n\nAIGC: no\n"),
    ("---\n\nA rule, and no front matter.\n", "---\n\nA rule, and no front matter.\n"),
    ("---\ntitle: AIGC\nnote: |\n  AIGC: no\n---\nBread", "Bread"),
    ("", ""),
])
def test_what_is_no_label_is_none(text: str, body: str) -> None:
    assert labels_in(text, "a.md") == ([], body)


def test_two_labels_are_two() -> None:
    assert len(labels_in(f"---\n{block(chr(39))}{block(chr(34))}---\n", "a.md")[0]) == 2


@pytest.mark.parametrize("matter", ["AIGC:\n  - a\n  - b\n", "AIGC: yes\n", "AIGC:\n  Label: '1'\n  Label: '2'\n"])
def test_a_label_of_another_form_is_told(matter: str) -> None:
    tally = Tally("markdown", "front matter AIGC")
    tally.add_content("the file", *labels_in(f"---\n{matter}---\n", "a.md")[0])
    assert "form" in {fault.code for fault in tally.found().faults}


def test_front_matter_without_an_end_is_told() -> None:
    for text in ("---\ntitle: x\n\n# Bread\n", "---\nAIGC:\n  Label: '1'\n"):
        with pytest.raises(LabelError) as caught:
            labels_in(text, "a.md")
        assert str(caught.value) == (
            "a.md: found front matter that does not end (no second line of dashes); expected front matter between two "
            "lines ---. Restore the file, or add the line.")


@pytest.mark.parametrize("text", [
    "", "# Bread\n", "\ufeff# Bread\r\n\r\nWarm.\r\n", "---\n---\n# Bread\n", "---\ntitle: x\n---\n# Bread\n",
    f"---\n{block(chr(39))}title: x\n---\n# Bread\n",
    f"---\r\n{block('', newline=chr(13) + chr(10))}---\r\n# Bread\r\n",
    f"---\nAIGC: {INNER}\nAIGC: {INNER}\n---\n# Bread\n", "---\n\nA rule.\n", "---\ntitle: x\n---",
])
def test_a_label_is_put_in_once_and_the_text_stays(text: str) -> None:
    other = HiddenLabel(producer="it's", produce_id="1", propagator="it's", propagate_id="1")
    once = with_label(text, other, "a.md")
    labelled = with_label(once, LABEL, "a.md")
    assert read(once) == other
    assert read(labelled) == LABEL
    assert labelled.count("AIGC:") == 1
    assert labels_in(labelled, "a.md")[1].lstrip("\r\n") == labels_in(text, "a.md")[1].lstrip("\ufeff\r\n")
    assert ("title: x" in labelled) == ("title: x" in text)
    assert ("\r\n" in labelled) == ("\r\n" in text)
    assert labelled.startswith("\ufeff") == text.startswith("\ufeff")
    assert with_label(labelled, LABEL, "a.md") == labelled
