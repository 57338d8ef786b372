"""What a stored weight is of a row's original one."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tfrecord_io.labels import Label


def weight_factors(mode: str, classes: Mapping[Label, tuple[float, float]]) -> dict[Label, float]:
    """The factor on each row's original weight.

    Args:
      mode: calibrated (N_k/n_k), balanced (W/(K W_k) N_k/n_k) or none (1).
      classes: the classes that keep rows: label -> (W_k, N_k/n_k).
    """
    if mode == "none":
        return dict.fromkeys(classes, 1.0)
    if mode == "calibrated":
        return {label: keep_weight for label, (_, keep_weight) in classes.items()}
    mean = math.fsum(weight for weight, _ in classes.values()) / max(1, len(classes))
    return {label: mean / weight * keep_weight for label, (weight, keep_weight) in classes.items()}
