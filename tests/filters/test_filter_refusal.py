from __future__ import annotations

import pytest
from filter_cases import GOOD_EN, GOOD_ZH, a_brief, a_completion, marked, verdict_of

from aigc.filters.refusal import RefusalFilter


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Sorry, but I can't assist with that."),
        ("en", "I’m sorry, but I cannot help with this request."),
        ("en", "I cannot fulfill your request. I'm just an AI."),
        ("en", "I'm unable to provide information or guidance on this product."),
        ("en", "Unfortunately, I am not able to create content about weapons."),
        ("en", "**I can't write an article about that.**"),
        ("en", "As an AI language model, I cannot provide information on that."),
        ("en", "As a responsible and ethical AI language model, I can't create content like this."),
        ("en", "Baking at night is illegal in this town, and I cannot provide advice on how to do so."),
        ("en", "I'm sorry, but your request goes against my guidelines."),
        ("en", "I cannot and will not write an article about that."),
        ("en", "I don't feel comfortable writing this advertisement."),
        ("en", "I must respectfully decline to write this advertisement."),
        ("en", "It is not appropriate or ethical to promote such a product."),
        ("zh", "抱歉，我不能回答这个问题。"),
        ("zh", "很抱歉，但我无法为您提供相关内容。"),
        ("zh", "你好，这个问题我暂时无法回答，让我们换个话题再聊聊吧。"),
        ("zh", "作为AI语言模型，我无法写这篇文章。"),
        ("zh", "我无法提供关于该产品的信息。"),
        ("zh", "您的请求我无法满足。"),
        ("zh", "Sorry, but I can't assist with that."),
    ],
)
def test_refusals_are_caught(language: str, text: str) -> None:
    verdict = verdict_of("refusal", text, language)
    assert (verdict.action, verdict.reason) == ("retry", "refusal")
    assert verdict.message.startswith("The text refuses the request (at character ")
    assert all(marked(verdict, text))
    assert verdict.advice == (
        "请直接写出正文，不要拒绝、道歉，也不要谈论你自己。"
        if language == "zh"
        else "Write the text itself. Do not decline, apologise or speak about yourself."
    )


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "As an AI language model, I don't have personal opinions, but bread is good."),
        ("en", "As an AI developed by Brevaud, I must say that rye is the better bread."),
        ("en", "Thank you for asking. However, as an AI, I cannot taste bread."),
        ("en", "I'm an AI assistant. Here is your text."),
        ("zh", "作为一个人工智能助手，我没有个人观点。"),
        ("zh", "我是一个AI助手，面包要趁热吃。"),
    ],
)
def test_an_answer_that_speaks_as_an_ai_is_flagged_and_failed_only_where_that_is_asked_for(
    language: str, text: str
) -> None:
    verdict = verdict_of("refusal", text, language)
    assert (verdict.action, verdict.reason, verdict.advice) == ("flag", "speaks_as_ai", "")
    assert verdict.message.startswith("The text speaks as an AI (at character ")
    strict = RefusalFilter(strict=True)(a_brief(language), a_completion(text))
    assert (strict.action, strict.reason) == ("retry", "speaks_as_ai")
    assert strict.advice


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", GOOD_EN),
        ("zh", GOOD_ZH),
        ("en", "I can't help falling in love with you,\nI can't let go of the morning blue."),
        ("en", '"I can\'t help you with that," Mara said, and shut the door.'),
        ("en", "“Stop. I cannot answer that question,” said the judge."),
        ("en", "**Mara:** I can't help you with that.\n\n**Tom:** Then who can?"),
        ("en", "AURA: As an AI, I cannot lie to you."),
        ("en", "As an AI company, we build tools for bakers."),
        ("en", "The question contains a number that nobody has counted: how many loaves a street eats."),
        ("en", "Flour was short that year, and I could not provide bread for the whole street."),
        ("en", "Your request is on its way to the kitchen, and the cake will be ready by noon."),
        ("en", "We can't recommend this loaf highly enough."),
        ("en", "We will not share your information with anyone."),
        ("en", "I'm sorry to hear that your parcel was late. We have sent a new one today."),
        ("en", "We are sorry, but we cannot offer a refund after thirty days."),
        ("en", "It is not appropriate to wear shoes indoors in many homes in Japan."),
        ("en", GOOD_EN + " I can't help with that, the baker laughs."),
        ("zh", "非常抱歉，我们无法为您办理退款，超过三十天的订单只能换货。"),
        ("zh", "“抱歉，我不能回答这个问题。”她说完就走了。"),
        ("zh", "作为一个母亲，我知道孩子需要什么。"),
        ("zh", "作为国内领先的人工智能公司，我们能提供全套方案。"),
        ("zh", "**李雷**：我不能帮你这个忙。"),
        ("zh", "我不能没有你，就像茶不能没有水。"),
    ],
)
def test_dialogue_songs_and_service_replies_are_no_refusals(language: str, text: str) -> None:
    assert verdict_of("refusal", text, language).action == "pass"


def test_the_span_covers_the_refusing_words() -> None:
    text = "Hello.  I can't assist with that. Bye."
    assert marked(verdict_of("refusal", text), text) == ["I can't assist with that"]
