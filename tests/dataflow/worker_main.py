"""The worker's side of a job: runs a graph in the folder that it is given, and leaves counters or the error there."""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from pathlib import Path

GRAPH = "pipeline.pb"
OPTIONS = "options.json"
SITE = "site"
COUNTERS = "counters.json"
ERROR = "error.txt"


def main(work: Path) -> int:
    """Returns 0 when the job is done."""
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.portability.api import beam_provision_api_pb2, beam_runner_api_pb2
    from apache_beam.runners.portability.fn_api_runner import fn_runner
    from apache_beam.runners.portability.portable_runner import JobServiceHandle

    pipeline = beam_runner_api_pb2.Pipeline.FromString((work / GRAPH).read_bytes())
    given = {name: value for name, value in json.loads((work / OPTIONS).read_text()).items() if value is not None}
    encoded = JobServiceHandle.encode_pipeline_options(given)
    provision = beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
    runner = fn_runner.FnApiRunner(provision_info=fn_runner.ExtendedProvisionInfo(provision))
    threading.excepthook = lambda failed: _end(work, failed)
    try:
        result = runner.run_via_runner_api(pipeline, PipelineOptions(["--direct_num_workers=1"]))
        result.wait_until_finish()
    except Exception as error:
        (work / ERROR).write_text(str(error))
        return 1
    steps = {transform.unique_name: key for key, transform in pipeline.components.transforms.items()}
    counters = [
        {
            "namespace": found.key.metric.namespace,
            "name": found.key.metric.name,
            "value": found.result,
            "step": steps.get(found.key.step, found.key.step),
        }
        for found in result.metrics().query()["counters"]
    ]
    (work / COUNTERS).write_text(json.dumps(counters))
    return 0


def _end(work: Path, failed: threading.ExceptHookArgs) -> None:
    """The thread that watches over a worker process has failed: the runner would wait for ever."""
    (work / ERROR).write_text("".join(traceback.format_exception(failed.exc_value)))
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
