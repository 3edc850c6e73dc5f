from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aigc.engine import pages as pages_module
from aigc.engine.pages import PAGE, SCRATCH, Lease, Pages

COUNT = 24
BEGINNINGS = [[token] * (4 * PAGE) for token in (1, 2)]


@st.composite
def prompts(draw: st.DrawFn) -> list[int]:
    """Prompts that often begin alike: a piece of one of two beginnings, then a tail of their own."""
    beginning = draw(st.sampled_from(BEGINNINGS))[: draw(st.integers(0, 4 * PAGE))]
    tail = [draw(st.integers(3, 5))] * draw(st.integers(0 if beginning else 1, 2 * PAGE))
    return beginning + tail


class Row:
    """A row as the engine has it: a lease, and how many of its prompt's tokens are written."""

    def __init__(self, lease: Lease, tokens: list[int], total: int) -> None:
        self.lease, self.tokens, self.total, self.written = lease, tokens, total, lease.shared


class Sharing(RuleBasedStateMachine):
    """Rows come, are read piece by piece, and go; `content` is what a device would hold in each page."""

    def __init__(self) -> None:
        super().__init__()
        self.pages = Pages(COUNT)
        self.rows: list[Row] = []
        self.content: dict[int, dict[int, list[int]]] = {}

    @rule(tokens=prompts(), answer=st.integers(1, 3 * PAGE))
    def open(self, tokens: list[int], answer: int) -> None:
        total = len(tokens) + answer
        lease = self.pages.lease(tokens, total)
        if lease is None:
            used = {page for row in self.rows for page in row.lease.pages}
            assert COUNT - 1 - len(used) < -(-total // PAGE), "a prompt was refused that there was room for"
            return
        assert len(lease.pages) == -(-total // PAGE) == len(set(lease.pages))
        assert lease.shared % PAGE == 0
        assert lease.shared < len(tokens), "the last token is computed, for its logits"
        for at in range(lease.shared // PAGE):
            held = self.content[lease.pages[at]]
            assert [held[place] for place in range(PAGE)] == [tokens[: at * PAGE + place + 1] for place in range(PAGE)]
        self.rows.append(Row(lease, tokens, total))

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), most=st.integers(1, 3 * PAGE))
    def read(self, data: st.DataObject, most: int) -> None:
        row = data.draw(st.sampled_from(self.rows))
        upto = min(row.written + most, row.total)
        for position in range(row.written, upto):
            page, place = row.lease.pages[position // PAGE], position % PAGE
            if place == 0:
                assert sum(page in other.lease.pages for other in self.rows) == 1, "a page of others is written to"
                self.content[page] = {}
            self.content[page][place] = (row.tokens + [9] * row.total)[: position + 1]
        row.written = upto
        self.pages.computed(row.lease, upto)

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(self.rows))
        self.rows.remove(row)
        self.pages.release(row.lease)

    @invariant()
    def scratch_is_nobodys(self) -> None:
        assert all(SCRATCH not in row.lease.pages for row in self.rows)

    @invariant()
    def a_page_has_two_owners_only_where_their_prompts_are_the_same_up_to_its_end(self) -> None:
        owners = Counter(page for row in self.rows for page in row.lease.pages)
        for page in (page for page, count in owners.items() if count > 1):
            found = [(row.lease.pages.index(page), row.tokens) for row in self.rows if page in row.lease.pages]
            assert len({(at, tuple(tokens[: (at + 1) * PAGE])) for at, tokens in found}) == 1
            assert all(len(tokens) > (at + 1) * PAGE for at, tokens in found if at * PAGE), found

    def teardown(self) -> None:
        for row in self.rows:
            self.pages.release(row.lease)
        whole = self.pages.lease([77], (COUNT - 1) * PAGE)
        assert whole is not None
        assert sorted(whole.pages) == list(range(1, COUNT)), "everything has come back"


Sharing.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestSharing = Sharing.TestCase


def leased(pages: Pages, tokens: list[int], total: int = 0) -> Lease:
    lease = pages.lease(tokens, total or len(tokens) + 1)
    assert lease is not None
    return lease


def read(pages: Pages, tokens: list[int]) -> Lease:
    """The lease of a prompt that is computed to its end."""
    lease = leased(pages, tokens)
    pages.computed(lease, len(tokens))
    return lease


def test_a_shared_prefix_gives_the_same_pages() -> None:
    pages, prompt = Pages(32), list(range(3 * PAGE))
    first, second = read(pages, [*prompt, 1]), leased(pages, [*prompt, 2])
    assert second.shared == 3 * PAGE
    assert second.pages[:3] == first.pages[:3]
    assert second.pages[3] != first.pages[3]


def test_a_prompt_that_ends_with_a_page_still_computes_its_last_token() -> None:
    pages, prompt = Pages(32), list(range(3 * PAGE))
    read(pages, prompt)
    assert leased(pages, prompt).shared == 2 * PAGE


@pytest.mark.parametrize("at", [0, 1, PAGE - 1, PAGE, 2 * PAGE, 3 * PAGE - 1])
def test_prompts_share_no_page_from_where_they_differ(at: int) -> None:
    pages, prompt = Pages(32), list(range(3 * PAGE + 1))
    read(pages, prompt)
    assert leased(pages, [*prompt[:at], 999, *prompt[at + 1 :]]).shared == at // PAGE * PAGE


def test_what_follows_a_difference_is_never_shared_though_it_is_the_same_again() -> None:
    pages = Pages(32)
    read(pages, [1] * PAGE + [2] * PAGE + [3])
    assert leased(pages, [9] * PAGE + [2] * PAGE + [3]).shared == 0
    assert leased(pages, [2] * PAGE + [3]).shared == 0, "the same tokens at another position are other keys"


def test_only_pages_that_are_computed_are_shared() -> None:
    pages, prompt = Pages(32), list(range(3 * PAGE + 1))
    first = leased(pages, prompt)
    for computed, shared in ((0, 0), (PAGE - 1, 0), (PAGE, PAGE), (2 * PAGE + 5, 2 * PAGE)):
        pages.computed(first, computed)
        again = leased(pages, prompt)
        assert again.shared == shared
        pages.release(again)


def test_pages_of_an_answer_are_not_shared() -> None:
    pages, prompt = Pages(32), list(range(PAGE + 3))
    first = leased(pages, prompt, 4 * PAGE)
    pages.computed(first, 4 * PAGE)
    assert leased(pages, [*prompt, *[5] * (2 * PAGE)]).shared == PAGE


def test_a_lease_is_none_rather_than_partial_and_takes_nothing() -> None:
    pages = Pages(9)
    held = leased(pages, [1], 5 * PAGE)
    for _ in range(3):
        assert pages.lease([2], 3 * PAGE + 1) is None
    rest = leased(pages, [3], 3 * PAGE)
    assert sorted(held.pages + rest.pages) == list(range(1, 9))
    assert pages.lease([4], 1) is None


def test_idle_pages_that_a_prompt_shares_are_no_room_for_the_rest_of_it() -> None:
    pages, prompt = Pages(5), [1] * (3 * PAGE)
    pages.release(read(pages, [*prompt, 2]))
    assert pages.lease([*prompt, 2], 5 * PAGE) is None
    assert leased(pages, [*prompt, 2], 4 * PAGE).shared == 3 * PAGE, "and they are still there"


def test_pages_in_use_are_not_given_away_and_idle_ones_are() -> None:
    pages = Pages(7)
    kept, gone = read(pages, [1] * PAGE + [0]), read(pages, [2] * PAGE + [0])
    pages.release(gone)
    assert leased(pages, [3], 4 * PAGE).pages[-1] == gone.pages[0], "the idle page is the last that is taken"
    pages.release(kept)
    assert leased(pages, [1] * PAGE + [0]).shared == PAGE


def test_idle_pages_are_reused_oldest_first() -> None:
    pages = Pages(9)
    for token in (1, 2, 3, 4):
        pages.release(read(pages, [token] * PAGE + [0]))
    pages.release(leased(pages, [1] * PAGE + [0]))  # wanted again: now the latest
    leased(pages, [9], 6 * PAGE)  # four pages were free, two are taken from the idle ones
    shared = {token: leased(pages, [token] * PAGE + [0], PAGE).shared for token in (4, 1)}
    assert shared == {4: PAGE, 1: PAGE}
    assert pages.lease([2] * PAGE + [0], PAGE) is None, "2 and 3, the oldest, gave their pages"


def test_the_end_of_a_prefix_is_forgotten_before_its_beginning() -> None:
    pages, prompt = Pages(6), [1] * (4 * PAGE + 1)
    pages.release(read(pages, prompt))
    leased(pages, [9], 3 * PAGE)  # one page was free
    assert leased(pages, prompt[: 2 * PAGE + 1], 2 * PAGE).shared == 2 * PAGE


def test_no_more_pages_are_kept_idle_than_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages_module, "MOST_IDLE", 2)
    pages = Pages(32)
    pages.release(read(pages, [1] * (4 * PAGE) + [0]))
    assert leased(pages, [1] * (4 * PAGE) + [0]).shared == 2 * PAGE


@given(prompts(), prompts())
def test_two_prompts_share_what_they_have_in_common_in_whole_pages(first: list[int], second: list[int]) -> None:
    pages = Pages(32)
    read(pages, first)
    alike = next((at for at, (a, b) in enumerate(zip(first, second, strict=False)) if a != b),
                 min(len(first), len(second)))
    assert leased(pages, second).shared == min(alike, len(second) - 1) // PAGE * PAGE
