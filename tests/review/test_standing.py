"""What decisions amount to, and how far editors agree."""

from __future__ import annotations

from collections import Counter

import pytest

from aigc.review.agreement import agreements, cohen_kappa, fleiss_kappa
from aigc.review.decisions import REASONS, VERBS, Decision
from aigc.review.standing import standings
from aigc.review.words import LANGUAGES, REASON_WORDS, VERB_WORDS, language_of, read_reason, read_verb


def said(editor: str, verb: str, at: int = 0, record: str = "r", **changes: object) -> Decision:
    return Decision(**{"record_id": record, "run_id": "run", "verb": verb, "editor": editor, "base": "sha256:b",
                       "at": f"2026-11-28T17:{at:02d}:00.000+00:00", **changes})


@pytest.mark.parametrize(("decisions", "state", "counts"), [
    ([said("Ana", "approve")], "approved", "Ana"),
    ([said("Ana", "edit", text="x")], "approved", "Ana"),
    ([said("Ana", "reject", reason="legal")], "rejected", "Ana"),
    ([said("Ana", "approve"), said("Bo", "approve", 1)], "approved", "Bo"),
    ([said("Ana", "reject", reason="legal"), said("Bo", "reject", 1, reason="unsafe")], "rejected", "Bo"),
    ([said("Ana", "edit", text="x"), said("Bo", "edit", 1, text="x", note="as Ana")], "approved", "Bo"),
    ([said("Ana", "edit", fields={"a": ["x"]}), said("Bo", "edit", 1, fields={"a": ["x"]})], "approved", "Bo"),
    ([said("Ana", "approve"), said("Bo", "reject", 1)], "in_conflict", None),
    ([said("Ana", "approve"), said("Bo", "edit", 1, text="x")], "in_conflict", None),
    ([said("Ana", "edit", text="x"), said("Bo", "edit", 1, text="y")], "in_conflict", None),
    ([said("Ana", "approve"), said("Ana", "reject", 1)], "rejected", "Ana"),
    ([said("Ana", "reject", 1), said("Ana", "approve", 0)], "rejected", "Ana"),
    ([said("Ana", "approve"), said("Ana", "reject")], "rejected", "Ana"),
    ([said("Ana", "approve"), said("Bo", "reject", 1), said("Ana", "reject", 2)], "rejected", "Ana"),
    ([said("Ana", "approve"), said("Bo", "reject", 1), said("Cy", "approve", 2)], "in_conflict", None),
    ([said("Ana", "approve"), said("Bo", "reject", 1), said("Bo", "approve", 2), said("Cy", "approve", 3)],
     "approved", "Cy"),
], ids=lambda value: str(value) if isinstance(value, str) else "")
def test_the_latest_of_each_editor_counts_and_those_who_differ_are_in_conflict(
    decisions: list[Decision], state: str, counts: str | None
) -> None:
    stands = standings(decisions)["r"]
    assert stands.state == state
    assert (stands.decision.editor if stands.decision else None) == counts
    assert len(stands.latest) == len({one.editor for one in decisions})


def table(rows: list[list[int]]) -> list[tuple[str, str]]:
    """Pairs of ratings of which one rater's are the rows and the other's the columns of a table."""
    return [(str(one), str(other)) for one, row in enumerate(rows) for other, count in enumerate(row)
            for _ in range(count)]


@pytest.mark.parametrize(("rows", "kappa"), [
    ([[88, 14, 18], [10, 40, 10], [2, 6, 12]], 0.492),  # Cohen 1968, table 1, of Cohen 1960
    ([[20, 5], [10, 15]], 0.4),
    ([[45, 15], [25, 15]], 0.1304),
    ([[25, 35], [5, 35]], 0.2593),
    ([[5, 0], [0, 5]], 1.0),
    ([[0, 5], [5, 0]], -1.0),
])
def test_cohens_kappa_is_that_of_the_literature(rows: list[list[int]], kappa: float) -> None:
    assert cohen_kappa(table(rows)) == pytest.approx(kappa, abs=5e-4)


DIAGNOSES = """
444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 144444 124444 222333 144444 224445
333335 111455 111112 224444 133555 555555 244444 224555 114444 144445 222224 111155 224444 133333 555555
"""
"""Fleiss 1971, table 1: thirty patients, six psychiatrists each, five diagnoses."""
SCALE = """
55555555555555 22333333444455 33344444555555 22233333333344 11223333333345 11111112222222 11122333333444
11222223334455 11111122222334 22334445555555
"""
"""Ten subjects, fourteen raters, five grades: the worked example that textbooks give."""


@pytest.mark.parametrize(("ratings", "kappa"), [(DIAGNOSES, 0.430), (SCALE, 0.210)])
def test_fleiss_kappa_is_that_of_the_literature(ratings: str, kappa: float) -> None:
    assert fleiss_kappa([Counter(subject) for subject in ratings.split()]) == pytest.approx(kappa, abs=5e-4)


def test_kappa_is_not_defined_where_all_say_the_same_or_nothing_is_shared() -> None:
    assert cohen_kappa([("a", "a")] * 5) is None
    assert fleiss_kappa([Counter("aaa")] * 5) is None
    assert cohen_kappa([]) is None
    assert fleiss_kappa([]) is None


def test_agreement_is_measured_on_first_decisions_of_texts_in_common() -> None:
    verbs = [("approve", "approve"), ("approve", "approve"), ("reject", "reject"), ("approve", "reject")]
    decisions = [said(editor, verb, record=str(record)) for record, pair in enumerate(verbs)
                 for editor, verb in zip(("Ana", "Bo"), pair, strict=True)]
    settled = [said("Bo", "approve", 9, record="3"), said("Ana", "reject", record="alone")]
    found = agreements(decisions + settled)
    assert [(one.method, one.editors, one.records, one.agreed) for one in found] == [("cohen", ["Ana", "Bo"], 4, 0.75)]
    assert found[0].kappa == pytest.approx(0.5)
    three = agreements([*decisions, said("Cy", "reject", record="3"), said("Cy", "approve", record="0")])
    assert [(one.method, "".join(one.editors), one.records) for one in three] == [
        ("cohen", "AnaBo", 4), ("cohen", "AnaCy", 2), ("cohen", "BoCy", 2), ("fleiss", "AnaBoCy", 4)]
    assert three[-1].agreed == pytest.approx((1 + 1 + 1 + 1 / 3) / 4)
    assert agreements([said("Ana", "approve"), said("Bo", "reject", record="other")]) == []


def test_every_verb_and_reason_has_its_words_and_is_read_from_them_in_each_language() -> None:
    for language in LANGUAGES:
        assert VERB_WORDS[language].keys() == {*VERBS}
        assert REASON_WORDS[language].keys() == {*REASONS}
        assert [read_verb(VERB_WORDS[language][verb]) for verb in VERBS] == [*VERBS]
        assert [read_reason(REASON_WORDS[language][code]) for code in REASONS] == [*REASONS]
    assert [read_reason(code.upper()) for code in REASONS] == [*REASONS]
    assert [read_verb(word) for word in (" Approved ", "ＯＫ", "驳回", "maybe", "")] == [
        "approve", "approve", "reject", None, None]


def test_a_review_speaks_the_language_of_most_texts() -> None:
    assert [language_of(texts) for texts in ([], ["en"], ["zh-Hant", "en", "zh_CN"], ["zh", "en"], ["de", "fr"])] == [
        "en", "en", "zh", "en", "en"]
