"""One list of harms for all classifiers, and what each classifier's own labels are on it.

Sources of the native labels: the model cards of Qwen3Guard-Gen, Llama Guard 2, 3 and 4 (MLCommons hazards), ShieldGemma
and Granite Guardian 3.0 to 3.3; docs/safety.md has the definitions that decided where two could be meant.
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from aigc.records import Value

HarmAction: TypeAlias = Literal["off", "flag", "hold", "retry", "reject"]


class Harm(Value, frozen=True):
    """What a category is called, in words for people and for the model, and what it asks for unless settings say."""

    en: str
    zh: str
    action: HarmAction = "hold"


OTHER = "other"
HARMS: dict[str, Harm] = {
    "hate": Harm(en="hate or discrimination", zh="仇恨或歧视"),
    "harassment": Harm(en="insult or harassment", zh="侮辱或骚扰"),
    "violence": Harm(en="violence", zh="暴力"),
    "sexual": Harm(en="sexual content", zh="色情内容"),
    "sexual_minors": Harm(en="sexual content with minors", zh="涉及未成年人的性内容", action="reject"),
    "self_harm": Harm(en="suicide or self-harm", zh="自杀或自残"),
    "crime": Harm(en="crime", zh="违法犯罪"),
    "weapons": Harm(en="weapons of mass harm", zh="大规模杀伤性武器"),
    "privacy": Harm(en="personal data", zh="个人隐私", action="flag"),
    "defamation": Harm(en="defamation", zh="诽谤"),
    "politics": Harm(en="sensitive politics", zh="敏感政治内容", action="flag"),
    "misinformation": Harm(en="false information", zh="虚假信息", action="flag"),
    "advice": Harm(en="medical, legal or financial advice", zh="医疗、法律或财务建议", action="flag"),
    "copyright": Harm(en="another's work", zh="侵犯版权的内容", action="flag"),
    "profanity": Harm(en="profanity", zh="粗俗用语", action="flag"),
    "jailbreak": Harm(en="an attempt to get round a model's rules", zh="绕过模型规则的内容"),
    OTHER: Harm(en="harmful content", zh="有害内容"),
}

QWEN3GUARD: dict[str, str] = {
    "Violent": "violence",
    "Non-violent Illegal Acts": "crime",
    "Sexual Content or Sexual Acts": "sexual",
    "PII": "privacy",
    "Suicide & Self-Harm": "self_harm",
    "Unethical Acts": "hate",  # by its definition: bias, discrimination, hate speech, insults
    "Politically Sensitive Topics": "politics",
    "Copyright Violation": "copyright",
    "Jailbreak": "jailbreak",
}
LLAMA_GUARD: dict[str, str] = {
    "violent crimes": "violence",
    "non-violent crimes": "crime",
    "sex crimes": "sexual",
    "sex-related crimes": "sexual",
    "child exploitation": "sexual_minors",
    "child sexual exploitation": "sexual_minors",
    "defamation": "defamation",
    "specialized advice": "advice",
    "privacy": "privacy",
    "intellectual property": "copyright",
    "indiscriminate weapons": "weapons",
    "hate": "hate",
    "self-harm": "self_harm",
    "suicide & self-harm": "self_harm",
    "sexual content": "sexual",
    "elections": "misinformation",  # by its definition: facts about elections that are wrong
    "code interpreter abuse": "crime",
}
"""By name, not by code: S5 is defamation to Llama Guard 3 and advice to Llama Guard 2."""
LLAMA_GUARD_3_CODES: dict[str, str] = {
    "S1": "violence", "S2": "crime", "S3": "sexual", "S4": "sexual_minors", "S5": "defamation", "S6": "advice",
    "S7": "privacy", "S8": "copyright", "S9": "weapons", "S10": "hate", "S11": "self_harm", "S12": "sexual",
    "S13": "misinformation", "S14": "crime",
}
GRANITE_GUARDIAN: dict[str, str] = {
    "social_bias": "hate",
    "violence": "violence",
    "profanity": "profanity",
    "sexual_content": "sexual",
    "unethical_behavior": "crime",  # by its definition: fraud, theft, abuse of power
}
SAFE_LABELS = frozenset(
    "safe ok okay non_toxic nontoxic not_toxic neutral normal benign clean none acceptable sfw non_hate not_hate "
    "nothate no_hate non_hateful not_hateful non_offensive not_offensive non_abusive not_abusive harmless not_harmful "
    "non_harmful legit appropriate".split()
)
_HEAD_LABELS = {
    "hate": "hate hateful hate_speech h h2 hs identity_attack identity_hate racism sexism discrimination",
    "harassment": "toxic toxicity severe_toxic severe_toxicity insult offensive offensive_language abusive abuse hr "
                  "harassment bullying cyberbullying",
    "violence": "violence violent v v2 threat graphic_violence",
    "sexual": "sexual s sexual_explicit sexually_explicit nsfw porn adult",
    "sexual_minors": "s3 sexual_minors sexual_children csam",
    "self_harm": "sh self_harm selfharm suicide suicidal",
    "crime": "crime criminal illegal illicit drugs fraud scam",
    "weapons": "weapons",
    "privacy": "privacy pii personal_data",
    "misinformation": "misinformation fake false",
    "profanity": "profanity obscene vulgar swearing",
    "jailbreak": "jailbreak injection prompt_injection",
    "politics": "politics political",
    OTHER: "unsafe harmful unacceptable inappropriate bad nontext other",
}
HEAD_LABELS: dict[str, str] = {label: harm for harm, labels in _HEAD_LABELS.items() for label in labels.split()}


def plain(label: str) -> str:
    """`severe_toxic` of `Severe-Toxic`: how labels of classification heads are compared."""
    return re.sub("[^a-z0-9]+", "_", label.lower()).strip("_")
