"""The text is in another language or script than the brief asks for, or mixes them."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, ClassVar

import msgspec

from aigc.content import base_language
from aigc.filters.scripts import Variant, foreign_passages, mixed_words, other_variant, wanted_variant
from aigc.filters.verdicts import MAX_SPANS, FilterAction, Share, asked, at_most_flag, readable, wording
from aigc.records import Brief, Completion, Span, Verdict

_WORD = re.compile(r"\w+")
_SCRIPT_CHARS = 20_000
_SAMPLE_CHARS = 600
_LEAST_SAMPLE_CHARS = 30
"""Of words that begin small; py3langid guesses at less."""
_LETTERS_A_CHARACTER = 5
"""A Chinese character says about as much as a word of five letters."""
_SCRIPTS = {name: re.compile(f"[{chars}]+") for name, chars in {
    "Latin": "A-Za-zªºÀ-ÖØ-öø-ɏḀ-ỿ", "Han": "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff",
    "Kana": "\u3041-\u3096\u30a1-\u30fa\u30fc", "Hangul": "\u1100-\u11ff\uac00-\ud7af", "Cyrillic": "\u0400-\u052f",
    "Greek": "\u0370-\u03ff", "Arabic": "\u0600-\u06ff\u0750-\u077f", "Hebrew": "\u0590-\u05ff",
    "Devanagari": "\u0900-\u097f", "Thai": "\u0e00-\u0e7f",
}.items()}
_NO_ASCII_LETTERS = bytes(code for code in range(128) if not chr(code).isalpha())
_PER_CHARACTER = ("Han", "Kana", "Hangul")
_BEYOND_LATIN = re.compile("[\u0370-\u1cff\u2c00-\u2dff\u3041-\ufdff\U00020000-\U0003ffff]")
"""Letters outside Latin, without the punctuation and symbols between."""
_OF_LANGUAGE = {
    "zh": ("Han",), "ja": ("Han", "Kana"), "ko": ("Hangul",), "el": ("Greek",), "he": ("Hebrew",), "th": ("Thai",),
    **dict.fromkeys(("ru", "uk", "bg", "be", "mk"), ("Cyrillic",)), **dict.fromkeys(("ar", "fa", "ur"), ("Arabic",)),
    **dict.fromkeys(("hi", "mr", "ne"), ("Devanagari",)),
    **dict.fromkeys(_WORD.findall("en fr de es it pt nl sv da no nb nn fi pl cs sk sl hr ro hu tr et lv lt vi id ms ca "
                                  "gl eu ga cy is sq af sw tl mt la eo"), ("Latin",)),
}
_ALONE_IN_SCRIPT = frozenset({"zh", "ja", "ko", "el", "he", "th"})
_NEAR = ({"no", "nb", "nn", "da"}, {"id", "ms"}, {"hr", "sr", "bs"}, {"gl", "pt"}, {"cs", "sk"})
"""Languages that a few sentences do not tell apart."""
_ENGLISH_WORDS = frozenset(_WORD.findall(
    "the and with from you your this that of is are it to have has not by when where they their its our we be can will "
    "into more than his her she he but what which"))
_OTHER_WORDS = frozenset(_WORD.findall(
    "le la les des du une est et dans pour qui der die das und ist nicht ein eine mit el los las una del y por con het "
    "een van niet il di che della och det att som para não uma os da do e na się nie w z je"))
_NAMES = {"en": "English", "zh": "Chinese", "ja": "Japanese", "ko": "Korean", "fr": "French", "de": "German",
          "es": "Spanish", "it": "Italian", "pt": "Portuguese", "nl": "Dutch", "ru": "Russian", "ar": "Arabic"}
_VARIANTS = {"Hans": ("simplified", "请全部用简体中文书写。"), "Hant": ("traditional", "請全部用繁體中文書寫。")}
_FEWEST_OF_VARIANT = 5
"""Fewer characters of the other variant may be a name."""
_loading = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageFilter:
    """Scripts first, then py3langid where a script serves several languages.

    Fails where less than `min_script_share` of the text is in the language's script, or where the language has a
    probability under `min_probability`; flags where the share is under `mixed_script_share`. Texts of fewer than
    `min_letters` (a Chinese character counts as five) cannot be told and pass.

    Where the brief says which Chinese (zh-Hant, zh-TW, zh-HK; zh-Hans, zh-CN, zh-SG): fails where, of the characters
    that only one of the two has, more than `max_other_variant` are the other's; flags from `mixed_variants_share` on.
    Passages in another script and words of mixed letters flag.
    """

    name: ClassVar[str] = "language"
    action: FilterAction = "retry"
    min_script_share: Share = 0.5
    mixed_script_share: Share = 0.7
    min_probability: Share = 0.1
    min_letters: Annotated[int, msgspec.Meta(ge=1)] = 40
    max_other_variant: Share = 0.5
    mixed_variants_share: Share = 0.1

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        language = base_language(brief.language)
        text = readable(completion)[:_SCRIPT_CHARS]
        letters = _letters(text)
        scripts = _OF_LANGUAGE.get(language)
        total = sum(letters.values())
        if total < self.min_letters or scripts is None:
            return Verdict(filter=self.name, action="pass", limit=language)
        share = sum(letters.get(script, 0) for script in scripts) / total
        if share < self.min_script_share:
            return self._wrong(brief, _main_language(letters), f"{share:.0%} of it is in {scripts[0]} script")
        if (seen := _han_language(letters)) and language in ("zh", "ja") and seen != language:
            return self._wrong(brief, seen, "by its share of kana")
        seen, probability = (language, 1.0) if language in _ALONE_IN_SCRIPT else _tell(text, language)
        if probability < self.min_probability:
            return self._wrong(brief, seen, f"{language} has a probability of {probability:.2f}")
        variant = wanted_variant(brief.language)
        if variant and (verdict := self._other_variant(text, variant)):
            return verdict
        if share < self.mixed_script_share:
            return self._mixed("mixed_script", share, self.mixed_script_share, [],
                               f"The text mixes scripts: {share:.0%} of it is in {scripts[0]} script.")
        if spans := foreign_passages(text, scripts, brief):
            shown = text[spans[0].start:spans[0].end][:40]
            return self._mixed("foreign_passage", len(spans), 0, spans,
                               f"{len(spans)} passages are in another script than {language}: {shown}.")
        if spans := mixed_words(text):
            return self._mixed("mixed_letters", len(spans), 0, spans,
                               f"{len(spans)} words mix Latin and Cyrillic letters: "
                               f"{text[spans[0].start:spans[0].end][:40]}.")
        return Verdict(filter=self.name, action="pass", measured=language, limit=language)

    def _other_variant(self, text: str, variant: Variant) -> Verdict | None:
        share, spans = other_variant(text, variant)
        if sum(span.end - span.start for span in spans) < _FEWEST_OF_VARIANT or share <= self.mixed_variants_share:
            return None
        other = _VARIANTS["Hans" if variant == "Hant" else "Hant"][0]
        wanted, advice = _VARIANTS[variant]
        if share <= self.max_other_variant:
            return self._mixed("mixed_variants", share, self.mixed_variants_share, spans,
                               f"The text mixes in {other} characters ({share:.0%} of those that tell).")
        return Verdict(
            filter=self.name, action=asked(self.action), reason="wrong_variant", measured=round(share, 3),
            limit=self.max_other_variant, spans=spans[:MAX_SPANS], advice=advice,
            message=f"The text is in {other} Chinese, not {wanted} ({share:.0%} of the characters that tell).",
        )

    def _mixed(self, reason: str, measured: float, limit: float, spans: list[Span], message: str) -> Verdict:
        return Verdict(filter=self.name, action=at_most_flag(self.action), reason=reason, measured=round(measured, 3),
                       limit=limit, spans=spans[:MAX_SPANS], message=message)

    def _wrong(self, brief: Brief, seen: str, why: str) -> Verdict:
        language = base_language(brief.language)
        asked_for = _NAMES.get(language, f"the language '{language}'")
        return Verdict(
            filter=self.name, action=asked(self.action), reason="wrong_language", measured=seen, limit=language,
            message=f"The text is in {_NAMES.get(seen, seen)}, not {asked_for} ({why}).",
            advice=wording(brief, en=f"Write in {asked_for} only.", zh="请全部用中文书写。"),
        )


def _letters(text: str) -> dict[str, int]:
    """Letters of each script, characters of unspaced scripts weighted as words."""
    if "://" in text:
        text = re.sub(r"https?://[^\s\u3000-\uffef]+", " ", text)
    if text.isascii():
        count = len(text.encode().translate(None, _NO_ASCII_LETTERS))
        return {"Latin": count} if count else {}
    only_latin = not _BEYOND_LATIN.search(text)
    scripts = {"Latin": _SCRIPTS["Latin"]} if only_latin else _SCRIPTS
    counts = {name: sum(map(len, pattern.findall(text))) for name, pattern in scripts.items()}
    weight = dict.fromkeys(_PER_CHARACTER, _LETTERS_A_CHARACTER)
    return {name: count * weight.get(name, 1) for name, count in counts.items() if count}


def _han_language(letters: dict[str, int]) -> str:
    """Japanese writes about half in kana; Chinese borrows one now and then."""
    kana, han = letters.get("Kana", 0), letters.get("Han", 0)
    if kana + han < 20 * _LETTERS_A_CHARACTER:
        return ""
    return "ja" if kana > 0.15 * (kana + han) else "zh"


def _main_language(letters: dict[str, int]) -> str:
    """A name for what the text is in, as far as its script tells."""
    script = max(letters, key=lambda name: letters[name])
    if script in ("Han", "Kana"):
        return _han_language(letters) or ("zh" if script == "Han" else "ja")
    return {"Hangul": "ko", "Greek": "el", "Hebrew": "he", "Thai": "th"}.get(script, f"{script} script")


def _tell(text: str, language: str) -> tuple[str, float]:
    """The likeliest language of a sample of `text`, and the probability of `language`."""
    half = _SAMPLE_CHARS // 2
    sample = text if len(text) <= _SAMPLE_CHARS else f"{text[:half]} {text[len(text) // 2:len(text) // 2 + half]}"
    if language == "en" and _is_plain_english(sample):
        return language, 1.0
    sample = _without_names(sample)
    if len(sample) < _LEAST_SAMPLE_CHARS:
        return language, 1.0
    ranked = _rank(sample)
    near = next((group for group in _NEAR if language in group), {language})
    if not near & ranked.keys():
        return language, 1.0
    best = max(ranked, key=lambda name: ranked[name])
    # Temperature √bytes keeps the softmax calibrated over lengths, as py3langid's own norm_probs does.
    warmth = math.sqrt(len(sample.encode("utf-8", "surrogatepass")))
    weights = {name: math.exp((score - ranked[best]) / warmth) for name, score in ranked.items()}
    return best, sum(weights.get(name, 0.0) for name in near) / sum(weights.values())


def _without_names(sample: str) -> str:
    """The words that begin small: names and addresses are of any language, and of a short text they are the most."""
    return " ".join(word for word in sample.split() if word[0].isalpha() and not word[0].isupper())


def _is_plain_english(sample: str) -> bool:
    """Function words tell English beyond doubt at a tenth of py3langid's cost."""
    words = sample.lower().split()
    english = sum(map(_ENGLISH_WORDS.__contains__, words))
    other = sum(map(_OTHER_WORDS.__contains__, words))
    return english >= 5 and english >= 0.15 * len(words) and other <= 0.04 * len(words)


def _rank(sample: str) -> dict[str, float]:
    """py3langid's log scores for every language it knows. Loaded at the first need, once, under a lock (0.5 s)."""
    with _loading:
        rank = _load()
    return dict(rank(sample))


@cache
def _load() -> Callable[[str], list[tuple[str, float]]]:
    import py3langid

    py3langid.rank("")
    rank: Callable[[str], list[tuple[str, float]]] = py3langid.rank
    return rank
