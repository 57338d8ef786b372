"""The gRPC front: google.dataflow.v1beta3, without TLS, which is a proxy's task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc
from google.api_core import exceptions
from google.cloud import dataflow_v1beta3 as api

from tests.dataflow.service import DataflowService, DroppedConnectionError, status_of

_METHODS = {
    "JobsV1Beta3/CreateJob": ("create_job", api.CreateJobRequest, api.Job),
    "JobsV1Beta3/GetJob": ("get_job", api.GetJobRequest, api.Job),
    "JobsV1Beta3/UpdateJob": ("update_job", api.UpdateJobRequest, api.Job),
    "JobsV1Beta3/ListJobs": ("list_jobs", api.ListJobsRequest, api.ListJobsResponse),
    "MessagesV1Beta3/ListJobMessages": ("list_job_messages", api.ListJobMessagesRequest, api.ListJobMessagesResponse),
    "MetricsV1Beta3/GetJobMetrics": ("get_job_metrics", api.GetJobMetricsRequest, api.JobMetrics),
    "FlexTemplatesService/LaunchFlexTemplate": (
        "launch_flex_template",
        api.LaunchFlexTemplateRequest,
        api.LaunchFlexTemplateResponse,
    ),
}


class _Front(grpc.GenericRpcHandler):
    def __init__(self, service: DataflowService, token: str | None) -> None:
        self._service = service
        self._token = token

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        found = _METHODS.get(details.method.removeprefix("/google.dataflow.v1beta3."))
        if found is None:
            return None
        method, request, answer = found
        return grpc.unary_unary_rpc_method_handler(
            self._caller(method), request_deserializer=request.deserialize, response_serializer=answer.serialize
        )

    def _caller(self, method: str) -> Callable[[Any, grpc.ServicerContext], Any]:
        def call(request: Any, context: grpc.ServicerContext) -> Any:
            try:
                self._service.before(method)
                given = dict(context.invocation_metadata()).get("authorization")
                if self._token is not None and given != f"Bearer {self._token}":
                    raise exceptions.Unauthenticated("Request had invalid authentication credentials.")
                return getattr(self._service, method)(request)
            except DroppedConnectionError:
                return context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
            except exceptions.GoogleAPICallError as error:
                return context.abort(status_of(error), error.message)

        return call


@contextmanager
def grpc_front(service: DataflowService, token: str | None = None) -> Iterator[int]:
    """Serves the API until it is left, to all or to those with the bearer token.

    Yields:
      The port on 127.0.0.1.
    """
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((_Front(service, token),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()
