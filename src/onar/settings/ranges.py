"""Ranges of settings, declared at the field: `Annotated[int, Ge(1)]` is checked, shown by `--help` and in the API.

>>> describe_range(Annotated[float, Gt(0), Le(1)] | None)
'above 0 and at most 1'
"""

from __future__ import annotations

from typing import Annotated, Any, get_args

from annotated_types import Ge, Gt, Le, Lt

PositiveInt = Annotated[int, Ge(1)]
NonNegativeInt = Annotated[int, Ge(0)]
PositiveFloat = Annotated[float, Gt(0)]
NonNegativeFloat = Annotated[float, Ge(0)]
Share = Annotated[float, Gt(0), Le(1)]
"""A share that is not nothing: (0, 1]."""
ShareBelowOne = Annotated[float, Ge(0), Lt(1)]
"""A share that is not everything, or a decay: [0, 1)."""
Seed = Annotated[int, Ge(0), Lt(2**63)]
"""A seed of NumPy's and PyTorch's generators."""

_LARGE = 2**31


def describe_range(hint: Any) -> str:
    """The range of a type in words; empty for a type without one."""
    low, high = _bounds(hint)
    if isinstance(low, Ge) and isinstance(high, Le):
        return f"from {_number(low.ge)} to {_number(high.le)}"
    words = [f"at least {_number(low.ge)}" if isinstance(low, Ge) else f"above {_number(low.gt)}"] if low else []
    if high:
        words.append(f"at most {_number(high.le)}" if isinstance(high, Le) else f"below {_number(high.lt)}")
    return " and ".join(words)


def _bounds(hint: Any) -> tuple[Ge | Gt | None, Le | Lt | None]:
    """The lower and the upper bound of a type, or of the first part of it that has some."""
    metadata = getattr(hint, "__metadata__", ())
    low = next((limit for limit in metadata if isinstance(limit, Ge | Gt)), None)
    high = next((limit for limit in metadata if isinstance(limit, Le | Lt)), None)
    if low or high:
        return low, high
    return next((found for part in get_args(hint) if any(found := _bounds(part))), (None, None))


def _number(value: Any) -> str:
    """A bound as text; large powers of two as such."""
    is_power = isinstance(value, int) and value > _LARGE and value.bit_count() == 1
    return f"2^{value.bit_length() - 1}" if is_power else f"{value}"
