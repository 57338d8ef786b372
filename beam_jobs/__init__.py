"""Writes datasets: a Beam job from imbalanced files to per-class, sampled, weighted TFRecords.

    from beam_jobs import PresampleOptions, run
    manifest = run(PresampleOptions(input=("data/*.csv",), output="dataset", label="clicked"))

`Presample` is the same as a PTransform, for the rows of one's own pipeline. Concepts, in the order of the flow:

    Source   files of one format, read as blocks of rows       sources/
    Profile  pass 1: rows, weight and bytes of each class      profile.py
    Plan     what is kept of each class                        tfrecord_io/plan.py, layout.py
    Draw     pass 2: rows below their class's cut              draw.py, cut.py
    Shard    rows of one class, in the order of their v        write_shards.py
    Publish  audit, move into place, manifest                  publish.py

`presample.py` holds the pipeline on one screen; `driver.py` starts it; `command.py` is its command;
`transform.py` is the PTransform; `tfxio.py` hands a dataset to TFX libraries.
"""

from __future__ import annotations

from typing import Any

from beam_jobs.like import options_like
from beam_jobs.options import PresampleOptions

__all__ = ["Presample", "PresampleOptions", "options_like", "plan", "run"]


def __getattr__(name: str) -> Any:
    # apache_beam takes seconds to import: only those who run a job pay for it.
    if name == "Presample":
        from beam_jobs import transform

        return transform.Presample
    if name in ("plan", "run"):
        from beam_jobs import driver

        return getattr(driver, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
