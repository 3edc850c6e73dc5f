"""Names that a brief gives, and words of a text that are one of them but for a letter."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from aigc.content import base_language
from aigc.records import FieldValue

_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
_WORD = re.compile(rf"(?:[^\W\d_{_CJK}][\u0300-\u036f]*)+")
_ASCII_WORD = re.compile(r"[A-Za-z]+")
_RUN = re.compile(rf"[{_CJK}]+")
_HEAD_END = re.compile(r"\s*(?:[,;:(|，；：（、\n]| [–—-] )")
"""`Tillwright` of `Tillwright, the till that runs on your phone`, `Mei` of `Mei, 58, the owner`."""
_OPENS_LINE = " \t\"“”‘’'*_#>•-–—(["
_ENDS_SENTENCE = "\n.!?…:。！？："
_ENDINGS = ("s", "es", "d", "ed", "r", "er", "ers", "n", "en", "y", "ly", "ing", "ish", "an")
_ENDING_ELSEWHERE = 2
"""Last letters that other languages decline: `Helsingin` of `Helsinki`."""
_MOST_NAMES, _MOST_CHARS = 20, 120
"""Of a cell that are looked for: what is longer is no name."""
_LEAST, _LONG = 5, 8
"""Letters of a word that is looked for, and of one in which two letters may be wrong."""
_LEAST_DOUBTFUL, _LONG_DOUBTFUL = 7, 9
"""The same where a capital may be a sentence's or a headline's: short words have too many neighbours there."""
_LEAST_BESIDE, _LONG_BESIDE = 4, 6
"""The same beside its neighbour in the name, which is as long: `Marry Coaches`."""
_LEAST_RUN, _LEAST_RUN_EDGE, _LEAST_RUN_LESS = 3, 5, 5
"""Characters of a Chinese name of which one inside may be another, one at an end, and one may be left out."""
_LEAST_SLIP = 6
"""Letters of a name in which two that changed places, or one written twice or once, are a slip of the hand."""
_SHORT_RUN = 5
"""Characters of a Chinese name that is mostly one kind of goods or place, which others have as well."""
_KINDS = frozenset(
    "灯锅煲壶杯碗盘碟瓶罐盒箱袋包筷勺刀剪叉椅凳桌几床柜架垫枕被毯毛巾帘扇伞鞋靴袜衣衫裤裙帽巾套表钟镜链戒环坠机器仪车船琴鼓球拍笔纸本书册画卡"
    "茶酒水汁奶油酱醋糖盐米面粉饼糕酥饭粥汤肉鱼虾菜果豆花草树液霜膏乳皂粉露店铺馆园院坊厅楼房屋吧站场街路桥山湖河课班营节展会赛奖剂片丸屏板线锁"
)
"""Characters that end what a thing is called, and with another before them make another: 台灯 and 吊灯."""
_BETWEEN = 5
_COMMON = frozenset("the for our your with from that this into over".split())


class Name(NamedTuple):
    """A name as the brief writes it, with its words in order and its runs of Chinese characters."""

    whole: str
    words: tuple[str, ...]
    runs: tuple[str, ...]


class Miss(NamedTuple):
    """A place of the text, what stands there, and what should; not `sure` where it may be a name of its own."""

    start: int
    end: int
    found: str
    right: str
    sure: bool


class _Here(NamedTuple):
    """A text in words, the words that its brief has, and those that it or the brief has in small letters."""

    text: str
    words: list[_Word]
    known: set[str]
    ordinary: set[str]
    language: str


class _Word(NamedTuple):
    start: int
    end: int
    text: str
    folded: str


def names_in(value: FieldValue) -> list[Name]:
    """The names of a cell: of each entry what stands before its first comma."""
    entries = value if isinstance(value, list) else [value]
    heads = [_HEAD_END.split(entry.strip(), maxsplit=1)[0] for entry in entries[:_MOST_NAMES] if isinstance(entry, str)]
    return [_name(head) for head in heads if 0 < len(head) <= _MOST_CHARS]


def _name(head: str) -> Name:
    return Name(head, tuple(word.text for word in _words(head)), tuple(_RUN.findall(head)))


def is_named(name: Name, text: str) -> bool:
    """Whether a text holds a name, be it in part: one of its own words, or three in ten of its pairs of characters."""
    folded = _fold(text)
    capital = [word for word in name.words if word[0].isupper() and len(word) > 2 and _fold(word) not in _COMMON]
    if any(_fold(word) in folded for word in capital or name.words):
        return True
    if not (name.words or name.runs):
        return _fold(name.whole) in folded
    pairs = [run[at:at + 2] for run in name.runs for at in range(len(run) - 1)]
    return bool(pairs) and sum(pair in text for pair in pairs) >= 0.3 * len(pairs)


def misses(text: str, names: Iterable[Name], cells: str, language: str) -> list[Miss]:
    """Where `text` has a name but for a letter or two. What the brief's `cells` have themselves is meant so.

    Where the text has the name as it is too, another like it is mostly another's: Solar Alliance beside Solara.
    """
    words, ours = _words(text), _words(cells)
    ordinary = {word.folded for word in (*words, *ours) if word.text.islower()}
    here = _Here(text, words, {word.folded for word in ours}, ordinary, language)
    found: dict[tuple[int, int], Miss] = {}
    for name in names:
        for miss in [*_latin(name, here), *_chinese(name, text, cells)]:
            found.setdefault((miss.start, miss.end), miss)
    return sorted(found.values())


def _words(text: str) -> list[_Word]:
    pattern = _ASCII_WORD if text.isascii() else _WORD
    found = (_Word(match.start(), match.end(), match[0], _fold(match[0])) for match in pattern.finditer(text))
    return [word for word in found if word.folded != "and"]


def _fold(text: str) -> str:
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


def _latin(name: Name, here: _Here) -> Iterator[Miss]:
    for at, right in enumerate(name.words):
        if len(right) < _LEAST_BESIDE or not right[0].isupper():
            continue
        folded, most = _fold(right), 2 if len(right) >= _LONG_BESIDE else 1
        beside = {_fold(word) for word in (name.words[at - 1] if at else "", *name.words[at + 1:at + 2])
                  if len(word) >= _LEAST_BESIDE and _fold(word) not in _COMMON}
        for place in sorted(_maybe(folded, beside, here)):
            word = here.words[place]
            if word.folded in here.known or _is_form(word.folded, folded, here.language):
                continue
            if (wrong := _wrong_letters(word.folded, folded)) > most:
                continue
            is_own = not {folded, word.folded} & here.ordinary and word.folded[0] == folded[0]
            if _has_beside(place, beside, here) or (is_own and _is_meant(here.text, word, right, wrong)):
                is_sure = _is_slip(word.folded, folded) or not _stands(folded, here)
                yield Miss(word.start, word.end, word.text, right, is_sure)


def _stands(folded: str, here: _Here) -> bool:
    """Whether the text has a word of a name as it is, or a form of it."""
    return any(word.folded[0] == folded[0] and _is_form(word.folded, folded, here.language) for word in here.words)


def _maybe(folded: str, beside: set[str], here: _Here) -> set[int]:
    """Places of words as long as a name's, but for two letters, that begin like it or stand beside its neighbour."""
    found = set[int]()
    for place, word in enumerate(here.words):
        if word.folded in beside:
            found |= {place - 1, place + 1}
        elif word.folded[0] == folded[0] and word.text[0].isupper():
            found.add(place)
    return {place for place in found if 0 <= place < len(here.words)
            and abs(len(here.words[place].folded) - len(folded)) <= 2}


def _has_beside(place: int, beside: set[str], here: _Here) -> bool:
    """Whether a neighbour in the name is also one in the text, with no more between than `and`, `&` or a space."""
    for one, after in pairwise(here.words[max(0, place - 1):place + 2]):
        other = after if one is here.words[place] else one
        between = here.text[one.end:after.start]
        if other.folded in beside and len(between) <= _BETWEEN and not set(between) & set(_ENDS_SENTENCE):
            return True
    return False


def _is_meant(text: str, word: _Word, right: str, wrong: int) -> bool:
    """Whether a word with a capital is the name misspelt: surer inside a sentence than where any word has a capital."""
    if not word.text[0].isupper():
        return False
    doubtful = _opens_sentence(text, word.start) or _is_titled(text, word)
    least, long = (_LEAST_DOUBTFUL, _LONG_DOUBTFUL) if doubtful else (_LEAST, _LONG)
    return len(right) >= least and wrong <= (2 if len(right) >= long else 1)


def _opens_sentence(text: str, start: int) -> bool:
    before = text[max(0, start - 40):start].rstrip(_OPENS_LINE)
    return not before or before[-1] in _ENDS_SENTENCE


def _is_titled(text: str, word: _Word) -> bool:
    """Whether most of the line's other long words have a capital too, or it is all in capitals."""
    start, end = text.rfind("\n", 0, word.start) + 1, text.find("\n", word.end)
    line = text[start:word.start] + text[word.end:end if end >= 0 else len(text)]
    others = [other for other in _WORD.findall(line[:2000]) if len(other) >= _LEAST_BESIDE]
    return bool(others) and 2 * sum(other[0].isupper() for other in others) > len(others)


def _is_form(one: str, other: str, language: str) -> bool:
    """Whether two words are forms of one: in English by its endings, elsewhere where they differ at the end alone."""
    short, long = sorted((one, other), key=len)
    if base_language(language) in ("en", "zh"):
        return one == other or (long.startswith(short) and long[len(short):] in _ENDINGS) or (
            short.endswith("y") and long == short[:-1] + "ies")
    return long.startswith(short[:-_ENDING_ELSEWHERE])


def _is_slip(wrong: str, right: str) -> bool:
    """Whether hands make this fault and other names do not have it: two letters inside that changed places, or one that
    is written twice or once. One left out is none: `Contact` beside `Contract`."""
    if len(right) < _LEAST_SLIP or wrong[-1] != right[-1] or wrong[0] != right[0] or _wrong_letters(wrong, right) != 1:
        return False
    return (len(wrong) == len(right) and sorted(wrong) == sorted(right)) or _squeezed(wrong) == _squeezed(right)


def _squeezed(word: str) -> str:
    return "".join(letter for letter, before in zip(word, " " + word, strict=False) if letter != before)


@lru_cache(maxsize=65536)
def _wrong_letters(one: str, other: str) -> int:
    """Letters put in, left out, changed, or changed places with the next; 3 for any more."""
    if abs(len(one) - len(other)) > 2:
        return 3
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        before, last, row = row, before, [at]
        for to, right in enumerate(other, 1):
            cost = min(before[to] + 1, row[to - 1] + 1, before[to - 1] + (letter != right))
            if at > 1 and to > 1 and letter == other[to - 2] and one[at - 2] == right:
                cost = min(cost, last[to - 2] + 1)
            row.append(cost)
        if min(row) > 2:
            return 3
    return min(row[-1], 3)


def _chinese(name: Name, text: str, cells: str) -> Iterator[Miss]:
    for run in name.runs:
        if len(run) < _LEAST_RUN:
            continue
        is_named, rest = run in text, text.replace(run, "\0" * len(run))
        for start, end in _one_off(run, rest, is_named=is_named):
            if (found := rest[start:end]) not in cells:
                yield Miss(start, end, found, run, not is_named and not _is_sibling(found, run, cells))


def _is_sibling(found: str, run: str, cells: str) -> bool:
    """Whether what stands there may be of another name: with a word that the brief has, or another kind of thing."""
    at = next((at for at, (one, right) in enumerate(zip(found, run, strict=False)) if one != right), 0)
    if any(pair in cells and pair not in run for pair in (found[max(0, at - 1):at + 1], found[at:at + 2]) if pair[1:]):
        return True
    is_kind = (at == len(run) - 2 and run[-1] in _KINDS) or (at == len(run) - 1 and {found[-1], run[-1]} <= _KINDS)
    return is_kind and len(found) == len(run) <= _SHORT_RUN


def _one_off(run: str, text: str, *, is_named: bool) -> Iterator[tuple[int, int]]:
    """Where a Chinese name stands of which one character is another, or one inside is left out.

    At an end of a short name, or of one that the text also has, another character may be of another word. So may any
    in a name of three that it has. Of a name with one fault one half stands as it is: only beside these is compared.
    """
    size, half = len(run), len(run) // 2
    ends = {0, size - 1}
    other = {at for at in range(size) if (size >= _LEAST_RUN_EDGE or at not in ends)
             and not (is_named and (at in ends or size == _LEAST_RUN))}
    first, second = [*_places(text, run[:half])], [*_places(text, run[half:])]
    for start in sorted({*first, *(at - half for at in second), *(at - half + 1 for at in second)}):
        if start < 0:
            continue
        wrong = [at for at, (one, right) in enumerate(zip(text[start:start + size], run, strict=False)) if one != right]
        if start + size <= len(text) and len(wrong) == 1 and wrong[0] in other and _RUN.match(text[start + wrong[0]]):
            yield start, start + size
            continue
        at = wrong[0] if wrong else len(text) - start
        is_inside = 0 < at < size - 1 or (at == size - 1 and run[-1] == run[-2])
        if size >= _LEAST_RUN_LESS and is_inside and text.startswith(run[at + 1:], start + at):
            yield start, start + size - 1


def _places(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)
