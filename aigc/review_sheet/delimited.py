"""review.csv: all texts in one table, for programs that have no workbooks."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from aigc.cells import csv_line
from aigc.disk import write_atomically
from aigc.review.reviewable import Reviewable
from aigc.review.standing import Standing
from aigc.review.words import REASON_WORDS, VERB_WORDS, Language
from aigc.review_sheet.columns import GUIDE, columns_of
from aigc.review_sheet.rows import cells_of
from aigc.review_sheet.spelling import csv_cell

CSV = "review.csv"


def write_csv(
    folder: Path,
    run_id: str,
    rows: Callable[[], Iterable[Reviewable]],
    standing: Mapping[str, Standing],
    language: Language,
) -> Path:
    """Write review.csv of `rows`, which are gone through twice. Raises StoreError where the disk refuses."""
    fields = dict.fromkeys(name for row in rows() for name in row.fields)
    columns = columns_of([*fields], GUIDE)

    def lines() -> Iterable[bytes]:
        yield BOM_UTF8 + csv_line([csv_cell(column.words[language]) for column in columns])
        for number, row in enumerate(rows()):
            cells = cells_of(row, standing.get(row.record.record_id), run_id, language)
            if number == 0:
                cells[GUIDE.name] = guide(language)
            yield csv_line([csv_cell(cells.get(column.name, "")) for column in columns])

    path = folder / CSV
    write_atomically(path, lambda file: file.writelines(lines()))
    return path


def guide(language: Language) -> str:
    """What the first row tells an editor to whom nobody else does."""
    approve, edit, reject = VERB_WORDS[language].values()
    reasons = ("、" if language == "zh" else ", ").join(REASON_WORDS[language].values())
    if language == "zh":
        return (f"在“决定”一列填写{approve}、{edit}或{reject}；不填则保持待审。{reject}时请在“理由”一列填写："
                f"{reasons}。要{edit}，请直接改正文，或组成正文的各字段。保存为 CSV UTF-8。")
    return (f"Write {approve}, {edit} or {reject} under 'decision'; a row without one stays open. "
            f"When you {reject}, write a reason: {reasons}. "
            f"To {edit}, change the text, or the fields that it is made of. Save as CSV UTF-8.")
