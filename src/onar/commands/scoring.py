"""The command that scores fills. Heavy imports are inside, so that --help is fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from onar.errors import FieldError
from onar.evaluation.config import EvaluationConfig
from onar.launch import as_command


@as_command
def evaluate(config: Annotated[EvaluationConfig, Parameter(name="*")], *, write_pairs: Path | None = None) -> None:
    """Score how well holes in photos are filled, by hole share, and write a report.

    Args:
        config: Settings.
        write_pairs: New folder for the photos with their holes and for the masks, for other programs to complete. Score
            the results with `fills` and the same other options. Without `output` nothing is scored.
    """
    from onar.evaluation import verb
    from onar.evaluation.report_page import missing_for_page

    if config.output is None and write_pairs is None:
        raise FieldError("output", "is missing: name the report, such as `output` report.json")
    if write_pairs is not None:
        if config.output is None:
            config.refuse_scoring()
        print(f"{verb.write_pairs_of(config, write_pairs)} photos with holes, and their masks: {write_pairs}")
    if config.output is None:
        return
    print(verb.score(config))
    page = "" if missing_for_page() else f" and {config.output.with_suffix('.html')}"
    print(f"\nThe report: {config.output}{page}")
