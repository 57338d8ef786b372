"""What every stage of one run needs to know, and how it comes to the workers."""

from __future__ import annotations

import functools
import hashlib
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import metadata

from beam_jobs.failures import reported
from beam_jobs.options import PresampleOptions
from beam_jobs.output import Output
from beam_jobs.sizes import SizeModel
from beam_jobs.sources import Source
from beam_jobs.sources.bigquery_rows import Export
from tfrecord_io.errors import OutputError, PresampleError
from tfrecord_io.plan import BAND_NATS

NOTE = "job"
"""The file in the run's folder from which workers read the job."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run, settled before the pipeline is built. Holds no data.

    It names every source file, so a job over many of them is large. `shared` leaves it in a file,
    and only the file's name goes into the pipeline's graph.

    `spill` is the folder in which kept rows wait for their writers; None where the runner keeps them.
    `export` are the files that BigQuery wrote for this run, if it reads BigQuery.
    """

    options: PresampleOptions
    source: Source
    sizes: SizeModel
    output: Output
    run_folder: str
    runner: str
    spill: str | None
    created: str
    threads: int = 1
    band_nats: float = BAND_NATS
    digest: str | None = None
    export: Export | None = None

    def shared(self) -> Job:
        """The same, left in a file for the workers; pickled, it is the name of that file.

        Raises:
          OutputError: it cannot be written.
        """
        content = json.dumps(_versions()).encode() + b"\n" + pickle.dumps(vars(self), pickle.HIGHEST_PROTOCOL)
        with self.output.create(f"{self.run_folder}/{NOTE}") as file:
            file.write(content)
        return replace(self, digest=hashlib.sha256(content).hexdigest())

    def __reduce__(self) -> tuple[Callable[..., Job], tuple[object, ...]]:
        if self.digest is None:
            return _job, (vars(self),)
        return read_job, (self.output, f"{self.run_folder}/{NOTE}", self.digest)

    @property
    def block_threads(self) -> int:
        """How many threads may read what they need from blocks at a time."""
        return self.threads if self.source.threaded else 1

    @property
    def unfinished(self) -> list[tuple[Output, str]]:
        """The folders of unfinished work, each as its name in another."""
        folders = sorted({self.output.folder, self.spill or self.output.folder})
        exported = [(Output(self.export.parent), self.export.folder)] if self.export else []
        return [(Output(folder), self.run_folder) for folder in folders] + exported

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, in the order given."""
        return self.options.split_names


def _job(fields: dict[str, object]) -> Job:
    return Job(**fields)  # type: ignore[arg-type]


@functools.lru_cache(maxsize=4)
def read_job(output: Output, name: str, digest: str) -> Job:
    """The job that a launcher left in a file, read once a process.

    Raises:
      WorkerError: the file is not as it was left, or the launcher's software is not the worker's.
    """
    with reported():
        with output.open(output.path(name)) as file:
            content = file.read()
        if hashlib.sha256(content).hexdigest() != digest:
            raise OutputError(f"{output.path(name)} is not as the launcher left it. Run again.")
        line, _, pickled = content.partition(b"\n")
        _check_versions(json.loads(line))
        return replace(_job(pickle.loads(pickled)), digest=digest)


def _versions() -> dict[str, str]:
    """The software whose objects are pickled into a pipeline."""
    return {name: metadata.version(name) for name in ("presample", "apache-beam")}


def _check_versions(launcher: dict[str, str]) -> None:
    for name, here in _versions().items():
        if launcher.get(name) != here:
            raise PresampleError(
                f"The workers have {name} {here}, the launcher has {launcher.get(name)}. Both need the same: use a "
                "worker image (--sdk_container_image) made for the launcher's version, or launch with the image's."
            )
