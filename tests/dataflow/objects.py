"""Objects of the emulated bucket, as Beam writes and finds them. Paths are gs://BUCKET/NAME."""

from __future__ import annotations


def put(path: str, content: bytes) -> None:
    from apache_beam.io.filesystems import FileSystems

    with FileSystems.create(path) as file:
        file.write(content)


def read(path: str) -> bytes:
    from apache_beam.io.filesystems import FileSystems

    with FileSystems.open(path) as file:
        return bytes(file.read())


def names(pattern: str) -> list[str]:
    """The paths that match, sorted."""
    from apache_beam.io.filesystems import FileSystems

    return sorted(found.path for found in FileSystems.match([pattern])[0].metadata_list)
