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

import pickle
from collections.abc import Iterable, Iterator, Sequence

import apache_beam as beam

from beam_jobs.audit import Draft, Publication, audit
from beam_jobs.cut import Cuts, PackedCandidates, PartOfCuts, find_cuts, join_cuts
from beam_jobs.draw import DrawPart
from beam_jobs.facts import Facts, MergeFacts
from beam_jobs.failures import reported
from beam_jobs.job import Job
from beam_jobs.layout import Layout
from beam_jobs.output import Output
from beam_jobs.packed import Packed
from beam_jobs.planning import make_layout
from beam_jobs.profile import MergeProfiles, Profile, ProfilePart
from beam_jobs.publish import packs, place, publish
from beam_jobs.sources.block import Part
from beam_jobs.unique_ids import RefuseEqualIds
from beam_jobs.unsure import SettleUnsure
from beam_jobs.write_shards import WriteBucket, WrittenShard
from tfrecord_io.manifest import Manifest

PLAN_NOTE = "plan"
_GROUP_BYTES = 16 * 10**6


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
    candidates = drawn[DrawPart.CANDIDATES] | "GroupCandidates" >> beam.GroupByKey()
    cut = beam.pvalue.AsList(candidates | "Cut" >> beam.Map(cut_bands, layout))
    cuts = beam.pvalue.AsSingleton(once | "Cuts" >> beam.Map(all_cuts, layout, cut))
    settled = drawn[DrawPart.UNSURE] | "SettleUnsure" >> beam.ParDo(SettleUnsure(job), layout, cuts).with_outputs(
        SettleUnsure.FACTS, main="rows"
    )
    buckets = (drawn.rows, settled.rows) | "Kept" >> beam.Flatten() | "Buckets" >> beam.GroupByKey()
    written = beam.pvalue.AsList(buckets | "WriteShards" >> beam.ParDo(WriteBucket(job), layout))
    learnt = (drawn[DrawPart.FACTS], settled[SettleUnsure.FACTS]) | "Facts" >> beam.Flatten()
    facts = beam.pvalue.AsSingleton(learnt | "MergeFacts" >> beam.CombineGlobally(MergeFacts()))
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


def cut_bands(group: tuple[int, Iterable[PackedCandidates]], layout: Packed[Layout]) -> PartOfCuts:
    """The stage Cut."""
    with reported():
        return find_cuts(layout.value(), *group)


def all_cuts(_: None, layout: Packed[Layout], parts: list[PartOfCuts]) -> Packed[Cuts]:
    """The stage Cuts."""
    with reported():
        return Packed(join_cuts(layout.value(), parts))


def audit_shards(
    _: None,
    job: Job,
    layout: Packed[Layout],
    profile: Packed[Profile],
    cuts: Packed[Cuts],
    facts: Packed[Facts],
    written: list[Packed[list[WrittenShard]]],
    _checked: list[None],  # waited for, so that nothing is published before ids are known to differ
) -> Packed[Publication]:
    """The stage Audit."""
    with reported():
        shards = [shard for bucket in written for shard in bucket.value()]
        return Packed(audit(job, layout.value(), profile.value(), cuts.value(), facts.value(), shards))


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


def main(argv: Sequence[str] | None = None) -> int:
    """`presample run`. Returns the exit code."""
    from beam_jobs.command import main as command

    return command(argv)
