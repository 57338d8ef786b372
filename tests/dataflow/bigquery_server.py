"""BigQuery on loopback: the part of the REST API v2 that an export needs, written from its reference.

It really exports: tables are Arrow tables in memory, with their history; a query runs in DuckDB; the
Parquet files hold the types of the reference's table, and are other files, of rows in another order,
each time. Fields that the reference does not name are refused.
"""

from __future__ import annotations

import datetime
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from tests.dataflow.bigquery_tables import StoredTable, TableError, fields_of, row_bytes, write_files
from tests.dataflow.http_handler import send_json, serving

_JOB_FIELDS = {"jobReference", "configuration", "labels"}
_REFERENCE_FIELDS = {"projectId", "jobId", "location"}
_CONFIGURATION_FIELDS = {"query", "dryRun", "labels", "jobTimeoutMs"}
_QUERY_FIELDS = {"query", "useLegacySql", "priority", "useQueryCache", "defaultDataset", "maximumBytesBilled"}
_EXPORT = re.compile(
    r"EXPORT DATA OPTIONS\(uri='(?P<uri>[^']*)', format='PARQUET', compression='SNAPPY', overwrite=false\) AS\n"
    r"SELECT \*, BYTE_LENGTH\(TO_JSON_STRING\(presample_row\)\) AS presample_row_bytes\n"
    r"FROM \(\n(?P<rows>.*)\n\) AS presample_row",
    re.DOTALL,
)
_DATED = re.compile(
    r"SELECT (?P<columns>\*|`[^`]+`(, `[^`]+`)*) FROM `(?P<path>[^`]+)` FOR SYSTEM_TIME AS OF "
    r"TIMESTAMP '(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\+00:00)'"
)


@dataclass
class BigQuery:
    """What the service holds, and what it was asked: `jobs` by id, `statements` in order."""

    tables: dict[str, StoredTable] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)
    files: int = 3
    broken: tuple[int, str, str] | None = None
    """Status, reason and message with which an export ends after its first file."""
    outages: int = 0
    """So many requests are answered with 503."""
    on_export: threading.Event | None = None
    """Set when an export was asked for; it then runs until it is cancelled."""

    def select(self, rows: str) -> pa.Table:
        """The rows of a SELECT, as `select_table` and `select_query` write it."""
        dated = _DATED.fullmatch(rows)
        if dated is None:
            return self._query(rows)
        time = datetime.datetime.fromisoformat(dated["time"])
        found = self.table(dated["path"]).at(time, dated["path"])
        columns = found.column_names if dated["columns"] == "*" else re.findall("`([^`]+)`", dated["columns"])
        return found.select(columns)

    def table(self, path: str) -> StoredTable:
        if path not in self.tables:
            raise TableError(404, "notFound", f"Not found: Table {path.replace('.', ':', 1)}")
        found = self.tables[path]
        if found.secret:
            raise TableError(
                403, "accessDenied", f"Access Denied: Table {path}: User does not have permission to get it."
            )
        return found

    def export(self, statement: str) -> None:
        parts = _EXPORT.fullmatch(statement)
        if parts is None:
            raise TableError(400, "invalidQuery", f"Syntax error: {statement}")
        rows = self.select(parts["rows"])
        order = np.random.default_rng(len(self.jobs)).permutation(len(rows))
        rows = rows.append_column("presample_row_bytes", row_bytes(rows)).take(order)
        write_files(rows, parts["uri"], 1 if self.broken else self.files)
        if self.broken:
            raise TableError(*self.broken)

    def _query(self, rows: str) -> pa.Table:
        connection = duckdb.connect()
        sql = rows
        for number, path in enumerate(self.tables):
            if f"`{path}`" in rows:
                connection.register(f"table{number}", self.table(path).latest)
                sql = sql.replace(f"`{path}`", f"table{number}")
        try:
            return connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise TableError(400, "invalidQuery", f"Syntax error: {error}") from error


@contextmanager
def bigquery() -> Iterator[BigQuery]:
    """Serves an empty BigQuery, to which the environment leads its client, until it is left."""
    service = BigQuery()
    handler = type("Handler", (_Handler,), {"service": service})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with serving(server) as port, pytest.MonkeyPatch.context() as environment:
        environment.setenv("BIGQUERY_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        yield service


class _Handler(BaseHTTPRequestHandler):
    """tables.get, jobs.insert, jobs.get, jobs.getQueryResults and jobs.cancel."""

    service: BigQuery
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path.removeprefix("/bigquery/v2/projects/").split("/")
        match path:
            case [project, "datasets", dataset, "tables", table]:
                self._answer(lambda: self._table(f"{project}.{dataset}.{table}"))
            case [_, "jobs", job]:
                self._answer(lambda: self._job(job))
            case [_, "queries", job]:
                self._answer(lambda: self._results(job))
            case _:
                self._answer(self._unknown)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        path = urlsplit(self.path).path.removeprefix("/bigquery/v2/projects/").split("/")
        match path:
            case [project, "jobs"]:
                self._answer(lambda: self._insert(project, body))
            case [_, "jobs", job, "cancel"]:
                self._answer(lambda: self._cancel(job))
            case _:
                self._answer(self._unknown)

    def _table(self, path: str) -> dict[str, Any]:
        found = self.service.table(path)
        project, dataset, name = path.split(".")
        return {
            "kind": "bigquery#table",
            "id": f"{project}:{dataset}.{name}",
            "tableReference": {"projectId": project, "datasetId": dataset, "tableId": name},
            "type": found.kind,
            "location": "US",
            "schema": {"fields": found.fields},
            "numRows": str(len(found.latest)),
        }

    def _insert(self, project: str, body: dict[str, Any]) -> dict[str, Any]:
        configuration, reference = body["configuration"], body["jobReference"]
        query = configuration["query"]
        _refuse_unknown(body, _JOB_FIELDS)
        _refuse_unknown(reference, _REFERENCE_FIELDS)
        _refuse_unknown(configuration, _CONFIGURATION_FIELDS)
        _refuse_unknown(query, _QUERY_FIELDS)
        if query.get("useLegacySql", True) is not False or reference["projectId"] != project:
            raise TableError(400, "invalid", "useLegacySql must be false, and projectId that of the path.")
        job: dict[str, Any] = {
            "kind": "bigquery#job",
            "id": f"{project}:US.{reference['jobId']}",
            "jobReference": {**reference, "location": reference.get("location", "US")},
            "configuration": {**configuration, "jobType": "QUERY"},
            "status": {"state": "DONE"},
            "statistics": {"creationTime": "0", "query": {"statementType": "SELECT"}},
        }
        if configuration.get("dryRun"):
            fields = fields_of(self.service.select(query["query"]))
            job["statistics"]["query"]["schema"] = {"fields": fields}
            return job
        self.service.statements.append(query["query"])
        self.service.jobs[reference["jobId"]] = job
        job["status"] = {"state": "RUNNING"}
        job["statistics"]["query"]["statementType"] = "EXPORT_DATA"
        return job

    def _job(self, job: str) -> dict[str, Any]:
        if job not in self.service.jobs:
            raise TableError(404, "notFound", f"Not found: Job {job}")
        return self.service.jobs[job]

    def _results(self, name: str) -> dict[str, Any]:
        """Waits for the job, as jobs.getQueryResults does; so the job is run here."""
        job = self._job(name)
        _refuse_unknown(parse_qs(urlsplit(self.path).query), {"maxResults", "timeoutMs", "location", *_FORMATS})
        if self.service.on_export and job["status"]["state"] == "RUNNING":
            self.service.on_export.set()
            return {
                "kind": "bigquery#getQueryResultsResponse",
                "jobReference": job["jobReference"],
                "jobComplete": False,
            }
        if job["status"]["state"] == "RUNNING":
            job["status"] = {"state": "DONE"}
            try:
                self.service.export(job["configuration"]["query"]["query"])
            except TableError as error:
                job["status"] |= {"errorResult": error.proto(), "errors": [error.proto()]}
                raise
        return {"jobReference": job["jobReference"], "jobComplete": True}

    def _cancel(self, name: str) -> dict[str, Any]:
        job = self._job(name)
        stopped = TableError(499, "stopped", "Job execution was cancelled: User requested cancellation")
        job["status"] = {"state": "DONE", "errorResult": stopped.proto(), "errors": [stopped.proto()]}
        return {"kind": "bigquery#jobCancelResponse", "job": job}

    def _unknown(self) -> dict[str, Any]:
        raise TableError(404, "notFound", f"Not found: {self.path}")

    def _answer(self, work: Any) -> None:
        try:
            if self.service.outages:
                self.service.outages -= 1
                raise TableError(503, "backendError", "Error encountered during execution. Retrying may solve it.")
            status, body = 200, work()
        except TableError as error:
            status = error.status
            body = {"error": {"code": status, "message": str(error), "errors": [error.proto()], "status": error.reason}}
        send_json(self, status, json.dumps(body))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


_FORMATS = {"prettyPrint", "alt", "formatOptions.useInt64Timestamp", "formatOptions.timestampOutputFormat"}


def _refuse_unknown(given: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise TableError(
            400, "invalid", f"Invalid JSON payload received. Unknown name {unknown[0]!r}: Cannot find field."
        )
