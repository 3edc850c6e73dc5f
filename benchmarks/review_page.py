"""How long review.html takes to write, to open and to answer a key, with many texts.

    python benchmarks/review_page.py [--json] [--rows 5000] [--browser /usr/bin/chromium]

Texts are of about 170 words in English and 230 characters in Chinese, with a brief, verdicts that point at places, and
an earlier attempt. The page is opened from disk in a headless browser that has never seen it, three times:

    first paint   from opening the file to the first frame with something in it, and to the list and its first text
    key to key    from a key to the frame that shows what it did: j two hundred times, a fifty, at 1280 x 800; none
                  should take 50 ms. `work` is the page's own part of it, without waiting for the next frame
    search        from the last letter to the frame with what was found; the first search reads every text
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aigc.provenance import ModelFacts, RunFile
from aigc.records import Attempt, Completion, Content, Limits, OutputValue, Record, Sampling, Source, Span, Verdict
from aigc.review_page import write_page
from aigc.review_page.rows import AnyRow
from aigc.settings import Settings

EN = (
    "the kettle holds its heat for half an hour and pours a thin even stream over the coffee while a cord "
    "winds up under the base which people who cycle to work like best because it weighs less than they think"
).split()
ZH = "一个人住也值得好好吃饭小满电饭煲容量一次煮两小碗米快模式分钟就能开"
ZH += "内胆是陶瓷涂层只有克单手拿起来洗睡前放水预约早上醒粥了"
NAMED = "localStorage['aigc.review/liked'] ??= '{\"editor\":\"Ana\"}';"
"""The page asks who decides at the first decision of a browser that does not know."""
TO_PAINT = (
    "() => new Promise((done) => requestAnimationFrame(() => { const c = new MessageChannel();"
    " c.port1.onmessage = () => done(performance.now()); c.port2.postMessage(0); }))"
)
WATCH = """() => {
  window.times = [];
  window.work = [];
  document.addEventListener('keydown', (event) => {
    const at = event.timeStamp;
    const began = performance.now();
    const end = () => window.work.push(performance.now() - began);
    window.addEventListener('keydown', end, { once: true });
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => window.times.push(performance.now() - at);
      channel.port2.postMessage(0);
    });
  }, true);
}"""


def texts(row: int, dice: random.Random) -> tuple[str, dict[str, OutputValue]]:
    if row % 4 == 3:
        body = "。".join("".join(dice.choices(ZH, k=23)) for _ in range(10)) + "。"
    else:
        body = ". ".join(" ".join(dice.choices(EN, k=14)).capitalize() for _ in range(12)) + "."
    headline = body[:30]
    return f"# {headline}\n\n{body}", {"headline": headline, "body": body}


def a_row(row: int) -> AnyRow:
    dice = random.Random(row)
    text, fields = texts(row, dice)
    verdicts = [Verdict(filter="length", action="pass", measured=120.0, limit="80–150")]
    outcome = "held" if row % 10 == 0 else "accepted"
    if row % 5 == 0:
        at = dice.randrange(len(text) - 40)
        verdicts.append(
            Verdict(
                filter="grounding",
                action="hold" if row % 10 == 0 else "flag",
                reason="invented_fact",
                spans=[Span(start=at, end=at + 25)],
                message="The brief does not hold this figure.",
            )
        )
    made = [(texts(row + 1, dice), verdicts[:1]), ((text, fields), verdicts)]
    attempts = [
        Attempt(
            number=i,
            request_id=f"{row}-{i}",
            seed=7,
            sampling=Sampling(),
            verdicts=found,
            engine="sha256:e",
            created_at="2026-11-24T01:43:00Z",
            completion=Completion(
                request_id=f"{row}-{i}",
                text="",
                finish_reason="stop",
                content=Content(text=made_text, fields=made_fields),
            ),
        )
        for i, ((made_text, made_fields), found) in enumerate(made)
    ]
    record = Record(
        row=row,
        brief_id=f"b{row // 2}",
        variant=row % 2,
        content_type=["product_description", "ad_copy", "summary"][row // 2 % 3],
        language="zh" if row % 4 == 3 else "en",
        outcome=outcome,
        source=Source(file="briefs.csv", line=row + 2),
        fingerprint="sha256:f",
        brief={"product": f"Kettle {row // 2}", "facts": [" ".join(dice.choices(EN, k=8)) for _ in range(6)]},
        limits=Limits(min_words=80, max_words=200),
        attempts=attempts,
        chosen=1,
        record_id=f"0193a5c0-0000-7000-8000-{row:012d}",
    )
    return AnyRow(record, f"sha256:{row:064x}")


def rows(count: int) -> Iterator[AnyRow]:
    return map(a_row, range(count))


def write(folder: Path, count: int) -> dict[str, float]:
    run = RunFile(
        run_id="bench",
        status="finished",
        briefs="briefs.csv",
        job="sha256:j",
        settings=Settings(),
        model=ModelFacts(ref="m", digest="sha256:m", licence="", languages=[]),
        started_at="2026-11-24T01:43:00Z",
    )
    made = list(rows(count)) if count <= 20_000 else rows(count)  # made beforehand, so that only writing is timed
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    facts = write_page(run, made, folder / "review.html")
    took = time.perf_counter() - started
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {
        "write_s": round(took, 2),
        "megabytes": round(facts.bytes / 1e6, 1),
        "memory_grown_mb": round(grown / 1024, 1),
    }


def wait(page: Any, expression: str, timeout_s: float = 30.0) -> None:
    """Until `expression` holds. Playwright's own waiting evaluates text inside the page, which its policy forbids."""
    end = time.monotonic() + timeout_s
    while not page.evaluate(expression):
        if time.monotonic() > end:
            raise TimeoutError(expression)
        time.sleep(0.005)


def opened(browser: Any, path: Path) -> dict[str, float]:
    """One visit of a browser without any memory of the page."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB").new_page()
    page.add_init_script(NAMED)
    page.goto(path.as_uri())
    wait(page, "performance.getEntriesByName('ready').length && performance.getEntriesByType('paint').length > 1")
    found = {
        "first_paint_ms": page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"),
        "ready_ms": page.evaluate("performance.getEntriesByName('ready')[0].startTime"),
        "ready_painted_ms": page.evaluate(TO_PAINT),
    }
    page.evaluate(WATCH)
    for key, times in (("j", 200), ("a", 50)):
        page.evaluate("window.times = []; window.work = []")
        for pressed in range(times):
            page.keyboard.press(key)
            wait(page, f"window.times.length === {pressed + 1}")
        taken = sorted(page.evaluate("window.times"))
        found |= {
            f"key_{key}_median_ms": statistics.median(taken),
            f"key_{key}_p95_ms": taken[int(0.95 * times)],
            f"key_{key}_worst_ms": taken[-1],
            f"key_{key}_work_p95_ms": sorted(page.evaluate("window.work"))[int(0.95 * times)],
        }
    for name, words in (("search_first_ms", "kettle 17"), ("search_again_ms", "kettle 18")):
        page.locator("#query").fill("")
        page.wait_for_timeout(300)
        before = page.locator("#found").text_content()
        started = page.evaluate("performance.now()")
        page.locator("#query").fill(words)
        wait(page, f"document.getElementById('found').textContent !== {json.dumps(before)}")
        found[name] = page.evaluate(TO_PAINT) - started
    page.context.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--browser", default="/usr/bin/chromium")
    asked = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as driver:
        found = write(Path(name), asked.rows)
        browser = driver.chromium.launch(executable_path=asked.browser)
        visits = [opened(browser, Path(name) / "review.html") for _ in range(3)]
        found["browser"] = browser.version
        browser.close()
    found |= {key: round(statistics.median(visit[key] for visit in visits), 1) for key in visits[0]}
    for key, value in found.items():
        print(f"{key:>22}  {value}")
    if asked.json:
        print(json.dumps({"rows": asked.rows, **found}))


if __name__ == "__main__":
    main()
