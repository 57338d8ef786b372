"""A job of presample's for tests of those who watch it, from its start to its end."""

from __future__ import annotations

from google.cloud import dataflow_v1beta3 as api

from presample.dataflow import main
from tests.dataflow.conftest import LoopbackDataflow
from tests.dataflow.scripts import Counter, Stage

ID = "2026-01-31_07_00_00-1"
OUTPUT = "gs://bucket/clicks"
SOURCE = 2_000_000
PROFILE, DRAW, WRITE = "presample.profile", "presample.draw", "presample.write"


def job(**options: object) -> api.Job:
    """A job of presample's, as the launcher makes it."""
    made = api.Job(name="presample-clicks", labels={"presample": "0-1-0"})
    made._pb.environment.sdk_pipeline_options.update({"options": options, "display_data": []})
    return made


def ours() -> api.Job:
    return job(presample_output=OUTPUT, presample_source_bytes=SOURCE, presample_source_format="csv")


def counted(rows: int, size: int) -> dict[Counter, int | list[int]]:
    """Pass 1 after some rows: two of them bad, ten of class 1."""
    return {
        (PROFILE, "rows_read"): [rows - 100, 100],
        (PROFILE, "rows_rejected"): 2,
        (PROFILE, "bytes_read"): size,
        (PROFILE, "class_rows_read/train/0"): [rows - 112, 100],
        (PROFILE, "class_rows_read/train/1"): 10,
    }


DRAWN: dict[Counter, int] = {
    (DRAW, "rows_read"): 5000,
    (DRAW, "rows_kept"): 20,
    (DRAW, "bytes_read"): SOURCE,
    (DRAW, "bytes_shuffled"): 900,
}
WRITTEN: dict[Counter, int] = {
    (WRITE, "rows_written"): 20,
    (WRITE, "bytes_written"): 1234,
    (WRITE, "class_rows_written/train/0"): 10,
    (WRITE, "class_rows_written/train/1"): 10,
}
WHOLE = (
    Stage("RUNNING", messages=["Executing operation Parts+Profile"]),
    Stage("RUNNING", counters=counted(1000, SOURCE // 2)),
    Stage("RUNNING", counters=counted(5000, SOURCE), messages=[("WARNING", "a slow\nworker")]),
    Stage("RUNNING", messages=["Executing operation ref_AppliedPTransform_Draw_5+Buckets/Write"]),
    Stage("RUNNING", counters={**counted(5000, SOURCE), **DRAWN, **WRITTEN}),
    Stage("RUNNING", messages=["Executing operation Publish", ("DEBUG", "of no interest")]),
    Stage("DONE"),
)
"""A job from its start to its end."""


def watch_job(
    dataflow: LoopbackDataflow, *stages: Stage, flags: tuple[str, ...] = (), made: api.Job | None = None
) -> int:
    """Watches a job that goes through stages. Returns the exit code."""
    dataflow.service.add_job(ID, *stages, job=made or ours())
    return main(["watch", ID, *dataflow.flags, "--interval=0", *flags])


def lines_of(text: str) -> list[str]:
    """Without the time before them."""
    return [line.partition(" ")[2] if line[:2] == "20" else line for line in text.splitlines()]
