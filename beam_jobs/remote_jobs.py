"""Jobs that somebody else's machines run: what has to be said beforehand, and waiting for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beam_jobs.options import PresampleOptions
from tfrecord_io.cloud_login import check_login
from tfrecord_io.errors import UsageError


def refuse_incomplete(settings: Mapping[str, Any], options: PresampleOptions) -> None:
    """Names what DataflowRunner lacks: flags, credentials, paths that workers reach. Beam would find out after minutes.

    Args:
      settings: all of Beam's options.
      options: presample's.

    Raises:
      UsageError: the first that is missing or wrong.
    """
    if settings["runner"] != "DataflowRunner":
        return
    from beam_jobs.dataflow.checks import unreachable
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
    for offence in unreachable(options):
        raise offence


def wait_for(result: Any) -> None:
    """Sees a job (Beam's PipelineResult) to its end. Who interrupts the wait, cancels the job."""
    try:
        result.wait_until_finish()
    except KeyboardInterrupt:
        result.cancel()
        raise
