"""review.csv: all texts in one table, for programs that have no workbooks."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from aigc.cells import csv_line
from aigc.disk import write_atomically
from aigc.review.reviewable import Reviewable
from aigc.review.standing import Standing
from aigc.review.words import REASON_WORDS, VERB_WORDS, Language
from aigc.review_sheet.columns import EDITOR, GUIDE, columns_of
from aigc.review_sheet.rows import Telling, cells_of
from aigc.review_sheet.spelling import csv_cell
from aigc.review_sheet.versions import Known

CSV = "review.csv"


def write_csv(
    folder: Path,
    run_id: str,
    rows: Callable[[], Iterable[Reviewable]],
    standing: Mapping[str, Standing],
    language: Language,
) -> Path:
    """Write review.csv of `rows`, which are gone through twice. Raises StoreError where the disk refuses."""
    telling = Telling(run_id, language, standing, Known(folder))
    fields: dict[str, None] = {}
    count, has_decisions = 0, False
    for row in rows():
        fields.update(dict.fromkeys(row.fields))
        has_decisions = has_decisions or row.record.record_id in standing
        count += 1
    columns = columns_of([*fields], EDITOR, GUIDE, has_decisions=has_decisions)

    def lines() -> Iterable[bytes]:
        yield BOM_UTF8 + csv_line([csv_cell(column.words[language]) for column in columns])
        told = _spread(guide(language, has_decisions=has_decisions), count)
        for row in rows():
            cells = {GUIDE.name: next(told, ""), **cells_of(row, telling)}
            yield csv_line([csv_cell(cells.get(column.name, "")) for column in columns])

    path = folder / CSV
    write_atomically(path, lambda file: file.writelines(lines()))
    return path


def guide(language: Language, *, has_decisions: bool) -> list[str]:
    """What the first rows tell an editor to whom nobody else does, a short line each."""
    approve, edit, reject = VERB_WORDS[language].values()
    words = [*REASON_WORDS[language].values()]
    half, comma = (len(words) + 1) // 2, "、" if language == "zh" else ", "
    reasons = [f"   {comma.join(words[:half])}{comma.rstrip()}", f"   {comma.join(words[half:])}"]
    if language == "zh":
        return [
            "1. 姓名：在“编辑人”一列写一次即可。",
            f"2. 在“决定”一列填写{approve}、{edit}或{reject}。",
            "不填的行保持待审。",
            f"3. 要{edit}：直接改正文，或组成正文的各字段。",
            f"4. {reject}时在“理由”一列填写其一：",
            *reasons,
            *(["5. 同事意见不一时，可写“同”加姓名，如：同 ANA。",
               "同事改过的正文按修改后显示，通过即采用。"] if has_decisions else []),
            "最后保存为 CSV UTF-8。",
        ]
    return [
        "1. Your name: under 'editor', once is enough.",
        f"2. Under 'decision' write {approve}, {edit} or {reject}.",
        "A row without a decision stays open.",
        f"3. To {edit}: change the text, or the fields that it is made of.",
        f"4. When you {reject}, write under 'reason' one of:",
        *reasons,
        *(["5. Where colleagues differ: 'as' and a name decides as that one did, for example: as ANA.",
           "A text that a colleague edited is shown as edited; approve takes it so."] if has_decisions else []),
        "At the end save as CSV UTF-8.",
    ]


def _spread(lines: list[str], rows: int) -> Iterator[str]:
    """Lines for so many rows, one each; the last has those that are left."""
    yield from lines[: rows - 1] if len(lines) > rows else lines
    if len(lines) > rows:
        yield "\n".join(lines[rows - 1 :])
