"""What `--dry_run` shows: the request as it would be sent, and what drives its cost."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from beam_jobs.cost import Work, estimate, readable_hours
from beam_jobs.job import Job
from beam_jobs.options import RUN_PREFIX, PresampleOptions
from tfrecord_io.summary import readable_bytes

_TABLE = "bq://"


def show(options: PresampleOptions, flags: Sequence[str]) -> None:
    """Reads a sample of the source, builds the graph and the package, and prints what they come to.

    A table of BigQuery is not exported, so its graph is not built.

    Raises:
      PresampleError: the source cannot be used.
    """
    lines = list(_shape(flags))
    if options.input and not options.input[0].startswith(_TABLE):
        lines += _graph_and_cost(options, flags)
    else:
        lines.append(("source", f"{' '.join(options.input) or 'a query'}, exported to Parquet first: not in a dry run"))
    print("Nothing is sent. The job would be:")
    for name, value in lines:
        print(f"  {name:12}{value}")


def _shape(flags: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Of the request, as far as flags say it."""
    from apache_beam.runners.dataflow.internal.apiclient import get_container_image_from_options

    from beam_jobs.driver import pipeline_options

    options = pipeline_options(flags)
    settings = options.get_all_options()
    for name in ("project", "region"):
        yield name, settings[name]
    yield "name", settings["job_name"]
    threads = settings["number_of_worker_harness_threads"]
    size = f"{settings['machine_type']}, {threads or 'default'} threads, {settings['disk_size_gb']} GB of disk each"
    yield "workers", f"1 to {settings['max_num_workers']} x {size}"
    yield "image", get_container_image_from_options(options)
    yield "staging", settings["staging_location"]
    yield "temp", settings["temp_location"]
    yield "labels", ", ".join(settings["labels"])


def _graph_and_cost(options: PresampleOptions, flags: Sequence[str]) -> Iterator[tuple[str, str]]:
    import apache_beam as beam

    from beam_jobs import driver, presample
    from beam_jobs.output import Output

    flags = [*flags, "--dry_run=True"]
    job = driver.make_job(options, flags, Output(options.output), RUN_PREFIX + driver.new_run_id())
    pipeline = beam.Pipeline(options=driver.pipeline_options(flags))
    with tempfile.TemporaryDirectory() as folder:  # for what the workers would read in the output
        presample.build(pipeline, dataclasses.replace(job, output=Output(folder)).shared())
        graph = pipeline.run().job.proto_pipeline
    leaves = sum(not transform.subtransforms for transform in graph.components.transforms.values())
    yield "packages", ", ".join(_packages(graph)) or "none: the image has them"
    yield "graph", f"{leaves} steps, {readable_bytes(graph.ByteSize())}"
    yield from _cost(job)


def _packages(graph: Any) -> Iterator[str]:
    from apache_beam.runners.portability.stager import Stager

    for environment in graph.components.environments.values():
        for path, name, _ in Stager.extract_staging_tuple_iter(environment.dependencies):
            yield f"{name} ({readable_bytes(Path(path).stat().st_size)})"


def _cost(job: Job) -> Iterator[tuple[str, str]]:
    """What the cost grows with; and its bounds by the model of docs/scale.md, where the sample says how many rows."""
    source, sizes = job.source, job.sizes.overall
    files, size = len(source.files), sum(file.bytes for file in source.files)
    yield "source", f"{files:,} file{'s' if files > 1 else ''}, {readable_bytes(size)}, read twice"
    if sizes is None or not sizes.source:
        yield "cost", "see `presample run --plan_only`, which counts the rows"
        return
    work = Work(
        format=source.format,
        rows=size * sizes.rows // sizes.source,
        bytes=size,
        units=max(files, math.ceil(size / source.unit_bytes)),
        key_share=source.key_share,
        kept_bytes=0,
        shards=1,
    )
    least = estimate(work)
    most = estimate(dataclasses.replace(work, kept_bytes=size * sizes.stored // sizes.source))
    shuffled = f"{readable_bytes(least.shuffled_bytes)} to {readable_bytes(most.shuffled_bytes)}"
    hours = " to ".join(dict.fromkeys(readable_hours(each.core_hours) for each in (least, most)))
    yield "cost", f"{hours} core-hours, {shuffled} shuffled: none or all kept"
