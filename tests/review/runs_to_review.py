"""A finished run with the texts that sheets find hardest, written as a run writes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from factories import a_record, a_stamper, a_verdict, an_attempt
from msgspec.structs import replace

from aigc.export import export
from aigc.records import Limits, OutputValue, Record, Span
from aigc.review.decisions import Decision
from aigc.review.intake import Reviewed, open_reviewed

RUN = "2026-11-24-0143-briefs-k3f9"
NOW = "2026-11-28T17:00:00.000+00:00"
SCENE: dict[str, OutputValue] = {
    "heading": "INT. KITCHEN – DAY",
    "lines": [{"speaker": "Ana", "says": "Where is the kettle?"}, {"speaker": "Bo", "says": "Here: on the stove."}],
    "props": ["a kettle", "two cups"],
    "ending": "Steam on the window.",
}
TEXTS = {
    "plain": "The kettle holds a litre of water and pours it slowly.\nIt is made of steel.",
    "chinese": "这把水壶能装一升水，\n倒水又细又匀。",
    "arabic": "هذا الإبريق يسع لترا من الماء ويصب ببطء.",
    "emoji": "Tea time 🫖👩‍👩‍👧 at the café — “now”…",
    "formula": "=HYPERLINK(\"http://example.invalid\", \"win\")",
    "dashes": "- first point\n- second point",
    "blanks": "One line with blanks   \n\n\tand a tab.\nThe end.",
    "escaped": "A part named _x0041_ and one named _x000D_, as it is.",
    "number": "007",
    "date": "2024-05-01",
    "quotes": 'She said "yes", he said ""no"", she\'d gone.',
    "long": "word " * 8_000 + "the end",
}


def record_id(name: str) -> str:
    """A UUID of version 7 that is the same for the same name."""
    return f"0193f000-0000-7000-8000-{sum(ord(char) * 131**at for at, char in enumerate(name)) % 16**12:012x}"


def a_text(name: str, text: str, **changes: object) -> Record:
    language = {"chinese": "zh", "arabic": "ar"}.get(name, "en")
    record = a_record(brief_id=name, record_id=record_id(name), language=language, content_type="note",
                      attempts=[an_attempt(text=text)], tone="warm", limits=Limits(max_words=60, keywords=["kettle"]))
    return replace(record, **changes)


def a_scene(name: str = "scene", fields: dict[str, OutputValue] | None = None) -> Record:
    fields = SCENE if fields is None else fields
    text = "INT. KITCHEN – DAY\n\nANA: Where is the kettle?\nBO: Here: on the stove.\n\nSteam on the window."
    return a_text(name, text, content_type="film_scene", attempts=[an_attempt(text=text, fields=fields)])


def records() -> list[Record]:
    """Twelve notes, a scene, a held text of two attempts, and two rows without a text."""
    flagged = a_verdict(filter="keywords", action="hold", reason="keyword_missing", message="'kettle' is missing.",
                        spans=[Span(start=0, end=7)])
    held = a_text("held", "The lamp is bright.", outcome="held", attempts=[
        an_attempt(0, "The lamp is."), an_attempt(1, "The lamp is bright.", verdicts=[flagged])], chosen=1)
    failed = a_text("failed", "", outcome="failed", attempts=[], chosen=None)
    rejected = a_text("rejected", "Buy it now!!!", outcome="exhausted", chosen=None)
    return [*(a_text(name, text) for name, text in TEXTS.items()), a_scene(), held, rejected, failed]


def write_run(folder: Path, rows: Sequence[Record] | None = None) -> Path:
    """The results' files of a run in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    numbered = [replace(row, row=number) for number, row in enumerate(records() if rows is None else rows)]
    export(numbered, folder, a_stamper().stamp)
    return folder


def reviewed(folder: Path) -> Reviewed:
    return open_reviewed(folder, RUN)


def a_decision(run: Reviewed, name: str = "plain", **changes: object) -> Decision:
    """Ana approves the text of a brief."""
    original = run.originals[record_id(name)]
    decision = Decision(record_id=original.record_id, run_id=RUN, verb="approve", editor="Ana", at=NOW,
                        base=original.base)
    return replace(decision, **changes)
