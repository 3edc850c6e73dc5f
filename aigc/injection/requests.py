"""Requests that have nothing to do with the cell they stand in: `Roll top. What is the capital of Brazil?`

A question or a task by itself is what a brief is made of; it says something only where the text around it is about
something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from aigc.injection.rule import any_of, laid_out

CELL_END = "\x1e"
"""Parts the cells of a brief: a control character, which no cell may hold."""
_FEWEST_TOPICS = 2
_HAN = re.compile("[\u3400-\u9fff]")
_LED_IN = laid_out(r"""^(?:(?:and|then|now|also|please|instead|finally|so|but|kindly|just|next|by the way|ps|p\.s\.|oh
    |hey|hi|hello|one more thing|before that|quick question|question)[,:]? )*""")
_WORKS = any_of(r"""poem story essay letter speech introduction haiku song limerick script jokes? paragraph blog_post
    e-?mail tweet article summary report outline headline slogan recipe dialogue lyrics code function program query
    regex tool app website class bot list plan table example equivalent synonym translation chart analysis strategy
    questions? quiz riddle fact novel books? movies? films? sources names? ways tips reasons examples steps benefits
    pros""")
_ASKS_FOR = re.compile(laid_out(rf"""{_LED_IN}(?:(?:write|draft|compose|create|develop|design|generate|provide|give
    |make|prepare|suggest|recommend|find|list|produce|build|tell|show)\b(?: me| us)? (?:[^.!?]{{0,50}} )?{_WORKS}\b
    |(?:tell|give|show|teach|sing|read) (?:me|us)\b )"""))
"""Asks for a work, or something for the one who speaks: one word is topic enough."""
_ASKS = re.compile(laid_out(rf"""{_LED_IN}(?:(?:explain|describe|summari[sz]e|outline|define|discuss|compare|analy[sz]e
    |identify|list|break down|classify|determine|evaluate|calculate|compute|solve|convert|rewrite|paraphrase|proofread
    |translate|automate|research|interpret|illustrate|name|predict|estimate|assess|simplify|detect|forecast
    |investigate)\b .|(?:what|where|why|when)(?:['’]s|['’]re| (?:is|are|was|were|do|does|did|would|happens|happened
    |causes|kind)) .+\?|who(?:['’]s| (?:is|are|was|were|wrote|invented|discovered|painted|composed|directed|founded|won
    |created|said|built|killed)) .+\?
    |how (?:do|does|did|can|to|many|much|far|old|tall|high|is|are|was|were|would|should) (?!you (?:like|feel|take
    |want)).+\?|(?:in )?which (?:country|city|year|planet|animal|element|language|river|team|author|continent) .+\?
    |(?:can|could|would|will) you .+\?
    |(?:do|does|did|is|are|was|were|have|has) (?:you (?:think|believe|enjoy|feel|agree|dream)|the|it true|people
    |humans) .+\?)"""))
_CHINESE = re.compile(laid_out(r"""^(?:顺便(?:问一下|说一下)?|另外|对了|最后|然后|现在|还有|请问|再)?[，,：:]?(?:
    请?(?:你)?(?:帮我|给我|帮忙|替我|为我)?(?:写|翻译|解释|介绍|告诉我|讲|推荐|计算|列出|总结|概括|分析|编写?|生成|创作
    |设计|起草|比较|说说|描述|解答|提供|制定|证明|查找|把.{1,30}翻译).{2,}
    |(?:你)?(?:能不能|能否|可以|可不可以|能)(?:帮我|给我|告诉我|写|翻译|解释|推荐|介绍|讲).{2,}
    |.{0,24}(?:什么是|是什么|是谁|谁(?:写|发明|发现|画|是)|哪里|在哪|哪一?[年个位座种]|怎么|如何|怎样|为什么|为何
    |等于(?:多少|几)|有哪些|有什么|多少|几[个种次]|有什么区别|的区别).{0,24}[？?]?)[。！？?!]*$"""))
_CHINESE_LED_IN = re.compile("顺便|另外|对了|请问|还有|再")
_REFERS = re.compile(laid_out(r"""\b(?:it|its|it['’]s|this|these|they|them|their|here|we|our|us|my|he|she|his|her
    |him)\b|[它这此该我咱您他她]"""))
_FOR_ME = re.compile(r"\b(?:tell|give|show|teach|sing|read) (?:me|us)\b|告诉我|帮我|给我|替我|为我")
_PERSONAL = re.compile(r"\b(?:i|i['’](?:m|ve|d|ll)|my|me|we|our|us)\b|[我咱]")
_PLAIN = frozenset("""the and for with that this from are was were has have had will would can could should may might
    not but you your what who when where why how which does did about into over than then them they their there here
    more most some any all one two three also just only very much many such each other make makes made get write draft
    compose create develop design generate provide give explain describe summarize summarise outline define discuss
    compare analyze analyse identify list break down tell show translate please following sentence between main primary
    using use used find calculate recommend suggest say word words example examples simple function mean means good
    best new first last it's what's don't""".split())
_PLAIN_HAN = re.compile(laid_out("""请|帮我|给我|一下|一个|一首|一段|一篇|写|什么|怎么|如何|怎样|为什么|哪里|多少|是|的
    |了|吗|呢|和|在|有|把|用|介绍|解释|翻译|推荐|告诉我|列出|几|顺便|问"""))


def off_topic(lower: str, sentences: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, float]]:
    """`start, end, weight` of each request of a text in lower case that shares no word with the rest of it."""
    for start, end in sentences:
        said = lower[start:end].strip()
        if not 4 < len(said) <= 300 or not (needed := _needed_topics(said)):
            continue
        own = _topics(said)
        if len(own) < needed or _REFERS.search(_FOR_ME.sub("", said)):
            continue
        rest = _topics(f"{lower[:start]}\n{lower[end:]}")
        if len(rest) < _FEWEST_TOPICS or _PERSONAL.search(_rest_of_cell(lower, start, end)):
            yield start, end, 0.3
        elif own.isdisjoint(rest):
            yield start, end, 0.5


def _rest_of_cell(lower: str, start: int, end: int) -> str:
    return lower[lower.rfind(CELL_END, 0, start) + 1:start] + lower[end:].partition(CELL_END)[0]


def _needed_topics(said: str) -> int:
    """How many words of a request make a topic; 0 for a sentence that asks for nothing."""
    if _HAN.search(said):
        return 0 if not _CHINESE.match(said) else 2 if _CHINESE_LED_IN.match(said) or said[-1] not in "?？" else 3
    return 1 if _ASKS_FOR.match(said) else 2 if _ASKS.match(said) else 0


def _topics(text: str) -> set[str]:
    """What `text` is about: its words by their beginnings, pairs of Chinese characters."""
    words = {word[:5] for word in re.findall(r"[a-z][a-z'’]{2,}", text.lower()) if word not in _PLAIN}
    runs = re.findall("[\u3400-\u9fff]{2,}", _PLAIN_HAN.sub(" ", text))
    return words | {run[at:at + 2] for run in runs for at in range(len(run) - 1)}
