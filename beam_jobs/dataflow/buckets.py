"""Buckets: what their names may be, and which of them lies in which region."""

from __future__ import annotations

import re
from collections.abc import Sequence

from beam_jobs.dataflow.place import REGION
from tfrecord_io.errors import UsageError

_BUCKET = re.compile(r"gs://([a-z0-9][-_.a-z0-9]{1,220}[a-z0-9])(/[^\n\r?*\[\]#]*)?")
_CONTINENTS = {"US": "us-", "EU": "europe-", "ASIA": "asia-"}
_PAIRS = {
    "ASIA1": ("asia-northeast1", "asia-northeast2"),
    "EUR4": ("europe-north1", "europe-west4"),
    "EUR5": ("europe-west1", "europe-west2"),
    "EUR7": ("europe-west2", "europe-west3"),
    "EUR8": ("europe-west3", "europe-west6"),
    "NAM4": ("us-central1", "us-east1"),
}
"""The dual regions that have a name of their own."""


def bucket_name(bucket: str | None) -> str:
    """The name in gs://NAME or gs://NAME/FOLDER.

    Raises:
      UsageError: it is missing or malformed.
    """
    if not bucket:
        raise UsageError("--bucket is missing. Name a bucket for staged and temporary files, like --bucket gs://mine.")
    found = _BUCKET.fullmatch(bucket)
    if not found:
        raise UsageError(
            f"--bucket {bucket!r} is not the name of a bucket. Write it like gs://mine or gs://mine/folder: 3 or "
            "more small letters, digits, dashes, dots and underscores."
        )
    return found[1]


def covers(region: str, location: str, data_locations: Sequence[str] = ()) -> bool:
    """Whether a bucket's location is in, or includes, a region; True for locations not known here.

    Args:
      region: like us-central1.
      location: the bucket's, like US-CENTRAL1, US or NAM4.
      data_locations: the two regions of a dual region that was put together by its owner.

    >>> covers("us-central1", "US"), covers("us-central1", "NAM4"), covers("us-central1", "EUROPE-WEST4")
    (True, True, False)
    """
    regions = [name.lower() for name in data_locations] or _PAIRS.get(location.upper())
    if regions:
        return region in regions
    if location.upper() in _CONTINENTS:
        return region.startswith(_CONTINENTS[location.upper()])
    return region == location.lower() or not REGION.fullmatch(location.lower())


def inside(path: str, folder: str) -> bool:
    """Whether two gs:// folders are one, or the first lies in the second."""
    return (path.rstrip("/") + "/").startswith(folder.rstrip("/") + "/")
