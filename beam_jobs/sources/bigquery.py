"""BigQuery as a source: one export of a table or query to Parquet, before the job is made.

The files lie in a folder of their own under `--temp_location` until the run is over.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beam_jobs.options import RUN_PREFIX, PresampleOptions
from beam_jobs.output import Output
from beam_jobs.progress import PROGRESS
from beam_jobs.sources import key_columns
from beam_jobs.sources.bigquery_columns import Field, choose_columns
from beam_jobs.sources.bigquery_errors import explained
from beam_jobs.sources.bigquery_rows import Export
from beam_jobs.sources.bigquery_sql import export_statement, select_query, select_table
from beam_jobs.sources.columns import Selection
from beam_jobs.sources.declared import DeclaredField
from beam_jobs.table_options import Table, table_of
from tfrecord_io.cloud_login import CLOUD_PLATFORM, find_credentials
from tfrecord_io.errors import PresampleError, SourceError, UsageError

if TYPE_CHECKING:
    from google.cloud import bigquery

_CANCEL_SECONDS = 2
_JOB_PREFIX = "presample-export-"
_LOG = logging.getLogger("presample")


@dataclass(frozen=True)
class Input:
    """What a run reads: its options and declared columns, and the export where it reads BigQuery."""

    options: PresampleOptions
    declared: Sequence[DeclaredField]
    export: Export | None = None


@contextmanager
def exported(
    options: PresampleOptions, settings: Mapping[str, Any], declared: Sequence[DeclaredField]
) -> Iterator[Input]:
    """Exports the table or query that the options name; files need none, and nothing is done.

    The exported files stay for the job to read and remove; an error inside removes them.

    Args:
      options: of the run.
      settings: Beam's options by name; of use are `temp_location` and `project`.
      declared: the fields of `--schema`.

    Yields:
      The options with the time at which a table is read, and with its columns declared.

    Raises:
      UsageError: Beam's options or the query do not do.
      SourceError: what is to be read is not there, may not be read, or cannot be exported.
    """
    table = table_of(options.input)
    if table is None and options.query is None:
        yield Input(options, declared)
        return
    parent = _temporary(settings["temp_location"])
    found = _find(options, table, settings["project"])
    columns = choose_columns(
        found.fields,
        found.name,
        key_columns(options),
        options.weight_out,
        Selection(options.columns, options.drop_columns),
        declared,
        whole=found.table is None,
    )
    export = Export(parent, RUN_PREFIX + secrets.token_hex(6), found.name, columns.dropped)
    try:
        _run(found, export_statement(found.rows(columns.names), export.pattern))
        patterns = () if found.table is None else (str(found.table),)
        yield Input(dataclasses.replace(options, input=patterns), columns.declared, export)
    except BaseException:
        _remove(export)
        raise


def _remove(export: Export) -> None:
    """Removes exported files; that they stay is a warning, since another error is on its way."""
    try:
        Output(export.parent).delete_folder(export.folder)
    except PresampleError as error:
        _LOG.warning("The files %s that BigQuery exported could not be removed: %s", export.pattern, error)


@dataclass(frozen=True)
class _Found:
    """A table as of a time, or a query (`table` is None), that can be read."""

    client: bigquery.Client
    fields: Sequence[Field]
    location: str | None
    table: Table | None
    query: str | None

    @property
    def name(self) -> str:
        """What errors call it."""
        return "--query" if self.table is None else str(self.table)

    def rows(self, names: Sequence[str]) -> str:
        """The SELECT of its rows; of a table only the columns of these names."""
        if self.table is None or self.table.time is None:
            return select_query(self.query or "")
        everything = len(names) == len(self.fields)
        return select_table(self.table, self.table.time, None if everything else names)


def _temporary(temp_location: str | None) -> str:
    """The folder for temporary files, checked."""
    if temp_location is None:
        raise UsageError(
            "Rows of BigQuery pass through Cloud Storage. Say where: --temp_location gs://BUCKET/temp, in the "
            "location of the table."
        )
    if not temp_location.startswith("gs://") or set(temp_location).intersection("*?["):
        raise UsageError(
            f"--temp_location {temp_location}: BigQuery exports to Cloud Storage. Name a folder like gs://BUCKET/temp."
        )
    return temp_location.rstrip("/")


def _find(options: PresampleOptions, table: Table | None, project: str | None) -> _Found:
    """Looks up the table, or has BigQuery check the query; neither costs anything."""
    with explained("BigQuery"):
        from google.cloud import bigquery

        credentials, theirs = find_credentials(CLOUD_PLATFORM)
        client = bigquery.Client(project=project or theirs, credentials=credentials)
    if table is None:
        with explained("--query", UsageError):
            config = bigquery.QueryJobConfig(dry_run=True, use_legacy_sql=False)
            job = client.query(select_query(options.query or ""), job_config=config)
        return _Found(client, [field.to_api_repr() for field in job.schema], job.location, None, options.query)
    with explained(str(table)):
        found = client.get_table(table.path)
    if found.table_type != "TABLE":
        raise SourceError(
            f"{table} is a {found.table_type}, and only a table can be read as of a time. Read it with --query "
            f"'SELECT * FROM `{table.path}`'."
        )
    dated = table.at(datetime.datetime.now(datetime.timezone.utc))
    return _Found(client, [field.to_api_repr() for field in found.schema], found.location, dated, None)


def _run(found: _Found, statement: str) -> None:
    """Runs the export to its end; cancels it where that is not waited for."""
    from google.cloud import bigquery

    with explained(found.name):
        job = found.client.query(
            statement,
            job_config=bigquery.QueryJobConfig(use_legacy_sql=False),
            job_id_prefix=_JOB_PREFIX,
            location=found.location,
        )
        PROGRESS.enter("Export")
        _LOG.info("BigQuery exports %s in job %s.", found.name, job.job_id)
        try:
            job.result()
        except (KeyboardInterrupt, SystemExit):
            job.cancel(retry=None, timeout=_CANCEL_SECONDS)
            raise
