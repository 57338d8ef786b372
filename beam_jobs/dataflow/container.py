"""What a Flex Template's container runs: reads the parameters as flags, and submits the job.

Dataflow starts it with `--name=value` for each parameter, and with Beam's flags for the job. It does
not wait: where the service gives a --template_location, Beam only writes the job's request there and
the service starts it; and a job that runs needs no launcher.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from beam_jobs.command import DATA_FAILED, USAGE, check_beam_args, make_parser
from beam_jobs.dataflow import defaults
from beam_jobs.dataflow.request import given
from beam_jobs.flags import parse
from tfrecord_io.errors import PresampleError, UsageError


def main(argv: Sequence[str] | None = None) -> int:
    """Submits the job.

    Returns:
      0 submitted; 1 the data or the service do not allow it; 2 a parameter is wrong.
    """
    parser = make_parser("the template")
    try:
        options, beam_args = parse(parser, sys.argv[1:] if argv is None else argv)
        check_beam_args(beam_args, parser)
        from beam_jobs import driver
        from beam_jobs.dataflow.explained import explained

        with explained():
            driver.submit(options, [*defaults.pool_flags(given(beam_args).get("machine_type")), *beam_args])
    except PresampleError as error:
        print(f"presample: {error}", file=sys.stderr)
        return USAGE if isinstance(error, UsageError) else DATA_FAILED
    return 0
