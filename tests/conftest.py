"""Servers on loopback that tests of several packages talk to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty bucket on a storage server of this machine, and credentials for it."""
    from tests.dataflow.cloud_storage import cloud_storage  # Google's libraries: not for those who test something else

    with cloud_storage(tmp_path_factory.mktemp("cloud")) as name:
        yield name
