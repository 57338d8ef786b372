"""Facts about a run that travel with the job to a runner's service, for whoever watches it there."""

from __future__ import annotations

import argparse

from apache_beam.options.pipeline_options import PipelineOptions


class JobFacts(PipelineOptions):
    """Beam options that the launcher sets, not the user."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--presample_output", help=argparse.SUPPRESS)
        parser.add_argument("--presample_source_bytes", type=int, help=argparse.SUPPRESS)
        parser.add_argument("--presample_source_format", help=argparse.SUPPRESS)
