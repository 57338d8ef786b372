"""What `--dry_run` shows: the request as it would be sent, and what drives its cost."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from beam_jobs.options import RUN_PREFIX, PresampleOptions
from beam_jobs.sources import Source
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
    yield from _cost(job.source)


def _packages(graph: Any) -> Iterator[str]:
    from apache_beam.runners.portability.stager import Stager

    for environment in graph.components.environments.values():
        for path, name, _ in Stager.extract_staging_tuple_iter(environment.dependencies):
            yield f"{name} ({readable_bytes(Path(path).stat().st_size)})"


def _cost(source: Source) -> Iterator[tuple[str, str]]:
    """What the cost grows with."""
    files = len(source.files)
    size = readable_bytes(sum(file.bytes for file in source.files))
    yield "source", f"{files:,} file{'s' if files > 1 else ''}, {size}, read twice; kept rows are shuffled"
