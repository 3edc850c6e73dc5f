"""Whose the cache's pages are, and which hold a prefix that other rows may share. Plain Python, on the host.

The scheme of paged attention (Kwon et al. 2023): a row's keys and values lie in pages of `PAGE` positions, anywhere. A
page filled by a prompt is known by a digest of all tokens up to its end, so that a row whose prompt begins alike takes
the page instead of computing it: variants of a brief, retries, and the system prompt of a content type.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

PAGE = 16
"""Positions in a page: one vector of scores of the CPU's kernel; small, so that little of a shared prefix is lost."""
SCRATCH = 0
"""The page that padding writes to. No row reads it."""
MOST_IDLE = 1024
"""Pages of ended rows that are kept for their prefix."""


class Lease:
    """The pages of one row. `shared` tokens at its start are in the cache already."""

    def __init__(self, pages: list[int], shared: int, prefixes: list[bytes]) -> None:
        self.pages, self.shared, self._prefixes = pages, shared, prefixes
        self.registered = shared // PAGE

    def newly_full(self, computed: int) -> list[tuple[int, bytes]]:
        """Pages of the prompt that `computed` tokens have filled since this was last asked, with their prefixes."""
        upto = min(computed // PAGE, len(self._prefixes))
        full = [(self.pages[at], self._prefixes[at]) for at in range(self.registered, upto)]
        self.registered = max(self.registered, upto)
        return full


class Pages:
    """`count` pages, the scratch page included: a row may have all but that one."""

    def __init__(self, count: int) -> None:
        self._free = list(range(count - 1, SCRATCH, -1))  # a stack: pages used lately are used again first
        self._users = [0] * count
        self._by_prefix: dict[bytes, int] = {}
        self._prefix_of: dict[int, bytes] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()

    def lease(self, tokens: Sequence[int], total: int) -> Lease | None:
        """Pages for a prompt that may grow to `total` tokens; None while there are too few.

        All of them at once, so that a row that has begun never waits for memory.
        """
        prefixes = _prefixes(tokens)
        shared: list[int] = []
        for prefix in prefixes[: (len(tokens) - 1) // PAGE]:  # the last token is always computed, for its logits
            if (page := self._by_prefix.get(prefix)) is None:
                break
            shared.append(page)
        wanted = -(-total // PAGE) - len(shared)
        if wanted > len(self._free) + len(self._idle) - sum(page in self._idle for page in shared):
            return None
        for page in shared:
            self._idle.pop(page, None)
            self._users[page] += 1
        return Lease(shared + [self._take() for _ in range(wanted)], len(shared) * PAGE, prefixes)

    def computed(self, lease: Lease, tokens: int) -> None:
        """The first `tokens` of the row are computed in the step being made: its full pages can be shared from now on.

        Also within the step, since each layer writes all keys and values before any is read.
        """
        for page, prefix in lease.newly_full(tokens):
            if prefix not in self._by_prefix:
                self._by_prefix[prefix] = page
                self._prefix_of[page] = prefix

    def release(self, lease: Lease) -> None:
        """Give a row's pages back."""
        for page in reversed(lease.pages):
            self._users[page] -= 1
            if self._users[page]:
                continue
            if page in self._prefix_of:
                self._idle[page] = None
            else:
                self._free.append(page)
        while len(self._idle) > MOST_IDLE:
            self._free.append(self._forget())

    def _take(self) -> int:
        page = self._free.pop() if self._free else self._forget()
        self._users[page] = 1
        return page

    def _forget(self) -> int:
        """The page whose prefix was wanted longest ago."""
        page, _ = self._idle.popitem(last=False)
        del self._by_prefix[self._prefix_of.pop(page)]
        return page


def _prefixes(tokens: Sequence[int]) -> list[bytes]:
    """For each full page of a prompt, a digest of everything up to its end."""
    found, so_far = [], b""
    for end in range(PAGE, len(tokens) + 1, PAGE):
        so_far = blake2b(so_far + array("q", tokens[end - PAGE : end]).tobytes(), digest_size=16).digest()
        found.append(so_far)
    return found
