"""What a run may do: it stops before a model is looked for, in one message, unless a reason sets the policy aside."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from aigc import policy
from aigc.errors import AigcError, SettingsError, UsageError
from aigc.filters import matching
from aigc.job import Job
from aigc.policy import Budget, Override, budget, settled, tokens_at_most
from aigc.provenance import read_run
from aigc.report import report
from aigc.settings import PolicySettings, RunSettings
from aigc.settings_loading import load_settings
from aigc.settings_reading import Table
from aigc.start import Request, start

SHEET = """id,content_type,product,facts,must_not_mention,keywords
a,product_description,Kettle,Holds 0.9 litres,casino,
b,product_description,Lamp,Has a brass foot;Good for a Casino,,
c,ad_copy,赌场灯,Has a brass foot,,casinos
"""


@pytest.fixture(autouse=True)
def sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "briefs.csv"
    path.write_text(SHEET, "utf-8")
    return path


def job(limits: Table, **tables: Table) -> Job:
    return Job(Path("briefs.csv"), load_settings(None, {"policy": limits, **tables}, {}))


def refused(limits: Table, **tables: Table) -> str:
    opened = job(limits, **tables)
    with pytest.raises(SettingsError) as error:
        settled(opened.settings.policy, opened.objections(opened.survey()), None, "now")
    return str(error.value)


def allowed(limits: Table, **tables: Table) -> bool:
    opened = job(limits, **tables)
    return opened.objections(opened.survey()) == []


LEAVE = "Leave rows out with --limit or input.skip"


@pytest.mark.parametrize(("limits", "message"), [
    ({"max_rows": 2}, "setting policy.max_rows: found 3 texts asked for; expected at most 2. "
                      f"{LEAVE}, or ask for fewer variants."),
    ({"max_tokens": 100}, "setting policy.max_tokens: found up to 4,740 tokens; expected at most 100. "
                          f"{LEAVE}, or lower run.max_attempts, run.best_of or max_new_tokens."),
    ({"content_types": ["news_article", "ad_copy"]},
     "setting policy.content_types: found content type product_description; expected one of news_article, ad_copy. "
     "Take those rows out of the sheet."),
    ({"forbidden": ["CASINO", "赌场", "war"]},
     "setting policy.forbidden: found 'CASINO' in briefs.csv line 3, facts; '赌场' in briefs.csv line 4, product; "
     "'CASINO' in briefs.csv line 4, keywords; expected briefs without the terms that it forbids. "
     "Change those cells, or take their rows out."),
    ({"max_rows": 1, "forbidden": ["赌场"], "allow_override": True},
     "settings policy.max_rows, policy.forbidden: found 3 texts asked for; '赌场' in briefs.csv line 4, product; "
     f"expected at most 1; briefs without the terms that it forbids. {LEAVE}, or ask for fewer variants. "
     'Change those cells, or take their rows out. Or say why it may: --override-policy "reason".'),
])
def test_a_run_that_the_policy_forbids_is_told_why_in_one_message(limits: Table, message: str) -> None:
    tables: dict[str, Table] = {"run": {"max_attempts": 3}, "sampling": {"max_new_tokens": 500}}
    if "max_tokens" in limits:
        tables["types"] = {"ad_copy": {"sampling": {"max_new_tokens": 580}}}
    assert refused(limits, **tables) == message


@pytest.mark.parametrize(("own", "message"), [
    ({"max_rows": 1}, "setting types.product_description.policy.max_rows: found 2 texts asked for; expected at most 1. "
                      f"{LEAVE}, or ask for fewer variants."),
    ({"max_tokens": 5}, "setting types.product_description.policy.max_tokens: found up to 60 tokens; expected at "
                        f"most 5. {LEAVE}, or lower run.max_attempts, run.best_of or max_new_tokens."),
    ({"forbidden": ["brass"]},
     "setting types.product_description.policy.forbidden: found 'brass' in briefs.csv line 3, facts; expected briefs "
     "without the terms that it forbids. Change those cells, or take their rows out."),
])
def test_a_content_type_has_limits_of_its_own(own: Table, message: str) -> None:
    types: Table = {"product_description": {"policy": own}}
    assert refused({}, types=types, sampling={"max_new_tokens": 10}) == message


@pytest.mark.parametrize("limits", [
    {}, {"max_rows": 3}, {"max_tokens": 90}, {"content_types": ["ad_copy", "product_description"]},
    {"forbidden": ["cas", "brassy", "  ", "foot brass"]},
])
def test_what_is_within_the_policy_runs(limits: Table) -> None:
    assert allowed(limits, sampling={"max_new_tokens": 10})


def test_a_term_that_a_brief_rules_out_itself_is_not_against_the_policy(sheet: Path) -> None:
    sheet.write_text("\n".join(SHEET.splitlines()[:2]) + "\n", "utf-8")
    assert allowed({"forbidden": ["casino"]})


def test_of_many_forbidden_terms_the_first_three_are_shown_and_all_are_counted(sheet: Path) -> None:
    rows = "".join(f"{n},ad_copy,Lamp,For a casino,,\n" for n in range(12))
    sheet.write_text(SHEET.splitlines()[0] + "\n" + rows, "utf-8")
    assert "line 4, facts; and 9 more; expected" in refused({"forbidden": ["casino"]})


def test_a_long_list_is_looked_for_in_one_go_and_in_its_order(sheet: Path) -> None:
    sheet.write_text(SHEET.splitlines()[0] + "\n" + "a,ad_copy,Lamp,For a casino with brass bars,,\n", "utf-8")
    tried = matching._pattern.cache_info().misses
    found = refused({"forbidden": ["brass", *(f"rival-{n}" for n in range(2000)), "bar", "casinos", "casino"]})
    assert "found 'brass' in briefs.csv line 2, facts; 'bar' in briefs.csv line 2, facts; 'casino' in" in found
    assert matching._pattern.cache_info().misses - tried < 10, "terms of which nothing stands there cost nothing"


def test_rows_left_out_by_limit_do_not_count() -> None:
    settings = load_settings(None, {"policy": {"max_rows": 2, "forbidden": ["赌场"]}}, {})
    opened = Job(Path("briefs.csv"), settings, limit=2)
    assert opened.objections(opened.survey()) == []


def test_an_unknown_content_type_in_the_policy_is_named() -> None:
    with pytest.raises(UsageError) as error:
        job({"content_types": ["ad_copi"]})
    assert str(error.value).startswith("setting policy.content_types, 'ad_copi': found no such content type; expected")
    assert str(error.value).endswith("Did you mean 'ad_copy'?")


@pytest.mark.parametrize(("run", "tokens"), [
    (RunSettings(), 300), (RunSettings(max_attempts=1), 100), (RunSettings(best_of=3), 500),
    (RunSettings(max_tokens_per_text=150), 249), (RunSettings(max_attempts=1, max_tokens_per_text=999), 100),
])
def test_a_row_takes_at_most_what_its_attempts_and_its_own_limit_allow(run: RunSettings, tokens: int) -> None:
    assert tokens_at_most(run, 100) == tokens


@pytest.mark.parametrize(("limits", "limit"), [
    (PolicySettings(), 0), (PolicySettings(budget_tokens=5), 5), (PolicySettings(max_tokens=7), 7),
    (PolicySettings(budget_tokens=5, max_tokens=7), 5),
])
def test_the_smaller_limit_on_tokens_is_the_budget_and_none_is_left_once_it_is_set_aside(
    limits: PolicySettings, limit: int
) -> None:
    assert budget(limits, None) == Budget(limit=limit)
    assert budget(limits, Override(who="a", at="b", why="c", set_aside=[])) == Budget()


def test_a_budget_says_why_no_more_texts_may_be_made() -> None:
    reasons = [Budget(limit=1000).why_not(made) for made in (0, 999, 1000)]
    assert reasons == ["", "", "1,000 of 1,000 allowed tokens made"]
    assert Budget().why_not(10**9) == ""


@pytest.mark.parametrize(("limits", "why", "message"), [
    ({}, "because", "--override-policy: found a policy that cannot be set aside; expected policy.allow_override = true "
                    "in aigc.toml. Leave the option out."),
    ({"allow_override": True}, "  ", "--override-policy: found no reason; expected why the policy is set aside. "
                                     "Give the reason, in quotation marks."),
])
def test_a_policy_is_set_aside_only_where_it_may_be_and_with_a_reason(limits: Table, why: str, message: str) -> None:
    opened = job(limits)
    with pytest.raises(UsageError) as error:
        settled(opened.settings.policy, [], why, "now")
    assert str(error.value) == message


def test_an_account_without_a_name_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert policy.user() == "an account without a name"


def run(limits: Table, **given: str | None) -> Path:
    overrides: dict[str, Table] = {"policy": limits, "engine": {"name": "scripted"}}
    with start(Request(briefs="briefs.csv", overrides=overrides, **given)) as started:  # type: ignore[arg-type]
        assert started.run
        started.run.generate(started.job.rows())
        started.run.finish()
        return started.folder


def test_a_refused_run_writes_nothing_and_asks_for_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aigc.start.find_model", lambda *_: pytest.fail("a model was looked for"))
    with pytest.raises(AigcError) as error:
        run({"max_rows": 1})
    assert error.value.exit_code == 2
    assert not Path("outputs").exists()


def test_who_set_the_policy_aside_and_why_stands_in_run_json_and_in_the_report() -> None:
    folder = run({"max_rows": 1, "allow_override": True}, override_policy="Campaign  of\nFriday")
    file = read_run(folder)
    assert file.policy_override
    assert (file.policy_override.who, file.policy_override.why) == (policy.user(), "Campaign of Friday")
    assert file.policy_override.set_aside == ["policy.max_rows"]
    assert file.policy_override.at <= file.finished_at
    aside = f"by {policy.user()} at {file.policy_override.at}, although it objects to policy.max_rows"
    assert f"| Policy set aside | {aside}: Campaign of Friday |" in report(file)


def test_a_run_within_its_policy_says_nothing_of_it() -> None:
    file = read_run(run({"max_rows": 3}))
    assert file.policy_override is None
    assert "Policy" not in report(file)


def test_rows_for_which_no_tokens_are_left_are_made_by_the_next_run() -> None:
    first = read_run(run({"budget_tokens": 1}))
    assert first.outcomes.get("short", 0) > 0
    again = read_run(run({}))
    assert "short" not in again.outcomes
