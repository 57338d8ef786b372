"""Gives doctests the dataset that they read, and keeps TensorFlow's log out of the tests' output."""

from __future__ import annotations

import os
from typing import Any

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> str:
    """6 of 60 rows of class 0 (ids 0 to 5), both of class 1 (ids 100, 101)."""
    from tests.input_fns.conftest import write_toy  # TensorFlow: not for those who test something else

    return write_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(autouse=True)
def _toy_in_doctests(request: pytest.FixtureRequest, doctest_namespace: dict[str, Any]) -> None:
    node = request.node
    if isinstance(node, pytest.DoctestItem) and any("toy" in each.source for each in node.dtest.examples):
        doctest_namespace["toy"] = request.getfixturevalue("toy")
