"""Names of the brief that a text misspells, and what a text is about that it does not name."""

from __future__ import annotations

import time

import pytest
from filter_cases import GOOD_EN, GOOD_ZH, a_brief, a_completion, marked
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc.errors import SettingsError
from aigc.filters import build_filters
from aigc.filters.names import NamesFilter
from aigc.filters.spelling import names_in
from aigc.filters.verdicts import FilterAction
from aigc.records import FieldValue, Verdict

NAMES = NamesFilter(must_name=("product",))
LAMP, COACH = "Traillight 300 Head Torch", "The Night Coach to Saltmere"
PIECES = st.sampled_from([
    "Traillight", "Trailligt", "traillight", " ", "’s", "-", "\n", ". ", "& ", "and ", "小满", "一人食", "电饭煲",
    "电饭锅", "Re\u0301ne\u0301e", "Renée", "\ud800", "İ", "ß", "1", ",", "：", "#", "\0",
])
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=4)), max_size=30).map("".join)


def held_against(product: FieldValue, text: str, language: str = "en", **more: FieldValue) -> Verdict:
    return NAMES(a_brief(language, fields={"product": product, **more}), a_completion(text))


@pytest.mark.parametrize(("product", "text", "wrong"), [
    (LAMP, "Meet the Trailligt, a torch for the dark.", ["Trailligt"]),
    (LAMP, "Meet the Traillihgt, a torch for the dark.", ["Traillihgt"]),
    (LAMP, "Meet the Trailllight, a torch for the dark.", ["Trailllight"]),
    (LAMP, "Meet the Traillught, a torch for the dark.", ["Traillught"]),
    (LAMP, "Your Traylight’s beam reaches far.", ["Traylight"]),
    (LAMP, "# Trailligt: A Light For Every Path\n\nIt weighs little.", ["Trailligt"]),
    (LAMP, "TRAILLIGT\nIt weighs little.", ["TRAILLIGT"]),
    (LAMP, "The Traillight is here. Your Trailllight’s beam reaches far.", ["Trailllight"]),
    (LAMP, "# Traillihgt: A Light For Every Path\n\nThe Traillight weighs little.", ["Traillihgt"]),
    ("Fennick Backpack", "A coat, a lunch and the Fenick on your back.", ["Fenick"]),
    ("Harrow & Tide", "A bag by Barrow & Tide.", ["Barrow"]),
    ("Harrow & Tide", "A bag by Barrow and Tide.", ["Barrow"]),
    ("Sallow River Trust", "Thanks from the Shallow River Trust.", ["Shallow"]),
    ("Marrow Coaches", "I write for Marry Coaches.", ["Marry"]),
    ("Ovenbird Gooseneck Kettle", "Pour with the ovenbrid gooseneck.", ["ovenbrid"]),
    ("Café Brévaud House Blend, 1 kg", "A cup of Café Brevaud at seven.", ["Brevaud"]),
    (COACH, "Sleep all the way to Saltmeer with us.", ["Saltmeer"]),
    (["Brannoch, the innkeeper", "Wren, the guide"], "“No,” says Brannock. Wren laughs.", ["Brannock"]),
    ("Traillight头灯", "戴上Trailligt，夜路也亮。", ["Trailligt"]),
], ids=lambda value: str(value)[:30])
def test_a_name_but_for_a_letter_or_two_is_sent_back_with_its_place(
    product: FieldValue, text: str, wrong: list[str]
) -> None:
    verdict = held_against(product, text)
    assert (verdict.action, verdict.reason, marked(verdict, text)) == ("retry", "misspelt_name", wrong)


@pytest.mark.parametrize(("product", "text", "other"), [
    (LAMP, "The Traillight is here. Your Traylight’s beam reaches far.", "Traylight"),
    (LAMP, "# Trailligt: A Light For Every Path\n\nTwo Traillights weigh little.", "Trailligt"),
    (LAMP, "Brighter than the Trailnight: the Traillight.", "Trailnight"),
    ("Solara", "Join the Solar Alliance: our Solara panels are made with its members.", "Solar"),
    ("Harrow & Tide", "A bag by Harrow & Tide, no Barrow & Tide.", "Barrow"),
    ("Contract Kit", "Sign the Contract with our Contact in the shop.", "Contact"),
    ("智能台灯", "这盏智能台灯与智能吊灯同一系列。", "智能吊灯"),
    ("智能台灯", "智能吊灯照亮整个客厅。", "智能吊灯"),
    ("便携式饭锅", "便携式炒锅也有售。", "便携式炒锅"),
], ids=lambda value: str(value)[:30])
def test_what_may_be_a_name_of_its_own_is_flagged_and_no_attempt_is_spent(product: str, text: str, other: str) -> None:
    verdict = held_against(product, text, "zh" if text > "一" else "en")
    assert (verdict.action, verdict.reason, marked(verdict, text)) == ("flag", "misspelt_name", [other])
    assert verdict.message.startswith(f"A name of the brief may be misspelt, unless another is meant: {other} for ")


@pytest.mark.parametrize("action", ["retry", "flag", "hold", "reject"])
def test_a_clear_misspelling_decides_and_editors_are_shown_the_doubtful_one_too(action: FilterAction) -> None:
    text = "The Traillight, beside the Trailnight and the Traillihgt."
    verdict = NamesFilter(action=action)(a_brief(fields={"product": LAMP}), a_completion(text))
    assert (verdict.action, verdict.measured, marked(verdict, text)) == (action, 1, ["Trailnight", "Traillihgt"])
    assert verdict.message == (
        "A name of the brief is misspelt: Traillihgt for Traillight. "
        "A name of the brief may be misspelt, unless another is meant: Trailnight for Traillight.")
    assert NamesFilter(action="off")(a_brief(fields={"product": "Solara"}), a_completion("Solara, of Solar Alliance"
                                     )).action == "pass"


@pytest.mark.parametrize(("product", "text"), [
    (LAMP, "The Traillight, the Traillight’s beam, two Traillights and #TRAILLIGHT."),
    (LAMP, "Light up the Trail. A Twilight walk needs the Traillight."),
    ("Ovenbird Kettle", "Settle down with an Ovenbird. Nettle tea, Kettles of it."),
    (COACH, "Right on time: the Night Coach to Saltmere. Light bags, please. Coaches leave daily."),
    ("Marrow Coaches", "A Marrow Coach, or two Marrow coaches. Tomorrow, Harrow."),
    ("Evening pottery course for beginners", "An evening of pottery. Beginner or not, evenings suit us."),
    ("Sallow River Trust", "Thanks from the Sallow River Trust. Shallow water is safe."),
    ("Quince & Rye Bakery", "Since 1990, Quince & Rye have baked. Try the bakers’ loaf."),
    ("Tumble Marble Run, 62 pieces", "Tumble down the marble run: Marbles roll, humble tumbles."),
    ("Lantern & Vole Books", "Books by lantern light at Lantern and Vole. Lanterns out, Book now."),
    ("Copper Light", "The Right lamp, the Copper Light. What a Sight."),
], ids=lambda value: str(value)[:30])
def test_forms_of_a_name_and_words_that_are_like_it_are_let_be(product: str, text: str) -> None:
    assert held_against(product, text).action == "pass"


@pytest.mark.parametrize(("said", "text"), [
    ({"facts": "Beats the Trailnight of last year"}, "Better than the Trailnight: the Traillight."),
    ({"brand": "Trailright"}, "The Traillight, by Trailright."),
    ({"keywords": ["trailnight"]}, "The torch is better than any Trailnight."),
], ids=["facts", "brand", "keywords"])
def test_what_the_brief_itself_says_is_meant_so(said: dict[str, FieldValue], text: str) -> None:
    assert held_against(LAMP, text, "en", **said).action == "pass"


@pytest.mark.parametrize(("name", "text", "wrong"), [
    ("小满一人食电饭煲", "小满一人食电饭锅，一个人也好好吃饭。", ["小满一人食电饭锅"]),
    ("小满一人食电饭煲", "用小满一人时电饭煲做饭。", ["小满一人时电饭煲"]),
    ("小满一人食电饭煲", "小满一人食电饭煲上架。小满一入食电饭煲好用。", ["小满一入食电饭煲"]),
    ("白鹭湾亲子采莓园", "周末来白鹭湾子采莓园。", ["白鹭湾子采莓园"]),
    ("城南社区图书馆", "城北社区图书馆新到一批书。", ["城北社区图书馆"]),
    ("夜归书房", "今晚来夜贵书房坐坐。", ["夜贵书房"]),
    ("青山茶", "一壶青三茶，一下午。", ["青三茶"]),
], ids=lambda value: str(value)[:30])
def test_a_chinese_name_with_another_character_is_found(name: str, text: str, wrong: list[str]) -> None:
    verdict = held_against(name, text, "zh")
    may_be_anothers = name in text or name == "青山茶"
    assert verdict.action == ("flag" if may_be_anothers else "retry")
    assert (verdict.reason, marked(verdict, text)) == ("misspelt_name", wrong)
    assert verdict.advice == f"名称必须与资料一字不差：{name}。"


@pytest.mark.parametrize(("name", "text"), [
    ("小满一人食电饭煲", "小满电饭煲，一人食刚好。这款一人食电饭煲真好。"),
    ("禾边生活", "禾边生活，海边生活，都是生活。"),
    ("青山茶", "青山茶是好茶，青绿茶色。"),
    ("夜归书房", "深夜归来，书房还亮着灯：夜归书房。"),
    ("城南社区图书馆", "城南社区的图书馆，我们的社区图书馆。"),
], ids=lambda value: str(value)[:30])
def test_parts_of_a_chinese_name_and_other_words_are_let_be(name: str, text: str) -> None:
    assert held_against(name, text, "zh").action == "pass"


def test_a_chinese_word_of_the_brief_in_the_place_of_the_names_is_flagged() -> None:
    said: dict[str, FieldValue] = {"facts": "一入伏就开门"}
    assert held_against("小满一人食电饭煲", "小满一入食电饭煲好用。", "zh").action == "retry"
    assert held_against("小满一人食电饭煲", "小满一入食电饭煲好用。", "zh", **said).action == "flag"


@pytest.mark.parametrize(("language", "name", "text"), [
    ("de", "Traillight", "Die Lampe des Traillighs und Traillightes."),
    ("ru", "Светлана", "Мы едем к нашей Светлане."),
    ("fi", "Helsinki Lamp", "Osta Helsingin lamppu, Helsinkin valo."),
])
def test_endings_of_other_languages_are_let_be(language: str, name: str, text: str) -> None:
    assert held_against(name, text, language).reason in ("", "missing_name")


@pytest.mark.parametrize(("product", "text", "named"), [
    (LAMP, "A torch for the dark. Its beam reaches 100 metres.", True),
    (LAMP, "A lamp for the dark. Its beam reaches 100 metres.", False),
    (LAMP, "#traillight300 is out.", True),
    (COACH, "Every Friday, leave at 23:15 and wake by the sea.", False),
    ("X1", "The X1 is out.", True),
    ("X1", "It is out.", False),
    ("小满一人食电饭煲", "小满，一个人的电饭煲。", True),
    ("小满一人食电饭煲", "一口小锅，一碗好饭。", False),
    ("夜归书房", "城里有家店，开到凌晨两点。", False),
    ("", "A lamp.", True),
], ids=lambda value: str(value)[:30])
def test_a_text_that_does_not_name_what_it_is_about_is_flagged(product: str, text: str, *, named: bool) -> None:
    verdict = held_against(product, text, "zh" if text > "一" else "en")
    assert (verdict.action, verdict.reason) == (("pass", "") if named else ("flag", "missing_name"))


def test_editors_and_model_are_told_both_spellings() -> None:
    verdict = held_against(LAMP, "The Trailligt shines. Buy the Trailligt.")
    assert verdict.message == "A name of the brief is misspelt: Trailligt for Traillight."
    assert verdict.advice == "Spell names exactly as the brief does: Traillight."
    assert verdict.measured == 2


def built(**table: object) -> NamesFilter:
    found = build_filters({"names": table}, "template.toml")  # type: ignore[dict-item]
    return next(item for item in found if isinstance(item, NamesFilter))


def test_a_content_type_says_which_of_its_fields_are_names_and_what_follows() -> None:
    fields: dict[str, FieldValue] = {"customer": "Ms Renée Calloway", "product": LAMP}
    text = "Dear Ms Renee Callaway, your lamp is on its way."
    verdict = built(fields=["customer"], action="flag")(a_brief(fields=fields), a_completion(text))
    assert (verdict.action, marked(verdict, text)) == ("flag", ["Renee", "Callaway"])
    text = "Your order is on its way."
    assert built(must_name=["product"], missing="retry")(a_brief(fields=fields), a_completion(text)).action == "retry"
    assert built(must_name=["product"], missing="off")(a_brief(fields=fields), a_completion(text)).action == "pass"
    assert built()(a_brief(fields=fields), a_completion(text)).action == "pass"
    with pytest.raises(SettingsError, match=r"key filters\.names\.missing: found 'maybe'"):
        built(missing="maybe")


def test_a_name_that_may_be_anothers_hides_no_name_that_is_missing() -> None:
    fields: dict[str, FieldValue] = {"product": LAMP, "brand": "Nordkap"}
    text = "The Traillight is brighter than the Trailnight."
    verdict = built(must_name=["brand"], missing="retry")(a_brief(fields=fields), a_completion(text))
    assert (verdict.action, verdict.reason, verdict.advice) == ("retry", "missing_name", "Name it: Nordkap.")
    doubt = "A name of the brief may be misspelt, unless another is meant: Trailnight for Traillight."
    assert verdict.message == f"{doubt} The text does not name Nordkap."
    verdict = built(must_name=["brand"])(a_brief(fields=fields), a_completion(text))
    assert (verdict.action, verdict.reason) == ("flag", "misspelt_name")
    assert verdict.message == f"{doubt} The text does not name Nordkap."


def test_a_name_that_is_there_misspelt_is_not_called_missing_too() -> None:
    brief = a_brief(fields={"product": LAMP})
    verdict = built(must_name=["product"], missing="reject")(brief, a_completion("Meet the Trailligt, a torch."))
    assert (verdict.action, verdict.message) == ("retry", "A name of the brief is misspelt: Trailligt for Traillight.")


def test_texts_of_others_raise_no_alarm() -> None:
    for language, text in (("en", GOOD_EN), ("zh", GOOD_ZH)):
        for name in (LAMP, COACH, "小满一人食电饭煲", "海港城", ""):
            assert held_against(name, text, language).reason in ("", "missing_name")


@pytest.mark.parametrize(("cell", "heads"), [
    ("Tillwright, the till that runs on your phone", ["Tillwright"]),
    ("Suds & Spaniel self-service dog wash", ["Suds & Spaniel self-service dog wash"]),
    ("Night Lamp – small", ["Night Lamp"]),
    ("小满电饭煲（一人食）", ["小满电饭煲"]),
    (["MEI, 58, the owner", "JONAS, 24"], ["MEI", "JONAS"]),
    (12, []),
    (None, []),
    ("", []),
])
def test_a_name_ends_where_its_description_begins(cell: FieldValue, heads: list[str]) -> None:
    assert [name.whole for name in names_in(cell)] == heads


@pytest.mark.parametrize(
    "said", ["电" * 8000, "A" * 8000, "Trailer " * 1000, [f"Name{'x' * at}" for at in range(2000)]],
    ids=["characters", "letters", "words", "entries"],
)
def test_a_cell_that_is_no_name_takes_no_time(said: FieldValue) -> None:
    began_s = time.process_time()
    held_against(said, "The Trailler and the 电影。 " * 1000)
    assert time.process_time() - began_s < 2


@settings(max_examples=300, deadline=None)
@given(name=TEXTS, text=TEXTS, language=st.sampled_from(["en", "zh", "de", ""]))
def test_no_name_and_no_text_break_it_and_every_place_lies_in_the_text(name: str, text: str, language: str) -> None:
    verdict = held_against(name, text, language)
    assert all(0 <= span.start < span.end <= len(text) for span in verdict.spans)
    assert held_against(name, f"{name} {name}", language).reason in ("", "missing_name")
