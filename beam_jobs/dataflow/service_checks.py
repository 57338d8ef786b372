"""What can be wrong with a launch and is known to the service only: the bucket, and what lies at the output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.api_core.exceptions import Forbidden, NotFound

from beam_jobs.dataflow import buckets
from beam_jobs.dataflow.explained import ServiceError, sentence
from beam_jobs.options import PresampleOptions
from beam_jobs.output import Output, refuse_to_replace
from tfrecord_io.errors import PresampleError, UsageError

_SECONDS = 20.0


def service_problems(
    options: PresampleOptions, folders: Mapping[str, str], region: str, beam_options: Any
) -> list[PresampleError]:
    """Asks about buckets and the output.

    Args:
      options: presample's.
      folders: for staged and temporary files, gs://NAME or gs://NAME/FOLDER, by the flag that names them.
      region: of the workers.
      beam_options: Beam's PipelineOptions, for its credentials.

    Raises:
      google.api_core.exceptions.GoogleAPIError: the service could not say; see `explained`.
    """
    flags: dict[str, str] = {}
    for flag, folder in folders.items():
        flags.setdefault(folder.removeprefix("gs://").split("/")[0], flag)
    told = [_bucket_problem(name, f"--{flag} gs://{name}", region, beam_options) for name, flag in flags.items()]
    found = [error for error in told if error is not None]
    try:
        output = Output(options.output)
        if output.has_dataset():
            refuse_to_replace(output, options.overwrite)
    except PresampleError as error:
        found.append(error)
    return found


def _bucket_problem(name: str, given: str, region: str, beam_options: Any) -> PresampleError | None:
    from apache_beam.io.gcp.gcsio import create_storage_client
    from google.cloud.storage.retry import DEFAULT_RETRY

    client = create_storage_client(beam_options)
    try:
        bucket = client.get_bucket(name, timeout=_SECONDS, retry=DEFAULT_RETRY.with_timeout(_SECONDS))
    except NotFound:
        return UsageError(
            f"{given} does not exist. Make it with: gcloud storage buckets create gs://{name} --location {region}"
        )
    except Forbidden as error:
        return ServiceError(
            f"{given} may not be read with these credentials: {sentence(error)} Staging needs "
            "roles/storage.admin on it; buckets of others answer like this too, so check the name."
        )
    location = bucket.location or ""
    if location and not buckets.covers(region, location, bucket.data_locations or ()):
        return UsageError(
            f"{given} is in {location}, not in --region {region}: staged files would cross regions, and "
            f"cost. Take a bucket in {region}, or run the job where the bucket is."
        )
    return None
