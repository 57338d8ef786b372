"""A Dataflow on this machine, for tests of whatever talks to it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from tests.dataflow.proxy import Google
    from tests.dataflow.service import DataflowService


@dataclass(frozen=True)
class LoopbackDataflow:
    """Where the service is, and what it holds.

        dataflow.service.add_job("ID", Stage("RUNNING", counters={("presample.draw", "rows_read"): 10}), Stage("DONE"))
        dataflow.service.scripted = failed("an error")            # what jobs go through that are created from now on
        dataflow.service.fail("get_job", exceptions.ServiceUnavailable("later"), times=3)
        dataflow.service.fail("get_job", DroppedConnectionError())
        dataflow.service.fail("create_job", exceptions.Unauthenticated("expired"))

    `Stage`, `counter` and `failed` are in scripts.py, `DroppedConnectionError`, PROJECT and REGION in service.py. A
    scripted job goes one stage on with each GetJob.
    """

    service: DataflowService
    endpoint: str

    environment: Mapping[str, str] = field(default_factory=dict)
    """What leads a process through the proxy, where there is one."""
    google: Google | None = None

    @property
    def flags(self) -> list[str]:
        """Project, region and endpoint, as Beam's flags."""
        where = ["--project=project", "--region=us-central1"]
        return where if self.google else [*where, f"--dataflow_endpoint={self.endpoint}"]


@pytest.fixture
def dataflow_rest(bucket: str) -> Iterator[LoopbackDataflow]:
    """Over REST. Credentials are those of `bucket`."""
    from tests.dataflow.rest import rest_front
    from tests.dataflow.service import DataflowService

    service = DataflowService()
    with rest_front(service) as endpoint:
        yield LoopbackDataflow(service, endpoint)


@pytest.fixture
def dataflow_grpc() -> Iterator[LoopbackDataflow]:
    """Over gRPC, without TLS or tokens: endpoint is 127.0.0.1:PORT, for `grpc.insecure_channel`."""
    from tests.dataflow.grpc_front import grpc_front
    from tests.dataflow.service import DataflowService

    service = DataflowService()
    with grpc_front(service) as port:
        yield LoopbackDataflow(service, f"127.0.0.1:{port}")


@pytest.fixture
def dataflow_runs(dataflow_rest: LoopbackDataflow, tmp_path: Path) -> Iterator[LoopbackDataflow]:
    """Over REST; jobs are run for real, from what was staged. Submitting one takes 10 s, and running it as long."""
    from tests.dataflow.executor import Executor

    executor = dataflow_rest.service.runs = Executor(tmp_path, dict(os.environ))
    yield dataflow_rest
    executor.close()


@pytest.fixture
def dataflow_google(bucket: str, tmp_path: Path) -> Iterator[LoopbackDataflow]:
    """All of Google behind a proxy: TLS, tokens, default endpoints. For processes run in its `environment`.

    Jobs are run for real. The test's own process talks to the storage emulator directly.
    """
    from tests.dataflow.certificates import make_certificates
    from tests.dataflow.executor import Executor
    from tests.dataflow.grpc_front import grpc_front
    from tests.dataflow.proxy import Google, google_proxy
    from tests.dataflow.service import DataflowService

    service = DataflowService()
    certificates = make_certificates(tmp_path)
    google = Google(certificates, urlsplit(os.environ["STORAGE_EMULATOR_HOST"]).netloc, 0)
    executor = service.runs = Executor(tmp_path, dict(os.environ))
    with grpc_front(service, google.accepts) as google.dataflow, google_proxy(google) as proxy:
        yield LoopbackDataflow(service, "", _environment(proxy, certificates.authority, tmp_path), google)
    executor.close()


def _environment(proxy: str, authority: Path, folder: Path) -> dict[str, str]:
    """Of a process for which the proxy is the way to Google, with what `gcloud auth` leaves as credentials."""
    user = {"type": "authorized_user", "client_id": "id", "client_secret": "secret", "refresh_token": "refresh"}
    (folder / "user.json").write_text(json.dumps(user))
    trusted = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")
    inherited = {name: value for name, value in os.environ.items() if name != "STORAGE_EMULATOR_HOST"}
    return {
        **inherited,
        **dict.fromkeys(("https_proxy", "http_proxy", "grpc_proxy"), proxy),
        **dict.fromkeys(trusted, str(authority)),
        "no_proxy": "",
        "NO_GCE_CHECK": "true",
        "GOOGLE_APPLICATION_CREDENTIALS": str(folder / "user.json"),
    }
