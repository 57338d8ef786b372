"""A shim: the metadata is in pyproject.toml. Beam's --setup_file wants a file of this name."""

from setuptools import setup

setup()
