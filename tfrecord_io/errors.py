"""What can go wrong with a dataset, as a small tree of exceptions.

Every message says what is wrong, which value, why, and what to do next.
Wrong arguments are `ValueError`; everything about data is a `PresampleError`.
"""


class PresampleError(Exception):
    """Base of every error about data, files or the environment."""


class UsageError(PresampleError, ValueError):
    """An argument or a combination of arguments is wrong."""


class SourceError(PresampleError):
    """The source files cannot be used as they are."""


class PlanError(PresampleError, ValueError):
    """The asked sample cannot be drawn from the classes that are there."""


class OutputError(PresampleError):
    """The dataset cannot be written where it was asked for."""


class ManifestError(PresampleError):
    """A manifest is missing, damaged, or of a format this version cannot read."""


class DamagedManifestError(ManifestError):
    """A presample manifest that is not as it was written."""


class CorruptShardError(PresampleError):
    """A shard does not hold what it should."""
