"""The defaults of a batch sampling job on Dataflow, each with its reason. Flags that are given override them."""

from __future__ import annotations

import datetime
import importlib.metadata
import re
from dataclasses import dataclass

MACHINE_TYPE = "e2-standard-4"
MAX_WORKERS = 32
DISK_GB = 50
_LONGEST_NAME = 63


@dataclass(frozen=True)
class Default:
    """A flag of Beam's, its value as the docs show it, and why that."""

    flag: str
    value: str
    why: str


DEFAULTS = (
    Default("runner", "DataflowRunner", "what this command is for"),
    Default(
        "temp_location", "BUCKET/temp", "beside the output, never in it: a dataset holds only what its manifest names"
    ),
    Default("staging_location", "BUCKET/staging", "graph and package of each job, in a folder named after it"),
    Default("job_name", "presample-OUTPUT-TIME", "tells jobs apart; one name runs once at a time"),
    Default("labels", "presample=VERSION", "for the bill, and for `presample dataflow list`; yours are added"),
    Default(
        "machine_type",
        MACHINE_TYPE,
        "one process a core, each 0.4 to 0.7 GB (measured: benchmarks/README.md), and 1 GB for the system; 4 GB a core "
        "leave room for large shards. Fewer, larger machines install the package less often",
    ),
    Default(
        "number_of_worker_harness_threads",
        "4",
        "one unit of work a core: blocks are decoded by Arrow, more threads would only add memory. With another "
        "machine type, its number of cores",
    ),
    Default(
        "max_num_workers",
        str(MAX_WORKERS),
        "the limit of autoscaling, 128 cores: what a job can cost. The quota of a new project is often lower",
    ),
    Default("autoscaling_algorithm", "THROUGHPUT_BASED", "one machine for small input, more as the backlog asks for"),
    Default(
        "disk_size_gb",
        str(DISK_GB),
        "rows are not spilled to it, the shuffle service holds them; 50 GB hold the system and a custom image",
    ),
    Default(
        "no_save_main_session", "", "workers need nothing of __main__, and pickling it fails with what is open there"
    ),
    Default(
        "setup_file", "ROOT/setup.py", "the package itself goes along; nothing with --sdk_container_image, which has it"
    ),
    Default("sdk_location", "container", "with --sdk_container_image only: Beam is in the image, do not stage it"),
)
"""In the order of the docs. The shuffle service is the default of batch jobs: no flag turns it on."""


def pool_flags(machine_type: str | None = None) -> list[str]:
    """The flags that depend on no bucket, project or name.

    Args:
      machine_type: the one asked for, if any.
    """
    machine = machine_type or MACHINE_TYPE
    cores = re.search(r"-(\d+)$", machine)
    return [
        "--runner=DataflowRunner",
        f"--machine_type={machine}",
        *([f"--number_of_worker_harness_threads={cores[1]}"] if cores else []),
        f"--max_num_workers={MAX_WORKERS}",
        "--autoscaling_algorithm=THROUGHPUT_BASED",
        f"--disk_size_gb={DISK_GB}",
        "--no_save_main_session",
        f"--labels=presample={label_value(version())}",
    ]


def job_name(output: str, now: datetime.datetime) -> str:
    """A name from the last folder of the output, in the characters that Dataflow allows.

    >>> job_name("gs://b/Clicks_2026/", datetime.datetime(2026, 11, 20, 3, 15, 0))
    'presample-clicks-2026-20261120-031500'
    """
    stamp = now.strftime("%Y%m%d-%H%M%S")
    folder = re.sub(r"[^a-z0-9]+", "-", output.rstrip("/").rpartition("/")[2].lower())
    most = _LONGEST_NAME - len(f"presample--{stamp}")
    return "-".join(part for part in ("presample", folder[:most].strip("-"), stamp) if part)


def label_value(text: str) -> str:
    """A text as the value of a label: small letters, digits, dashes and underscores."""
    return re.sub(r"[^-_a-z0-9]", "-", text.lower())[:_LONGEST_NAME]


def version() -> str:
    """Presample's own."""
    return importlib.metadata.version("presample")
