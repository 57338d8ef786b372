"""Jobs that somebody else's machines run: what has to be said beforehand, and waiting for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfrecord_io.cloud_login import check_login
from tfrecord_io.errors import UsageError


def refuse_incomplete(settings: Mapping[str, Any]) -> None:
    """Names what DataflowRunner lacks, flags or credentials, or a wrong region: Beam would look elsewhere, for minutes.

    Args:
      settings: all of Beam's options.

    Raises:
      UsageError: a flag is missing or wrong, or there are no credentials.
    """
    if settings["runner"] != "DataflowRunner":
        return
    from beam_jobs.dataflow.place import checked_region

    missing = ["--project P"] * (not settings["project"])
    folders = [str(settings[name] or "") for name in ("temp_location", "staging_location")]
    missing += ["--temp_location gs://BUCKET/temp"] * (not any(folder.startswith("gs://") for folder in folders))
    if missing:
        raise UsageError(
            f"--runner=DataflowRunner needs {' and '.join(missing)}. `presample dataflow launch` needs less: it "
            "sets what a job on Dataflow wants."
        )
    if settings["region"]:
        checked_region(settings["region"])
    try:
        check_login()
    except OSError as error:
        raise UsageError(f"--runner=DataflowRunner: {error}.") from error


def wait_for(result: Any) -> None:
    """Sees a job (Beam's PipelineResult) to its end. Who interrupts the wait, cancels the job."""
    try:
        result.wait_until_finish()
    except KeyboardInterrupt:
        result.cancel()
        raise
