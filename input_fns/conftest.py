"""Gives the doctests of this package the dataset they read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.input_fns.conftest import toy

__all__ = ["toy"]


@pytest.fixture(autouse=True)
def _toy_in_doctests(doctest_namespace: dict[str, Any], toy: str) -> None:
    doctest_namespace["toy"] = toy
