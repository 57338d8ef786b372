"""The REST front, v1b3: paths and bodies as in the API's reference, parsed with the client's own types."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from google.api_core import exceptions
from google.cloud import dataflow_v1beta3 as api
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor

from tests.dataflow.http_handler import Handler, send_json, serving
from tests.dataflow.service import DataflowService, DroppedConnectionError, status_of

_WHERE = "/v1b3/projects/(?P<project_id>[^/]+)/locations/(?P<location>[^/]+)"
_JOB = f"{_WHERE}/jobs/(?P<job_id>[^/:]+)"
_ROUTES = [
    ("POST", f"{_WHERE}/jobs", "create_job", api.CreateJobRequest, "job"),
    ("GET", f"{_WHERE}/jobs", "list_jobs", api.ListJobsRequest, None),
    ("GET", _JOB, "get_job", api.GetJobRequest, None),
    ("PUT", _JOB, "update_job", api.UpdateJobRequest, "job"),
    ("GET", f"{_JOB}/messages", "list_job_messages", api.ListJobMessagesRequest, None),
    ("GET", f"{_JOB}/metrics", "get_job_metrics", api.GetJobMetricsRequest, None),
    ("POST", f"{_WHERE}/flexTemplates:launch", "launch_flex_template", api.LaunchFlexTemplateRequest, "*"),
]
"""Verb, path, method, type of the request, and the field that the body is: all of them (*), or none."""


class _Front(Handler):
    service: DataflowService

    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            answer = self._answer(body)
        except DroppedConnectionError:
            self.close_connection = True
        except exceptions.GoogleAPICallError as error:
            content = {"error": {"code": int(error.code), "status": status_of(error).name, "message": error.message}}
            send_json(self, int(error.code), json.dumps(content))
        else:
            send_json(self, 200, answer)

    def _answer(self, body: bytes) -> str:
        url = urlsplit(self.path)
        found = [(re.fullmatch(pattern, url.path), *rest) for verb, pattern, *rest in _ROUTES if verb == self.command]
        fitting = [route for route in found if route[0]]
        if not fitting:
            raise exceptions.NotFound(f"{self.command} {url.path} is not in the API.")
        path, method, kind, field = fitting[0]
        if not (self.headers.get("Authorization") or "").startswith("Bearer "):
            raise exceptions.Unauthenticated("Request is missing required authentication credential.")
        request = _parsed(kind, field, body, {**dict(parse_qsl(url.query)), **path.groupdict()})
        answer = self.service.serve(method, request)
        return json_format.MessageToJson(answer._pb, use_integers_for_enums="enum-encoding=int" in url.query)


def _parsed(kind: type, field: str | None, body: bytes, fields: dict[str, str]) -> object:
    """The request.

    Raises:
      InvalidArgument: a field or a value that the API does not have.
    """
    types = {each.json_name: each.type for each in kind.pb().DESCRIPTOR.fields}
    numbers = (FieldDescriptor.TYPE_ENUM, FieldDescriptor.TYPE_INT32)
    content: dict[str, Any] = {}
    try:
        for name, text in fields.items():
            if not name.startswith("$"):
                content[name] = int(text) if types.get(name) in numbers and text.isdigit() else text
        if field == "*":
            content |= json.loads(body)
        elif field is not None:
            content[field] = json.loads(body)
        request = kind()
        json_format.ParseDict(content, request._pb)
    except (json_format.ParseError, ValueError) as error:
        raise exceptions.InvalidArgument(f"Invalid JSON payload received: {error}") from error
    return request


@contextmanager
def rest_front(service: DataflowService) -> Iterator[str]:
    """Serves the API until it is left.

    Yields:
      What `--dataflow_endpoint` is to be: http://localhost:PORT.
    """
    handler = type("Front", (_Front,), {"service": service})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with serving(server) as port:
        yield f"http://localhost:{port}"
