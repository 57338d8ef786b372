"""From what pass 1 found to the layout of what is kept: checks that need all of it, then the plan."""

from __future__ import annotations

import dataclasses

from beam_jobs.audit import check_bad_fraction
from beam_jobs.job import Job
from beam_jobs.layout import Layout
from beam_jobs.profile import Profile, check_classes
from tfrecord_io.errors import PlanError, SourceError
from tfrecord_io.plan import make_plan
from tfrecord_io.strategy import parse_strategy

MOST_SHARDS = 1_000_000
"""Each takes memory while it is planned, and a line in the manifest."""


def make_layout(job: Job, profile: Profile) -> Layout:
    """Checks what pass 1 found, and plans.

    Raises:
      PresampleError: no rows, too many bad ones or too many classes, a strategy that does not fit
        them, or a disk too small for the result.
    """
    tallies = profile.tallies.as_dict()
    rows = sum(tally.rows for tally in tallies.values())
    check_bad_fraction(job, profile.rejects, profile.rejects.total, profile.rows, "rows")
    if not rows and profile.filtered:
        raise SourceError(
            f"--where {job.options.where!r} leaves out all {profile.filtered:,} rows that it judged. Let more pass."
        )
    if not rows:
        if not job.options.patterns:
            raise SourceError("The PCollection holds no usable rows. Check the steps before Presample.")
        raise SourceError(
            f"--input {' '.join(job.options.patterns)}: the files hold no usable rows. Check that there is more than a "
            "header in them."
        )
    check_classes(len({label for _, label in tallies}), rows, job.options)
    plan = make_plan(
        tallies,
        splits=job.splits,
        label_dtype=job.source.label_dtype,
        strategy=parse_strategy(job.options.strategy),
        weights=job.options.weights,
        shard_size=job.options.shard_size,
        row_bytes=job.sizes.row_bytes,
        max_rows=job.options.max_rows,
        folds=job.options.folds,
        band_nats=job.band_nats,
    )
    if not job.options.plan_only:
        job.output.check_space(plan.bytes, job.options.compression == "gzip", spilled=job.spill is not None)
    shards = sum(stratum.shards * stratum.folds for stratum in plan.strata)
    if shards > MOST_SHARDS:
        raise PlanError(
            f"The plan has {shards:,} shards, more than the {MOST_SHARDS:,} that a dataset may have. Keep fewer rows "
            f"(--strategy {job.options.strategy}) or write larger shards (--shard_size {job.options.shard_size})."
        )
    return Layout.of(dataclasses.replace(plan, filtered_rows=profile.filtered))
