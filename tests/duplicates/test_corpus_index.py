"""The corpus on disk: what is added is found again, whatever becomes of the process that adds to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from duplicate_cases import EN, EN_EDITED, EN_OTHER, FACTS, FACTS_TOLD, ZH, ZH_EDITED, corpus_texts, edited, many

from aigc.duplicates import CorpusIndex, CorpusText, CorpusWriter, Source, lsh, writing
from aigc.duplicates.corpus_files import MANIFEST, PLACES, SKETCHES, TEXTS, read_manifest
from aigc.errors import RunLocked, StoreError

HERE = Path(__file__).parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A corpus of one file: EN on line 1, ZH on line 2."""
    add(tmp_path / "corpus", [EN, ZH])
    return tmp_path / "corpus"


def add(folder: Path, texts: list[str], name: str = "published.csv") -> Source:
    with CorpusWriter(folder) as corpus:
        return corpus.add(name, "file", name, corpus_texts(texts))


def add_run(folder: Path, run_id: str, text: str, brief_id: str = "b1", variant: int = 0) -> None:
    with CorpusWriter(folder) as corpus:
        corpus.add(run_id, "run", run_id, [CorpusText(text=text, brief_id=brief_id, variant=variant)])


def place_of(folder: Path, text: str, **asked: object) -> str | None:
    with CorpusIndex.read(folder) as corpus:
        found = corpus.nearest(text, **asked)  # type: ignore[arg-type]
    return found and found.place


@pytest.mark.parametrize(("text", "place"), [
    (EN_EDITED, "published.csv line 1"), (ZH_EDITED, "published.csv line 2"), (EN_OTHER, None), ("", None),
])
def test_an_edited_text_is_found_with_its_place(folder: Path, text: str, place: str | None) -> None:
    assert place_of(folder, text) == place


def test_where_there_is_no_folder_the_corpus_is_empty(tmp_path: Path) -> None:
    with CorpusIndex.read(tmp_path / "none") as corpus:
        assert (len(corpus), corpus.sources, corpus.nearest(EN)) == (0, [], None)
    assert not (tmp_path / "none").exists()


def test_texts_of_many_sources_and_tables_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "TABLE_TEXTS", 300)
    texts = many(1_500)
    for start, end in ((0, 1_000), (1_000, 1_400), (1_400, 1_410), (1_410, 1_500)):
        add(tmp_path, texts[start:end], f"from {start}")
    with CorpusIndex.read(tmp_path) as corpus:
        assert len(corpus) == 1_500
        for number in range(0, 1_500, 37):
            found = corpus.nearest(edited(texts[number]))
            assert found is not None
            first = next(source.first for source in reversed(corpus.sources) if source.first <= number)
            assert found.place == f"from {first} line {number - first + 1}"
    assert len(list(tmp_path.glob("bands-*"))) <= 3


def test_the_texts_of_a_run_are_told_by_brief_and_variant(tmp_path: Path) -> None:
    add_run(tmp_path, "2026-11-24-0143-spring-k3f9", EN, "ad-7", 2)
    assert place_of(tmp_path, EN_EDITED) == "run 2026-11-24-0143-spring-k3f9, brief ad-7, variant 2"


def test_neither_the_same_brief_nor_runs_left_out_are_looked_at(tmp_path: Path) -> None:
    add_run(tmp_path, "run-1", EN, "ad-7")
    add_run(tmp_path, "run-2", EN_EDITED, "ad-8")
    assert place_of(tmp_path, EN) == "run run-1, brief ad-7, variant 0"
    assert place_of(tmp_path, EN, not_of="ad-7") == "run run-2, brief ad-8, variant 0"
    assert place_of(tmp_path, EN, without={"run-1"}) == "run run-2, brief ad-8, variant 0"
    assert place_of(tmp_path, EN, without={"run-1"}, not_of="ad-8") is None


def test_facts_that_both_briefs_gave_are_masked_on_both_sides(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path) as corpus:
        texts = [CorpusText(text=EN[:100] + FACTS_TOLD, fields=FACTS), CorpusText(text="No. " + EN_OTHER + FACTS_TOLD)]
        corpus.add("published.csv", "file", "1", texts)
    assert place_of(tmp_path, EN_OTHER[:100] + FACTS_TOLD, fields=FACTS) is None
    assert place_of(tmp_path, EN_OTHER + FACTS_TOLD, fields=FACTS) == "published.csv"


def test_texts_too_short_to_be_told_apart_are_left_out_and_counted(tmp_path: Path) -> None:
    source = add(tmp_path, ["Buy now!", EN, "", "好的"])
    assert (source.texts, source.left_out) == (1, 3)
    assert place_of(tmp_path, EN) == "published.csv line 2"


def test_a_source_without_a_text_is_kept_as_one(tmp_path: Path) -> None:
    add(tmp_path, ["short"])
    with CorpusIndex.read(tmp_path) as corpus:
        assert [(source.texts, source.left_out) for source in corpus.sources] == [(0, 1)]
        assert corpus.nearest(EN) is None


def test_what_was_added_is_known_by_its_origin(folder: Path) -> None:
    with CorpusWriter(folder) as corpus:
        found = corpus.find("file", "published.csv")
        assert found is not None
        assert found.texts == 2
        assert corpus.find("run", "published.csv") is None
        assert corpus.find("file", "other") is None


def test_the_digest_is_that_of_what_is_looked_at(tmp_path: Path) -> None:
    with CorpusIndex.read(tmp_path) as corpus:
        assert corpus.digest == ""
    add(tmp_path, [EN])
    one = CorpusIndex.read(tmp_path).digest
    add_run(tmp_path, "run-1", EN_OTHER)
    with CorpusIndex.read(tmp_path) as corpus:
        assert one.startswith("sha256:")
        assert corpus.digest != one
        assert corpus.digest_without({"run-1"}) == one
        assert corpus.digest == CorpusIndex.read(tmp_path).digest


def test_the_same_texts_added_elsewhere_have_the_same_digest(tmp_path: Path) -> None:
    for name in ("a", "b"):
        add(tmp_path / name, [EN, ZH])
    assert CorpusIndex.read(tmp_path / "a").digest == CorpusIndex.read(tmp_path / "b").digest


def test_an_opened_index_stays_as_it_was_while_others_are_added_and_merged(folder: Path) -> None:
    with CorpusIndex.read(folder) as before:
        digest = before.digest
        for number in range(4):
            add(folder, many(30, seed=number), f"more {number}")
        add(folder, [EN_OTHER], "newest")
        assert (len(before), before.digest) == (2, digest)
        assert before.nearest(EN_OTHER) is None
        assert before.nearest(EN_EDITED) is not None
    assert place_of(folder, EN_OTHER) == "newest line 1"


def test_only_one_process_adds_at_a_time(folder: Path) -> None:
    with CorpusWriter(folder), pytest.raises(RunLocked, match=r"a folder that process \d+ on .* is writing"):
        CorpusWriter(folder)
    CorpusWriter(folder).close()


def test_a_source_that_fails_in_the_middle_leaves_the_corpus_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "TABLE_TEXTS", 100)
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}

    def breaking() -> Iterator[CorpusText]:
        yield from corpus_texts(many(700))
        raise ValueError("a broken sheet")

    with CorpusWriter(folder) as corpus:
        with pytest.raises(ValueError, match="a broken sheet"):
            corpus.add("broken.csv", "file", "broken", breaking())
        assert {path.name: path.stat().st_size for path in folder.iterdir() if path.name != ".lock"} == {
            name: size for name, size in sizes.items() if name != ".lock"
        }
        corpus.add("whole.csv", "file", "whole", corpus_texts([EN_OTHER]))
    assert place_of(folder, EN_OTHER) == "whole.csv line 1"
    assert place_of(folder, EN_EDITED) == "published.csv line 1"


@pytest.mark.parametrize("moment", ["write_atomically", "_drop_tables"])
def test_ctrl_c_just_after_a_source_counts_cuts_nothing_of_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The manifest has just been written: the interrupt comes inside that call's last step, or in the next one."""
    owner = writing if moment == "write_atomically" else CorpusWriter
    whole = getattr(owner, moment)

    def interrupted(*given: object) -> None:
        whole(*given)
        manifest = read_manifest(folder)
        if len(manifest.sources) == 2:
            monkeypatch.setattr(owner, moment, whole)
            raise KeyboardInterrupt

    with CorpusWriter(folder) as corpus:
        monkeypatch.setattr(owner, moment, interrupted)
        with pytest.raises(KeyboardInterrupt):
            corpus.add("next.csv", "file", "next.csv", corpus_texts([EN_OTHER]))
        assert getattr(owner, moment) is whole
        corpus.add("last.csv", "file", "last.csv", corpus_texts(many(3)))
    with CorpusIndex.read(folder) as after_it:
        assert [(source.name, source.first, source.texts) for source in after_it.sources] == [
            ("published.csv", 0, 2), ("next.csv", 2, 1), ("last.csv", 3, 3),
        ]
    places = [place_of(folder, text) for text in (EN_EDITED, EN_OTHER, many(3)[2])]
    assert places == ["published.csv line 1", "next.csv line 1", "last.csv line 3"]


ENDLESS = """
import sys, time
from pathlib import Path
sys.path.insert(0, {here!r})
from duplicate_cases import corpus_texts, many
from aigc.duplicates import CorpusWriter, writing
writing.TABLE_TEXTS = 256

def texts():
    for number, text in enumerate(corpus_texts(many(3_000)), 1):
        yield text
        if number == {after}:
            print("there", flush=True)
            time.sleep({sleep})

with CorpusWriter(Path({folder!r})) as corpus:
    corpus.add("endless.csv", "file", "endless", texts())
"""


@pytest.mark.parametrize("after", [1, 600, 3_000])
def test_kill_9_leaves_the_corpus_as_it_was(folder: Path, after: int) -> None:
    digest = CorpusIndex.read(folder).digest
    program = textwrap.dedent(ENDLESS.format(here=str(HERE), folder=str(folder), after=after, sleep=60))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        with CorpusIndex.read(folder) as during:
            assert during.digest == digest
        process.send_signal(signal.SIGKILL)
    with CorpusIndex.read(folder) as after_it:
        assert (len(after_it), after_it.digest) == (2, digest)
        assert after_it.nearest(EN_EDITED) is not None
    assert (folder / TEXTS).stat().st_size > 1_000 or after == 1
    add(folder, [EN_OTHER], "next.csv")
    assert len(CorpusIndex.read(folder)) == 3
    assert place_of(folder, EN_OTHER) == "next.csv line 1"
    assert len(list(folder.glob("bands-*"))) == 1


def test_a_writer_killed_before_its_first_source_leaves_an_empty_corpus(tmp_path: Path) -> None:
    program = textwrap.dedent(ENDLESS.format(here=str(HERE), folder=str(tmp_path / "new"), after=600, sleep=60))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
    assert len(CorpusIndex.read(tmp_path / "new")) == 0
    add(tmp_path / "new", [EN])
    assert place_of(tmp_path / "new", EN_EDITED) == "published.csv line 1"


@pytest.mark.parametrize(("name", "damage", "message"), [
    (MANIFEST, b"{", "no list of a corpus's sources"),
    (MANIFEST, b'{"corpus":9}', "a corpus of version 9"),
    (MANIFEST, None, "no such file|No such file"),
    (TEXTS, None, "no such file"),
    (SKETCHES, b"", "0 bytes; expected 256 at least"),
    (PLACES, b"1234567890", "10 bytes; expected 16 at least"),
])
def test_a_damaged_corpus_is_told_and_not_taken_for_an_empty_one(
    folder: Path, name: str, damage: bytes | None, message: str
) -> None:
    if damage is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(damage)
    with pytest.raises(StoreError, match=message):
        CorpusIndex.read(folder)


def test_a_damaged_line_is_told_when_it_is_read(folder: Path) -> None:
    data = bytearray((folder / TEXTS).read_bytes())
    data[30] ^= 1
    (folder / TEXTS).write_bytes(data)
    with CorpusIndex.read(folder) as corpus:
        assert corpus.nearest(ZH_EDITED) is not None
        with pytest.raises(StoreError, match=r"a damaged line \(text 1\)"):
            corpus.nearest(EN_EDITED)


def test_another_scheme_is_refused_for_reading_and_made_anew_for_adding(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lsh, "SEED", 2)
    with pytest.raises(StoreError, match=r"a corpus of scheme '.*seed 1'; expected '.*seed 2'"):
        CorpusIndex.read(folder)
    with CorpusWriter(folder) as corpus:
        assert corpus.find("file", "published.csv") is not None
    assert place_of(folder, EN_EDITED) == "published.csv line 1"
    assert place_of(folder, ZH_EDITED) == "published.csv line 2"


def test_the_likeliest_are_found_among_many_copies(tmp_path: Path) -> None:
    add(tmp_path, [EN] * (lsh.MOST_IN_A_BAND + 100) + [EN_EDITED])
    with CorpusIndex.read(tmp_path) as corpus:
        found = corpus.nearest(EN)
    assert found is not None
    assert found.similarity == 1.0


def test_a_verdict_is_the_same_in_every_process(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from aigc.duplicates import CorpusIndex\n"
        "found = CorpusIndex.read(Path(sys.argv[1])).nearest(sys.argv[2]); print(found.similarity, found.place)"
    )
    told = {
        subprocess.run([sys.executable, "-c", program, str(folder), EN_EDITED], capture_output=True, text=True,
                       env={**os.environ, "PYTHONHASHSEED": seed}, check=True).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1
