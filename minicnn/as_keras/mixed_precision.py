"""``keras.mixed_precision``: minicnn computes in float32 where a script asks for less.

The numbers are those of a run in float32, and what belongs to float16 alone, such as scaled losses,
is left out.
"""

from typing import Any

from minicnn._core.console import warn_once
from minicnn._core.settings import floatx, set_floatx
from minicnn.errors import ConfigError, shown

__all__ = ["DTypePolicy", "LossScaleOptimizer", "Policy", "dtype_policy", "global_policy",
           "set_dtype_policy", "set_global_policy", "set_policy"]  # fmt: skip

KNOWN = ("float32", "float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16")


class Policy:
    """A policy, of which the dtype counts that is computed in: float32, or float64.

    >>> Policy("mixed_float16").compute_dtype
    'float32'
    """

    def __init__(self, name: Any = "float32", **_: Any) -> None:
        if name not in KNOWN:
            raise ConfigError(f"Policy: expected one of {', '.join(KNOWN)}, got {shown(name)}.")
        self.name = name
        self.compute_dtype = self.variable_dtype = "float64" if name == "float64" else "float32"


DTypePolicy = Policy


def set_global_policy(policy: Any) -> None:
    """Compute in float64 for that policy, else in float32, which is said once."""
    chosen = policy if isinstance(policy, Policy) else Policy(policy)
    if chosen.name != chosen.compute_dtype:
        warn_once("mixed_precision", f"{chosen.name}: minicnn computes in float32.")
    set_floatx(chosen.compute_dtype)


set_policy = set_dtype_policy = set_global_policy


def global_policy() -> Policy:
    """The dtype that models are made with from now on."""
    return Policy(floatx())


dtype_policy = global_policy


def LossScaleOptimizer(inner_optimizer: Any, *_: Any, **__: Any) -> Any:  # noqa: N802
    """The optimizer itself: in float32 no loss need be scaled."""
    return inner_optimizer
