"""What a process computes with."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs import SMALL

FAULTS = """
import resource, sys, torch
from onar import TrainConfig, train
from onar.devices import keep_freed_memory

def faults():
    for round in range(30):
        if round == 10:  # by then, what can be kept is there
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(10_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = faults()
exec(sys.argv[1])
print(given_back, faults())
"""


def faults_before_and_after(work: str) -> tuple[int, int]:
    """How often a process had to ask the system for memory it had freed, before some work and after it."""
    done = subprocess.run([sys.executable, "-c", FAULTS, work], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.splitlines()[-1].split())
    return before, after


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_freed_memory_is_used_again_without_asking_the_system() -> None:
    given_back, kept = faults_before_and_after("keep_freed_memory()")
    assert kept < given_back / 10


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_training_from_python_leaves_the_memory_of_the_process_to_its_owner(photos: Path, tmp_path: Path) -> None:
    settings = {**SMALL, "data": str(photos), "results_dir": str(tmp_path), "lambda_content": 0.0, "max_steps": 1}
    before, after = faults_before_and_after(f"train(TrainConfig(**{settings}))")
    assert after > before / 2


THREADS = """
from onar.cli import main
from onar.devices import FEW_CPUS, available_cpus
try:
    main(["train", "--data", "nowhere"])  # imports torch, whose OpenMP then says how its threads wait
finally:
    print(available_cpus() <= FEW_CPUS)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="torch's OpenMP is not GNU's")
@pytest.mark.parametrize(
    ("chosen", "spins"),
    [({}, "2000"), ({"GOMP_SPINCOUNT": "77"}, "77"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "0")],
    ids=["nothing", "a count", "a policy"],
)
def test_the_command_lets_threads_sleep_soon_unless_the_person_has_chosen(chosen: dict[str, str], spins: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GOMP_", "OMP_"))}
    environment |= {"OMP_DISPLAY_ENV": "VERBOSE"} | chosen
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=False, env=environment)
    if "True" not in done.stdout:
        pytest.skip("with many processors threads wait as they always did")
    assert f"GOMP_SPINCOUNT = '{spins}'" in done.stderr


def test_importing_onar_leaves_the_environment_alone() -> None:
    code = "import os; before = dict(os.environ); import onar, onar.cli; print(before == dict(os.environ))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
