"""The job: imbalanced files in, a per-class, pre-sampled, weighted, published dataset out.

    parts -> Profile (pass 1) -> Plan -> Draw (pass 2) -> Cut -> WriteShards -> Audit -> Place -> Publish

Run it with `presample run`, `python -m beam_jobs.presample` or `beam_jobs.run`.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # First of all, so that Beam is imported as the command wants it; and workers never meet __main__.
    from beam_jobs.command import main as command

    sys.exit(command())

import dataclasses
import pickle
from collections.abc import Iterator, Sequence

import apache_beam as beam

from beam_jobs.audit import Draft, Publication, audit, check_bad_fraction
from beam_jobs.cut import Cuts, MergeCandidates, PackedCandidates, find_cuts
from beam_jobs.draw import DrawPart, SettleUnsure
from beam_jobs.facts import Facts, MergeFacts
from beam_jobs.failures import reported
from beam_jobs.job import Job
from beam_jobs.layout import Layout
from beam_jobs.output import Output
from beam_jobs.packed import Packed
from beam_jobs.profile import MergeProfiles, Profile, ProfilePart, check_classes
from beam_jobs.publish import packs, place, publish
from beam_jobs.sources.block import Part
from beam_jobs.unique_ids import RefuseEqualIds
from beam_jobs.write_shards import WriteBucket, WrittenShard
from tfrecord_io.errors import PlanError, SourceError
from tfrecord_io.manifest import Manifest
from tfrecord_io.plan import make_plan
from tfrecord_io.strategy import parse_strategy

PLAN_NOTE = "plan"
_GROUP_BYTES = 16 * 10**6
MOST_SHARDS = 1_000_000
"""Each takes memory while it is planned, and a line in the manifest."""


def build(pipeline: beam.Pipeline, job: Job) -> None:
    """The whole flow. Reads the source twice, moves the kept rows once. The graph does not grow with the source."""
    once = pipeline | "Once" >> beam.Create([None], reshuffle=False)
    parts = (
        once
        | "Files" >> beam.FlatMap(file_groups, job)
        | "SpreadFiles" >> beam.Reshuffle()
        | "Parts" >> beam.ParDo(Parts(job))
        | "Spread" >> beam.Reshuffle()
    )
    flow(parts, once, job)


def flow(parts: beam.PCollection, once: beam.PCollection, job: Job) -> beam.PCollection:
    """The flow behind the parts, wherever they come from; `once` is one None.

    Returns:
      The Manifest, once the dataset is published; with `plan_only` nothing.
    """
    counted = parts | "Profile" >> beam.ParDo(ProfilePart(job)).with_outputs(ProfilePart.PROFILE, main="notes")
    profile = beam.pvalue.AsSingleton(
        counted[ProfilePart.PROFILE] | "MergeProfiles" >> beam.CombineGlobally(MergeProfiles())
    )
    layouts = once | "Plan" >> beam.Map(plan_layout, job, profile)
    if job.options.plan_only:
        return layouts | "Note" >> beam.Map(note_plan, job)
    layout = beam.pvalue.AsSingleton(layouts)

    drawn = counted.notes | "Draw" >> beam.ParDo(DrawPart(job), layout).with_outputs(
        DrawPart.CANDIDATES, DrawPart.FACTS, DrawPart.IDS, DrawPart.UNSURE, main="rows"
    )
    ids = drawn[DrawPart.IDS] | "GroupIds" >> beam.GroupByKey()
    checked = beam.pvalue.AsList(ids | "RefuseEqualIds" >> beam.ParDo(RefuseEqualIds(job)))
    candidates = beam.pvalue.AsSingleton(
        drawn[DrawPart.CANDIDATES] | "MergeCandidates" >> beam.CombineGlobally(MergeCandidates())
    )
    cuts = beam.pvalue.AsSingleton(once | "Cut" >> beam.Map(cut_bands, layout, candidates))
    settled = drawn[DrawPart.UNSURE] | "SettleUnsure" >> beam.ParDo(SettleUnsure(job), layout, cuts)
    buckets = (drawn.rows, settled) | beam.Flatten() | "Buckets" >> beam.GroupByKey()
    written = beam.pvalue.AsList(buckets | "WriteShards" >> beam.ParDo(WriteBucket(job), layout))
    facts = beam.pvalue.AsSingleton(drawn[DrawPart.FACTS] | "MergeFacts" >> beam.CombineGlobally(MergeFacts()))
    audited = once | "Audit" >> beam.Map(audit_shards, job, layout, profile, cuts, facts, written, checked)
    return publication(audited, job)


def publication(audited: beam.PCollection, job: Job) -> beam.PCollection:
    """The last steps. Between them the runner keeps what was done, so that none is repeated after the next began."""
    placed = (
        audited
        | "Drafts" >> beam.FlatMap(lambda packed: packs(packed.value()))
        | "SpreadDrafts" >> beam.Reshuffle()
        | "Place" >> beam.Map(place_shards, job)
    )
    published = audited | "Publish" >> beam.Map(publish_dataset, job, beam.pvalue.AsList(placed))
    return published | "Published" >> beam.Reshuffle() | "Finish" >> beam.Map(delete_unfinished, *job.unfinished)


def file_groups(_: None, job: Job) -> list[list[int]]:
    """Indices of the source's files, small ones together, so that thousands of them cost by their bytes."""
    groups: list[list[int]] = []
    size = _GROUP_BYTES
    for index, file in enumerate(job.source.files):
        if size + file.bytes > _GROUP_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(index)
        size += file.bytes
    return groups


class Parts(beam.DoFn):
    """Indices of files -> parts: the ranges of a large file one by one, small files whole and together."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def process(self, files: list[int]) -> Iterator[Part]:
        """Reads at most the files' footers."""
        with reported():
            ranges = [part for file in files for part in self._job.source.ranges(file)]
            if len(files) > 1:
                yield tuple(ranges)
            else:
                yield from ((part,) for part in ranges)


def plan_layout(_: None, job: Job, profile: Packed[Profile]) -> Packed[Layout]:
    """The stage Plan."""
    with reported():
        return Packed(make_layout(job, profile.value()))


def note_plan(layout: Packed[Layout], job: Job) -> None:
    """The last stage of `--plan_only`: leaves the plan where the launcher finds it."""
    with reported(), job.output.create(f"{job.run_folder}/{PLAN_NOTE}") as file:
        file.write(pickle.dumps(layout.value().plan))


def cut_bands(_: None, layout: Packed[Layout], candidates: PackedCandidates) -> Cuts:
    """The stage Cut."""
    with reported():
        return find_cuts(layout.value(), candidates)


def audit_shards(
    _: None,
    job: Job,
    layout: Packed[Layout],
    profile: Packed[Profile],
    cuts: Cuts,
    facts: Packed[Facts],
    written: list[Packed[list[WrittenShard]]],
    _checked: list[None],  # waited for, so that nothing is published before ids are known to differ
) -> Packed[Publication]:
    """The stage Audit."""
    with reported():
        shards = [shard for bucket in written for shard in bucket.value()]
        return Packed(audit(job, layout.value(), profile.value(), cuts, facts.value(), shards))


def place_shards(files: list[Draft], job: Job) -> int:
    """The stage Place."""
    with reported():
        return place(job, files)


def publish_dataset(publication: Packed[Publication], job: Job, placed: list[int]) -> Packed[Manifest]:
    """The stage Publish."""
    with reported():
        return Packed(publish(job, publication.value(), placed))


def delete_unfinished(manifest: Packed[Manifest], *folders: tuple[Output, str]) -> Manifest:
    """The stage Finish. Knows nothing of the job, whose note goes with the folders of unfinished work."""
    with reported():
        for output, name in folders:
            output.delete_folder(name)
    return manifest.value()


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


def main(argv: Sequence[str] | None = None) -> int:
    """`presample run`. Returns the exit code."""
    from beam_jobs.command import main as command

    return command(argv)
