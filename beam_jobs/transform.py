"""The job inside somebody's own pipeline: rows of a PCollection in, a published dataset out."""

from __future__ import annotations

import dataclasses
import datetime

import apache_beam as beam
import pyarrow as pa
from apache_beam.transforms.window import GlobalWindows

from beam_jobs.driver import NEVER_AGAIN_NATS, new_run_id, spill_folder
from beam_jobs.failures import reported
from beam_jobs.job import Job
from beam_jobs.options import RUN_PREFIX, PresampleOptions
from beam_jobs.output import Output, refuse_to_replace
from beam_jobs.pack_rows import PackRows
from beam_jobs.presample import flow
from beam_jobs.schema_file import content_of, read_schema
from beam_jobs.sizes import SizeModel
from beam_jobs.sources.batches import BatchSource, open_batches
from beam_jobs.sources.block import KeyColumns
from beam_jobs.sources.dict_rows import schema_of
from beam_jobs.split_time import parse_split_time
from tfrecord_io.errors import UsageError

_FOR_FILES = ("input", "query", "format", "quoted_newlines", "plan_only")
_NOT_HERE = ("where", "columns", "drop_columns")


class Presample(beam.PTransform):
    """PCollection of rows -> PCollection of one Manifest, that of the published dataset.

        rows | Presample(PresampleOptions(output="dataset", label="y", row_id=("id",)), schema=schema)

    Rows are dicts, or Arrow record batches of any size. They make the same dataset however they are
    batched, bundled and ordered: a row is known by its `row_id` columns. All rows pass through the
    runner once, packed, for both passes to read, and the kept ones once more.

    Args:
      options: as for `run`, without `input`; `row_id` is needed.
      schema: the columns of the rows. Types are stored as those of Parquet columns. May be left out
        where `options.schema` declares all columns.

    Raises:
      PresampleError: options or schema that do not do, here; an unusable output, when it is applied;
        anything else when the pipeline runs, as text inside the runner's error.
    """

    def __init__(self, options: PresampleOptions, *, schema: pa.Schema | None = None) -> None:
        super().__init__()
        _check(options)
        declared = read_schema(options.schema)
        if schema is None and not declared:
            raise UsageError(
                "Presample needs the columns of the rows and their types before the pipeline runs: give it "
                "schema=pyarrow.schema(...), or options with a schema that declares all columns."
            )
        self._schema = schema_of(declared) if schema is None else schema
        time = parse_split_time(options.split_time) if options.split_time is not None else None
        keys = KeyColumns(options.label, options.weight_in, options.split_by, options.row_id, time)
        self._options = dataclasses.replace(options, schema=content_of(declared))
        self._source: BatchSource = open_batches(self._schema, keys, options.weight_out, declared)

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        """Adds the steps. Looks whether there is a dataset at the output already."""
        if not rows.is_bounded:
            raise UsageError("Presample counts all rows before it draws: the PCollection must be bounded.")
        output = Output(self._options.output)
        if output.has_dataset():
            refuse_to_replace(output, self._options.overwrite)
        job = self._job(output, type(rows.pipeline.runner).__name__)
        once = rows.pipeline | "Once" >> beam.Create([None], reshuffle=False) | "Prepare" >> beam.Map(_prepare, job)
        pack = PackRows(self._schema, self._options.block_size)
        ranges = (
            rows
            | "OneWindow" >> beam.WindowInto(GlobalWindows())
            | "Pack" >> beam.ParDo(pack, beam.pvalue.AsSingleton(once))
        )
        return flow(ranges, once, job)

    def _job(self, output: Output, runner: str) -> Job:
        return Job(
            options=self._options,
            source=self._source,
            sizes=SizeModel.measure(self._source, self._options.compression),
            output=output,
            run_folder=RUN_PREFIX + new_run_id(),
            runner=runner,
            spill=spill_folder(self._options, output, runner),
            created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            band_nats=NEVER_AGAIN_NATS,
        )


def _check(options: PresampleOptions) -> None:
    """Refuses options that say nothing about a PCollection.

    Raises:
      UsageError: names the first.
    """
    for field in dataclasses.fields(options):
        if getattr(options, field.name) == field.default:
            continue
        if field.name in _FOR_FILES:
            raise UsageError(f"Presample reads a PCollection, not files: leave {field.name} out of its options.")
        if field.name in _NOT_HERE:
            raise UsageError(
                f"Presample does not take {field.name}: choose rows and columns in the steps before it, and leave "
                f"{field.name} out of its options."
            )
    if not options.row_id:
        raise UsageError(
            "Presample needs row_id: the columns that tell a row from all others. Rows of a PCollection have no place "
            "to be known by."
        )


def _prepare(_: None, job: Job) -> None:
    """The first step: makes sure that files can be written, before rows are read. May be repeated."""
    with reported():
        if not job.output.exists(job.run_folder + "/writable"):
            job.output.prepare(job.run_folder)
