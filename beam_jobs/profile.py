"""Pass 1: what the source holds. Reads the key columns, counts, and notes each row's class.

The notes (about 0.1 byte a row, compressed) spare pass 2 the labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from apache_beam.metrics import Metrics

from beam_jobs.class_counters import MOST_CLASSES, READ, counter_name
from beam_jobs.failures import reported
from beam_jobs.job import Job
from beam_jobs.memory import keep_freed_memory
from beam_jobs.options import DEFAULT_MAX_CLASSES, PresampleOptions
from beam_jobs.ordered import ordered_map
from beam_jobs.packed import Packed
from beam_jobs.progress import PROGRESS
from beam_jobs.rejects import RejectedRow, RejectLog, bad_row
from beam_jobs.sources.block import Block, IntArray, Keys, Part
from beam_jobs.sources.meter import METER
from beam_jobs.tallies import Class, ClassIndex, Counter, Tallies
from beam_jobs.validate import refuse_bad_values
from tfrecord_io import hashing
from tfrecord_io.errors import SourceError
from tfrecord_io.hashing import UInt64Array

_FEW_CLASSES = 20


@dataclass(frozen=True)
class PartNotes:
    """The class of each row of a part: indices into `classes`, len(classes) for rows left out.

    `rows` are the rows of each range of the part.
    """

    part: Part
    classes: list[Class]
    rows: tuple[int, ...]
    packed: bytes

    @classmethod
    def pack(cls, part: Part, classes: list[Class], codes: list[list[IntArray]]) -> PartNotes:
        """Notes from the codes of each block of each range; -1 for rows left out."""
        whole = np.concatenate([np.zeros(0, np.int64), *(block for blocks in codes for block in blocks)])
        whole[whole < 0] = len(classes)
        packed = pa.compress(whole.astype(_dtype(len(classes))).tobytes(), "zstd", asbytes=True)
        return cls(part, classes, tuple(sum(map(len, blocks)) for blocks in codes), packed)

    def codes(self) -> npt.NDArray[np.unsignedinteger]:
        """The notes, unpacked [rows]."""
        dtype = np.dtype(_dtype(len(self.classes)))
        return np.frombuffer(pa.decompress(self.packed, sum(self.rows) * dtype.itemsize, "zstd"), dtype)


@dataclass
class Profile:
    """Totals of a part of the source, or of all of it; `filtered` rows are those `--where` leaves out."""

    tallies: Tallies = field(default_factory=Tallies.nothing)
    rows: int = 0
    filtered: int = 0
    rejects: RejectLog = field(default_factory=RejectLog)

    def merge(self, other: Profile) -> None:
        """Adds another part."""
        self.tallies.merge(other.tallies)
        self.rows += other.rows
        self.filtered += other.filtered
        self.rejects.merge(other.rejects)


class ProfilePart(beam.DoFn):
    """Part -> PartNotes, and a Profile of it under the tag `profile`."""

    PROFILE = "profile"

    def __init__(self, job: Job) -> None:
        self._job = job
        self._rows = Metrics.counter("presample.profile", "rows_read")
        self._bad = Metrics.counter("presample.profile", "rows_rejected")
        self._filtered = Metrics.counter("presample.profile", "rows_filtered")
        self._bytes = Metrics.counter("presample.profile", "bytes_read")
        self._noted = Metrics.counter("presample.profile", "bytes_noted")

    def setup(self) -> None:
        """Once a worker."""
        keep_freed_memory()

    def process(self, part: Part) -> Iterator[object]:
        """Reads the part once."""
        with reported():
            notes, profile = self._read(part)
        self._rows.inc(profile.rows)
        self._bad.inc(profile.rejects.total)
        self._filtered.inc(profile.filtered)
        self._bytes.inc(METER.take())
        self._noted.inc(len(notes.packed))
        _count_classes(profile.tallies)
        yield notes
        yield beam.pvalue.TaggedOutput(self.PROFILE, profile)

    def _read(self, part: Part) -> tuple[PartNotes, Profile]:
        job = self._job
        profile = Profile()
        index, counter = ClassIndex(job.splits), Counter()
        codes: list[list[IntArray]] = []
        for each in part:
            stage = _KeyStage(job, each.file)
            codes.append([])
            for block, keys, splits in ordered_map(stage, job.source.blocks(each), job.block_threads):
                found = index.codes(keys, splits)
                counter.add(found, block.row_bytes, keys.weights)
                codes[-1].append(found)
                profile.rows += len(block)
                profile.filtered += keys.filtered
                profile.rejects.add(RejectedRow.of(job.source.files[each.file], reject) for reject in keys.rejects)
                if keys.rejects and job.options.on_bad_row == "fail":
                    raise bad_row(profile.rejects.first(), job.source.format)
                check_classes(index.labels, 0, job.options)
                PROGRESS.add("Profile", len(block), block.total_bytes)
        profile.tallies = counter.totals(index.classes)
        return PartNotes.pack(part, index.classes, codes), profile


def _count_classes(tallies: Tallies) -> None:
    if len(tallies.classes) <= MOST_CLASSES:
        for (split, label), rows in zip(tallies.classes, tallies.rows.tolist(), strict=True):
            Metrics.counter("presample.profile", counter_name(READ, split, label)).inc(rows)


class MergeProfiles(beam.CombineFn):
    """Adds up Profiles. O(classes) memory."""

    def create_accumulator(self) -> Profile:
        """Nothing yet."""
        return Profile()

    def add_input(self, accumulator: Profile, element: Profile) -> Profile:
        """Adds one."""
        accumulator.merge(element)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Profile]) -> Profile:
        """Adds several."""
        total = Profile()
        for accumulator in accumulators:
            total.merge(accumulator)
        return total

    def extract_output(self, accumulator: Profile) -> Packed[Profile]:
        """The sum itself."""
        return Packed(accumulator)


class _KeyStage:
    """The part of pass 1 that runs on several threads."""

    def __init__(self, job: Job, file: int) -> None:
        self._by = job.options.split_by
        self._row_id = bool(job.options.row_id)
        self._bounds = split_bounds(job)
        self._keys = split_keys(job, file)
        self._validate = job.options.validate == "all"

    def __call__(self, block: Block) -> tuple[Block, Keys, IntArray]:
        keys = block.keys()
        if self._validate:
            keys = refuse_bad_values(block, keys)
        if keys.splits is not None:
            return block, keys, keys.splits
        if not len(self._bounds):
            return block, keys, np.zeros(len(block), np.int64)
        if self._by:
            hashes = hashing.hash_values(keys.split_values, self._keys)
        elif self._row_id:
            hashes = hashing.hash_positions(identity_digest(block.identities()), self._keys)
        else:
            hashes = hashing.hash_positions(block.positions, self._keys)
        return block, keys, np.searchsorted(self._bounds, hashes, side="right").astype(np.int64)


def split_bounds(job: Job) -> UInt64Array:
    """The hashes at which the next split begins; one fewer than there are splits."""
    bounds, total = [], Fraction(0)
    for fraction in list(job.options.split_fractions().values())[:-1]:
        total += Fraction(fraction)
        bounds.append(int(total * (1 << 64)))
    return np.array(bounds, np.uint64)


def split_keys(job: Job, file: int) -> hashing.Keys:
    """Keys of the split's hash: of the file only where positions are what is hashed."""
    by_value = job.options.split_by or job.options.row_id
    return hashing.derive_keys(job.options.seed, "split", "" if by_value else job.source.files[file].name)


def identity_digest(ids: list[pa.Array]) -> UInt64Array:
    """A 64-bit digest of the `--row_id` columns of each row."""
    columns = [hashing.digest_values(values) for values in ids]
    digest = columns[0]
    for column in columns[1:]:
        digest = hashing.combine(digest, column)
    return digest


def check_classes(classes: int, rows: int, options: PresampleOptions) -> None:
    """Refuses a label column that looks like an id.

    Raises:
      SourceError: more classes than allowed, or (rows given) mostly unique labels.
    """
    allowed = options.max_classes
    limit = DEFAULT_MAX_CLASSES if allowed is None else allowed
    unique = allowed is None and classes > _FEW_CLASSES and classes > rows / 2 > 0
    if classes > limit or unique:
        what = f"{classes} classes in {rows} rows" if unique else f"more than {limit} classes"
        raise SourceError(
            f"--label {options.label}: the column has {what}; it looks like an id, not a class. Name another column, "
            "or allow it with --max_classes N."
        )


def _dtype(classes: int) -> type[np.unsignedinteger]:
    return next(t for t in (np.uint8, np.uint16, np.uint32) if classes <= np.iinfo(t).max)
