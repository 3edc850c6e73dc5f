"""Tokens are joined from parts, so that no scanner takes this file for a leak."""

from __future__ import annotations

import base64

import pytest
from filter_cases import GOOD_EN, GOOD_ZH, a_brief, a_completion, marked, verdict_of

from aigc.filters import build_filters

A20 = "qR7tK2mVx9LzP4wNc8Hs"
A36 = A20 + "Yb3DfJ6gUe1TaQ0Z"
HEX32 = "9f86d081884c7d659a2feaa0c55ad015"
HEX64 = HEX32 + "a3bf4f1b2b0b822cd15d6c15b0f00a08"


def jwt(payload: bytes, header: bytes = b'{"alg":"HS256"}') -> str:
    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")
    return f"{part(header)}.{part(payload)}.{A36}"


REAL = {
    "AWS access key": "AK" "IA" "QYLPMN5HHHFPZAM2",
    "GitHub token": "gh" "p_" + A36,
    "GitHub token, fine-grained": "github" "_pat_" + (A36 + A36)[:22] + "_" + (A36 + A36)[:59],
    "GitLab token": "gl" "pat-" + A20,
    "Slack token": "xo" "xb-731459260184-8305172946617-" + A20,
    "Slack webhook": "https://hooks.slack" ".com/services/T02AB3CDE/B04FG5HIJ/" + A20,
    "Stripe key": "sk" "_live_" + A20 + "Ab12",
    "Square token": "sq0" "csp-" + A36 + "x8Lp2Qz",
    "model provider key": "sk" "-proj-" + A36 + A36,
    "model provider key, short": "s" "k-" + HEX32,
    "model provider key, third": "sk" "-ant-api03-" + A36 + "-" + A20,
    "model provider key, fourth": "gs" "k_" + A36 + A20[:16],
    "Hugging Face token": "h" "f_" + A36[:34],
    "Google key": "AI" "za" + A36[:35],
    "Google secret": "GOC" "SPX-" + A36[:28],
    "Alibaba Cloud key": "LT" "AI5t" + A20,
    "Tencent Cloud key": "AK" "ID" + A36[:32],
    "Azure storage key": "Account" "Key=" + (A36 * 3)[:86] + "==",
    "npm token": "np" "m_" + A36,
    "PyPI token": "py" "pi-AgEIcHlwaS5vcmc" + A36 + A20,
    "SendGrid key": "S" "G." + (A20 + "x1") + "." + (A36 + A20)[:43],
    "Twilio key": "S" "K" + HEX32,
    "Mailchimp key": HEX32 + "-u" "s12",
    "Telegram bot token": "1102015432:" "AA" + A36[:33],
    "DigitalOcean token": "dop" "_v1_" + HEX64,
    "Shopify token": "shp" "at_" + HEX32,
    "Databricks token": "da" "pi" + HEX32,
    "JSON web token": jwt(b'{"sub":"u-4482","exp":1767225600}'),
    "private key": "-----BEGIN RSA PRIVATE" " KEY-----\n" + (A36 + A20 + A36)[:64] + "\n",
    "password in an address": "postgres://harbour:" "Tr0ub4dor-3x@db.harbour.shop/orders",
}


@pytest.mark.parametrize(("what", "token"), REAL.items(), ids=REAL)
def test_a_token_of_a_known_shape_is_held_and_never_told(what: str, token: str) -> None:
    for language, text in (("en", f"Use {token} for it."), ("zh", f"密钥是{token}，请保存。")):
        verdict = verdict_of("secrets", text, language)
        assert (verdict.action, verdict.reason, verdict.measured) == ("hold", "secret", 1)
        (found,) = marked(verdict, text)
        assert found in token.strip() or token.strip() in found
        start = verdict.spans[0].start + 1
        kind = what.partition(",")[0]
        assert verdict.message == (
            f"The text has what looks like 1 secret ({kind} at character {start}). If one is real, have it revoked.")
        assert found not in verdict.message + verdict.advice


@pytest.mark.parametrize("text", [
    GOOD_EN,
    GOOD_ZH,
    "AK" "IAIOSFODNN7EXAMPLE is the key of the manual.",
    "Set OPENAI_API_KEY=sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx, or sk-your-own-key-goes-right-here-please.",
    "A sk-learn-like-pipeline-with-many-long-steps-inside has no key in it.",
    "sk-1234567890abcdef1234567890abcdef and ghp_" + "x" * 36,
    "A task-force, a risk-" + "averse-" * 8 + "plan.",
    jwt(b'{"sub":"1234567890","name":"John Doe"}'),
    "eyJhbGciOiJIUzI1NiJ9 alone, and eyJub3QgYSB0b2tlbg." + A20 + "." + A36,
    "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
    "-----BEGIN PUBLIC KEY-----\n" + A36 + A36,
    "postgres://user:password@db.host/x, postgres://${USER}:${PASS}@host/x, redis://me:s3cr3tvalue@localhost:6379",
    "https://harbour.example:8443/a@b and mailto:me@harbour.shop; http://shop.example/?x=a:b@c",
    f"The commit {HEX32}a1b2c3d4 and the digest sha256:{HEX64} are no secrets.",
    "SKU SK12345678, part AKIA-12, gl" "pat-soon, 12 xoxo-hugs, npm_config_registry, HF_HOME, hf_hub_download",
    "The UUID 3f2504e0-4f89-11d3-9a0c-0305e82c3301 and the id 8d5957a0-us1.",
])
def test_examples_placeholders_digests_and_words_are_no_secrets(text: str) -> None:
    assert verdict_of("secrets", text).action == "pass"


def test_a_secret_in_the_brief_is_still_one() -> None:
    brief = a_brief(fields={"facts": REAL["GitHub token"]})
    (item,) = (item for item in build_filters({}, "aigc.toml") if item.name == "secrets")
    assert item(brief, a_completion(f"Use {REAL['GitHub token']}.")).action == "hold"


def test_a_value_can_be_allowed_and_another_is_still_held() -> None:
    text = f"{REAL['Twilio key']} {REAL['npm token']}"
    (item,) = (item for item in build_filters({"secrets": {"allowed": [REAL["npm token"]]}}, "aigc.toml")
               if item.name == "secrets")
    assert marked(item(a_brief(), a_completion(text)), text) == [REAL["Twilio key"]]
