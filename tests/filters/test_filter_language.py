from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from filter_cases import GOOD_EN, GOOD_ZH, a_brief, a_completion, default, marked, verdict_of

TEXTS = {
    "en": GOOD_EN,
    "zh": GOOD_ZH,
    "fr": "Chaque pain commence la veille au soir. La farine vient d'un moulin voisin et la pâte lève lentement "
    "pendant la nuit, ce qui donne à la croûte sa belle couleur et à la mie une légère acidité.",
    "de": "Jedes Brot beginnt am Abend zuvor. Das Mehl kommt aus einer Mühle in der Nähe, und der Teig geht die "
    "ganze Nacht langsam auf, was der Kruste ihre Farbe und der Krume eine leichte Säure gibt.",
    "es": "Cada pan empieza la noche anterior. La harina viene de un molino cercano y la masa sube despacio durante "
    "toda la noche, lo que da a la corteza su color y a la miga una ligera acidez.",
    "ja": "どのパンも前の晩から始まります。粉は近くの製粉所から届き、生地は一晩かけてゆっくりと膨らみます。"
    "朝七時に最初の焼き上がりです。",
    "ru": "Каждый хлеб начинается накануне вечером. Мука приходит с соседней мельницы, а тесто медленно поднимается "
    "всю ночь.",
    "ko": "모든 빵은 전날 저녁에 시작됩니다. 밀가루는 가까운 방앗간에서 오고 반죽은 밤새 천천히 부풀어 오릅니다.",
}


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("written", TEXTS)
def test_a_text_passes_in_its_own_language_only(language: str, written: str) -> None:
    verdict = verdict_of("language", TEXTS[written], language)
    assert (verdict.action == "pass") is (language == written)
    if language != written:
        assert verdict.reason == "wrong_language"


def test_the_verdict_names_both_languages_and_tells_the_model() -> None:
    verdict = verdict_of("language", GOOD_ZH, "en")
    assert verdict.message == "The text is in Chinese, not English (0% of it is in Latin script)."
    assert (verdict.measured, verdict.limit, verdict.advice) == ("zh", "en", "Write in English only.")
    assert verdict_of("language", GOOD_EN, "zh").advice == "请全部用中文书写。"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("zh", "全新iPhone 16 Pro Max搭载A18 Pro芯片，配合ProMotion显示屏，让你的每一次滑动都顺畅自然，拍照更清晰。"),
        (
            "zh",
            "加入Harbour Bakery会员，每周五享受Rye Bread买一送一，"
            "详情见https://harbour.example/very/long/address/of/page。",
        ),
        (
            "en",
            "The potter signs each cup with the characters 景德镇 (Jingdezhen), the town where he learned his craft "
            "and to which he still returns every spring for clay.",
        ),
        (
            "en",
            "CRUSTY RYE. WARM ROLLS. HOT SOUP. OPEN FROM SEVEN UNTIL THREE, MONDAY TO SATURDAY, HARBOUR STREET NINE.",
        ),
        ("en", "Bonjour!"),
        ("zh", "OK！"),
        ("en", "#rye #bread"),
        ("tlh", GOOD_EN),
        ("", GOOD_EN),
    ],
)
def test_brands_short_texts_and_unknown_languages_pass(language: str, text: str) -> None:
    assert verdict_of("language", text, language).action == "pass"


def test_a_text_that_falls_into_another_script_is_flagged() -> None:
    text = (
        "这款面包外皮酥脆，内里柔软，非常适合早餐。"
        + "Perfect with butter and jam, enjoy every bite of it at home with family."
    )
    verdict = verdict_of("language", text, "zh")
    assert (verdict.action, verdict.reason) == ("flag", "mixed_script")
    assert verdict.message.startswith("The text mixes scripts: ")


def test_the_language_model_loads_once_for_many_threads() -> None:
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(lambda _: verdict_of("language", TEXTS["fr"], "en"), range(16)))
    assert {verdict.measured for verdict in verdicts} == {"fr"}


GOOD_HANT = (
    "海港街的每一條麵包都從前一晚開始。麵粉來自九英里外的磨坊，遇上清水、鹽和一罐比店鋪年紀還大的酵種。"
    "麵團整夜慢慢發起，外皮因此烤出深色，內裡帶一點微酸。清晨七點，第一批出爐。"
)
MIXED = GOOD_HANT[:70] + GOOD_ZH[60:90]


@pytest.mark.parametrize(
    ("language", "text", "reason"),
    [
        ("zh-Hant", GOOD_ZH, "wrong_variant"),
        ("zh-TW", GOOD_ZH, "wrong_variant"),
        ("zh_HK", GOOD_ZH, "wrong_variant"),
        ("zh-Hant-MY", GOOD_ZH, "wrong_variant"),
        ("zh-CN", GOOD_HANT, "wrong_variant"),
        ("zh-Hans", GOOD_HANT, "wrong_variant"),
        ("zh-SG", GOOD_HANT, "wrong_variant"),
        ("zh-TW", MIXED, "mixed_variants"),
        ("zh-CN", GOOD_ZH, ""),
        ("zh-Hans", GOOD_ZH, ""),
        ("zh-TW", GOOD_HANT, ""),
        ("zh-HK", GOOD_HANT + "看着窗外，皇后大道的里程、台面與乾杯。", ""),
        ("zh-CN", GOOD_ZH + "作者是陳先生。", ""),
        ("zh", GOOD_ZH, ""),
        ("zh", GOOD_HANT, ""),
        ("ja", "国の学校で会った、というのは本当です。" * 2, ""),
    ],
)
def test_simplified_and_traditional_chinese_are_told_apart_where_the_brief_names_one(
    language: str, text: str, reason: str
) -> None:
    verdict = verdict_of("language", text, language)
    assert verdict.reason == reason
    assert verdict.action == {"wrong_variant": "retry", "mixed_variants": "flag", "": "pass"}[reason]


def test_the_advice_on_a_variant_is_in_that_variant() -> None:
    assert verdict_of("language", GOOD_ZH, "zh-TW").advice == "請全部用繁體中文書寫。"
    verdict = verdict_of("language", GOOD_HANT, "zh-CN")
    assert verdict.advice == "请全部用简体中文书写。"
    assert verdict.message.startswith("The text is in traditional Chinese, not simplified (100% of the characters")
    assert "條" in "".join(marked(verdict, GOOD_HANT))


@pytest.mark.parametrize(
    ("language", "text", "reason", "found"),
    [
        ("en", f"{GOOD_EN} The crumb is 非常柔软 and warm.", "foreign_passage", ["非常柔软"]),
        ("en", f"{GOOD_EN} Это очень вкусно.", "foreign_passage", ["Это очень вкусно"]),
        (
            "zh",
            f"{GOOD_ZH * 2}\nEvery loaf starts the evening before and rises slowly through the night.",
            "foreign_passage",
            ["Every loaf starts the evening before and rises slowly through the night"],
        ),
        ("en", f"{GOOD_EN} Buy it at Hаrbour Street.", "mixed_letters", ["Hаrbour"]),
    ],
)
def test_passages_in_another_script_and_mixed_letters_are_flagged(
    language: str, text: str, reason: str, found: list[str]
) -> None:
    verdict = verdict_of("language", text, language)
    assert (verdict.action, verdict.reason, marked(verdict, text)) == ("flag", reason, found)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", f"{GOOD_EN} The baker calls it “发面” in his book."),
        ("en", f"{GOOD_EN} Rye (рожь) came from the north."),
        ("en", f"{GOOD_EN} The angle α and μm matter, and Ω too."),
        ("zh", f"{GOOD_ZH}他爱听《The Long and Winding Road to the Old Harbour Town》。"),
        ("zh", f"{GOOD_ZH}他用的是iPhone 16 Pro Max和Harbour Bakery App。"),
        ("ru", "Каждый хлеб начинается накануне вечером, а IT-специалист приходит утром за USB-кабелем и хлебом."),
        ("en", "Billing address: Sara Schwarz\n28245 Puruntie 82 Apt. 595\nLAPPEENRANTA\nSK 53650"),
        ("en", "Tomomi Nishiyama lives at 86036 Rua do Arenque 1634, Goiânia"),
    ],
)
def test_quotations_glosses_names_and_addresses_pass(language: str, text: str) -> None:
    assert verdict_of("language", text, language).action == "pass"


def test_words_from_the_brief_are_no_foreign_passage() -> None:
    brief = a_brief(fields={"brand": "非常柔软"})
    completion = a_completion(f"{GOOD_EN} The crumb is 非常柔软 and warm.")
    assert default("language")(brief, completion).action == "pass"
