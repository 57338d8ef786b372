"""A Dataflow on this machine, for tests of whatever talks to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
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

    @property
    def flags(self) -> list[str]:
        """Project, region and endpoint, as Beam's flags."""
        return ["--project=project", "--region=us-central1", f"--dataflow_endpoint={self.endpoint}"]


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
