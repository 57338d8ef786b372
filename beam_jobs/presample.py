"""The job: imbalanced files in, a per-class, pre-sampled, weighted, published dataset out.

    ranges -> Profile (pass 1) -> Plan -> Draw (pass 2) -> Cut -> WriteShards -> Publish

Run it with `presample run`, `python -m beam_jobs.presample` or `beam_jobs.run`.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # First of all, so that Beam is imported as the command wants it; and workers never meet __main__.
    from beam_jobs.command import main as command

    sys.exit(command())

import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path

import apache_beam as beam

from beam_jobs.cut import Candidates, Cuts, find_cuts
from beam_jobs.draw import DrawRange, RangeFacts
from beam_jobs.failures import reported
from beam_jobs.job import Job
from beam_jobs.layout import Layout
from beam_jobs.profile import MergeProfiles, Profile, ProfileRange, check_classes
from beam_jobs.publish import check_bad_fraction, publish
from beam_jobs.sources.block import Range
from beam_jobs.unique_ids import RefuseEqualIds
from beam_jobs.write_shards import WriteBucket, WrittenShard
from tfrecord_io.errors import PlanError, SourceError
from tfrecord_io.manifest import Manifest
from tfrecord_io.plan import make_plan
from tfrecord_io.strategy import parse_strategy

PLAN_NOTE = "plan.pickle"
MOST_SHARDS = 1_000_000
"""Each takes memory while it is planned, and a line in the manifest."""


def build(pipeline: beam.Pipeline, job: Job) -> None:
    """The whole flow. Reads the source twice, moves the kept rows once."""
    files = pipeline | "Files" >> beam.Create(range(len(job.source.files)), reshuffle=False)
    ranges = files | "Ranges" >> beam.ParDo(Ranges(job)) | "Spread" >> beam.Reshuffle()
    flow(ranges, pipeline | "Once" >> beam.Create([None], reshuffle=False), job)


def flow(ranges: beam.PCollection, once: beam.PCollection, job: Job) -> beam.PCollection:
    """The flow behind the ranges, wherever they come from; `once` is one None.

    Returns:
      The Manifest, once the dataset is published; with `plan_only` nothing.
    """
    counted = ranges | "Profile" >> beam.ParDo(ProfileRange(job)).with_outputs(ProfileRange.PROFILE, main="notes")
    profile = beam.pvalue.AsSingleton(
        counted[ProfileRange.PROFILE] | "MergeProfiles" >> beam.CombineGlobally(MergeProfiles())
    )
    layouts = once | "Plan" >> beam.Map(plan_layout, job, profile)
    if job.options.plan_only:
        return layouts | "Note" >> beam.Map(note_plan, job)
    layout = beam.pvalue.AsSingleton(layouts)

    drawn = counted.notes | "Draw" >> beam.ParDo(DrawRange(job), layout).with_outputs(
        DrawRange.CANDIDATES, DrawRange.FACTS, DrawRange.IDS, main="rows"
    )
    ids = drawn[DrawRange.IDS] | "GroupIds" >> beam.GroupByKey()
    checked = beam.pvalue.AsList(ids | "RefuseEqualIds" >> beam.ParDo(RefuseEqualIds(job)))
    candidates = beam.pvalue.AsList(drawn[DrawRange.CANDIDATES])
    cuts = beam.pvalue.AsSingleton(once | "Cut" >> beam.Map(cut_bands, layout, candidates))
    shards = drawn.rows | "Buckets" >> beam.GroupByKey() | "WriteShards" >> beam.ParDo(WriteBucket(job), layout, cuts)
    facts = beam.pvalue.AsList(drawn[DrawRange.FACTS])
    written = beam.pvalue.AsList(shards)
    return once | "Publish" >> beam.Map(audit_and_publish, job, layout, profile, cuts, facts, written, checked)


class Ranges(beam.DoFn):
    """Index of a file -> its ranges."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def process(self, file: int) -> Iterator[Range]:
        """Reads at most the file's footer."""
        with reported():
            yield from self._job.source.ranges(file)


def plan_layout(_: None, job: Job, profile: Profile) -> Layout:
    """The stage Plan."""
    with reported():
        return make_layout(job, profile)


def note_plan(layout: Layout, job: Job) -> None:
    """The last stage of `--plan_only`: leaves the plan where the launcher finds it."""
    Path(job.run_folder, PLAN_NOTE).write_bytes(pickle.dumps(layout.plan))


def cut_bands(_: None, layout: Layout, candidates: list[Candidates]) -> Cuts:
    """The stage Cut."""
    with reported():
        return find_cuts(layout.plan, candidates)


def audit_and_publish(
    _: None,
    job: Job,
    layout: Layout,
    profile: Profile,
    cuts: Cuts,
    facts: list[RangeFacts],
    written: list[WrittenShard],
    _checked: list[None],  # waited for, so that nothing is published before ids are known to differ
) -> Manifest:
    """The stage Publish."""
    with reported():
        return publish(job, layout, profile, cuts, facts, written)


def make_layout(job: Job, profile: Profile) -> Layout:
    """Checks what pass 1 found, and plans.

    Raises:
      PresampleError: no rows, too many bad ones or too many classes, a strategy that does not fit
        them, or a disk too small for the result.
    """
    rows = sum(tally.rows for tally in profile.tallies.values())
    check_bad_fraction(job, profile.rejects, profile.rejects.total, profile.rows, "rows")
    if not rows:
        if not job.options.input:
            raise SourceError("The PCollection holds no usable rows. Check the steps before Presample.")
        raise SourceError(
            f"--input {' '.join(job.options.input)}: the files hold no usable rows. Check that there is more than a "
            "header in them."
        )
    check_classes(len({label for _, label in profile.tallies}), rows, job.options.label, job.options.max_classes)
    plan = make_plan(
        profile.tallies,
        splits=job.splits,
        label_dtype=job.source.label_dtype,
        strategy=parse_strategy(job.options.strategy),
        weights=job.options.weights,
        shard_size=job.options.shard_size,
        row_bytes=job.sizes.row_bytes,
        band_nats=job.band_nats,
    )
    if not job.options.plan_only:
        zipped = job.options.compression == "gzip"
        job.output.check_space(plan.bytes, zipped)
    shards = sum(stratum.shards for stratum in plan.strata)
    if shards > MOST_SHARDS:
        raise PlanError(
            f"The plan has {shards:,} shards, more than the {MOST_SHARDS:,} that a dataset may have. Keep fewer rows "
            f"(--strategy {job.options.strategy}) or write larger shards (--shard_size {job.options.shard_size})."
        )
    return Layout.of(plan)


def main(argv: Sequence[str] | None = None) -> int:
    """`presample run`. Returns the exit code."""
    from beam_jobs.command import main as command

    return command(argv)
