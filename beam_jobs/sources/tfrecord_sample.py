"""What the first records of TFRecord files tell of their features, before anything else is read."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

from beam_jobs.sources.block import KeyColumns
from beam_jobs.sources.columns import Selection, suggest
from beam_jobs.sources.declared import DeclaredField
from beam_jobs.sources.files import SourceFile
from beam_jobs.sources.tfrecord_features import Seen, widen
from beam_jobs.sources.tfrecord_files import sample_records
from tfrecord_io.errors import SourceError, UsageError
from tfrecord_io.example_proto import parse_example


def sampled_dtypes(
    files: Sequence[SourceFile], keys: KeyColumns, declared: Sequence[DeclaredField], selection: Selection
) -> dict[str, str]:
    """The dtype of each feature: the declared one, else the one that most of the records have.

    Raises:
      SourceError: a feature is of two types. Not where records of another one are bad rows, as with the
        label, `--split_time`, `--where` and what is declared, nor where the feature is not stored.
      UsageError: a declared feature is in none of the records.
    """
    judged = {keys.label, *(keys.where.columns if keys.where else ()), *(field.name for field in declared)}
    judged |= {keys.time.column} if keys.time else set()
    kinds: dict[str, Counter[str]] = {}
    one_kind: dict[str, bool] = {}
    seen: Seen = {}
    for file, records in sample_records(files):
        for row, position in enumerate(records.positions.tolist()):
            try:
                features = parse_example(records.payload(row))
            except SourceError:
                continue  # pass 1 will reject it
            for name, (dtype, values) in features.items():
                if name not in kinds:
                    kinds[name] = Counter()
                    one_kind[name] = name not in judged and bool(selection.stored([name]))
                if dtype is None:
                    continue
                kinds[name][dtype] += 1
                if one_kind[name]:
                    count = len(values)
                    widen(seen, name, (dtype, count, count, 1), f"{file.path}, record at byte {position}")
    for field in declared:
        if field.name not in kinds:
            raise UsageError(
                f"--schema: none of the first records of {files[0].path} has a feature {field.name!r}. "
                f"{suggest(field.name, list(kinds))}Their features are {', '.join(sorted(kinds))}."
            )
    dtypes = {name: found.most_common(1)[0][0] for name, found in kinds.items() if found}
    return dtypes | {field.name: field.stored for field in declared}


def stored_fields(declared: Sequence[DeclaredField], selection: Selection) -> tuple[DeclaredField, ...]:
    """The declared features that are stored; a default of one value says that records hold one."""
    stored = [field for field in declared if selection.stored([field.name])]
    return tuple(
        dataclasses.replace(field, repeated=False)
        if field.default is not None and field.length is None and field.repeated is None
        else field
        for field in stored
    )
