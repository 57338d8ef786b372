"""What can be wrong with a launch and is known to the service only: the bucket, and what lies at the output."""

from __future__ import annotations

from typing import Any

from google.api_core.exceptions import Forbidden, NotFound

from beam_jobs.dataflow import buckets
from beam_jobs.dataflow.explained import ServiceError, sentence
from beam_jobs.options import PresampleOptions
from beam_jobs.output import Output, refuse_to_replace
from tfrecord_io.errors import PresampleError, UsageError

_SECONDS = 20.0


def service_problems(options: PresampleOptions, bucket: str, region: str, beam_options: Any) -> list[PresampleError]:
    """Asks about the bucket and the output.

    Args:
      options: presample's.
      bucket: for staged and temporary files, gs://NAME or gs://NAME/FOLDER.
      region: of the workers.
      beam_options: Beam's PipelineOptions, for its credentials.

    Raises:
      google.api_core.exceptions.GoogleAPIError: the service could not say; see `explained`.
    """
    found: list[PresampleError] = []
    try:
        _check_bucket(buckets.bucket_name(bucket), region, beam_options)
    except PresampleError as error:
        found.append(error)
    try:
        output = Output(options.output)
        if output.has_dataset():
            refuse_to_replace(output, options.overwrite)
    except PresampleError as error:
        found.append(error)
    except Forbidden as error:
        found.append(
            ServiceError(
                f"--output {options.output} may not be read with these credentials: {sentence(error)} Ask the bucket's "
                "owner for roles/storage.objectAdmin on it."
            )
        )
    return found


def _check_bucket(name: str, region: str, beam_options: Any) -> None:
    from apache_beam.io.gcp.gcsio import create_storage_client
    from google.cloud.storage.retry import DEFAULT_RETRY

    client = create_storage_client(beam_options)
    try:
        bucket = client.get_bucket(name, timeout=_SECONDS, retry=DEFAULT_RETRY.with_timeout(_SECONDS))
    except NotFound as error:
        raise UsageError(
            f"--bucket gs://{name} does not exist. Make it with: gcloud storage buckets create gs://{name} "
            f"--location {region}"
        ) from error
    except Forbidden as error:
        raise ServiceError(
            f"--bucket gs://{name} may not be read with these credentials: {sentence(error)} Staging needs "
            "roles/storage.admin on it; buckets of others answer like this too, so check the name."
        ) from error
    location = bucket.location or ""
    if location and not buckets.covers(region, location, bucket.data_locations or ()):
        raise UsageError(
            f"--bucket gs://{name} is in {location}, not in --region {region}: staged files would cross regions, and "
            f"cost. Take a bucket in {region}, or run the job where the bucket is."
        )
