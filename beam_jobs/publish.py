"""Audit and publication: nothing is a dataset before this, and it is a whole one afterwards."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from importlib import metadata
from typing import Any

from beam_jobs.cut import Cuts
from beam_jobs.draw import LostRow, RangeFacts
from beam_jobs.job import Job
from beam_jobs.layout import Layout
from beam_jobs.profile import Profile
from beam_jobs.rejects import RejectLog, bad_row, describe
from beam_jobs.sources.declared_features import with_declared
from beam_jobs.write_shards import WrittenShard
from tfrecord_io import hashing, labels
from tfrecord_io.errors import ManifestError, OutputError, SourceError
from tfrecord_io.manifest import ClassEntry, Manifest, Shard, Split
from tfrecord_io.plan import Stratum

_WEIGHT_TOLERANCE = 1e-6


def publish(
    job: Job,
    layout: Layout,
    profile: Profile,
    cuts: Cuts,
    facts: Iterable[RangeFacts],
    written: Iterable[WrittenShard],
) -> Manifest:
    """Checks what was written against the plan, moves it into place and writes the manifest.

    Raises:
      SourceError: too many drawn rows did not parse.
      OutputError: what was written is not what was planned, or cannot be moved into place.
    """
    total = RangeFacts()
    for part in facts:
        total.lost += part.lost
        total.stored.merge(part.stored)
    total.stored.settle(cuts)
    lost, log = _settle_losses(total.lost, cuts)
    if log.total and job.options.on_bad_row == "fail":
        raise bad_row(log.first(), job.source.format)
    check_bad_fraction(job, log, sum(lost.values()), sum(s.rows * s.folds for s in layout.plan.strata), "drawn rows")
    shards = {shard.shard: shard for shard in written}
    _audit(job, layout, lost, shards)
    log.merge(profile.rejects)
    names, splits = _place_shards(job, layout, lost, shards)
    rejected = _write_rejected(job, log, names)
    manifest = _manifest(job, total, profile, log, rejected, splits)
    _move_into_place(job, names, manifest)
    return manifest


def _manifest(
    job: Job,
    facts: RangeFacts,
    profile: Profile,
    log: RejectLog,
    rejected: list[dict[str, Any]],
    splits: dict[str, Split],
) -> Manifest:
    files = job.source.files if job.source.placed else ()
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


Cell = tuple[int, int]
"""A stratum and one of its folds."""


def _settle_losses(lost: list[LostRow], cuts: Cuts) -> tuple[Counter[Cell], RejectLog]:
    """Rows lost of each fold of each stratum, copies counted; rows that the cuts left out anyway are no loss."""
    counts: Counter[Cell] = Counter()
    log = RejectLog()
    for row in lost:
        counts[row.stratum, row.fold] += row.copies
        copies = row.copies
        if row.candidate is not None:
            folds, inside = cuts.folds_of(row.candidate)
            counts[row.stratum, int(folds[0])] += int(inside[0])
            copies += int(inside[0])
        if copies:
            log.add([row.row])
    return counts, log


def _audit(job: Job, layout: Layout, lost: Counter[Cell], shards: Mapping[int, WrittenShard]) -> None:
    """Compares rows, weights and files with the plan.

    Raises:
      OutputError: they differ.
    """
    for shard in shards.values():
        if job.output.size(shard.name) != shard.bytes:
            raise OutputError(f"{job.output.path(shard.name)} is not as it was written. Run again.")
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
) -> tuple[dict[str, str], dict[str, Split]]:
    """Final names of all shards (temporary -> final), and the splits that list them."""
    names: dict[str, str] = {}
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
                names[shard.name] = path
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
    return names, splits


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


def _write_rejected(job: Job, log: RejectLog, names: dict[str, str]) -> list[dict[str, Any]]:
    """Writes the kept bad rows; returns the manifest's entry for the file, if there is one."""
    if not log.total:
        return []
    content = "".join(row.to_json() + "\n" for row in log.listed()).encode("utf-8", "backslashreplace")
    digest = hashlib.sha256(content).hexdigest()
    draft = f"{job.run_folder}/rejected.jsonl"
    with job.output.create(draft) as file:
        file.write(content)
    path = f"rejected/part-00000-of-00001-{digest[:16]}.jsonl"
    names[draft] = path
    return [{"path": path, "rows": len(log.listed()), "bytes": len(content), "sha256": digest}]


def _move_into_place(job: Job, names: dict[str, str], manifest: Manifest) -> None:
    """Renames, then publishes; what a failure leaves behind is taken away again."""
    new = [path for path in names.values() if not job.output.exists(path)]
    try:
        job.output.rename(names)
        job.output.write_manifest(manifest.to_json(), job.run_folder, job.options.overwrite != "no")
    except BaseException:
        # An interruption may come right after the last step, or another run's dataset hold the same shards.
        named = _named_now(job)
        if named is not None:
            job.output.delete([path for path in new if path not in named])
        raise


def _named_now(job: Job) -> set[str] | None:
    """The files of the dataset that is there now; None where its manifest cannot be read."""
    if not job.output.has_dataset():
        return set()
    try:
        return Manifest.load(job.options.output, opener=job.output.open).files()
    except ManifestError:
        return None
