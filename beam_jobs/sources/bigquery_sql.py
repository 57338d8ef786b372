"""The SQL that is sent to BigQuery."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from beam_jobs.sources.bigquery_rows import ROW_BYTES
from beam_jobs.table_options import Table

ROW = "presample_row"
"""What the export calls a row."""


def select_table(table: Table, time: datetime.datetime, columns: Sequence[str] | None) -> str:
    """The rows of a table as of a time; `columns` is None for all of them."""
    listed = "*" if columns is None else ", ".join(f"`{column}`" for column in columns)
    moment = time.astimezone(datetime.timezone.utc).isoformat(" ", "microseconds")
    return f"SELECT {listed} FROM `{table.path}` FOR SYSTEM_TIME AS OF TIMESTAMP '{moment}'"


def select_query(query: str) -> str:
    """The rows of a user's query, which must be one: between these parentheses two statements are an error."""
    return f"SELECT * FROM (\n{query.strip().rstrip(';')}\n)"


def export_statement(rows: str, pattern: str) -> str:
    """Exports the rows of a SELECT, and how long each of them is.

    Args:
      rows: the SELECT.
      pattern: gs:// files to write, with one `*` in it for their numbers.
    """
    uri = pattern.replace("\\", "\\\\").replace("'", "\\'")
    return (
        f"EXPORT DATA OPTIONS(uri='{uri}', format='PARQUET', compression='SNAPPY', overwrite=false) AS\n"
        f"SELECT *, BYTE_LENGTH(TO_JSON_STRING({ROW})) AS {ROW_BYTES}\n"
        f"FROM (\n{rows}\n) AS {ROW}"
    )
