"""What is asked for of a text that is like another, and what is said of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest
from duplicate_cases import (
    EN,
    EN_EDITED,
    EN_OTHER,
    FACTS,
    FACTS_TOLD,
    FACTS_ZH,
    FACTS_ZH_TOLD,
    ZH,
    ZH_EDITED,
    ZH_OTHER,
    a_brief,
    edited,
    formulaic,
    many,
)
from factories import a_record, an_attempt

from aigc.duplicates import CorpusIndex, CorpusText, CorpusWriter, Duplicates, Thresholds, is_compared_in_part
from aigc.duplicates.index import MOST_READ
from aigc.duplicates.texts import Text
from aigc.records import Completion, Content, FieldValue, Record, Verdict


def a_completion(text: str) -> Completion:
    return Completion(request_id="r", text=text, finish_reason="stop", content=Content(text=text))


def against(
    text: str, *siblings: str, language: str = "en", fields: dict[str, FieldValue] | None = None,
    corpus: CorpusIndex | None = None, own_runs: tuple[str, ...] = (), brief_id: str = "b1", **thresholds: object,
) -> Verdict:
    duplicates = Duplicates(msgspec.convert(thresholds, Thresholds), corpus, own_runs)
    return duplicates.verdict(a_brief(brief_id, language, fields), a_completion(text), siblings)


@pytest.fixture
def corpus(tmp_path: Path) -> CorpusIndex:
    """EN is published; ZH is of brief b7 in run-1."""
    with CorpusWriter(tmp_path / "corpus") as writer:
        writer.add("published.csv", "file", "1", [CorpusText(text=EN, line=4)])
        writer.add("run-1", "run", "2", [CorpusText(text=ZH, brief_id="b7", variant=0)])
    return CorpusIndex.read(tmp_path / "corpus")


@pytest.mark.parametrize(("text", "siblings", "language"), [
    (EN, [EN_EDITED], "en"), (EN, [EN_OTHER, EN_EDITED, "Short."], "en"), (EN, [EN], "en"),
    (EN.upper().replace(" ", "\n"), [EN], "en"), ("Buy now!", ["buy  now!"], "en"),
    (ZH, [ZH_EDITED], "zh"), (ZH, [ZH_OTHER, ZH], "zh"), ("好的", ["好的"], "zh"),
    (FACTS_TOLD, [FACTS_TOLD], "en"),
])
def test_a_version_like_another_is_tried_again(text: str, siblings: list[str], language: str) -> None:
    verdict = against(text, *siblings, language=language, fields=FACTS)
    assert (verdict.filter, verdict.action, verdict.reason) == ("near_duplicate", "retry", "near_duplicate")
    assert isinstance(verdict.measured, float)
    assert verdict.measured > 0.5 == verdict.limit
    assert "like another version of this brief: similarity" in verdict.message
    assert verdict.advice.startswith("请写得" if language == "zh" else "Write it differently from the other versions")


@pytest.mark.parametrize(("text", "siblings", "fields"), [
    (EN, [], {}), (EN, [EN_OTHER], {}), (EN, ["", " "], {}), ("", [EN], {}), ("", [""], {}),
    (EN[:100] + FACTS_TOLD, [EN_OTHER[:100] + FACTS_TOLD], FACTS),
    ("One." + FACTS_TOLD, ["Two quite different sentences stand here, and they are not short." + FACTS_TOLD], FACTS),
    (ZH, [ZH_OTHER], {}), (ZH[:30] + FACTS_ZH_TOLD, [ZH_OTHER[:30] + FACTS_ZH_TOLD], FACTS_ZH),
    ("Late trains, early coffee.", ["Late trains, warm blankets."], {}),
])
def test_versions_that_differ_pass(text: str, siblings: list[str], fields: dict[str, FieldValue]) -> None:
    verdict = against(text, *siblings, fields=fields)
    assert (verdict.action, verdict.reason, verdict.message) == ("pass", "", "")


def test_keywords_that_every_version_must_use_are_the_briefs_too() -> None:
    keywords = ["slow-risen sourdough from the oldest oven in Alderwick", "open from seven until the last loaf is gone"]
    texts = [f"{opening} {keywords[0]}. {closing} {keywords[1]}!"
             for opening, closing in (("Wake up to", "Yes,"), ("There is only one", "Ours is"))]
    duplicates = Duplicates(Thresholds())
    without, with_them = (
        duplicates.verdict(brief, a_completion(texts[0]), [texts[1]])
        for brief in (a_brief(), a_brief(keywords=keywords))
    )
    assert (without.action, with_them.action) == ("retry", "pass")


def test_what_is_the_same_is_shown() -> None:
    verdict = against("Well, " + EN, EN_EDITED)
    shown = ["Well, " + EN][0][verdict.spans[0].start : verdict.spans[0].end]
    assert shown == "loaf at Harbour Street starts the evening before. Flour from a mill"


@pytest.mark.parametrize(("text", "place"), [
    (EN_EDITED, "published.csv line 4"), (ZH_EDITED, "run run-1, brief b7, variant 0"),
])
def test_a_text_like_one_published_is_flagged_with_its_place_and_never_its_words(
    corpus: CorpusIndex, text: str, place: str
) -> None:
    verdict = against(text, EN_OTHER, corpus=corpus)
    assert (verdict.action, verdict.reason) == ("flag", "near_duplicate")
    assert verdict.message.startswith(f"The text is like {place}: similarity 0.")
    assert verdict.message.endswith(", at most 0.5.")


@pytest.mark.parametrize(("text", "own_runs", "brief_id"), [
    (EN_OTHER, (), "b1"), (ZH_EDITED, ("run-1",), "b1"), (ZH_EDITED, (), "b7"), ("Buy now!", (), "b1"),
])
def test_texts_of_ones_own_runs_and_brief_are_no_others(
    corpus: CorpusIndex, text: str, own_runs: tuple[str, ...], brief_id: str
) -> None:
    assert against(text, corpus=corpus, own_runs=own_runs, brief_id=brief_id).action == "pass"


def test_of_two_likenesses_the_stricter_is_asked_for_and_both_are_told(corpus: CorpusIndex) -> None:
    retried = against(EN_EDITED, EN_EDITED, corpus=corpus)
    held = against(EN_EDITED, EN_EDITED, corpus=corpus, action="flag", elsewhere="hold")
    assert (retried.action, retried.measured) == ("retry", 1.0)
    assert held.action == "hold"
    assert held.measured != 1.0
    for verdict in (retried, held):
        assert "another version" in verdict.message
        assert "published.csv line 4" in verdict.message


@pytest.mark.parametrize(("thresholds", "action"), [
    ({"action": "off"}, "pass"), ({"action": "flag"}, "flag"), ({"action": "reject"}, "reject"),
    ({"max_similarity": 0.95}, "pass"), ({"max_similarity": 0.1}, "retry"),
])
def test_thresholds_decide(thresholds: dict[str, object], action: str) -> None:
    assert against(EN, EN_EDITED, **thresholds).action == action


def test_elsewhere_off_looks_at_no_corpus(corpus: CorpusIndex) -> None:
    assert against(EN, corpus=corpus, elsewhere="off").action == "pass"
    assert Duplicates(Thresholds(elsewhere="off"), corpus).digest == Duplicates(Thresholds(elsewhere="off")).digest


@pytest.mark.parametrize("thresholds", [{"action": "drop"}, {"elsewhere": "retry"}, {"max_similarity": 1.1}])
def test_impossible_thresholds_are_refused(thresholds: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(thresholds, Thresholds)


def test_the_digest_is_of_thresholds_and_of_what_is_looked_at(corpus: CorpusIndex, tmp_path: Path) -> None:
    plain = Duplicates(Thresholds()).digest
    assert Duplicates(Thresholds(), CorpusIndex.read(tmp_path / "none")).digest == plain
    assert Duplicates(Thresholds(max_similarity=0.6)).digest != plain
    assert Duplicates(Thresholds(), corpus).digest != plain
    assert Duplicates(Thresholds(), corpus, ["run-1"]).digest != Duplicates(Thresholds(), corpus).digest
    with CorpusWriter(corpus.folder) as writer:
        writer.add("run-2", "run", "3", [CorpusText(text=EN_OTHER, brief_id="b1", variant=0)])
    after = CorpusIndex.read(corpus.folder)
    assert Duplicates(Thresholds(), after, ["run-2"]).digest == Duplicates(Thresholds(), corpus).digest


def test_a_verdict_depends_on_its_arguments_and_the_corpus_alone(corpus: CorpusIndex) -> None:
    duplicates = Duplicates(Thresholds(), corpus)
    texts = [EN, EN_EDITED, ZH_EDITED, EN_OTHER]
    first = [duplicates.verdict(a_brief(), a_completion(text), [EN_OTHER]) for text in texts]
    again = [duplicates.verdict(a_brief(), a_completion(text), [EN_OTHER]) for text in reversed(texts)]
    assert first == again[::-1]


def a_row(row: int, text: str, **changes: object) -> Record:
    return a_record(row, attempts=[an_attempt(text=text)], **changes)


def marks(records: list[Record], **thresholds: object) -> dict[str, list[str]]:
    """Messages of verdicts by brief."""
    marked = Duplicates(msgspec.convert(thresholds, Thresholds)).in_run(records)
    return {record.brief_id: [v.message for v in record.verdicts if v.reason == "near_duplicate"] for record in marked}


def test_a_text_like_one_before_it_in_the_run_is_flagged() -> None:
    rows = [a_row(1, EN), a_row(2, EN_OTHER), a_row(3, EN_EDITED), a_row(4, ZH), a_row(5, ZH_EDITED)]
    found = marks(rows)
    assert [brief for brief, messages in found.items() if messages] == ["b3", "b5"]
    assert found["b3"][0].startswith("The text is like brief b1, variant 0, of this run: similarity 0.")


@pytest.mark.parametrize("row", [
    a_row(2, EN_EDITED, brief_id="b1", variant=1), a_row(2, EN_EDITED, outcome="exhausted"),
    a_row(2, EN_EDITED, chosen=None), a_row(2, "Buy now!"),
], ids=["same brief", "not accepted", "no text", "short"])
def test_what_does_not_stand_as_another_text_is_not_marked(row: Record) -> None:
    first = a_row(1, "Buy now!" if row.chosen == 0 and row.content and len(row.content.text) < 20 else EN)
    assert list(Duplicates(Thresholds()).in_run([first, row])) == [first, row]


def test_hold_holds_and_off_leaves_every_record_as_it_is() -> None:
    rows = [a_row(1, EN), a_row(2, EN_EDITED)]
    held = list(Duplicates(Thresholds(elsewhere="hold")).in_run(rows))
    assert [record.outcome for record in held] == ["accepted", "held"]
    assert list(Duplicates(Thresholds(elsewhere="off")).in_run(rows)) == rows


def test_a_run_of_different_texts_is_left_as_it_is() -> None:
    rows = [a_row(number, text) for number, text in enumerate(many(600))]
    assert list(Duplicates(Thresholds()).in_run(rows)) == rows


PARTLY = re.compile(r"Compared with the 20 likeliest of \d+ or more texts of (this run|the corpus) that may be like "
                    r"it, and like none of these\.")


def test_a_text_that_is_not_compared_with_all_that_may_be_like_it_says_so_and_passes() -> None:
    texts = formulaic(60)
    rows = [a_row(number, text) for number, text in enumerate([*texts, edited(texts[7]), many(1, seed=9)[0]])]
    marked = list(Duplicates(Thresholds()).in_run(rows))
    partly = [record.row for record in marked if is_compared_in_part(record)]
    assert min(partly) > 20
    assert len(partly) > 30
    assert PARTLY.fullmatch(marked[partly[-1]].verdicts[-1].message)
    assert marked[-2].verdicts[-1].reason == "near_duplicate", "the copy is found among them"
    assert marked[-1] == rows[-1], "what is like none is not told of"
    assert {record.outcome for record in marked} == {"accepted"}


def test_a_text_that_is_found_like_another_of_its_run_is_not_among_those_of_which_nothing_was_found() -> None:
    of_the_corpus = Verdict(filter="near_duplicate", action="pass", message="Compared with the 20 likeliest of 90 or …")
    first, second = a_row(0, EN), a_row(1, EN_EDITED)
    told = msgspec.structs.replace(second.attempts[0], verdicts=[of_the_corpus])
    second = msgspec.structs.replace(second, attempts=[told])
    assert is_compared_in_part(second)
    _, marked = Duplicates(Thresholds()).in_run([first, second])
    assert [verdict.action for verdict in marked.verdicts] == ["pass", "flag"]
    assert not is_compared_in_part(marked)


def test_versions_of_one_brief_are_not_read_again() -> None:
    rows = [a_row(number, edited(EN, number % 90 + 6), brief_id="b1", variant=number) for number in range(200)]

    class Once(list[Record]):
        def __getitem__(self, at: object) -> NoReturn:
            raise AssertionError("a record was read again")

    assert list(Duplicates(Thresholds()).in_run(Once(rows))) == rows


def test_a_corpus_full_of_a_briefs_own_versions_is_looked_through_so_far_and_says_so(tmp_path: Path) -> None:
    own = [CorpusText(text=edited(EN, at % 90 + 6), brief_id="b1", variant=at) for at in range(300)]
    with CorpusWriter(tmp_path) as writer:
        writer.add("run-1", "run", "1", own)
    corpus = CorpusIndex.read(tmp_path)
    looked = corpus.nearest_of(Text.of(EN), not_of="b1")
    assert (looked.nearest, looked.compared, looked.maybe) == (None, 0, 300 - MOST_READ)
    verdict = against(EN, corpus=corpus)
    assert verdict.action == "pass"
    assert verdict.message.startswith("Compared with the 0 likeliest of 100 or more texts of the corpus")
    assert "version" not in against(EN, corpus=corpus, brief_id="b2").message
    assert against(EN, corpus=corpus, brief_id="b2").action == "flag"


def test_of_a_corpus_that_shares_a_formula_the_likeliest_are_compared(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path) as writer:
        writer.add("old.csv", "file", "1", [CorpusText(text=text, line=at) for at, text in enumerate(formulaic(60), 1)])
    corpus = CorpusIndex.read(tmp_path)
    told = against(formulaic(1, seed=2)[0], corpus=corpus)
    assert told.action == "pass"
    assert PARTLY.fullmatch(told.message)
    found = against(edited(formulaic(60)[40]), corpus=corpus)
    assert (found.action, "old.csv line 41" in found.message) == ("flag", True)
