"""What `--dry_run` shows: the request as it would be sent, and what drives its cost."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from beam_jobs.dataflow.place import Place
from beam_jobs.options import RUN_PREFIX, PresampleOptions
from beam_jobs.sources import Source
from tfrecord_io.summary import readable_bytes


def show(options: PresampleOptions, place: Place, flags: Sequence[str]) -> None:
    """Reads a sample of the source, builds the graph and the package, and prints what they come to.

    Raises:
      PresampleError: the source cannot be used.
    """
    import apache_beam as beam

    from beam_jobs import driver, presample
    from beam_jobs.output import Output

    flags = [*flags, "--dry_run=True"]
    job = driver.make_job(options, flags, Output(options.output), RUN_PREFIX + driver.new_run_id())
    pipeline = beam.Pipeline(options=driver.pipeline_options(flags))
    with tempfile.TemporaryDirectory() as folder:  # for what the workers would read in the output
        presample.build(pipeline, dataclasses.replace(job, output=Output(folder)).shared())
        request = pipeline.run().job
    print("Nothing is sent. The job would be:")
    for name, value in [*_shape(request, place), *_cost(job.source)]:
        print(f"  {name:12}{value}")


def _shape(request: Any, place: Place) -> Iterator[tuple[str, str]]:
    """Of Beam's Job, as it is before it is staged."""
    from apache_beam.runners.dataflow.internal.apiclient import get_container_image_from_options

    settings = request.options.get_all_options()
    graph = request.proto_pipeline
    leaves = sum(not transform.subtransforms for transform in graph.components.transforms.values())
    yield "project", place.project
    yield "region", place.region
    yield "name", request.proto.name
    disk = f", {settings['disk_size_gb']} GB of disk each" if settings["disk_size_gb"] else ""
    threads = settings["number_of_worker_harness_threads"]
    yield (
        "workers",
        f"1 to {settings['max_num_workers']} x {settings['machine_type']}, {threads or 'default'} threads{disk}",
    )
    yield "image", get_container_image_from_options(request.options)
    yield "packages", ", ".join(_packages(graph)) or "none: the image has them"
    yield "staging", settings["staging_location"]
    yield "temp", settings["temp_location"]
    yield "labels", ", ".join(f"{key}={value}" for key, value in dict(request.proto.labels).items())
    yield "graph", f"{leaves} stages, {readable_bytes(graph.ByteSize())}"


def _packages(graph: Any) -> Iterator[str]:
    from apache_beam.runners.portability.stager import Stager

    for environment in graph.components.environments.values():
        for path, name, _ in Stager.extract_staging_tuple_iter(environment.dependencies):
            yield f"{name} ({readable_bytes(Path(path).stat().st_size)})"


def _cost(source: Source) -> Iterator[tuple[str, str]]:
    """What the cost grows with."""
    size = sum(file.bytes for file in source.files)
    files = len(source.files)
    yield (
        "source",
        f"{files:,} file{'s' if files > 1 else ''}, {readable_bytes(size)}, read twice; kept rows are shuffled",
    )
