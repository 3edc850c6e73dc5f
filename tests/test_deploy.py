"""What is given to be copied for nights: systemd units and prefect.yaml name what the program has."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from aigc.cli import app

ROOT = Path(__file__).parent.parent
UNITS = sorted((ROOT / "deploy").rglob("*.service"))
OURS = "/srv/aigc/.venv/bin/aigc"
CALLS = [(unit.name, line) for unit in UNITS for line in re.findall(r"^ExecStart=(.+)$", unit.read_text("utf-8"), re.M)]


@pytest.mark.parametrize(("unit", "line"), CALLS, ids=[unit for unit, _ in CALLS])
def test_a_unit_calls_a_command_with_options_that_exist(unit: str, line: str) -> None:
    program, name, *arguments = shlex.split(line)
    assert program == OURS, unit
    command: Any = typer.main.get_command(app)
    command.commands[name].make_context(name, arguments).close()


def test_each_worker_has_longer_to_end_than_its_runs_have_to_close() -> None:
    from aigc.prefect_worker import STOPS_S

    for unit in (unit for unit in UNITS if "worker" in unit.name):
        [stop_s] = re.findall(r"^TimeoutStopSec=(\d+)$", unit.read_text("utf-8"), re.M)
        assert int(stop_s) > STOPS_S, unit.name


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd on this machine")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    program = tmp_path / "aigc"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    for path in (path for path in (tmp_path / "deploy").rglob("*") if path.is_file()):
        path.write_text(path.read_text("utf-8").replace(OURS, str(program)).replace("User=aigc", "User=root"), "utf-8")
    named = [tmp_path / "deploy" / unit.name.replace("@.", "@0.") for unit in UNITS]
    shutil.copyfile(tmp_path / "deploy" / "aigc-worker@.service", tmp_path / "deploy" / "aigc-worker@0.service")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *map(str, named)], capture_output=True, text=True,
                          timeout=60)
    # Other units of the machine may be wrong.
    assert [line for line in (done.stdout + done.stderr).splitlines() if "aigc" in line] == []


def test_the_deployments_of_prefect_yaml_fit_the_flows() -> None:
    checked = """
import sys, yaml
from prefect.flows import load_flow_from_entrypoint
from prefect.client.schemas.objects import ConcurrencyLimitStrategy
from prefect.client.schemas.schedules import CronSchedule
for each in yaml.safe_load(open("prefect.yaml"))["deployments"]:
    flow = load_flow_from_entrypoint(each["entrypoint"])
    flow.validate_parameters(each["parameters"])
    ConcurrencyLimitStrategy(each["concurrency_limit"]["collision_strategy"])
    for when in each.get("schedules", []):
        CronSchedule(cron=when["cron"], timezone=when["timezone"])
    print(each["name"])
"""
    done = subprocess.run([sys.executable, "-c", checked], cwd=ROOT, capture_output=True, text=True, timeout=60)
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))["deployments"]
    assert done.stdout.split() == [each["name"] for each in deployments] != [], done.stderr
