"""Runs a submitted job for real, from what was staged and nothing else, as the service's workers would.

The graph and the packages are fetched from the bucket and their sha256 checked, the packages are
installed without their dependencies into an empty folder, and the graph runs in worker processes for
which there is no other presample. Counters come when the job has ended.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apache_beam.portability import common_urns, python_urns
from apache_beam.portability.api import beam_runner_api_pb2 as graph
from google.auth.credentials import AnonymousCredentials
from google.cloud import dataflow_v1beta3 as api
from google.cloud import storage
from google.protobuf import json_format

from tests.dataflow import worker_main
from tests.dataflow.scripts import Stage, counter
from tests.dataflow.service import Record

_PYTHON = f"{sys.executable} -S"
"""Without site packages' .pth files, which is how the presample under test is on the path. Its libraries are."""


class StagedJobError(Exception):
    """What was submitted cannot be run."""


class Executor:
    """Runs jobs one by one, each in a folder of its own below `folder`.

    Args:
      environment: of the workers; leads them to the storage emulator.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._running: list[subprocess.Popen[bytes]] = []

    def __call__(self, record: Record) -> None:
        """Sees a job to its end. To be given to `DataflowService.runs`."""
        work = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            packages = self._fetch(record, work)
            _install(packages, work / worker_main.SITE)
            record.show(Stage("RUNNING", messages=["Workers have started successfully."]))
            failure = self._run(record, work)
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
        if record.cancelled.is_set():
            record.show(Stage("CANCELLED", messages=["Worker pool stopped."]))
        elif failure:
            text = f"Error message from worker: generic::unknown: {failure}"
            record.show(Stage("FAILED", messages=[("ERROR", text), ("ERROR", "Workflow failed. Causes: see above")]))
        else:
            record.show(Stage("DONE", messages=["Worker pool stopped."], more=_metrics(work)))

    def close(self) -> None:
        """Ends what still runs."""
        for process in self._running:
            _kill(process)

    def _fetch(self, record: Record, work: Path) -> list[Path]:
        """Leaves graph and options in the folder; returns the packages."""
        given = json_format.MessageToDict(record.job._pb.environment.sdk_pipeline_options)["options"]
        options = {name: _whole(value) for name, value in given.items()}
        pipeline = graph.Pipeline.FromString(self._download(options["pipelineUrl"], options["pipelineProtoHash"]))
        packages = []
        for environment in pipeline.components.environments.values():
            if environment.urn != common_urns.environments.DOCKER.urn:
                raise StagedJobError(f"A worker cannot be made of {environment.urn}.")
            image = graph.DockerPayload.FromString(environment.payload).container_image
            record.say("BASIC", f"Worker image: {image}")
            for dependency in environment.dependencies:
                where = graph.ArtifactUrlPayload.FromString(dependency.type_payload)
                name = graph.ArtifactStagingToRolePayload.FromString(dependency.role_payload).staged_name
                packages.append(work / name)
                packages[-1].write_bytes(self._download(where.url, where.sha256))
                record.say("DETAILED", f"Staged: {name}")
            environment.urn = python_urns.SUBPROCESS_SDK
            environment.payload = f"{_PYTHON} -m apache_beam.runners.worker.sdk_worker_main".encode()
            del environment.dependencies[:]
        (work / worker_main.GRAPH).write_bytes(pipeline.SerializeToString())
        (work / worker_main.OPTIONS).write_text(json.dumps(options))
        return packages

    def _download(self, url: str, sha256: str) -> bytes:
        endpoint = {"api_endpoint": self._environment["STORAGE_EMULATOR_HOST"]}
        client = storage.Client("project", AnonymousCredentials(), client_options=endpoint)
        bucket, name = url.removeprefix("gs://").split("/", 1)
        content: bytes = client.bucket(bucket).blob(name).download_as_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise StagedJobError(f"{url} is not what was submitted: its sha256 is not {sha256}.")
        return content

    def _run(self, record: Record, work: Path) -> str:
        """Runs the graph; returns the error, or nothing."""
        libraries = os.pathsep.join([str(work / worker_main.SITE), sysconfig.get_path("purelib")])
        environment = {**self._environment, "PYTHONPATH": libraries, "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
        with (work / "log").open("wb") as log:
            process = subprocess.Popen(
                [*_PYTHON.split(), worker_main.__file__, str(work)],
                cwd=work, env=environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
            self._running.append(process)
            while process.poll() is None:
                if record.cancelled.wait(0.05):
                    _kill(process)
            self._running.remove(process)
        if process.returncode == 0:
            return ""
        error = work / worker_main.ERROR
        return error.read_text() if error.exists() else (work / "log").read_text()[-2_000:]


def _install(packages: list[Path], site: Path) -> None:
    """As the workers' boot does, but without dependencies: those are in the image."""
    site.mkdir()
    wanted = [str(path) for path in packages if path.name.endswith((".tar.gz", ".whl"))]
    if not wanted:
        return
    alone = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(site), *wanted]
    if importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "install", "--no-compile", *alone]
    else:
        command = ["uv", "pip", "install", "--python", sys.executable, *alone]
    done = subprocess.run(command, capture_output=True, text=True, cwd=site)
    if done.returncode:
        raise StagedJobError(f"The staged package does not install: {done.stderr[-1_000:]}")


def _whole(value: Any) -> Any:
    """A number as JSON has it: a protobuf Struct knows no integers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _metrics(work: Path) -> list[api.MetricUpdate]:
    found = json.loads((work / worker_main.COUNTERS).read_text())
    return [each for one in found for each in counter(**one)]


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
