"""Briefs and completions for filter tests, made from what a case is about."""

from __future__ import annotations

from aigc.filters import FILTERS, Filter
from aigc.records import Brief, Completion, Content, FieldValue, FinishReason, Limits, OutputValue, Source, Verdict

GOOD_EN = (
    "Every loaf at Harbour Street starts the evening before. Flour from a mill nine miles away meets water, salt and a "
    "starter that is older than the shop itself. Through the night it rises slowly, which gives the crust its colour "
    "and the crumb its faint sourness. By seven the first trays come out. Come early for rye, or stay until noon, when "
    "the seeded rolls are still warm and a pot of soup stands beside the till. Slice it thick. It keeps for four days."
)
GOOD_ZH = (
    "海港街的每一条面包都从前一晚开始。面粉来自九英里外的磨坊，遇上清水、盐和一罐比店铺年纪还大的酵种。"
    "面团整夜慢慢发起，外皮因此烤出深色，内里带一点微酸。清晨七点，第一批出炉。想买黑麦的客人请早来，"
    "也可以等到中午，那时杂粮小餐包还热着，柜台旁还备着一锅汤。切厚一点，能放四天。"
)


def a_brief(language: str = "en", fields: dict[str, FieldValue] | None = None, limits: Limits | None = None) -> Brief:
    return Brief(
        row=1,
        id="b1",
        content_type="ad_copy",
        language=language,
        fields=fields or {},
        limits=limits or Limits(),
        source=Source(file="inputs/briefs.csv", line=2),
    )


def a_completion(
    text: str = GOOD_EN,
    fields: dict[str, OutputValue] | None = None,
    raw: str | None = None,
    finish_reason: FinishReason = "stop",
    repaired: str = "",
) -> Completion:
    return Completion(
        request_id="request-0",
        text=text if raw is None else raw,
        finish_reason=finish_reason,
        tokens_out=64,
        content=Content(text=text, fields=fields or {}),
        repaired=repaired,
    )


def unread(raw: str) -> Completion:
    """A completion that could not be read as its declared form."""
    return Completion(request_id="request-0", text=raw, finish_reason="stop")


def verdict_of(name: str, text: str, language: str = "en", **limits: object) -> Verdict:
    """The verdict of one filter with its defaults on a plain text."""
    limit_values = Limits(**limits)  # type: ignore[arg-type]
    return default(name)(a_brief(language, limits=limit_values), a_completion(text))


def default(name: str) -> Filter:
    return FILTERS[name]()


def marked(verdict: Verdict, text: str) -> list[str]:
    """The texts that the verdict's spans point at."""
    return [text[span.start : span.end] for span in verdict.spans]
