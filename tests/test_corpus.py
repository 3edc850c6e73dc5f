"""What files and runs are made of in the corpus, and what its commands say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from aigc.cli import app
from aigc.corpus import Added, add_to_corpus
from aigc.duplicates import CorpusIndex
from aigc.errors import BriefsError, UsageError
from aigc.export import Accepted
from aigc.provenance import RunFile

EN = "Every loaf at Harbour Street starts the evening before. Flour from a mill nine miles away meets water and salt."
ZH = "海港街的每一条面包都从前一晚开始。面粉来自九英里外的磨坊，遇上清水、盐和一罐比店铺年纪还大的酵种。"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def parquet(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": [EN, ZH], "n": [1, 2]}), path)


def written(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text, "utf-8")


@pytest.mark.parametrize(("name", "write", "column", "places"), [
    ("a.csv", written(f'id,text\n1,"{EN}"\n2,"{ZH}"\n'), "", ["a.csv line 2", "a.csv line 3"]),
    ("a.csv", written(f'n,Body (HTML)\n1,"<p>{EN}</p>"\n\n3,{ZH}\n'), "Body (HTML)", ["a.csv line 2", "a.csv line 4"]),
    ("a.tsv", written(f"正文\n{EN}\n{ZH}\n"), "", ["a.tsv line 2", "a.tsv line 3"]),
    ("a.csv", written(f'whatever\n"{EN}"\n{ZH}\n'), "", ["a.csv line 2", "a.csv line 3"]),
    ("a.jsonl", written(json.dumps({"Content": EN}) + "\n" + json.dumps({"Content": ZH})), "",
     ["a.jsonl line 1", "a.jsonl line 2"]),
    ("a.parquet", parquet, "", ["a.parquet line 1", "a.parquet line 2"]),
    ("a.md", written(f"# Bread\n\n{EN}\n\n{ZH}\n"), "", ["a.md", "a.md"]),
    ("a.TXT", lambda path: path.write_bytes(f"{EN}\n{ZH}".encode("gb18030")), "", ["a.TXT", "a.TXT"]),
], ids=["csv", "html column", "tsv", "one column", "jsonl", "parquet", "md", "txt in gb18030"])
def test_texts_of_every_form_of_file_are_found(
    name: str, write: Callable[[Path], object], column: str, places: list[str]
) -> None:
    write(Path(name))
    add_to_corpus([Path(name)], column)
    whole = Path(name).suffix.lower() in (".md", ".txt")
    with CorpusIndex.read() as corpus:
        found = [corpus.nearest(f"{EN}\n{ZH}" if whole else text) for text in (EN, ZH)]
    assert [one and one.place for one in found] == places


def a_run(run_id: str = "run-1", status: str = "finished", brief_id: str = "b1") -> Path:
    folder = Path("outputs") / run_id
    folder.mkdir(parents=True)
    line = Accepted(id=brief_id, variant=1, content_type="ad_copy", language="en", text=EN, fields={}, attempt=0,
                    brief={"shop": "Harbour Street"}, request_id="r", engine="e")
    (folder / "accepted.jsonl").write_bytes(msgspec.json.encode(line) + b"\n")
    file = msgspec.convert({"run_id": run_id, "status": status, "briefs": "b.csv", "job": "j", "settings": {},
                            "limit": None, "model": {"ref": "m", "digest": "d"}, "started_at": "", "session_at": ""},
                           RunFile, strict=False)
    (folder / "run.json").write_bytes(msgspec.json.encode(file))
    return folder


def test_a_runs_accepted_texts_are_added_with_their_briefs() -> None:
    add_to_corpus([a_run()])
    with CorpusIndex.read() as corpus:
        found = corpus.nearest(EN)
        assert found is not None
        assert found.place == "run run-1, brief b1, variant 1"
        assert corpus.nearest(EN, not_of="b1") is None


def test_a_run_that_is_not_finished_is_refused() -> None:
    with pytest.raises(UsageError, match="a run that is interrupted; expected a finished run"):
        add_to_corpus([a_run(status="interrupted")])


def test_texts_exported_by_a_run_are_known_as_its_rows() -> None:
    Path("accepted.csv").write_text(f'id,variant,text\nb1,0,"{EN}"\n,,"{ZH}"\n', "utf-8")
    add_to_corpus([Path("accepted.csv")])
    with CorpusIndex.read() as corpus:
        assert corpus.nearest(EN, not_of="b1") is None
        assert corpus.nearest(ZH, not_of="b1") is not None


def test_a_file_is_added_once_and_again_when_it_or_its_column_changes() -> None:
    path = Path("a.csv")
    path.write_text(f'text,other\n"{EN}","{ZH}"\n', "utf-8")
    said: list[Added] = []
    add_to_corpus([path, path], report=said.append)
    add_to_corpus([path], "other", report=said.append)
    path.write_text(f'text\n"{EN} And more of it."\n', "utf-8")
    add_to_corpus([path], report=said.append)
    assert [one.new for one in said] == [True, False, True, True]


def test_rows_that_cannot_be_read_are_counted_and_the_others_added() -> None:
    Path("a.csv").write_text(f'n,text\n1,"{EN}"\n2,{ZH},too many\n3,#REF!\n4,\n', "utf-8")
    done = add_to_corpus([Path("a.csv")])
    assert [(one.source.texts, one.unread) for one in done] == [(1, 2)]


@pytest.mark.parametrize(("text", "column", "error", "message"), [
    ("a,b\n1,2\n", "", UsageError, r"the columns a, b; expected one named text. Name the column .* with --column."),
    ("body,b\n1,2\n", "boddy", UsageError, "no column 'boddy' in a.csv; .* Did you mean 'body'?"),
    ("", "", BriefsError, "an empty file"),
    (None, "", BriefsError, "no such file"),
])
def test_what_cannot_be_added_is_told(
    text: str | None, column: str, error: type[Exception], message: str
) -> None:
    if text is not None:
        Path("a.csv").write_text(text)
    Path("good.md").write_text(EN)
    with pytest.raises(error, match=message):
        add_to_corpus([Path("good.md"), Path("a.csv")], column)
    assert [source.name for source in CorpusIndex.read().sources] == ["good.md"]


def command(*arguments: str) -> str:
    shown = CliRunner().invoke(app, ["corpus", *arguments], catch_exceptions=False)
    assert shown.exit_code == 0
    return shown.stdout


def test_the_commands_say_what_is_there() -> None:
    Path("a.csv").write_text(f'text\n"{EN}"\nshort\n"{ZH}",1\n', "utf-8")
    assert command() == ".aigc/corpus: 0 texts.\nAdd what was published before: aigc corpus add FILE...\n"
    assert command("add", "a.csv") == "a.csv: 1 text added; 1 too short, 1 that cannot be read.\n"
    assert command("add", "a.csv") == "a.csv: there already, with 1 text.\n"
    listed = command("list")
    assert listed.endswith("          1 text  file  a.csv\n.aigc/corpus: 1 text.\n")


def test_the_commands_work_on_the_corpus_that_settings_name(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.md").write_text(EN)
    Path("aigc.toml").write_text('[run]\ncorpus = "published"\n')
    command("add", "a.md")
    assert command().endswith("published: 1 text.\n")
    assert command("list").endswith("published: 1 text.\n")
    Path("other.toml").write_text('[run]\ncorpus = "elsewhere"\n')
    command("add", "a.md", "--config", "other.toml")
    assert command("list", "--config", "other.toml").endswith("elsewhere: 1 text.\n")
    monkeypatch.setenv("AIGC_CORPUS", "elsewhere")
    assert command("list").endswith("elsewhere: 1 text.\n")
    assert command("list", "--corpus", "published").endswith("published: 1 text.\n")


def test_the_commands_speak_json_and_take_another_folder() -> None:
    Path("a.md").write_text(EN)
    added = json.loads(command("add", "a.md", "--corpus", "else/where", "--json"))
    listed = json.loads(command("list", "--corpus", "else/where", "--json"))
    assert [(one["source"]["name"], one["new"], one["unread"]) for one in added["added"]] == [("a.md", True, 0)]
    assert listed["sources"] == [added["added"][0]["source"]]
    assert listed["digest"].startswith("sha256:")
    assert not Path(".aigc").exists()
