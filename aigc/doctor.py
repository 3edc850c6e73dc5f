"""`aigc doctor`: what this machine has for a run, what is missing, and what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from aigc.errors import AigcError, EngineError, ModelError, UsageError, shown
from aigc.findings import Finding, Status
from aigc.job import templates_folder
from aigc.memory import free_memory_bytes
from aigc.models import ModelRef, cache_folder, catalogue, resolve
from aigc.reach import examine_plans, examine_prefect, examine_ray, examine_storage
from aigc.settings import DEFAULT_MODEL, EngineSettings, RunSettings, Settings

if TYPE_CHECKING:
    from aigc.engine.hardware import Gpu, Hardware

GIB = 1 << 30
DISK_WARN_GIB, DISK_PROBLEM_GIB = 5.0, 0.5
MEMORY_WARN_GIB = 2.0


def examine(settings: Settings) -> list[Finding]:
    """Everything a run with `settings` needs, in the order in which a run meets it. Never raises for what it finds.

    Takes seconds: it imports torch, and asks the Prefect API, the cluster and the storage that are set.
    """
    found, hardware = _torch(settings.engine)
    out, cache = Path(settings.run.out), cache_folder()
    memory_bytes = free_memory_bytes()
    return [
        _python(),
        *found,
        examine_cpu(hardware, usable_cores()),
        _memory(memory_bytes),
        _disk("disk for results", out, "Make room, or name another folder with --out."),
        _disk("disk for models", cache, "Make room, or name another folder in AIGC_CACHE."),
        *_model(settings, hardware, memory_bytes),
        _hub(),
        _templates(settings.run),
        examine_prefect(os.environ),
        examine_plans(os.environ),
        examine_ray(settings.engine, os.environ),
        examine_storage(settings.run),
    ]


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Finding(name="python", status="ok", found=found)


def usable_cores() -> int:
    """Cores this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def examine_cpu(seen: Hardware | None, cores: int) -> Finding:
    """The CPU: what this process may use of it, and what torch sees in it."""
    found = "1 core" if cores == 1 else f"{cores} cores"
    if seen:  # the words of docs/engine.md, which tells what it means for the speed
        found += ", with bfloat16 instructions" if seen.cpu_bf16 else ", without bfloat16 instructions"
    return Finding(name="cpu", status="ok", found=found)


def _torch(settings: EngineSettings) -> tuple[list[Finding], Hardware | None]:
    try:
        from aigc.engine.hardware import hardware

        seen = hardware()
    except (ImportError, OSError) as exc:
        return [Finding(name="torch", status="problem", found=f"cannot be imported ({shown(exc, 120)})",
                        remedy="Install it again: pip install --force-reinstall torch")], None
    build = f"CUDA {seen.cuda}" if seen.cuda else "CPU build"
    first = Finding(name="torch", status="ok", found=f"{seen.torch}, {build}")
    locks = examine_locks() if seen.gpus and settings.name != "openai" else []
    return [first, *examine_gpus(seen, settings), *locks], seen


def examine_gpus(seen: Hardware, settings: EngineSettings) -> list[Finding]:
    """A finding for each GPU, or one that says why there is none."""
    if settings.name == "openai":
        there = ", ".join(gpu.name for gpu in seen.gpus) or "none"
        return [Finding(name="gpu", status="ok", found=f"{there}; not needed here: the server makes the texts")]
    if not seen.gpus:
        return [_no_gpu(seen, driver_gpus(), settings)]
    return [_gpu(f"gpu {index}", gpu, settings) for index, gpu in enumerate(seen.gpus)]


def _gpu(name: str, gpu: Gpu, settings: EngineSettings) -> Finding:
    found = f"{gpu.name}, {gpu.memory_bytes / GIB:.1f} GiB of memory, compute capability {gpu.compute_capability}"
    if gpu.memory_free_bytes is None:
        return Finding(name=name, status="warn", found=f"{found}, taken by another process",
                       remedy="Wait for the process that holds it.")
    found += f", {gpu.memory_free_bytes / GIB:.1f} GiB free"
    if gpu.bf16 or settings.dtype != "bfloat16":
        return Finding(name=name, status="ok", found=found)
    return Finding(name=name, status="warn", found=f"{found}; too old for bfloat16, which the settings ask for",
                   remedy='Set dtype = "float16" under [engine].')


def examine_locks() -> list[Finding]:
    """A finding for each GPU that another process of aigc is at work on."""
    from aigc.engine.cards import holder, visible_cards

    try:
        users = [(card, who) for card in visible_cards() if (who := holder(card))]
    except EngineError as exc:
        return [Finding(name="gpu locks", status="problem", found=f"{exc.place}: {exc.found}", remedy=exc.remedy)]
    except OSError as exc:
        return [Finding(name="gpu locks", status="problem", found=f"unreadable ({exc.strerror})",
                        remedy="Correct the rights of the folder `locks` under AIGC_CACHE.")]
    return [Finding(name=f"gpu {card.number} in use", status="warn", found=who,
                    remedy="Wait until it has ended, or name other GPUs in engine.devices.") for card, who in users]


def _no_gpu(seen: Hardware, driver: str, settings: EngineSettings) -> Finding:
    if driver and not seen.cuda:
        return Finding(name="gpu", status="problem", found=f"the driver sees {driver}, torch is a CPU build",
                       remedy="Install a CUDA build of torch, as its own installation page tells for this driver.")
    if driver or seen.problem:
        why = seen.problem or f"the driver has {driver}"
        return Finding(name="gpu", status="problem", found=f"torch sees none: {why}",
                       remedy="Check CUDA_VISIBLE_DEVICES, and that the driver is new enough for this build of torch.")
    if settings.device == "cuda":
        return Finding(name="gpu", status="problem", found="none, and the settings ask for cuda",
                       remedy='Set device = "auto" under [engine], or run where there is a GPU.')
    return Finding(name="gpu", status="warn", found="none: the CPU does the work, many times slower")


def driver_gpus() -> str:
    """The GPUs that the NVIDIA driver sees, empty where there is no driver or it does not answer."""
    if not (program := shutil.which("nvidia-smi")):
        return ""
    try:
        done = subprocess.run([program, "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True,
                              timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return ", ".join(dict.fromkeys(done.stdout.split("\n"))).strip(", ")


def _memory(free_bytes: int | None) -> Finding:
    if free_bytes is None:
        return Finding(name="memory", status="warn", found="unknown on this system")
    free_gib = free_bytes / GIB
    if free_gib < MEMORY_WARN_GIB:
        return Finding(name="memory", status="warn", found=f"{free_gib:.1f} GiB free", remedy="End other programs.")
    return Finding(name="memory", status="ok", found=f"{free_gib:.1f} GiB free")


def _disk(name: str, folder: Path, remedy: str) -> Finding:
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        return Finding(name=name, status="problem", found=f"{folder} cannot be written", remedy=remedy)
    free_gib = shutil.disk_usage(place).free / GIB
    status: Status = "problem" if free_gib < DISK_PROBLEM_GIB else "warn" if free_gib < DISK_WARN_GIB else "ok"
    return Finding(name=name, status=status, found=f"{free_gib:.1f} GiB free at {folder}",
                   remedy="" if status == "ok" else remedy)


def _model(settings: Settings, hardware: Hardware | None, memory_bytes: int | None) -> list[Finding]:
    if settings.engine.name == "openai":
        return [_server(settings)]
    name = settings.run.model
    try:
        engine = settings.engine
        ref = resolve(name, trust_remote_code=engine.trust_remote_code, adapter=engine.adapter, fetch=False)
    except ModelError as exc:
        return [Finding(name="model", status="problem", found=f"{name}: {exc.found}", remedy=exc.remedy)]
    speaks = ", ".join(ref.languages) if ref.languages else "unknown languages"
    found = f"{name}: whole, {ref.licence or 'unknown licence'}, {speaks}"
    first = Finding(name="model", status="ok", found=found)
    if not ref.chat_template:
        remedy = "Take an instruct model: a base model continues texts rather than follow instructions."
        first = Finding(name="model", status="warn", found=f"{found}; without a chat template", remedy=remedy)
    return [first, *_fits(ref, hardware, memory_bytes), *_sizes(ref, settings, hardware)]


def _server(settings: Settings) -> Finding:
    """Whether the openai engine's server answers and lists the model. Takes seconds at most."""
    from aigc.engine.openai_server import NAMES_SHOWN, listed_models, open_server

    name = settings.run.model
    try:
        server = open_server(settings.engine)
        listed = listed_models(server, name)
    except AigcError as exc:
        return Finding(name="server", status="problem", found=f"{exc.place}: {exc.found}", remedy=exc.remedy)
    if listed is None:
        return Finding(name="server", status="warn", found=f"{server.host} answers, but lists no models",
                       remedy="Check engine.url, which usually ends in /v1. Some servers list none: a run will tell.")
    if name in (names := [model.id for model in listed]):
        return Finding(name="server", status="ok", found=f"{server.host} answers and has {name}")
    has = ", ".join(shown(each) for each in names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")
    return Finding(name="server", status="warn", found=f"{server.host} does not list {shown(name)}; it has {has}",
                   remedy="Name one of them with --model, unless the server loads models as they are asked for.")


def _fits(ref: ModelRef, hardware: Hardware | None, memory_bytes: int | None) -> list[Finding]:
    known = catalogue().get(ref.ref)
    free = [gpu.memory_free_bytes for gpu in hardware.gpus if gpu.memory_free_bytes] if hardware else []
    room = max(free) if free else memory_bytes
    if known is None or room is None or room / GIB >= known.min_memory_gib:
        return []
    return [Finding(name="model memory", status="warn",
                    found=f"{room / GIB:.1f} GiB free of the {known.min_memory_gib:.0f} GiB that {ref.ref} should have",
                    remedy=f"Free memory, or take a smaller model, for example --model {DEFAULT_MODEL}.")]


def _sizes(ref: ModelRef, settings: Settings, hardware: Hardware | None) -> list[Finding]:
    """How many rows the engine will take at a time, and why. That torch is missing is told elsewhere."""
    if hardware is None or settings.engine.name != "local":
        return []
    from aigc.engine.loader import device_for, sizes_for

    try:
        device = device_for(settings.engine)
        sizes = sizes_for(ref.folder(), settings.engine, device)
    except ModelError as exc:
        return [Finding(name="engine", status="problem", found=f"{exc.place}: {exc.found}", remedy=exc.remedy)]
    return [Finding(name="engine", status="ok", found=sizes.told(device.type))]


def _hub() -> Finding:
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}:
        return Finding(name="model hub", status="ok", found="HF_HUB_OFFLINE is set: only models on this machine")
    return Finding(name="model hub", status="ok", found="asked for hub models; set HF_HUB_OFFLINE=1 to stay offline")


def _templates(settings: RunSettings) -> Finding:
    try:
        folder = templates_folder(settings.templates)
    except UsageError as exc:
        return Finding(name="templates", status="problem", found=exc.found, remedy="Name the folder with --templates.")
    packs = sorted(file.parent.name for file in folder.glob("*/template.toml"))
    if not packs:
        return Finding(name="templates", status="problem", found=f"no <content_type>/template.toml in {folder}",
                       remedy="Add a content type, or name another folder with --templates.")
    told = "1 content type" if len(packs) == 1 else f"{len(packs)} content types"
    return Finding(name="templates", status="ok", found=f"{told} in {folder}")
