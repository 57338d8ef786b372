"""The audit: what was written against what was planned, and the manifest that would say so."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib import metadata
from typing import Any

from beam_jobs.cut import Cuts
from beam_jobs.facts import Cell, Facts
from beam_jobs.job import Job
from beam_jobs.layout import Layout
from beam_jobs.profile import Profile
from beam_jobs.rejects import RejectLog, bad_row, describe
from beam_jobs.sources.declared_features import with_declared
from beam_jobs.write_shards import WrittenShard
from tfrecord_io import hashing, labels
from tfrecord_io.errors import OutputError, PresampleError, SourceError
from tfrecord_io.manifest import ClassEntry, Manifest, Shard, Split
from tfrecord_io.plan import Stratum

PLACING = "placing"
"""The file in the run's folder that lists its files in the dataset: name -> whether it was not there before.

The new ones are what a failed publication may leave behind; all of them are what other runs must leave alone.
"""

_LOG = logging.getLogger("presample")
_WEIGHT_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Draft:
    """A finished file: its temporary name, its name in the dataset, and its size."""

    name: str
    path: str
    bytes: int


@dataclass(frozen=True)
class Publication:
    """What is to be published: a manifest, the files that it names, and those of an old dataset to purge after."""

    manifest: Manifest
    files: list[Draft]
    purge: list[str]


def audit(
    job: Job, layout: Layout, profile: Profile, cuts: Cuts, facts: Facts, written: Iterable[WrittenShard]
) -> Publication:
    """Checks what was written against the plan. Nothing is in its place yet.

    Raises:
      SourceError: too many drawn rows did not parse.
      OutputError: what was written is not what was planned.
    """
    facts = facts.settled(cuts)
    lost, log = facts.lost, facts.log
    if log.total and job.options.on_bad_row == "fail":
        raise bad_row(log.first(), job.source.format)
    drawn = sum(s.rows * s.folds for s in layout.plan.strata)
    check_bad_fraction(job, log, sum(lost.values()), drawn, "drawn rows")
    shards = {shard.shard: shard for shard in written}
    _compare(job, layout, lost, shards)
    log.merge(profile.rejects)
    files, splits = _place_shards(job, layout, lost, shards)
    rejected, lines = _write_rejected(job, log)
    files += rejected
    manifest = _manifest(job, facts, profile, log, lines, splits)
    present = job.output.existing([file.path for file in files])
    with job.output.create(f"{job.run_folder}/{PLACING}") as note:
        note.write(json.dumps({file.path: file.path not in present for file in files}).encode())
    return Publication(manifest, files, _to_purge(job, manifest))


def _manifest(
    job: Job,
    facts: Facts,
    profile: Profile,
    log: RejectLog,
    rejected: list[dict[str, Any]],
    splits: dict[str, Split],
) -> Manifest:
    files = job.source.files if job.source.placed else ()  # others are other files each time
    return Manifest(
        label=job.options.label,
        weight=job.options.weight_out,
        compression=job.options.compression,
        schema=with_declared(facts.stored.schema(job.source.schema), job.source.declared),
        options=job.options.content(),
        sampling={
            "strategy": job.options.strategy,
            "weights": job.options.weights,
            "seed": job.options.seed,
            "folds": job.options.folds,
            "draw": hashing.DRAW_NAME,
        },
        source={
            "patterns": list(job.options.patterns),
            "format": job.source.format,
            "files": len(files),
            "bytes": sum(file.bytes for file in files),
            "rows": profile.rows,
            "rejected_rows": log.total,
            **({"filtered_rows": profile.filtered} if job.options.where is not None else {}),
        },
        rejected={"reasons": dict(sorted(log.counts.items())), "files": rejected},
        splits=splits,
        producer={
            "presample": metadata.version("presample"),
            "apache_beam": metadata.version("apache-beam"),
            "runner": job.runner,
            "job_id": None,
        },
        created=job.created,
    )


def check_bad_fraction(job: Job, log: RejectLog, bad: int, rows: int, what: str) -> None:
    """Stops the job when too many rows are bad.

    Raises:
      SourceError: says how many, and shows the first.
    """
    if bad > job.options.max_bad_fraction * rows:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(log.counts.items()))
        raise SourceError(
            f"{bad} of {rows} {what} are bad ({reasons}), more than --max_bad_fraction "
            f"{job.options.max_bad_fraction:g} allows. Correct them, or allow more. The first: "
            f"{describe(log.first(), job.source.format)}"
        )


def _compare(job: Job, layout: Layout, lost: Counter[Cell], shards: Mapping[int, WrittenShard]) -> None:
    """Compares rows and weights with the plan.

    Raises:
      OutputError: they differ.
    """
    for index, stratum in enumerate(layout.plan.strata):
        for fold in range(stratum.folds):
            written = _shards_of(layout, index, fold, shards)
            rows = sum(shard.rows for shard in written)
            expected = stratum.rows - lost[index, fold]
            where = f"class {labels.to_text(stratum.label)} of {stratum.split}, fold {fold}"
            if rows != expected:
                raise OutputError(f"The audit found {rows} rows of {where}, not the {expected} planned. Run again.")
            if job.options.weight_in is None and expected:
                weight = float(sum((shard.weight for shard in written), Fraction(0)))
                total = stratum.factor * expected
                if abs(weight - total) > _WEIGHT_TOLERANCE * total:
                    raise OutputError(f"The audit found weights of {weight} in {where}, not {total}.")


def _shards_of(layout: Layout, index: int, fold: int, shards: Mapping[int, WrittenShard]) -> list[WrittenShard]:
    """The shards of one fold of a stratum, in order; where no row fell into a slice, there is none."""
    stratum = layout.plan.strata[index]
    first = int(layout.first_shard[index]) + fold * stratum.shards
    return [shards[number] for number in range(first, first + stratum.shards) if number in shards]


def _place_shards(
    job: Job, layout: Layout, lost: Counter[Cell], shards: Mapping[int, WrittenShard]
) -> tuple[list[Draft], dict[str, Split]]:
    """All shards with their names in the dataset, and the splits that list them."""
    files: list[Draft] = []
    folders = labels.path_components({stratum.label for stratum in layout.plan.strata})
    suffix = ".tfrecord.gz" if job.options.compression == "gzip" else ".tfrecord"
    entries: dict[str, list[ClassEntry]] = {split: [] for split in job.splits}
    for index, stratum in enumerate(layout.plan.strata):
        listed = []
        for fold in range(stratum.folds):
            for shard in _shards_of(layout, index, fold, shards):
                part = shard.shard - int(layout.first_shard[index])
                file = f"part-{part:05d}-of-{stratum.shards * stratum.folds:05d}-{shard.sha256[:16]}{suffix}"
                path = f"{stratum.split}/{folders[stratum.label]}/{file}"
                files.append(Draft(shard.name, path, shard.bytes))
                listed.append(Shard(path=path, rows=shard.rows, bytes=shard.bytes, sha256=shard.sha256, fold=fold))
        entries[stratum.split].append(_entry(stratum, lost[index, 0], tuple(listed)))
    splits = {
        name: Split(
            source_rows=sum(entry.source_rows for entry in classes),
            rows=sum(entry.rows for entry in classes),
            classes=tuple(classes),
        )
        for name, classes in entries.items()
    }
    return files, splits


def _entry(stratum: Stratum, lost: int, shards: tuple[Shard, ...]) -> ClassEntry:
    return ClassEntry(
        label=stratum.label,
        source_rows=stratum.source.rows,
        source_weight=float(stratum.source.weight),
        rows=stratum.rows - lost,
        weight=stratum.keep_weight,
        folds=stratum.folds,
        rejected_rows=lost,
        shards=shards,
    )


def _write_rejected(job: Job, log: RejectLog) -> tuple[list[Draft], list[dict[str, Any]]]:
    """Writes the kept bad rows; returns the file, and the manifest's entry for it, if there is one."""
    if not log.total:
        return [], []
    content = "".join(row.to_json() + "\n" for row in log.listed()).encode("utf-8", "backslashreplace")
    digest = hashlib.sha256(content).hexdigest()
    draft = f"{job.run_folder}/rejected.jsonl"
    with job.output.create(draft) as file:
        file.write(content)
    path = f"rejected/part-00000-of-00001-{digest[:16]}.jsonl"
    entry = {"path": path, "rows": len(log.listed()), "bytes": len(content), "sha256": digest}
    return [Draft(draft, path, len(content))], [entry]


def _to_purge(job: Job, manifest: Manifest) -> list[str]:
    """Files of the dataset that is there now and that `--overwrite=purge` is to remove."""
    if job.options.overwrite != "purge":
        return []
    try:
        old = Manifest.load(job.options.output, opener=job.output.open)
    except PresampleError as error:
        if job.output.has_dataset():
            _LOG.warning("Nothing is purged, since the old manifest cannot be read: %s", error)
        return []
    return sorted(old.files() - manifest.files())
