"""The tree of exceptions, as callers catch them."""

from __future__ import annotations

import pytest

from tfrecord_io import errors


@pytest.mark.parametrize(
    ("error", "is_value_error"),
    [
        (errors.UsageError, True),
        (errors.PlanError, True),
        (errors.SourceError, False),
        (errors.OutputError, False),
        (errors.ManifestError, False),
        (errors.CorruptShardError, False),
    ],
)
def test_all_are_presample_errors_and_wrong_arguments_value_errors(error, is_value_error):
    assert issubclass(error, errors.PresampleError)
    assert issubclass(error, ValueError) is is_value_error
