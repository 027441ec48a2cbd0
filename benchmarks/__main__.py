"""Run the benchmarks, print their tables, and write them to results.md if all were run.

python -m benchmarks            all of them
python -m benchmarks generator  one of them, or several
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import torch

from benchmarks.table import Table, processor

TOPICS = ("layers", "generator", "training_step", "data", "start", "completing", "holes", "peers", "growth")
RESULTS = Path(__file__).parent / "results.md"


def main() -> None:
    """Run the given topics, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Benchmarks of Onar.")
    parser.add_argument("topics", nargs="*", metavar="topic", help=f"{', '.join(TOPICS)}; all without one")
    topics = parser.parse_args().topics
    if unknown := set(topics) - set(TOPICS):
        parser.error(f"a topic is {', '.join(TOPICS)}, not {unknown.pop()!r}")
    sections = [f"# Benchmarks\n\n{_machine()}\n"]
    print(sections[0], flush=True)
    for topic in topics or TOPICS:
        measure: Callable[[], list[Table]] = import_module(f"benchmarks.{topic}").measure
        for table in measure():
            sections.append(str(table))
            print(table, flush=True)
    if not topics:
        RESULTS.write_text("\n".join(sections), encoding="utf-8")
        print(f"Written to {RESULTS}")


def _machine() -> str:
    """The machine and versions of the measurements."""
    return (
        f"Measured with `make bench` on {processor()}, {torch.get_num_threads()} threads, "
        f"PyTorch {torch.__version__}, Python {platform.python_version()}. Compared functions were timed in turns in "
        "one process, after a warm-up, at least five times."
    )


if __name__ == "__main__":
    main()
