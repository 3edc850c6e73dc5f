from __future__ import annotations

import pytest
from filter_cases import GOOD_EN, GOOD_ZH, a_brief, a_completion, default, marked, verdict_of

from aigc.filters.meta_talk import MetaTalkFilter
from aigc.records import OutputValue


@pytest.mark.parametrize(
    ("language", "opening"),
    [
        ("en", "Sure, here is a short ad for the bakery:"),
        ("en", "Sure! Here's your product description:"),
        ("en", "Certainly! Below is the article you asked for.\n"),
        ("en", "Here's a warm, friendly social media post for Harbour Bakery:"),
        ("en", "**Here is the revised version:**"),
        ("en", "Here are three headlines for your campaign:"),
        ("en", "Here is a newsletter based on the information provided."),
        ("en", "Here’s a draft that meets your requirements."),
        ("en", "Of course, I'd be happy to write a news article about the bakery."),
        ("en", "I have written a lesson plan on fractions."),
        ("en", "As requested, here is the text."),
        ("en", "Based on the facts you provided, here is the story."),
        ("en", "Thank you for providing the details."),
        ("en", "Okay, I will write a summary of the text."),
        ("zh", "好的，以下是为您撰写的广告文案："),
        ("zh", "当然！下面是一篇关于面包店的新闻："),
        ("zh", "以下是为您准备的内容："),
        ("zh", "以下是一则适合朋友圈的文案："),
        ("zh", "这是一篇关于海港街面包店的报道："),
        ("zh", "好的，我来为您写一篇文章。"),
        ("zh", "根据您提供的资料，以下是产品描述。"),
        ("zh", "Sure, here is the text:"),
    ],
)
def test_words_to_the_requester_before_the_text_are_caught(language: str, opening: str) -> None:
    text = f"{opening}\n\n{GOOD_ZH if language == 'zh' else GOOD_EN}"
    verdict = verdict_of("meta_talk", text, language)
    assert (verdict.action, verdict.reason) == ("retry", "opening")
    assert opening.strip("*\n").startswith(marked(verdict, text)[0].strip())
    assert verdict.message.startswith("The text opens with words to the requester: ")
    assert verdict.advice.startswith("只写正文" if language == "zh" else "Write only the text itself")


@pytest.mark.parametrize(
    ("language", "closing"),
    [
        ("en", "Let me know if you'd like any changes!"),
        ("en", "Let me know if you need any further adjustments or a different version."),
        ("en", "Would you like me to rewrite it in another tone?"),
        ("en", "Feel free to adjust the wording."),
        ("en", "Feel free to modify or adapt this ad to better suit your brand."),
        ("en", "I hope this description meets your needs."),
        ("en", "(Note: I've kept the text under 100 words.)"),
        ("en", "Note: This ad uses only the facts given."),
        ("en", "(Word count: 87)"),
        ("en", "This article is approximately 120 words long."),
        ("zh", "如果您需要修改，请随时告诉我。"),
        ("zh", "如需调整语气或长度，我可以再改一版。"),
        ("zh", "希望这篇文案符合您的要求！"),
        ("zh", "以上是为您撰写的文案。"),
        ("zh", "（字数：168）"),
        ("zh", "全文共168字。"),
    ],
)
def test_words_to_the_requester_after_the_text_are_caught(language: str, closing: str) -> None:
    text = f"{GOOD_ZH if language == 'zh' else GOOD_EN}\n\n{closing}"
    verdict = verdict_of("meta_talk", text, language)
    assert (verdict.action, verdict.reason) == ("retry", "closing")
    assert marked(verdict, text)[0] in closing
    assert verdict.message.startswith("The text closes with words to the requester: ")


@pytest.mark.parametrize(
    ("language", "text", "reason"),
    [
        ("en", f"{GOOD_EN} I hope this helps!", "closing"),
        ("en", f"{GOOD_EN}\n\nLet me know if you have any other questions.", "closing"),
        ("en", f"{GOOD_EN} Is there anything else I can help you with?", "closing"),
        ("en", f"Sure, there are a few ways to bake bread. {GOOD_EN}", "opening"),
        ("zh", f"{GOOD_ZH}希望对您有帮助！", "closing"),
        ("zh", f"{GOOD_ZH}\n如果您还有其他问题，请随时联系我。", "closing"),
        ("zh", f"好的，{GOOD_ZH}", "opening"),
    ],
)
def test_politeness_is_flagged_and_failed_only_where_that_is_asked_for(language: str, text: str, reason: str) -> None:
    verdict = verdict_of("meta_talk", text, language)
    assert (verdict.action, verdict.reason, verdict.advice) == ("flag", reason, "")
    assert MetaTalkFilter(strict=True)(a_brief(language), a_completion(text)).action == "retry"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", GOOD_EN),
        ("zh", GOOD_ZH),
        ("en", "Here is what the baker does: he rises at three."),
        ("en", "Here are the steps to a good crust: heat, steam, patience."),
        ("en", "Here's to the harbour, here's to the bread!"),
        ("en", "Here comes the post. It is early today."),
        ("en", "Below the post office stands a bakery:"),
        ("en", "Sure-footed and light, these boots go anywhere."),
        ("en", "Certainly the best rye in town."),
        ("en", "Of course we bake at night. When else?"),
        ("en", "As requested by many customers, rye is back."),
        ("en", "Based on the facts provided by the police, two loaves are missing."),
        ("en", "Thank you for sharing your experience with us, Anna. We are sorry that the parcel was late."),
        ("en", "I have created a bakery out of an old mill, says Brévaud."),
        ("en", f"{GOOD_EN} Let us know what you think in the comments."),
        ("en", f"{GOOD_EN} Let me know in the comments which loaf is yours."),
        ("en", f"{GOOD_EN} Feel free to use rye instead of wheat."),
        ("en", f"{GOOD_EN} Note: this offer is valid until May."),
        ("en", f'{GOOD_EN} "Let me know if you want any changes," she said.'),
        ("en", f"Let me know if you'd like any changes, the tailor used to say. {GOOD_EN}"),
        ("zh", "好的面包，从前一晚开始。"),
        ("zh", "好的！——听到这个回答，他笑了。".replace("好的！", "行！")),
        ("zh", "以下是活动规则：满100减20。"),
        ("zh", "这是一家开了三十年的面包店。"),
        ("zh", "根据您的订单号，我们查到包裹已于周二寄出。"),
        ("zh", f"{GOOD_ZH}如果您需要修改收货地址，请在24小时内联系我们。"),
        ("zh", f"{GOOD_ZH}“如果您需要修改，请告诉我。”裁缝说。"),
        ("zh", f"{GOOD_ZH}希望这份攻略能陪你走完旅途。"),
    ],
)
def test_words_to_the_reader_pass(language: str, text: str) -> None:
    assert verdict_of("meta_talk", text, language).action == "pass"


@pytest.mark.parametrize(
    "fields",
    [
        {"lines": [{"speaker": "Mara", "says": "Sure, here's your sword. Let me know if it breaks."}]},
        {"lines": [{"speaker": "Tom", "says": "Of course, I'll write to you."}]},
        {"lines": [{"speaker": "李雷", "says": "好的，我来帮你。"}, {"speaker": "梅", "says": "这是给你的信。"}]},
    ],
)
def test_characters_may_speak_to_each_other(fields: dict[str, OutputValue]) -> None:
    assert default("meta_talk")(a_brief(), a_completion(GOOD_EN, fields=fields)).action == "pass"


def test_a_field_that_opens_so_is_caught_inside_a_longer_layout() -> None:
    body = f"Here is a short ad for the bakery: {GOOD_EN}"
    text = f"# Bread\n\n{body}"
    verdict = default("meta_talk")(a_brief(), a_completion(text, fields={"headline": "Bread", "body": body}))
    assert (verdict.action, marked(verdict, text)) == ("retry", ["Here is a short ad for the bakery:"])
