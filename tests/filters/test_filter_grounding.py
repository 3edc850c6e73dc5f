"""What a text states, held against what its brief says."""

from __future__ import annotations

from itertools import pairwise

import pytest
from filter_cases import GOOD_EN, a_brief, a_completion, marked
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aigc.errors import SettingsError
from aigc.filters import build_filters
from aigc.filters.facts import facts_in
from aigc.filters.facts.numerals import chinese_value, digit_values, english_value, plain
from aigc.filters.grounding import GroundingFilter
from aigc.records import FieldValue, Limits, Verdict

PIECES = st.sampled_from([
    "12", " ", "$", "%", "1,200", "1.200", "5月1日", "二〇二六", "年", "月", "点", "折", "成", "@", "a.com",
    "www.", "https://", "+86", "138", " May ", "pm", ":30", "/", "-", "(", ")", ".", "五", "百", "亿", "\0", "９", "²",
    "İ", " half ", " twenty ", " one hundred ", "\ud800", "kg", "元", "到", "x", "\n", "第", "No. ",
])
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=4)), max_size=40).map("".join)
RETRY = GroundingFilter(action="retry")


def held_against(said: FieldValue, text: str, language: str = "en") -> Verdict:
    return RETRY(a_brief(language, fields={"facts": said}), a_completion(text))


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("Weighs 1,200 g", "It weighs 1.2 kg."),
        ("Weighs 1.2 kg", "A light 1200 grams."),
        ("Holds 20 litres", "A 20-litre bag, 20L in all."),
        ("15-inch laptop", "Room for a 38 cm laptop."),
        ("0.9-litre kettle", "Boils 900 ml at a time."),
        ("60 to 100 °C", "Any temperature between 60 and 100 degrees."),
        ("Tracks of 20 x 30 cm", "Each track is 20 by 30 centimetres."),
        ("A 10-week course", "Ten weeks of training."),
        ("Open 12 months a year", "All 12 months."),
        ("Repaired free for five years", "A 5-year repair promise."),
        ("two ovens", "Both of the 2 ovens."),
        ("forty minutes on the dial", "The dial says 40 minutes."),
        ("twenty-five years old", "25 years of craft."),
        ("A dozen eggs", "12 eggs a box."),
        ("£12 one way", "Only 12 pounds one way."),
        ("$12", "12 dollars, US$12.00, USD 12."),
        ("€26.50", "26,50 € a bag, that is 26.50 euros."),
        ("£2.3 million", "Repairs cost £2,300,000, or £2.3m."),
        ("£1.25bn", "£1,250 million."),
        ("Was $44.99, now $42.99", "Save $2.00 today."),
        ("Was $200, now $150", "That is 25% off."),
        ("$200, now 25% off", "Yours for $150."),
        ("50% off", "Half price this week."),
        ("half price", "50% off this week."),
        ("fell by a fifth", "Parking fell by 20%."),
        ("14 per cent more customers", "14% more customers."),
        ("0.5%", "0.50 percent."),
        ("From 7 to 9 pm", "Doors open at 19:00 and close at 21:00."),
        ("Leaves at 23:15", "It leaves at 11.15 pm."),
        ("Open from 7 am", "Open from 7 o'clock."),
        ("noon", "At 12 pm sharp."),
        ("2026-05-01", "On 1 May 2026, that is May 1st, 2026."),
        ("1 May", "May 1 it is; see you on the 1st of May."),
        ("01/05/2026", "On 1 May 2026 or 5 January 2026."),
        ("10-12 May", "From 10 May to 12 May."),
        ("October 2024", "The flood of October 2024."),
        ("Opened on 3 March 1904", "Built in 1904."),
        ("https://www.shop.example/bags/fennick", "See shop.example/bags/fennick or shop.example."),
        ("Write to Info@Shop.example", "Mail info@shop.example."),
        ("call 0142 555 0186", "Call +44 142 555 0186 or 0142-555-0186."),
        ("(555) 123-4567", "Phone 555-123-4567."),
        ("83 volunteers came", "Over 80 volunteers came; nearly 85."),
        ("2,040 journeys", "About 2,000 journeys."),
        ("$89", "Under $90."),
        ("１２ ｃｍ", "12 cm"),
    ],
)
def test_what_the_brief_says_may_be_said_in_other_words_and_units(said: str, text: str) -> None:
    assert marked(held_against(said, text), text) == []


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("重1200克", "净重1.2公斤，也就是一千二百克，1.2千克。"),
        ("重480克", "只有0.48公斤。"),
        ("售价269元", "只要269块钱，￥269，人民币269。"),
        ("每晚380元", "每晚三百八十元。"),
        ("补贴18万元", "补贴180,000元，十八万元。"),
        ("2.6万册", "26000册藏书。"),
        ("原价200元，八折", "现价160元，打8折，便宜20%。"),
        ("八五折", "85折优惠。"),
        ("半价", "全场五折。"),
        ("入住率四成", "入住率40%，百分之四十。"),
        ("占四成三", "占43%。"),
        ("50%", "五成的人。"),
        ("5月1日至7日", "五月一日到五月七日，5月1号开始。"),
        ("2026-05-01", "2026年5月1日，二〇二六年五月一日。"),
        ("5.1-5.7", "5月1日到5月7日。"),
        ("建于1996年", "1996年建成。"),
        ("下午三点", "15:00开始，下午3点整，15时。"),
        ("18时30分", "晚上六点半。"),
        ("7:30", "早上七点半。"),
        ("22分钟出饭", "二十二分钟就好。"),
        ("提前12小时", "提前半天，12个小时。"),
        ("有两百多年", "两百多年的历史，200多年。"),
        ("312份", "三百多份，约300份。"),
        ("电话13812345678", "请拨打138-1234-5678。"),
        ("网址 www.pg.example", "访问pg.example了解。"),
        ("120个座位", "一百二十个座位。"),
        ("只用三天", "3天就到。"),
    ],
)
def test_the_same_in_chinese(said: str, text: str) -> None:
    assert marked(held_against(said, text, "zh"), text) == []


@pytest.mark.parametrize(
    ("said", "text", "found"),
    [
        ("A kettle for $89", "Was $129, now only $89.", ["$129"]),
        ("A kettle for $89", "Only €89.", ["€89"]),
        ("62 pieces", "Only $62.", ["$62"]),
        ("A kettle", "Save 20% today.", ["20%"]),
        ("A kettle", "Save twenty percent, five dollars.", ["twenty percent", "five dollars"]),
        ("A kettle", "Half price this week.", ["Half price"]),
        ("50 kg", "50% lighter.", ["50%"]),
        ("On 1 May", "On 2 May.", ["2 May"]),
        ("On 1 May", "On May 1, 2023.", ["May 1, 2023"]),
        ("On 1 May 2026", "By June 2026, on 06/07/2026.", ["June 2026", "06/07/2026"]),
        ("A kettle", "See www.ovenbird.com, ovenbird.shop/kettle.", ["www.ovenbird.com", "ovenbird.shop/kettle"]),
        ("shop.example", "See shop.example/sale.", ["shop.example/sale"]),
        ("A kettle", "Write to help@ovenbird.com.", ["help@ovenbird.com"]),
        ("A kettle", "Call 1-800-555-0199 or (020) 7946 0018.", ["1-800-555-0199", "(020) 7946 0018"]),
        ("call 0142 555 0186", "Call 0142 555 0187.", ["0142 555 0187"]),
        ("$100", "Almost $50 off.", ["$50"]),
        ("1.2 kg", "2 kg of flour, $5.", ["$5"]),
    ],
)
def test_an_invented_price_date_or_address_is_marked_and_sent_back(said: str, text: str, found: list[str]) -> None:
    verdict = held_against(said, text)
    assert (verdict.action, verdict.reason) == ("retry", "invented_fact")
    strict = [span for span in marked(verdict, text) if span in found]
    assert strict == found


@pytest.mark.parametrize(
    ("said", "text", "found"),
    [
        ("一口锅", "原价399元，现在只要五十块钱。", ["399元", "五十块钱"]),
        ("一口锅", "限时8折，立减百分之二十。", ["8折", "百分之二十"]),
        ("一口锅", "全场半价，三成的人。", ["半价", "三成"]),
        ("一口锅", "活动到5月7日，六月一日恢复。", ["5月7日", "六月一日"]),
        ("5月1日", "2023年5月1日。", ["2023年5月1日"]),
        ("一口锅", "详情见www.guo.cn，或致电400-800-1234。", ["www.guo.cn", "400-800-1234"]),
        ("一口锅", "请加微信13912345678，邮箱a@guo.cn。", ["13912345678", "a@guo.cn"]),
        ("269元", "只要269美元。", ["269美元"]),
    ],
)
def test_the_same_inventions_in_chinese(said: str, text: str, found: list[str]) -> None:
    verdict = held_against(said, text, "zh")
    assert (verdict.action, verdict.reason) == ("retry", "invented_fact")
    assert sorted(marked(verdict, text)) == sorted(found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Loved by 5,000 customers.", ["5,000"]),
        ("Since 1985.", ["1985"]),
        ("Holds 25 litres.", ["25 litres"]),
        ("Ready at 9:30.", ["9:30"]),
        ("Twenty years of craft.", ["Twenty years"]),
        ("自1985年起，服务三十多万家庭，24小时不停。", ["1985年", "三十多万", "24小时"]),
    ],
)
def test_another_number_that_the_brief_does_not_hold_is_only_flagged(text: str, found: list[str]) -> None:
    verdict = held_against("A kettle", text)
    assert (verdict.action, verdict.reason) == ("flag", "unsupported_number")
    assert marked(verdict, text) == found


@pytest.mark.parametrize(
    "text",
    [
        GOOD_EN,
        "3 reasons to come: the bread, the soup, the view.",
        "1. Boil the water.\n2. Pour.\n12. Drink.\n(3) Enjoy.\n",
        "Step 12: enjoy. Chapter 11 tells of Route 66 and Room 101.",
        "One of them said that two of the three never came; not one came twice.",
        "The 1st and the 21st century, 24/7, in the 60s.",
        "A 5G phone in 4K with USB-C 3, MP3, an A4 page, B12 and COVID-19.",
        "They may march 3 by 3 until you may 2.",
        "It is 10 out of 10, and 2x better.",
        "I can't. Visit us.Com is a joke, e.g. this, i.e. that... No.Way",
        "A hundred ways, thousands of people, millions of stars.",
        "At the end of the day, in the second half, for the first time.",
        "第一次来，十分满意，一个人，两三天，万一下雨，千万别忘，一点也不难。",
        "成千上万的人，百年老店，七八个人，三五好友，一心一意，五颜六色，四面八方。",
        "第十二章，第3步，说了三点建议，五折叠的伞，一成不变，成功了。",
        "三角形的冰山一角，5G芯片，7-Eleven便利店。",
        "1、洗米\n2、加水\n",
        "",
        "???",
    ],
)
def test_numbers_that_are_ways_of_speaking_need_no_ground(text: str) -> None:
    assert held_against("A kettle", text).action == "pass"


def test_every_cell_keyword_and_limit_is_ground() -> None:
    brief = a_brief(fields={"price": 148.0, "stock": 1200, "list": ["84 cm", "12 plans"], "flag": True, "none": None},
                    limits=Limits(max_words=150, keywords=["3000 miles"]))
    text = "$148, 1,200 left, 84 cm, 12 plans, 150 words, 3,000 miles."
    assert marked(RETRY(brief, a_completion(text)), text) == []


def test_a_price_stands_alone_in_its_cell_or_beside_a_word_of_money() -> None:
    assert held_against("148", "Only €148.").action == "pass"
    assert held_against("Price: 148", "Only €148.").action == "pass"
    assert held_against("148 pieces", "Only €148.").action == "retry"


def test_what_was_invented_is_named_to_people_and_model() -> None:
    text = "Only $12, 40% off, for 5,000 people."
    verdict = held_against("A kettle", text)
    assert (verdict.measured, verdict.limit) == (3, 0)
    assert verdict.message == "The brief does not hold 3 of the text's 3 figures, dates and addresses: $12, 40%."
    assert verdict.advice == "Do not state $12 or 40%: the brief does not say it. Use only its facts."
    verdict = held_against("锅", "只要12元，8折。", "zh")
    assert verdict.advice == "不要写“12元”、“8折”：资料里没有。只用资料里的事实。"


def test_a_phone_number_or_mailbox_is_marked_but_not_repeated() -> None:
    verdict = held_against("A kettle", "Call 1-800-555-0199 or write to zoe@ovenbird.com.")
    assert verdict.advice == (
        "Do not state a phone number or an e-mail address: the brief does not say it. Use only its facts.")
    assert "0199" not in verdict.message
    assert "zoe" not in verdict.message


def test_severities_are_set_by_kind() -> None:
    strict = GroundingFilter(action="retry", strict_kinds=("number",), flagged_kinds=("price",))
    brief = a_brief(fields={"product": "A kettle"})
    assert strict(brief, a_completion("5,000 people")).action == "retry"
    assert strict(brief, a_completion("Only $12")).action == "flag"
    assert strict(brief, a_completion("40% off")).action == "pass"
    assert GroundingFilter(action="retry", small_count=0)(brief, a_completion("3 reasons")).action == "flag"
    assert GroundingFilter(action="hold")(brief, a_completion("40% off")).action == "hold"
    assert GroundingFilter(action="flag")(brief, a_completion("40% off")).action == "flag"


def test_it_is_off_unless_a_content_type_asks_for_it() -> None:
    assert "grounding" not in {item.name for item in build_filters({}, "aigc.toml")}
    assert "grounding" in {item.name for item in build_filters({"grounding": {"action": "flag"}}, "aigc.toml")}


def test_a_brief_that_says_nothing_is_no_ground() -> None:
    assert RETRY(a_brief(), a_completion("Only $12, 40% off.")).action == "pass"


def test_an_unknown_kind_is_refused_with_those_there_are() -> None:
    with pytest.raises(SettingsError) as caught:
        build_filters({"grounding": {"strict_kinds": ["prices"]}}, "aigc.toml")
    assert str(caught.value) == (
        "aigc.toml, key filters.grounding.strict_kinds[0]: found '['prices']'; expected one of price, percent, date, "
        "url, email, phone, time, year, quantity, number. Correct the value."
    )


@pytest.mark.parametrize(
    ("numeral", "value"),
    [("十", 10), ("一百二", 120), ("一百零二", 102), ("三万五", 35000), ("两亿三千万", 230000000), ("二〇二六", 2026),
     ("一点五", 1.5), ("廿五", 25), ("三五", None), ("千万", None), ("百", None)],
)
def test_chinese_numerals_are_read(numeral: str, value: float | None) -> None:
    assert chinese_value(numeral) == value


@pytest.mark.parametrize(
    ("numeral", "value"),
    [("one hundred and twenty", 120), ("twenty-five", 25), ("two million three hundred thousand", 2300000),
     ("two point five", 2.5), ("one two", None)],
)
def test_english_numerals_are_read(numeral: str, value: float | None) -> None:
    assert english_value(numeral) == value


@pytest.mark.parametrize(
    ("token", "values"),
    [("1,200", (1200,)), ("1.200", (1200, 1.2)), ("1,200.50", (1200.5,)), ("1.200,50", (1200.5,)), ("14,99", (14.99,)),
     ("0.500", (0.5,)), ("1'200", (1200,)), ("3.14.15", ())],
)
def test_separators_part_or_group(token: str, values: tuple[float, ...]) -> None:
    assert digit_values(token) == values


def test_a_text_keeps_its_length_when_it_is_made_plain() -> None:
    for text in ("İ１２３ Ⅷ ٣ ￥5", "ﬁß＄", "①²½", "\ud800９"):
        assert len(plain(text)) == len(text)


def test_no_fact_lies_inside_another() -> None:
    text = ("On 1 May 2026 at 7 pm, $12.50 at www.a.com/12 or 0142 555 0186, a12@b.com, 10–15 minutes, "
            "二〇二六年五月一日下午三点")
    assert all(one.end <= two.start for one, two in pairwise(facts_in(text)))


@settings(max_examples=200, deadline=None)
@example(text="９点1212", said="")
@given(text=TEXTS, said=TEXTS)
def test_what_the_brief_says_word_for_word_is_always_ground(text: str, said: str) -> None:
    verdict = held_against(f"x{said}", text)
    assert all(0 <= span.start < span.end <= len(text) for span in verdict.spans)
    assert held_against(f"{text} ", text).action == "pass"
