from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from filter_cases import GOOD_EN, GOOD_ZH, verdict_of

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
