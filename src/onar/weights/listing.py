"""The verb `weights`: the public networks as a table, and a download with a progress bar."""

from __future__ import annotations

from pathlib import Path

from onar.system.console import progress_bar
from onar.weights.catalogue import CATALOGUE
from onar.weights.store import download, is_here, place_of


def describe_all() -> str:
    """The networks of `CATALOGUE`, a block of lines for each."""
    return "\n\n".join(
        f"{name}: {one.purpose}\n"
        f"  {one.size / 1e6:.0f} MB, {one.licence}, {one.source}\n"
        f"  {one.address}\n"
        f"  SHA-256 {one.sha256}\n"
        f"  {place_of(name) if is_here(name) else f'not here: onar weights get {name}'}"
        for name, one in CATALOGUE.items()
    )


def download_with_bar(name: str) -> Path:
    """As `download`, with a progress bar; returns the path."""
    total = CATALOGUE[name].size if name in CATALOGUE else None
    with progress_bar(total=total, unit="B", unit_scale=True, desc=name) as bar:
        return download(name, bar.update)
