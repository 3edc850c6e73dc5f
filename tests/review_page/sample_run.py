"""A small run as editors meet one: several content types, two languages, every outcome."""

from __future__ import annotations

from factories import a_record, an_attempt
from samples import a_text, pointing, record_id

from aigc.records import Attempt, Completion, Fault, FieldValue, Limits, OutputValue, Record, RowError, Source, Verdict


def laid_out(headline: str, body: str, bullets: list[str]) -> tuple[str, dict[str, OutputValue]]:
    points = "\n- ".join(bullets)
    return f"# {headline}\n\n{body}\n\n- {points}", {"headline": headline, "body": body, "bullets": bullets}


_KETTLE: dict[str, FieldValue] = {
    "product": "Ovenbird No. 3 Gooseneck Kettle",
    "brand": "Ovenbird",
    "price": "$89",
    "facts": [
        "0.9-litre stainless steel kettle",
        "Holds any temperature from 60 to 100 °C for 30 minutes",
        "Boils a full kettle in 4 minutes",
        "Narrow gooseneck spout for slow, even pouring",
        "Cord winds up under the base",
    ],
}


_OF_KETTLES: dict[str, object] = {
    "brief_id": "pd-002",
    "content_type": "product_description",
    "brief": _KETTLE,
    "audience": "people who make coffee at home",
    "limits": Limits(min_words=60, max_words=120, keywords=["kettle"], must_not_mention=["plastic"]),
    "source": Source(file="inputs/briefs.csv", line=3),
}


def _held_kettle() -> Record:
    text, fields = laid_out(
        "Ovenbird No. 3 Gooseneck Kettle",
        "Good coffee starts with water at the right temperature. The Ovenbird No. 3 holds yours anywhere between "
        "60 and 100 °C for half an hour, so a second cup tastes like the first. A full kettle boils in "
        "3 minutes, and the narrow spout pours a stream slow enough to steer. "
        "We guarantee you will never buy another kettle.",
        [
            "0.9 litres of brushed stainless steel",
            "Holds its temperature for 30 minutes",
            "A gooseneck spout for slow, even pouring",
            "The cord winds up under the base",
        ],
    )
    verdicts = [
        pointing(text, "3 minutes", "hold", "invented_fact", "grounding", measured=1.0, limit=0.0,
                 message="The brief does not hold 1 of the text's 5 figures, dates and addresses: 3 minutes."),
        pointing(text, "We guarantee you will never buy another kettle", "flag", "guarantee", "advertising",
                 "Words that advertising rules forbid or want proof of: guarantee."),
        Verdict(filter="safety", action="not_run", message="No classifier is set: nobody has read this text for harm."),
    ]
    too_long = (
        "The Ovenbird kettle is a kettle for people who like kettles, and coffee, and "
        + "pouring it slowly, " * 14
        + "always."
    )
    return a_text(
        2,
        text,
        fields=fields,
        verdicts=verdicts,
        outcome="held",
        variant=0,
        **_OF_KETTLES,
        earlier=[(too_long, [Verdict(filter="repetition", action="retry", reason="distinct_ngrams_low")])],
    )


def _passed_kettle() -> Record:
    text, fields = laid_out(
        "Pour slower. Taste more.",
        "The Ovenbird No. 3 is a 0.9-litre kettle for people who take their coffee seriously and their mornings "
        "slowly. Set a temperature from 60 to 100 °C and it stays there for 30 minutes. The gooseneck does the "
        "rest: a thin, even stream that goes where you point it. From cold to boiling takes 4 minutes.",
        [
            "Any temperature from 60 to 100 °C",
            "Boils 0.9 litres in 4 minutes",
            "Narrow spout for even pouring",
            "Cord tucks under the base",
        ],
    )
    return a_text(3, text, fields=fields, outcome="accepted", variant=1, **_OF_KETTLES)


def _rice_cooker() -> Record:
    text, fields = laid_out(
        "小满一人食电饭煲：22分钟，一碗刚好的热饭",
        "一个人住，也值得好好吃饭。小满电饭煲容量1.2升，一次煮两小碗米饭，快煮模式22分钟就能开饭。内胆是陶瓷涂层，只有480克，单手就能拿起来洗。"
        "睡前放好米和水，预约十二小时，早上醒来粥就好了。全国销量第一，绝对是租房党的最佳选择。",
        ["1.2升，两小碗刚刚好", "快煮22分钟", "内胆480克，单手可洗", "底座只有A5纸大小"],
    )
    verdicts = [
        pointing(text, "全国销量第一", "flag", "absolute_claim", "advertising",
                 "Words that advertising rules forbid or want proof of: 全国销量第一; 最佳.",
                 advice="不要使用“第一”“最佳”等绝对化用语。"),
        pointing(text, "最佳选择", "flag", "absolute_claim", "advertising",
                 "Words that advertising rules forbid or want proof of: 最佳."),
    ]
    return a_text(
        5,
        text,
        fields=fields,
        verdicts=verdicts,
        outcome="accepted",
        brief_id="pd-zh-001",
        content_type="product_description",
        language="zh",
        tone="亲切、实在",
        audience="租房独居的年轻人",
        label="本内容由人工智能生成",
        source=Source(file="inputs/briefs.zh.csv", line=2),
        limits=Limits(min_words=80, max_words=200),
        brief={
            "product": "小满一人食电饭煲",
            "brand": "禾边生活",
            "price": "269元",
            "facts": [
                "容量1.2升，一次能煮两小碗米饭",
                "快煮模式22分钟出饭",
                "内胆陶瓷涂层，重480克，单手就能拿起来洗",
                "可以提前12小时预约",
                "底座只有A5纸大小",
            ],
        },
    )


def _teaching_case() -> Record:
    case = (
        "# 周三的退货单\n\n## 背景\n\n林悦在一家卖手工围裙的小店做店长。周三早上，她收到一张退货单："
        "顾客说围裙洗过一次就缩水了。\n\n## 讨论题\n\n1. 林悦应该先向谁了解情况？\n\n2. 退货规则要不要改？"
    )
    return a_text(
        6,
        case,
        outcome="held",
        brief_id="tc-zh-004",
        content_type="teaching_case",
        language="zh",
        verdicts=[
            Verdict(
                filter="length",
                action="hold",
                reason="too_short",
                measured=86.0,
                limit="300–600",
                message="The text has 86 characters; 300 to 600 are asked for.",
                advice="写到300至600字。",
            )
        ],
        fields={
            "title": "周三的退货单",
            "background": "林悦在一家卖手工围裙的小店做店长。周三早上，她收到一张退货单：顾客说围裙洗过一次就缩水了。",
            "questions": [
                {"question": "林悦应该先向谁了解情况？", "goal": "分清事实与看法"},
                {"question": "退货规则要不要改？", "goal": "权衡长期与短期"},
            ],
        },
        source=Source(file="inputs/briefs.zh.csv", line=9),
        brief={"topic": "小店的退货规则", "level": "职业培训"},
        limits=Limits(min_words=300, max_words=600),
    )


def _article() -> Record:
    article = (
        "The library on Mill Street will stay open until nine from Monday, the council said on Thursday.\n\n"
        "“People told us that they cannot come before six,” said the librarian, Ana Ruiz. "
        "“So we will be here after six.”\n\n"
        "The longer hours are a trial until March. What happens then depends on how many come, and on the budget."
    )
    return a_text(
        1,
        article,
        outcome="accepted",
        brief_id="na-011",
        content_type="news_article",
        audience="readers of a local paper",
        source=Source(file="inputs/briefs.csv", line=2),
        limits=Limits(min_words=60, max_words=180),
        verdicts=[
            pointing(article, "What happens then depends on how many come, and on the budget.", "flag",
                     "unsupported_number", "grounding", "A sentence that the brief says nothing of.")
        ],
        brief={
            "topic": "Library opens until nine",
            "place": "Mill Street",
            "quote": "People told us that they cannot come before six.",
        },
    )


def _song() -> Record:
    song = (
        "Rain on the skylight, rain on the stair\nI left the kettle, I left the chair\n\n"
        "And oh, the morning, oh, the morning\nComes without knocking, comes without warning"
    )
    return a_text(
        4,
        song,
        outcome="accepted",
        brief_id="sl-007",
        content_type="song_lyrics",
        tone="wistful",
        brief={"topic": "Leaving a house at dawn", "genre": "folk"},
        source=Source(file="inputs/briefs.csv", line=8),
    )


def _post() -> Record:
    post = "🎉🎉 Our biggest sale EVER!!! 🛒 Everything must go by Sunday — don't miss it!!! 🎉"
    return a_text(
        7,
        post,
        outcome="rejected",
        brief_id="sp-020",
        content_type="social_post",
        brief={"topic": "Weekend sale", "channel": "Mastodon"},
        verdicts=[
            pointing(post, "EVER!!!", "reject", "too_many_exclamations", "tone",
                     "6 exclamation marks; at most 1 is asked for.", measured=6.0, limit=1.0)
        ],
        source=Source(file="inputs/briefs.csv", line=21),
    )


def _reply() -> Record:
    return a_text(
        8,
        "Sorry, I can't help with that.",
        outcome="exhausted",
        brief_id="sr-031",
        content_type="service_reply",
        brief={"message": "Where is my parcel?", "customer": "Jo"},
        source=Source(file="inputs/briefs.csv", line=32),
        verdicts=[Verdict(filter="refusal", action="retry", reason="refusal", message="The text refuses to answer.")],
    )


def _row_with_a_mistake() -> Record:
    source = Source(file="inputs/briefs.csv", line=40)
    return a_record(
        9,
        record_id=record_id(9),
        brief_id="pd-039",
        outcome="invalid",
        attempts=[],
        chosen=None,
        brief={},
        source=source,
        content_type="product_description",
        errors=[
            RowError(
                row=9,
                id="pd-039",
                source=source,
                column="product",
                code="missing",
                found="nothing",
                expected="the product's name",
                remedy="Fill the cell.",
            )
        ],
    )


def _row_without_a_text() -> Record:
    fault = Fault(code="prompt_too_long", found="9,412 tokens", expected="at most 8,192", remedy="Shorten the brief.")
    failed: Attempt = an_attempt(
        0, "", completion=Completion(request_id="r", text="", finish_reason="error", fault=fault), verdicts=[]
    )
    return a_record(
        10,
        record_id=record_id(10),
        brief_id="su-003",
        outcome="failed",
        attempts=[failed],
        chosen=None,
        content_type="summary",
        brief={"source_text": "Minutes of the meeting of 3 November …"},
    )


def sample_records() -> list[Record]:
    """Ten rows, in the order of their sheet."""
    return [_article(), _held_kettle(), _passed_kettle(), _song(), _rice_cooker(), _teaching_case(), _post(), _reply(),
            _row_with_a_mistake(), _row_without_a_text()]
