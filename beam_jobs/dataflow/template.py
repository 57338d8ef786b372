"""`presample dataflow template build`: metadata.json and the container spec of a Flex Template."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
from collections.abc import Sequence
from typing import Any

from beam_jobs.dataflow import defaults, images
from beam_jobs.dataflow.exits import fail
from beam_jobs.dataflow.template_parameters import metadata
from beam_jobs.parser import Parser
from tfrecord_io.errors import PresampleError, UsageError

_METADATA = "metadata.json"


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the template.

    Returns:
      0 written; 1 it cannot be written there; 2 the command line is wrong.
    """
    from beam_jobs import console

    try:
        arguments = _parser().parse_args(sys.argv[1:] if argv is None else argv)
        _check(arguments)
        with console.quiet(False):
            for path in _build(arguments.image, arguments.output, arguments.metadata_only):
                print(f"Wrote {path}")
    except PresampleError as error:
        return fail(error)
    return 0


def container_spec(image: str) -> dict[str, Any]:
    """What a template's file holds: the image, its metadata, and the defaults of `launch`.

    The image serves the workers too: without `sdkContainerImage` they would start Beam's own, which
    has no presample in it.
    """
    return {
        "image": image,
        "sdkInfo": {"language": "PYTHON"},
        "metadata": metadata(),
        "defaultEnvironment": {
            "machineType": defaults.MACHINE_TYPE,
            "maxWorkers": defaults.MAX_WORKERS,
            "diskSizeGb": defaults.DISK_GB,
            "autoscalingAlgorithm": "AUTOSCALING_ALGORITHM_BASIC",
            "additionalUserLabels": {"presample": defaults.label_value(defaults.version())},
            "sdkContainerImage": image,
        },
    }


def _check(arguments: argparse.Namespace) -> None:
    if not arguments.metadata_only and not arguments.image:
        raise UsageError(
            "--image is missing. Name the image that was built from the Dockerfile, like "
            f"REGION-docker.pkg.dev/PROJECT/REPOSITORY/presample:{images.tag(defaults.version(), _beam())}; or give "
            "--metadata_only."
        )
    if not arguments.metadata_only and not arguments.output.endswith(".json"):
        raise UsageError(f"--output {arguments.output} must be a file, like gs://mine/templates/presample.json.")
    for error in images.mismatches(arguments.image or "", _beam(), "--image"):
        raise error


def _build(image: str, output: str, metadata_only: bool) -> list[str]:
    """Writes the files.

    Raises:
      OutputError: they cannot be written.
    """
    from beam_jobs.output import Output

    folder, _, name = output.rstrip("/").rpartition("/")
    files = {_METADATA: metadata()} if metadata_only else {name: container_spec(image)}
    target = Output(output if metadata_only else folder or ".")
    for file, content in files.items():
        with target.create(file) as stream:
            stream.write((json.dumps(content, indent=2) + "\n").encode())
    return [target.path(file) for file in files]


def _beam() -> str:
    return importlib.metadata.version("apache-beam")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="presample dataflow template build",
        description="Writes a Flex Template's file: `presample dataflow launch --template` starts it.",
        usage="presample dataflow template build --image IMAGE --output gs://BUCKET/FILE.json",
        allow_abbrev=False,
    )
    parser.add_argument("build", choices=("build",), help=argparse.SUPPRESS)
    parser.add_argument("--image", metavar="IMAGE", help="built from the Dockerfile, and pushed")
    parser.add_argument("--output", metavar="FILE", required=True, help="the template's file, gs:// or local")
    parser.add_argument(
        "--metadata_only",
        action="store_true",
        help="write metadata.json alone, into the folder --output, for `gcloud dataflow flex-template build`",
    )
    return parser
