"""Starts a Flex Template: the job is built from the template's image, not from what is installed here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.cloud import dataflow_v1beta3 as dataflow

from beam_jobs.dataflow.jobs import address_of
from beam_jobs.dataflow.place import Place
from beam_jobs.dataflow.request import Request
from beam_jobs.dataflow.template_parameters import parameters_of
from tfrecord_io.errors import UsageError

_SAME_NAME = {
    "disk_size_gb": "disk_size_gb",
    "machine_type": "machine_type",
    "max_num_workers": "max_workers",
    "network": "network",
    "num_workers": "num_workers",
    "sdk_container_image": "sdk_container_image",
    "service_account_email": "service_account_email",
    "staging_location": "staging_location",
    "subnetwork": "subnetwork",
    "temp_location": "temp_location",
    "worker_region": "worker_region",
    "worker_zone": "worker_zone",
    "dataflow_kms_key": "kms_key_name",
}
"""Beam's option -> the field of the template's environment."""

_TRANSLATED = ("autoscaling_algorithm", "experiments", "flexrs_goal", "labels", "use_public_ips")
_ELSEWHERE = (
    "dataflow_endpoint",
    "job_name",
    "number_of_worker_harness_threads",  # the image's own default
    "project",
    "region",
    "runner",
    "save_main_session",
)


def launch_template(request: Request, place: Place, credentials: Any, flags: list[str]) -> str | None:
    """Sends the request.

    Returns:
      The job's id; None after --dry_run, when the service has checked the request and started nothing.

    Raises:
      UsageError: a flag that a template cannot be given.
      google.api_core.exceptions.GoogleAPIError: see `explained`.
    """
    transport, options = address_of(place.endpoint)
    client = dataflow.FlexTemplatesServiceClient(credentials=credentials, client_options=options, transport=transport)
    parameter = dataflow.LaunchFlexTemplateParameter(
        job_name=request.job_name,
        container_spec_gcs_path=request.template,
        parameters=parameters_of(request.options),
        environment=dict(_environment(request, flags)),
    )
    answer = client.launch_flex_template(
        dataflow.LaunchFlexTemplateRequest(
            project_id=place.project,
            location=place.region,
            launch_parameter=parameter,
            validate_only=request.dry_run,
        )
    )
    if not request.dry_run:
        return str(answer.job.id)
    print(f"Nothing was started: the service finds this request for {request.template} valid.")
    for name, value in parameter.parameters.items():
        print(f"  {name:20}{value}")
    return None


def _environment(request: Request, flags: list[str]) -> Iterator[tuple[str, Any]]:
    """The template's environment, from Beam's flags.

    Raises:
      UsageError: a flag that it has no field for.
    """
    from beam_jobs.driver import pipeline_options

    given = pipeline_options(request.beam_args).get_all_options(drop_default=True)
    unknown = sorted(set(given) - {*_SAME_NAME, *_TRANSLATED, *_ELSEWHERE})
    if unknown:
        raise UsageError(
            f"--{', --'.join(unknown)} cannot be given to a template. Launch without --template, or build a template "
            "whose image has what you need."
        )
    settings = pipeline_options(flags).get_all_options(drop_default=True)
    for name, field in _SAME_NAME.items():
        if settings.get(name) is not None:
            yield field, settings[name]
    if settings.get("experiments"):
        yield "additional_experiments", settings["experiments"]
    labels = dict(label.partition("=")[::2] for label in settings.get("labels") or ())
    yield "additional_user_labels", labels
    algorithms = dataflow.AutoscalingAlgorithm
    wanted = settings.get("autoscaling_algorithm")
    if wanted:
        basic = algorithms.AUTOSCALING_ALGORITHM_BASIC
        yield "autoscaling_algorithm", basic if wanted == "THROUGHPUT_BASED" else algorithms.AUTOSCALING_ALGORITHM_NONE
    if settings.get("flexrs_goal"):
        yield "flexrs_goal", dataflow.FlexResourceSchedulingGoal[f"FLEXRS_{settings['flexrs_goal']}"]
    if settings.get("use_public_ips") is not None:
        addresses = dataflow.WorkerIPAddressConfiguration
        yield (
            "ip_configuration",
            addresses.WORKER_IP_PUBLIC if settings["use_public_ips"] else addresses.WORKER_IP_PRIVATE,
        )
