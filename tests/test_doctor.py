"""The doctor: what it finds, and that each finding that asks for something has a remedy."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import Handler, serving
from model_folders import write_model
from msgspec.structs import replace

from aigc.doctor import driver_gpus, examine, examine_cpu, examine_gpus
from aigc.engine.hardware import Gpu, Hardware
from aigc.findings import Finding
from aigc.memory import free_memory_bytes, total_memory_bytes
from aigc.reach import prefect_api_url
from aigc.settings import EngineSettings, RunSettings, Settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder, a home and a cache of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))
    for name in ("PREFECT_API_URL", "PREFECT_HOME", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def named(name: str, settings: Settings | None = None) -> Finding:
    return {finding.name: finding for finding in examine(settings or Settings())}[name]


def run(**values: str) -> Settings:
    return Settings(run=RunSettings(**values))  # type: ignore[arg-type]


def test_a_bare_machine_is_described_and_told_what_to_do() -> None:
    findings = examine(Settings())
    names = [finding.name for finding in findings]
    assert names[:2] == ["python", "torch"]
    assert len(set(names)) == len(names)
    assert names[-11:] == ["cpu", "memory", "disk for results", "disk for models", "model", "model hub", "templates",
                           "prefect", "plans", "ray", "shared storage"]
    assert all(finding.remedy for finding in findings if finding.status == "problem")
    assert all(finding.found and "\n" not in finding.found for finding in findings)


def test_importing_the_doctor_loads_neither_torch_nor_prefect() -> None:
    script = "import sys, aigc.doctor; print({'torch', 'prefect', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.stdout.strip() == "set()", done.stderr


# The model


def test_a_model_that_is_not_here_is_a_problem_with_the_command_that_fetches_it() -> None:
    assert named("model") == Finding(
        name="model", status="problem", found="smollm2-135m-instruct: no copy on this machine",
        remedy="Fetch it: aigc models pull smollm2-135m-instruct",
    )


def test_a_whole_model_is_fine_and_a_cut_one_a_problem(home: Path) -> None:
    folder = write_model(home / "mine")
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    finding = named("model", run(model=str(folder)))
    assert (finding.status, finding.found) == ("ok", f"{folder}: whole, unknown licence, unknown languages")
    (folder / "model.safetensors").write_bytes(b"")
    finding = named("model", run(model=str(folder)))
    assert (finding.status, finding.remedy) == ("problem", "Copy the folder again from where it came from.")


def test_the_choice_of_slots_and_context_is_explained(home: Path) -> None:
    config = {"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4,
              "num_key_value_heads": 2, "max_position_embeddings": 2048, "vocab_size": 99}
    write_model(home / "ours")
    (home / "ours" / "config.json").write_text(json.dumps(config))
    settings = Settings(run=RunSettings(model="./ours"), engine=EngineSettings(device="cpu", slots=7))
    found = named("engine", settings)
    assert found.status == "ok"
    assert found.found.startswith("7 slots on cpu, of up to 2,048 tokens: of ")
    # 2 layers of keys and values, 2 heads of 16 numbers, 2 bytes each: 256 bytes a token; 7 rows of 2,048 tokens.
    assert found.found.endswith("(14,336 tokens of 0.2 KiB, shared by the rows as each needs)")


def test_a_base_model_is_warned_of(home: Path) -> None:
    finding = named("model", run(model=str(write_model(home / "mine"))))
    assert finding.status == "warn"
    assert "without a chat template" in finding.found
    assert "Take an instruct model" in finding.remedy


def test_a_hub_model_is_not_fetched_by_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    finding = named("model", run(model="org/not-here-at-all"))
    assert finding.status == "problem"
    assert finding.found == "org/not-here-at-all: no whole copy on this machine"
    assert finding.remedy == "Fetch it: aigc models pull org/not-here-at-all"


# Places


def test_a_results_folder_that_is_a_file_is_a_problem(home: Path) -> None:
    (home / "taken").write_text("")
    finding = named("disk for results", run(out="taken/outputs"))
    assert (finding.status, finding.found) == ("problem", "taken/outputs cannot be written")
    assert "--out" in finding.remedy


def test_templates_are_counted_where_they_are_found(home: Path) -> None:
    assert named("templates", run(templates="nowhere")).found == "no folder nowhere"
    (home / "templates" / "ad_copy").mkdir(parents=True)
    assert named("templates", run(templates="templates")).status == "problem"
    (home / "templates" / "ad_copy" / "template.toml").write_text("")
    assert named("templates").found == "1 content type in templates"


@pytest.mark.parametrize(
    ("limits", "free_bytes"),
    [({}, 4096 * 1024), ({"memory.max": "max", "memory.current": "0"}, 4096 * 1024),
     ({"memory.max": "3000000", "memory.current": "1000000"}, 2_000_000),
     ({"memory.max": "1000", "memory.current": "2000"}, 0),
     ({"memory.max": "3000000", "memory.current": "2900000",
       "memory.stat": "anon 400000\ninactive_file 2000000\nactive_file 500000"}, 2_100_000),
     ({"memory.max": "3000000", "memory.current": "1000000", "memory.stat": "anon"}, 2_000_000)],
)
def test_free_memory_counts_the_containers_limit(home: Path, limits: dict[str, str], free_bytes: int) -> None:
    (home / "meminfo").write_text("MemTotal: 9999 kB\nMemAvailable:    4096 kB\n")
    for name, text in limits.items():
        (home / name).write_text(text + "\n")
    assert free_memory_bytes(home / "meminfo", home) == free_bytes


def test_a_system_that_does_not_tell_its_memory_is_unknown(home: Path) -> None:
    assert free_memory_bytes(home / "none", home) is None


# The GPU


def smi(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")


def test_a_driver_beside_a_torch_that_sees_no_gpu_is_a_problem(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("torch sees a GPU here")
    smi(home, monkeypatch, "echo 'NVIDIA T4'; echo 'NVIDIA T4'")
    finding = named("gpu")
    assert finding.status == "problem"
    if torch.version.cuda is None:
        assert finding.found == "the driver sees NVIDIA T4, torch is a CPU build"
        assert finding.remedy.startswith("Install a CUDA build of torch")


def test_a_driver_that_fails_counts_as_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smi(home, monkeypatch, "echo 'No devices were found'; exit 6")
    assert driver_gpus() == ""


def test_settings_that_ask_for_cuda_without_a_gpu_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("torch sees a GPU here")
    monkeypatch.setenv("PATH", "")
    finding = named("gpu", Settings(engine=EngineSettings(device="cuda")))
    assert (finding.status, finding.found) == ("problem", "none, and the settings ask for cuda")
    assert named("gpu") == Finding(name="gpu", status="warn", found="none: the CPU does the work, many times slower")


def test_where_a_server_makes_the_texts_no_gpu_is_missed() -> None:
    seen, gpu = Hardware(torch="2.9", cuda="", gpus=[], cpu_bf16=True), Gpu(
        name="NVIDIA T4", compute_capability="7.5", memory_bytes=16 << 30, memory_free_bytes=None, bf16=False)
    for gpus, there in (([], "none"), ([gpu], "NVIDIA T4")):
        for device in ("auto", "cuda"):
            settings = EngineSettings(name="openai", device=device)  # type: ignore[arg-type]
            (finding,) = examine_gpus(replace(seen, gpus=gpus), settings)
            assert finding == Finding(name="gpu", status="ok",
                                      found=f"{there}; not needed here: the server makes the texts")


@pytest.mark.parametrize(("gpu", "dtype", "status", "says"), [
    ({}, "bfloat16", "ok", "NVIDIA L4, 22.0 GiB of memory, compute capability 8.9, 21.0 GiB free"),
    ({"memory_free_bytes": None}, "bfloat16", "warn",
     "NVIDIA L4, 22.0 GiB of memory, compute capability 8.9, taken by another process"),
    ({"bf16": False}, "bfloat16", "warn", "NVIDIA L4, 22.0 GiB of memory, compute capability 8.9, 21.0 GiB free; "
     "too old for bfloat16, which the settings ask for"),
    ({"bf16": False}, "float16", "ok", "NVIDIA L4, 22.0 GiB of memory, compute capability 8.9, 21.0 GiB free"),
])
def test_a_gpu_is_told_in_one_line(gpu: dict[str, object], dtype: str, status: str, says: str) -> None:
    whole, free = 22 << 30, 21 << 30
    found = Gpu(name="NVIDIA L4", compute_capability="8.9", memory_bytes=whole, memory_free_bytes=free, bf16=True)
    seen = Hardware(torch="2.9", cuda="12.8", gpus=[replace(found, **gpu)], cpu_bf16=True)
    (finding,) = examine_gpus(seen, EngineSettings(dtype=dtype))  # type: ignore[arg-type]
    assert (finding.name, finding.status, finding.found) == ("gpu 0", status, says)
    assert bool(finding.remedy) == (status != "ok")


@pytest.mark.parametrize(("cores", "has", "told"), [
    (1, True, "1 core, with bfloat16 instructions"), (8, False, "8 cores, without bfloat16 instructions"),
])
def test_a_cpu_is_told_in_the_words_of_the_engines_page(cores: int, has: bool, told: str) -> None:
    assert examine_cpu(Hardware(torch="2.9", cuda="", gpus=[], cpu_bf16=has), cores).found == told
    page = (Path(__file__).parents[1] / "docs" / "engine.md").read_text("utf-8")
    assert "without bfloat16 instructions" in page


# Prefect


@pytest.fixture
def api() -> Iterator[str]:
    """An API that is healthy under /api, asks for a key under /locked, and is something else under /."""

    class Api(Handler):
        def reply(self) -> None:
            status = {"/api/health": 200, "/": 200, "/locked/health": 401, "/odd/health": 200}.get(self.path, 404)
            self.answer(status, json.dumps({"/api/health": True}.get(self.path, {"page": 1})).encode())

    with serving(Api) as place:
        yield place


@pytest.mark.parametrize(
    ("path", "status", "found"),
    [("/api", "ok", "answers"), ("/api/", "ok", "answers"), ("/locked", "ok", "answers"),
     ("", "problem", "answers, but not as a Prefect API"), ("/odd", "problem", "answers, but not as a Prefect API")],
)
def test_a_prefect_api_is_asked_for_its_health(
    api: str, monkeypatch: pytest.MonkeyPatch, path: str, status: str, found: str
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"http://{api}{path}")
    finding = named("prefect")
    assert (finding.status, finding.found) == (status, f"http://{api} {found}")


@pytest.mark.parametrize(
    ("url", "status", "found"),
    [("http://me:hunter2@127.0.0.1:9/api", "problem", "no answer from http://127.0.0.1:9"),
     ("file:///etc/passwd", "problem", "PREFECT_API_URL is no http address")],
)
def test_a_prefect_api_that_is_not_there_is_told(
    monkeypatch: pytest.MonkeyPatch, url: str, status: str, found: str
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", url)
    finding = named("prefect")
    assert (finding.status, finding.found) == (status, found)
    assert finding.remedy


def test_without_a_prefect_api_all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "")
    assert named("prefect") == Finding(name="prefect", status="ok", found="none set: runs go without Prefect")


def test_the_api_is_taken_from_environment_then_project_then_active_profile(home: Path) -> None:
    assert prefect_api_url({}, home) == ""
    (home / ".prefect").mkdir()
    profiles = 'active = "b"\n[profiles.a]\nPREFECT_API_URL = "http://a/api"\n[profiles.b]\nPREFECT_API_URL = "http://b/api"\n'
    (home / ".prefect" / "profiles.toml").write_text(profiles)
    assert prefect_api_url({}, home) == "http://b/api"
    assert prefect_api_url({"PREFECT_PROFILE": "a"}, home) == "http://a/api"
    assert prefect_api_url({"PREFECT_HOME": str(home / "elsewhere")}, home) == ""
    (home / "prefect.toml").write_text('[api]\nurl = "http://p/api"\n')
    assert prefect_api_url({}, home) == "http://p/api"
    assert prefect_api_url({"PREFECT_API_URL": "http://e/api"}, home) == "http://e/api"
    (home / ".prefect" / "profiles.toml").write_text("broken = ")
    (home / "prefect.toml").unlink()
    assert prefect_api_url({}, home) == ""


@pytest.mark.parametrize(("limit", "expected"), [("1048576\n", 1048576), ("max\n", None), (None, None)])
def test_a_containers_limit_bounds_all_memory(tmp_path: Path, limit: str | None, expected: int | None) -> None:
    if limit is not None:
        (tmp_path / "memory.max").write_text(limit)
    machine = total_memory_bytes(tmp_path / "none")
    assert total_memory_bytes(tmp_path) == (machine if expected is None else expected)
