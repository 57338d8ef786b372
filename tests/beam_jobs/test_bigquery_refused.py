"""What cannot be read from BigQuery, and what is said then: before it costs anything, as far as can be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apache_beam.io.filesystems import FileSystems

from beam_jobs import PresampleOptions, run
from beam_jobs.command import main
from tests.dataflow.bigquery_server import BigQuery, bigquery
from tests.dataflow.bigquery_tables import StoredTable
from tfrecord_io.errors import SourceError, UsageError

_FIELDS = [{"name": "id", "type": "INTEGER"}, {"name": "y", "type": "INTEGER"}, {"name": "text", "type": "STRING"}]
_COLUMNS: dict[str, list[Any]] = {"id": [0, 1, 2, 3], "y": [0, 0, 1, 1], "text": ["a", "b", "c", "d"]}
_HOME = {"name": "home", "type": "RECORD", "fields": [{"name": "city", "type": "STRING"}]}
_TABLE = "bq://p.d.t"


@pytest.fixture
def service(bucket: str) -> Iterator[BigQuery]:
    """BigQuery with a small table."""
    with bigquery() as served:
        served.tables["p.d.t"] = StoredTable.of(_FIELDS, _COLUMNS)
        yield served


def options(output: Path, **given: Any) -> PresampleOptions:
    source = {} if "query" in given else {"input": (_TABLE,)}
    return PresampleOptions(output=str(output), **{"label": "y", "row_id": ("id",), **source, **given})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"row_id": ()}, r"--input bq://p\.d\.t needs --row_id: the columns that tell a row"),
        ({"query": "SELECT 1", "row_id": ()}, "--query needs --row_id"),
        ({"query": " ; "}, "--query is empty"),
        ({"query": "SELECT 1", "input": ("a.csv",)}, r"--query and --input a\.csv both say what to read"),
        ({"input": (_TABLE, "bq://p.d.u")}, r"--input bq://p\.d\.t bq://p\.d\.u: a table is read by itself"),
        ({"input": (_TABLE, "a.csv")}, "read files in a run of their own"),
        ({"input": ("bq://d.t",)}, r"--input bq://d\.t: name one table like bq://PROJECT\.DATASET\.TABLE"),
        ({"input": ("bq://p.d.events_*",)}, "Wildcards and partitions are for --query"),
        ({"input": ("bq://p.d.t`; DROP",)}, "name one table"),
        ({"input": ("bq://p.d.t@yesterday",)}, "'yesterday' is no time with a zone"),
        ({"input": ("bq://p.d.t@2024-05-01T00:00:00",)}, "is no time with a zone"),
        ({"format": "csv"}, "--format csv is for files"),
        ({"quoted_newlines": True}, "--quoted_newlines is for CSV"),
    ],
)
def test_options_that_do_not_go_together(given: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        options(tmp_path / "out", **given)


@pytest.mark.parametrize(
    ("beam_args", "message"),
    [
        ([], "Say where: --temp_location gs://BUCKET/temp"),
        (["--temp_location=/tmp"], "--temp_location /tmp: BigQuery exports to Cloud Storage"),
        (["--temp_location=gs://b/*"], r"--temp_location gs://b/\*: BigQuery"),
    ],
)
def test_no_folder_for_the_export(beam_args: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        run(options(tmp_path / "out"), beam_args)


def assert_refused(
    service: BigQuery, bucket: str, output: Path, error: type[Exception], message: str, **given: Any
) -> None:
    """The run is refused with that message, and BigQuery was asked for no rows."""
    with pytest.raises(error, match=message):
        run(options(output, **given), [f"--temp_location={bucket}/temp"])
    assert service.statements == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"input": ("bq://p.d.gone",)}, r"bq://p\.d\.gone: Not found: Table p:d\.gone\. Check its name"),
        ({"label": "z"}, r"--label z: bq://p\.d\.t@\S+ has no such column\. .*Its columns are id, y, text\."),
        ({"row_id": ("ID",)}, "--row_id ID: .*Did you mean 'id'"),
        ({"drop_columns": ("other",)}, "--drop_columns other: .* has no such column"),
        ({"weight_out": "text"}, "--weight_out text: .* already has a column of that name"),
    ],
)
def test_a_table_or_column_that_is_not_there(
    service: BigQuery, bucket: str, tmp_path: Path, given: dict[str, Any], message: str
) -> None:
    assert_refused(service, bucket, tmp_path / "out", SourceError, message, **given)


@pytest.mark.parametrize(
    ("field", "given", "message"),
    [
        ({"name": "presample_row", "type": "STRING"}, {}, "column presample_row has a name that the export uses"),
        ({"name": "Presample_Row_Bytes", "type": "STRING"}, {}, "column Presample_Row_Bytes has a name that"),
        ({"name": "tags", "type": "STRING", "mode": "REPEATED"}, {"label": "tags"}, "column 'tags' is an ARRAY"),
        (_HOME, {"label": "home"}, r"--label home: .* Did you mean 'home\.city'"),
        (_HOME, {"columns": ("y", "home")}, r"--columns home: .* Did you mean 'home\.city'"),
    ],
)
def test_columns_that_cannot_do_that(
    service: BigQuery, bucket: str, tmp_path: Path, field: dict[str, Any], given: dict[str, Any], message: str
) -> None:
    service.tables["p.d.t"] = StoredTable.of([*_FIELDS, field], {**_COLUMNS, field["name"]: [None] * 4})
    assert_refused(service, bucket, tmp_path / "out", SourceError, message, **given)


def test_a_schema_for_another_table(service: BigQuery, bucket: str, tmp_path: Path) -> None:
    schema = '[{"name": "txt", "type": "STRING"}]'
    message = r"--schema: bq://p\.d\.t@\S+ has no column 'txt'\. Did you mean 'text'\?"
    assert_refused(service, bucket, tmp_path / "out", UsageError, message, schema=schema)


def test_a_table_that_may_not_be_read(service: BigQuery, bucket: str, tmp_path: Path) -> None:
    service.tables["p.d.t"].secret = True
    message = r"bq://p\.d\.t: Access Denied: Table p\.d\.t: .*needs roles/bigquery\.dataViewer"
    assert_refused(service, bucket, tmp_path / "out", SourceError, message)


@pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED_VIEW", "EXTERNAL", "SNAPSHOT"])
def test_what_is_no_table(service: BigQuery, bucket: str, tmp_path: Path, kind: str) -> None:
    service.tables["p.d.t"].kind = kind
    message = rf"bq://p\.d\.t is a {kind}, and only a table .* --query 'SELECT \* FROM `p\.d\.t`'"
    assert_refused(service, bucket, tmp_path / "out", SourceError, message)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ({"type": "JSON"}, "{}", r"more \(JSON\)\. .*--drop_columns, .*--query as .*: TO_JSON_STRING\(more\) AS more"),
        ({"type": "INTERVAL"}, "0-0", r"more \(INTERVAL\)\. .* CAST\(more AS STRING\) AS more"),
        ({"type": "RANGE"}, "[1, 2)", r"more \(RANGE\)\. .* RANGE_START\(more\) AS start"),
        (
            {"type": "RECORD", "mode": "REPEATED", "fields": [{"name": "a", "type": "STRING"}]},
            [],
            r"more \(REPEATED RECORD\)\. .* ARRAY\(SELECT field FROM UNNEST\(more\)\) AS more",
        ),
        ({"type": "RECORD", "fields": [{"name": "a", "type": "JSON"}]}, {}, r"more\.a \(JSON\)"),
    ],
)
def test_types_that_no_example_holds(
    service: BigQuery, bucket: str, tmp_path: Path, field: dict[str, Any], value: Any, message: str
) -> None:
    columns = {**_COLUMNS, "more": [value] * 4}
    service.tables["p.d.t"] = StoredTable.of([*_FIELDS, {"name": "more", **field}], columns)
    assert_refused(service, bucket, tmp_path / "out", SourceError, message)
    manifest = run(options(tmp_path / "out", drop_columns=("more",)), [f"--temp_location={bucket}/temp"])
    assert set(manifest.schema) == {"id", "y", "text"}


def test_a_query_that_bigquery_refuses(service: BigQuery, bucket: str, tmp_path: Path) -> None:
    assert_refused(
        service, bucket, tmp_path / "out", UsageError, "--query: BigQuery refuses it: Syntax error", query="SELEC 1"
    )


def test_a_time_that_is_past(service: BigQuery, bucket: str, tmp_path: Path) -> None:
    early = ("bq://p.d.t@2020-01-01T00:00:00Z",)
    with pytest.raises(SourceError, match=r"bq://p\.d\.t@2020-01-01T00:00:00\.000000Z: .* the last seven days"):
        run(options(tmp_path / "out", input=early), [f"--temp_location={bucket}/temp"])


def test_no_credentials(service: BigQuery, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    message = "BigQuery: there are no Google Cloud credentials. Log in with `gcloud auth application-default login`"
    assert_refused(service, bucket, tmp_path / "out", UsageError, message)


def test_the_command(service: BigQuery, bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--label", "y", "--row_id", "id", "--output", str(tmp_path / "out")]
    assert main(["--query", "SELECT id, y FROM `p.d.t`", *flags, "--temp_location", f"{bucket}/temp"]) == 0
    assert main(["--query", "SELEC", *flags, "--overwrite", "--temp_location", f"{bucket}/temp"]) == 2
    assert main(["--input", "bq://p.d.gone", *flags, "--overwrite", "--temp_location", f"{bucket}/temp"]) == 1
    assert (
        main(["--like", str(tmp_path / "out"), "--output", str(tmp_path / "b"), f"--temp_location={bucket}/temp"]) == 0
    )
    assert main(flags) == 2
    assert "--input" in capsys.readouterr().err


def test_an_interruption_cancels_the_export(service: BigQuery, bucket: str, tmp_path: Path) -> None:
    service.on_export = threading.Event()
    arguments = ["--input", _TABLE, "--label", "y", "--row_id", "id", "--output", str(tmp_path / "out")]
    command = [sys.executable, "-m", "beam_jobs.presample", *arguments, f"--temp_location={bucket}/temp"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ.copy())
    assert service.on_export.wait(60)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    (job,) = service.jobs.values()
    assert job["status"]["errorResult"]["reason"] == "stopped"
    assert FileSystems.match([f"{bucket}/temp/**"])[0].metadata_list == []
