"""What the name of a container image says about the versions in it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from tfrecord_io.errors import UsageError

_BEAM = re.compile(r"(?:^|[-_.])beam[-_]?(\d+\.\d+\.\d+)")
_RELEASE = re.compile(r"2\.\d{2,}\.\d+")
_PYTHON = re.compile(r"(?:^|[-_./])(?:py|python|beam_python)[-_]?(3\.\d+)")


def tag(presample: str, beam: str) -> str:
    """The tag of an image built from this repository's Dockerfile.

    >>> tag("0.1.0", "2.77.0").rpartition("-")[0]
    '0.1.0-beam2.77.0'
    """
    return f"{presample}-beam{beam}-py{sys.version_info.major}.{sys.version_info.minor}"


def mismatches(image: str, beam: str, flag: str = "--sdk_container_image") -> Iterator[UsageError]:
    """One error for each version in an image's name that is not the launcher's; a name may also say nothing.

    Args:
      image: like apache/beam_python3.11_sdk:2.77.0, or with a tag like that of `tag`.
      beam: the launcher's version.
      flag: that named the image.
    """
    name, _, version = image.partition("@")[0].rpartition("/")[2].partition(":")
    found = _BEAM.search(version)
    theirs = found[1] if found else version if _RELEASE.fullmatch(version) else None
    if theirs and theirs != beam:
        yield UsageError(
            f"{flag} {image} has Apache Beam {theirs}, this launcher has {beam}; a job needs one version "
            f"on both sides. Build the image anew from apache/beam_python*_sdk:{beam}, or install "
            f"apache-beam=={theirs} here."
        )
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    python = _PYTHON.search(version) or _PYTHON.search(name)
    if python and python[1] != ours:
        yield UsageError(
            f"{flag} {image} has Python {python[1]}, this launcher has {ours}, and what it pickles cannot "
            f"be read there. Launch from Python {python[1]}, or build the image for {ours}."
        )
