"""The words in which editors are told what checks and colleagues made of a text."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from aigc.filters import ELSEWHERE, FILTERS
from aigc.records import Outcome
from aigc.review.words import (
    FILTER_WORDS,
    LANGUAGES,
    OUTCOME_WORDS,
    STATE_WORDS,
    TYPE_WORDS,
    VERB_WORDS,
    as_colleague,
    read_colleague,
    read_verb,
    type_words,
)


def test_every_outcome_and_filter_has_its_words_and_no_outcome_reads_as_an_editors_decision() -> None:
    for language in LANGUAGES:
        assert OUTCOME_WORDS[language].keys() == {*get_args(Outcome)}
        assert FILTER_WORDS[language].keys() == {*FILTERS, *ELSEWHERE, "safety", "judge"}
        said_by_editors = {*VERB_WORDS[language].values(), *STATE_WORDS[language].values()}
        assert not said_by_editors & {*OUTCOME_WORDS[language].values()}
        for words in (OUTCOME_WORDS, FILTER_WORDS):
            assert len({*words[language].values()}) == len(words[language])


def test_content_types_are_called_by_their_title_and_the_shipped_ones_in_chinese_as_on_the_page() -> None:
    templates = Path(__file__).parents[2] / "templates"
    assert TYPE_WORDS["zh"].keys() == {path.parent.name for path in templates.glob("*/template.toml")}
    assert [type_words(name, title, language) for name, title, language in (
        ("ad_copy", "Ad copy", "en"), ("ad_copy", "Ad copy", "zh"), ("ad_copy", "门店广告", "zh"),
        ("ad_copy", "", "en"), ("memo", "Memo", "zh"), ("memo", "", "zh"))] == [
            "Ad copy", "广告文案", "门店广告", "ad_copy", "Memo", "memo"]


@pytest.mark.parametrize(("word", "name"), [
    ("as Ana", "Ana"), (" AS  Ana  Li ", "Ana Li"), ("same as Bo", "Bo"), ("as: Bo", "Bo"), ("同 李安", "李安"),
    ("同李安", "李安"), ("与李安相同", "李安"), ("跟 Ana 一样", "Ana"), ("同意", ""), ("as", ""), ("assured", ""),
    ("同", ""),
])
def test_who_decides_as_a_colleague_did_is_read_in_either_language(word: str, name: str) -> None:
    assert read_colleague(word) == name
    assert not (name and read_verb(word))
    assert all(read_colleague(as_colleague(name, language)) == name for language in LANGUAGES if name)
