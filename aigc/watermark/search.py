"""Whether a text's tokens score higher under a key than chance would have it.

Without the mark each score is that of a number between 0 and 1 which has nothing to do with the text: -ln(1 - u), so
that the sum of n of them follows the gamma distribution of shape n. A context counts once, as Fernandez et al. 2023
(Three Bricks to Consolidate Watermarks for Large Language Models) found that it must: what is repeated is no new
evidence, and p-values would promise more than holds.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, cast

from aigc.records import Sampling
from aigc.watermark.key import Mark
from aigc.watermark.scheme import CHUNK, CHUNK_NOISE, SALTS, context_sums, noise_keys, uniforms

if TYPE_CHECKING:
    from aigc.watermark.scheme import Numbers

Level: TypeAlias = Literal["tokens", "chunks"]
LEVELS: tuple[Level, ...] = ("tokens", "chunks")
"""What the noise was of that decided: of each token where a row had limits, of its chunk where it had none."""
_AT_ONCE = 1 << 18
"""Numbers that are computed in one go."""


class Evidence(NamedTuple):
    """What a text shows. Without a mark a try scores about `examined`, and `p_value` is as likely below any x as x."""

    tokens: int
    examined: int
    """Tokens whose context is whole and comes for the first time."""
    score: float
    p_value: float
    level: Level
    salt: int
    tries: int
    """Salts and levels that were tried; `score` is that of the best."""


def level_of(sampling: Sampling) -> Level:
    """What the noise was of that decided in a row with these parameters: `engine.choice.way_of` tells the ways."""
    return "tokens" if sampling.top_k or sampling.top_p < 1.0 else "chunks"


def examine(
    tokens: Sequence[int], mark: Mark, *, salt: int | None = None, levels: Sequence[Level] = LEVELS
) -> Evidence:
    """The best of what the tokens show under any salt, or under the one that is known, at any of the levels.

    The p-value is that of the best of so many tries (Šidák 1967).
    """
    import numpy as np

    contexts, chosen = _first_contexts(tokens, mark.context_tokens)
    sums = context_sums(mark.words, contexts)
    salts = np.arange(SALTS) if salt is None else np.array([salt])
    best = Evidence(len(tokens), len(chosen), -1.0, 1.0, levels[0], int(salts[0]), len(salts) * len(levels))
    step = max(1, _AT_ONCE // max(1, len(chosen)))
    for part in (salts[at : at + step] for at in range(0, len(salts), step)):
        seeds, counters = noise_keys(mark.words, sums[:, None, :], part[:, None])
        for level in levels:
            scores = _scores(seeds, counters, chosen, level).sum(1)
            at = int(scores.argmax())
            if scores[at] > best.score:
                best = best._replace(score=float(scores[at]), level=level, salt=int(part[at]))
    return best._replace(p_value=_of_best(chance_of(best.score, best.examined), best.tries))


def pooled(texts: Iterable[tuple[Sequence[int], int]], mark: Mark, levels: Sequence[Level] = LEVELS) -> Evidence:
    """What texts with their salts show together; what occurs in several under the same noise counts once."""
    import numpy as np

    tokens, seen, parts = 0, [np.empty(0, np.uint64)], {level: [np.empty(0)] for level in levels}
    for text, salt in texts:
        tokens += len(text)
        contexts, chosen = _first_contexts(text, mark.context_tokens)
        seeds, counters = noise_keys(mark.words, context_sums(mark.words, contexts), np.array([salt]))
        seen.append(seeds)
        for level in levels:
            parts[level].append(_scores(seeds, counters, chosen, level))
    _, first = np.unique(np.concatenate(seen), return_index=True)
    sums = {level: float(np.concatenate(parts[level])[first].sum()) for level in levels}
    best = max(levels, key=lambda level: sums[level])
    p_value = _of_best(chance_of(sums[best], len(first)), len(levels))
    return Evidence(tokens, len(first), sums[best], p_value, best, -1, len(levels))


def chance_of(score: float, count: int) -> float:
    """How likely a gamma variable of whole shape `count` is to reach `score`: a Poisson variable of that mean below it.
    """
    import numpy as np

    if count == 0 or score <= 0.0:
        return 1.0
    below = np.arange(count)
    logs = below * math.log(score) - np.concatenate([[0.0], np.log(below[1:]).cumsum()]) - score
    top = float(logs.max())
    return min(1.0, math.exp(min(0.0, top + math.log(float(np.exp(logs - top).sum())))))


def _of_best(chance: float, tries: int) -> float:
    """How likely the best of so many tries is to be as unlikely as `chance`."""
    if chance >= 1.0:
        return 1.0
    return max(-math.expm1(tries * math.log1p(-chance)), sys.float_info.min)


def _first_contexts(tokens: Sequence[int], context_tokens: int) -> tuple[Numbers, Numbers]:
    """Contexts that come for the first time, int64 [contexts, tokens], and the tokens after them, int64 [contexts]."""
    import numpy as np

    ids = np.array(tokens, dtype=np.int64)
    if len(ids) <= context_tokens:
        return np.empty((0, context_tokens), np.int64), np.empty(0, np.int64)
    contexts = np.lib.stride_tricks.sliding_window_view(ids, context_tokens)[:-1]
    _, first = np.unique(contexts, axis=0, return_index=True)
    return contexts[np.sort(first)], ids[np.sort(first) + context_tokens]


def _scores(seeds: Numbers, counters: Numbers, tokens: Numbers, level: Level) -> Numbers:
    import numpy as np

    ids = tokens if level == "tokens" else CHUNK_NOISE + tokens // CHUNK
    return cast("Numbers", -np.log1p(-uniforms(seeds, counters, ids)))
