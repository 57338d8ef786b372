"""Which bucket lies in which region, and which folder in which."""

from __future__ import annotations

import pytest

from beam_jobs.dataflow import buckets


@pytest.mark.parametrize(
    ("region", "location", "pair", "covered"),
    [
        ("us-central1", "US-CENTRAL1", (), True),
        ("us-central1", "US-EAST1", (), False),
        ("us-central1", "US", (), True),
        ("europe-west4", "US", (), False),
        ("europe-west4", "EU", (), True),
        ("asia-south1", "ASIA", (), True),
        ("us-east1", "NAM4", (), True),
        ("us-west1", "NAM4", (), False),
        ("us-west1", "US", ("US-EAST1", "US-WEST1"), True),
        ("us-central1", "US", ("US-EAST1", "US-WEST1"), False),
        ("africa-south1", "AFRICA-SOUTH1", (), True),
        ("us-central1", "MOON7", (), True),
    ],
)
def test_locations_cover_regions(region: str, location: str, pair: tuple[str, ...], covered: bool) -> None:
    assert buckets.covers(region, location, pair) is covered


@pytest.mark.parametrize(
    ("path", "folder", "inside"),
    [
        ("gs://b/d", "gs://b/d/", True),
        ("gs://b/d/e", "gs://b/d", True),
        ("gs://b/d", "gs://b", True),
        ("gs://b/data", "gs://b/d", False),
        ("gs://b", "gs://b/d", False),
    ],
)
def test_folders_in_folders(path: str, folder: str, inside: bool) -> None:
    assert buckets.inside(path, folder) is inside
