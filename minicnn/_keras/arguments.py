"""Keras' arguments that are not here: which say nothing, and what others are called today."""

from typing import Any

import numpy as np

from minicnn._keras import old_arguments

_OFF = """
    activity_regularizer auto_scale_loss batch_shape batch_size callbacks data_bounds
    data_format double_checkpoint expand_nested export_path from_sorted_ids
    gradient_accumulation_steps input_axes input_dtype label_weights layer_range
    line_length lora_alpha lora_rank loss_scale_factor loss_weights max_shard_size multi_label
    num_labels optional options output_axes positions print_fn quantization_config ragged
    raise_error renorm renorm_clipping rms_scaling show_trainable skip_mismatch
    sparse steps synchronized tensor thresholds use_ema weighted_metrics weights zipped
"""
OFF = frozenset(_OFF.split())
"""Arguments of Keras' that minicnn has not, and that say nothing when they are None or False.

So are all whose name ends in ``_constraint``.
"""

INERT: dict[str, tuple[Any, ...]] = {
    "auto_scale_loss": (True,),
    "autocast": (True,),
    "axis": (-1,),
    "data_format": ("channels_last",),
    "dilation_rate": (1, (1, 1), [1, 1]),
    "dtype": (None, "float32", np.float32, "float64", np.float64, "uint8", np.uint8),
    "groups": (1,),
    "loss_scale_factor": (1.0,),
    "mode": (0,),
    "moving_mean_initializer": ("zeros",),
    "moving_variance_initializer": ("ones",),
    "overwrite": (True,),
    "reduction": ("sum_over_batch_size",),
    "safe_mode": (True, False, None),
    "trainable": (True,),
}
"""Others, and the values at which they change nothing."""

IGNORED = {
    "ema_momentum",
    "ema_overwrite_frequency",
    "jit_compile",
    "name",
    "renorm_momentum",
    "run_eagerly",
    "seed",
    "steps_per_execution",
}
"""Arguments of Keras' that say nothing, or only matter beside others that are refused."""

RENAMED = {
    **old_arguments.RENAMED,
    **dict.fromkeys(("validation", "validation_set", "val"), "validation_data"),
    "size": "target_size",
}
"""Old names, for what cannot be taken under them, and names that come to mind."""

IN_FILES = {"dtype", "moving_mean_initializer", "moving_variance_initializer", "trainable"}
"""Arguments in saved configs that are read elsewhere, or whose arrays the file holds."""


TELLING = {"bias"}
"""Arguments of old releases that change the meaning when they are False."""


def inert(key: str, value: Any) -> bool:
    """Whether an argument of Keras' changes nothing at that value."""
    off = (value is None or value is False) and (key in OFF or key.endswith("_constraint"))
    same = not isinstance(value, np.ndarray) and any(value == x for x in INERT.get(key, ()))
    return off or same or key in IGNORED
