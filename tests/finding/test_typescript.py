"""The front end finds what `onar.find` finds: the same windows, the same marks."""

from pathlib import Path

from tests.support.find_vectors import random_find_case, write_find_cases
from tests.support.front_end import needs_vitest, run_vitest


@needs_vitest
def test_typescript_finds_what_python_finds(tmp_path: Path) -> None:
    cases = [random_find_case(seed) for seed in range(60)]
    write_find_cases(tmp_path / "vectors.json", cases)
    printed = run_vitest("finding.test.ts", "VITE_FIND_VECTORS", tmp_path / "vectors.json")
    assert all(case.name in printed for case in cases), printed
