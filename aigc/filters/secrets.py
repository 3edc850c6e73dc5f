"""Keys, tokens and passwords in a text: remembered from training data, or given away by a brief."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from aigc.filters.verdicts import MAX_SPANS, FilterAction, asked, readable, wording
from aigc.records import Brief, Completion, Span, Verdict

_EDGE, _END = r"(?<![0-9A-Za-z_-])", r"(?![0-9A-Za-z_-])"
_RAW: tuple[tuple[str, str, str], ...] = (
    # What it is, what must stand in the text, the shape. `body` is the part that is random.
    ("AWS access key", "AKIA|ASIA", rf"{_EDGE}(?:AKIA|ASIA)(?P<body>[A-Z2-7]{{16}}){_END}"),
    ("GitHub token", "ghp_|gho_|ghu_|ghs_|ghr_", rf"{_EDGE}gh[pousr]_(?P<body>[0-9A-Za-z]{{36,255}}){_END}"),
    ("GitHub token", "github_pat_", rf"{_EDGE}github_pat_(?P<body>[0-9A-Za-z]{{22}}_[0-9A-Za-z]{{59}}){_END}"),
    ("GitLab token", "glpat-|gldt-|glrt-", rf"{_EDGE}gl(?:pat|dt|rt)-(?P<body>[\w.-]{{20,}})"),
    ("Slack token", "xox", rf"{_EDGE}xox[abeoprs]-(?P<body>(?:[0-9]+-)*[0-9A-Za-z]{{10,}}(?:-[0-9A-Za-z]+)*)"),
    ("Slack token", "xapp-", rf"{_EDGE}xapp-[0-9]-[0-9A-Z]+-[0-9]+-(?P<body>[0-9a-z]{{40,}})"),
    ("Slack webhook", "hooks.slack.com",
     r"hooks\.slack\.com/(?:services|workflows|triggers)/\w{8,}/\w{8,}/(?P<body>\w{20,})"),
    ("Stripe key", "k_live_|whsec_", rf"{_EDGE}(?:[sr]k_live_|whsec_)(?P<body>[0-9A-Za-z]{{16,}}){_END}"),
    ("Square token", "sq0csp-|sq0atp-|EAAA", rf"{_EDGE}(?:sq0(?:csp|atp)-|EAAA)(?P<body>[\w-]{{22,60}}){_END}"),
    ("model provider key", "sk-", rf"{_EDGE}sk-(?:[a-z0-9]{{2,10}}-)*(?P<body>[0-9A-Za-z_-]{{28,}})"),
    ("model provider key", "gsk_|xai-|r8_", rf"{_EDGE}(?:gsk_|xai-|r8_)(?P<body>[0-9A-Za-z]{{37,}}){_END}"),
    ("Hugging Face token", "hf_", rf"{_EDGE}hf_(?P<body>[0-9A-Za-z]{{34,40}}){_END}"),
    ("Google key", "AIza", rf"{_EDGE}AIza(?P<body>[\w-]{{35}}){_END}"),
    ("Google secret", "GOCSPX-|ya29.", rf"{_EDGE}(?:GOCSPX-|ya29\.)(?P<body>[\w-]{{28,}})"),
    ("Alibaba Cloud key", "LTAI", rf"{_EDGE}LTAI(?P<body>[0-9A-Za-z]{{12,26}}){_END}"),
    ("Tencent Cloud key", "AKID", rf"{_EDGE}AKID(?P<body>[0-9A-Za-z]{{32}}){_END}"),
    ("Azure storage key", "AccountKey=", r"AccountKey=(?P<body>[0-9A-Za-z+/]{86}==)"),
    ("npm token", "npm_", rf"{_EDGE}npm_(?P<body>[0-9A-Za-z]{{36}}){_END}"),
    ("PyPI token", "pypi-AgE", rf"{_EDGE}pypi-AgE(?P<body>[\w-]{{50,}})"),
    ("SendGrid key", "SG.", rf"{_EDGE}SG\.(?P<body>[\w-]{{22}}\.[\w-]{{43}}){_END}"),
    ("Twilio key", "SK", rf"{_EDGE}SK(?P<body>[0-9a-f]{{32}}){_END}"),
    ("Mailchimp key", "-us", rf"{_EDGE}(?P<body>[0-9a-f]{{32}})-us[0-9]{{1,2}}{_END}"),
    ("Telegram bot token", ":AA", r"(?<![0-9A-Za-z])[0-9]{8,10}:AA(?P<body>[\w-]{33})(?![\w-])"),
    ("DigitalOcean token", "_v1_", rf"{_EDGE}do[opr]_v1_(?P<body>[0-9a-f]{{64}}){_END}"),
    ("Shopify token", "shp", rf"{_EDGE}shp(?:at|ca|pa|ss)_(?P<body>[0-9a-fA-F]{{32}}){_END}"),
    ("Databricks token", "dapi", rf"{_EDGE}dapi(?P<body>[0-9a-f]{{32}})(?:-[0-9])?{_END}"),
    ("JSON web token", "eyJ", rf"{_EDGE}(?P<jwt>eyJ[\w-]{{10,}}\.[\w-]{{10,}})\.(?P<body>[\w-]{{20,}})"),
    ("private key", "PRIVATE KEY",
     r"-----BEGIN (?:[A-Z0-9]{2,10} )*PRIVATE KEY(?: BLOCK)?-----(?:\s|\\n|[\w-]+:[^\n]{0,80}\n){0,12}"
     r"(?P<body>[0-9A-Za-z+/=]{40,})"),
    ("private key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1(?P<body>[0-9A-Z]{58})"),
    ("password in an address", "://",
     r"(?<![0-9A-Za-z])[a-z][a-z0-9+.-]{1,20}://[^\s/:@<>{}\[\]]{1,64}:(?P<body>[^\s/@<>{}\[\]]{6,64})"
     r"@(?!localhost|127\.|(?:[\w-]+\.)*example\b)[\w.-]+"),
)
"""Shapes as their issuers document them. Nothing is judged by its entropy alone: that has 177 hits a document."""
_PATTERNS = tuple((what, tuple(marks.split("|")), re.compile(shape, re.ASCII)) for what, marks, shape in _RAW)
_MADE_UP = re.compile(
    r"x{4}|\*{3}|\.{3}|…|example|sample|dummy|your|token|secret|passw|placeholder|redacted|changeme|foobar|hunter2"
    r"|12345|98765|abcde|[Aa1]b2c3|(.)\1{5}|john.?doe", re.IGNORECASE)
"""What documentation puts where a secret would be. A random text of forty characters has none of it."""
_FEWEST_CHARS = 5
"""Different characters in the random part; of 16 random hexadecimal digits it has more than 99.99% of the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsFilter:
    """Holds texts with a key, token or password of a known issuer's shape, also where the brief gave it.

    `allowed` are values that are meant. Messages say what it is and where, never the value.
    """

    name: ClassVar[str] = "secrets"
    action: FilterAction = "hold"
    allowed: tuple[str, ...] = ()

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        text = readable(completion)
        found = {span.start: (what, span) for what, span in reversed(list(_secrets_in(text)))
                 if text[span.start:span.end] not in self.allowed}
        if not found:
            return Verdict(filter=self.name, action="pass", measured=0, limit=0)
        spans = [found[start][1] for start in sorted(found)]
        told = ", ".join(f"{found[start][0]} at character {start + 1}" for start in sorted(found)[:5])
        return Verdict(
            filter=self.name, action=asked(self.action), reason="secret", measured=len(spans), limit=0,
            spans=spans[:MAX_SPANS],
            message=f"The text has what looks like {len(spans)} secret{'s' * (len(spans) > 1)} ({told}). "
                    "If one is real, have it revoked.",
            advice=wording(brief, en="Leave out keys, tokens and passwords.", zh="不要写出密钥、令牌或密码。"),
        )


def _secrets_in(text: str) -> Iterator[tuple[str, Span]]:
    for what, marks, pattern in _PATTERNS:
        if any(mark in text for mark in marks):
            for match in pattern.finditer(text):
                if _looks_real(match):
                    yield what, Span(start=match.start(), end=match.end())


def _looks_real(match: re.Match[str]) -> bool:
    body = match["body"]
    if len(set(body)) < _FEWEST_CHARS or _MADE_UP.search(body):
        return False
    if "jwt" in match.re.groupindex:
        header, payload = (_decoded(part) for part in match["jwt"].split("."))
        return '"alg"' in header and not _MADE_UP.search(payload)
    if match[0].startswith("sk-"):
        # `sk-` also begins words joined by hyphens.
        return any(map(str.isdigit, body)) and any(map(str.isalpha, body))
    return True


def _decoded(part: str) -> str:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""
