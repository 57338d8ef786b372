"""Declared fields and the features of records, which state their own types: compared, never converted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from beam_jobs.sources.block import Schema
from beam_jobs.sources.declared import DeclaredField, manifest_entry
from beam_jobs.sources.feature_table import FeatureTable
from tfrecord_io.errors import SourceError


def contradiction(declared: Sequence[DeclaredField], features: Mapping[str, tuple[str, int]]) -> str | None:
    """Why a record is not as it is declared; None where it is.

    Args:
      declared: the fields of `--schema`.
      features: of the record: name -> (dtype, number of values).
    """
    for field in declared:
        if field.name not in features:
            if field.required:
                return f"feature {field.name!r} is missing, which --schema says is REQUIRED."
            continue
        dtype, count = features[field.name]
        if dtype != field.stored:
            return f"feature {field.name!r} holds {dtype}, where --schema says {field.type}."
        wanted = values_wanted(field)
        if wanted is not None and count != wanted:
            return f"feature {field.name!r} holds {count} values, where --schema says {wanted}."
    return None


def misfits(declared: Sequence[DeclaredField], table: FeatureTable, rows: int) -> dict[int, str]:
    """The records that are not as they are declared, and why.

    Args:
      declared: the fields of `--schema`.
      table: the features of the records.
      rows: how many records there are.
    """
    suspect = np.zeros(rows, bool)
    for field in declared:
        dtype, row, count = table.of_name(field.name)
        if field.required:
            lacks = np.ones(rows, bool)
            lacks[row] = False
            suspect |= lacks
        suspect[row[dtype != field.stored]] = True
        wanted = values_wanted(field)
        if wanted is not None:
            suspect[row[count != wanted]] = True
    found = ((row, contradiction(declared, features)) for row, features in table.of_rows(suspect).items())
    return {row: why for row, why in found if why}


def values_wanted(field: DeclaredField) -> int | None:
    """How many values each record must have; None for any number."""
    return 1 if field.repeated is False else field.length


def with_declared(found: Schema, declared: Sequence[DeclaredField]) -> dict[str, dict[str, Any]]:
    """The features as the manifest lists them: what the records tell, and the shapes and defaults declared.

    A declared feature that no kept record has is listed as optional.

    Raises:
      SourceError: a default is of another shape than the feature.
    """
    schema = {name: dict(entry) for name, entry in found.items()}
    for field in declared:
        known = schema.get(field.name, {"shape": [], "optional": True})
        shape = [field.length] if field.length else {True: None, False: [], None: known["shape"]}[field.repeated]
        if field.default is not None and not field.length and shape != []:
            raise SourceError(
                f"--schema: feature {field.name!r} has a default of one value, but records hold lists. Declare their "
                '"length", and a default of as many values.'
            )
        schema[field.name] = {**manifest_entry(field.stored, shape, field.default), "optional": known["optional"]}
    return dict(sorted(schema.items()))
