"""What a process computes with."""

import os
import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from onar.devices import keep_freed_memory

def faults():
    for round in range(30):
        if round == 10:  # by then, what can be kept is there
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(10_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = faults()
keep_freed_memory()
print(given_back, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_freed_memory_is_used_again_without_asking_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    given_back, kept = map(int, done.stdout.split())
    assert kept < given_back / 10


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
