"""The job as it is handed to Dataflow: options that Beam accepts, and a graph that holds code and no data."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from beam_jobs import PresampleOptions, driver
from beam_jobs.dataflow import checks, defaults

FLAGS = [
    *defaults.pool_flags(),
    "--project=project",
    "--region=us-central1",
    "--job_name=presample-out-20260101-000000",
    "--temp_location=gs://bucket/temp",
    "--staging_location=gs://bucket/staging",
]
STAGES = [
    "Once", "Files", "SpreadFiles", "Parts", "Spread", "Profile", "MergeProfiles", "Plan", "Draw", "GroupIds",
    "RefuseEqualIds", "GroupCandidates", "Cut", "Cuts", "SettleUnsure", "Kept", "Buckets", "WriteShards", "Facts",
    "MergeFacts", "Audit", "Drafts", "SpreadDrafts", "Place", "Publish", "Published", "Finish",
]  # fmt: skip

Translate = Callable[..., Any]


@pytest.fixture
def translate(tmp_path: Path) -> Translate:
    """translate(pattern, *flags, **options) -> the request, which is not sent."""

    def job(pattern: Path, *flags: str, **options: Any) -> Any:
        chosen = PresampleOptions(input=(str(pattern),), output=str(tmp_path / "out"), label="y", **options)
        return driver.submit(chosen, [*FLAGS, *flags, "--dry_run=True"]).job

    return job


@pytest.fixture
def one_file(tmp_path: Path) -> Path:
    path = tmp_path / "one.csv"
    path.write_text("y,x\n" + "".join(f"{i % 2},{i}\n" for i in range(100)))
    return path


def _payloads(graph: Any) -> list[int]:
    return [len(step.spec.payload) for step in graph.components.transforms.values()]


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("--labels=team=ads", "--labels=env=prod"),
        ("--experiments=use_x", "--dataflow_service_options=enable_google_cloud_profiler"),
        ("--no_use_public_ips", "--subnetwork=regions/us-central1/subnetworks/inside"),
        ("--service_account_email=worker@project.iam.gserviceaccount.com", "--worker_zone=us-central1-a"),
        (
            "--sdk_container_image=us-docker.pkg.dev/p/images/presample:0.1.0-beam2.77.0",
            "--sdk_location=container",
        ),
    ],
    ids=lambda flags: flags[0] if flags else "defaults",
)
def test_what_is_set_passes_beams_validator(more: tuple[str, ...]) -> None:
    assert list(checks.service_complaints([*FLAGS, *more])) == []
    assert list(checks.service_complaints([*FLAGS, "--job_name=Not A Name"]))  # it does look


def test_options_reach_the_request(translate: Translate, one_file: Path) -> None:
    more = ["--labels=team=ads", "--experiments=use_x", "--dataflow_service_options=enable_google_cloud_profiler"]
    job = translate(one_file, *more)
    labels = dict(job.proto.labels)
    assert labels == {"presample": defaults.label_value(defaults.version()), "team": "ads"}
    settings = job.options.get_all_options()
    assert "use_x" in settings["experiments"]
    assert settings["dataflow_service_options"] == ["enable_google_cloud_profiler"]
    assert (settings["number_of_worker_harness_threads"], settings["save_main_session"]) == (4, False)
    assert job.proto.name == "presample-out-20260101-000000"


def test_the_graph_is_code_without_data(translate: Translate, one_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        graph = translate(one_file).proto_pipeline
    assert not [record for record in caplog.records if "determinis" in record.getMessage()]
    assert [_name(graph, step) for root in graph.root_transform_ids for step in _within(graph, root)] == STAGES
    assert max(_payloads(graph)) < 12_000
    assert graph.ByteSize() < 200_000


def test_keys_have_one_encoding(translate: Translate, one_file: Path) -> None:
    components = translate(one_file, row_id=("x",)).proto_pipeline.components
    groups = [step for step in components.transforms.values() if step.spec.urn == "beam:transform:group_by_key:v1"]
    assert {step.unique_name for step in groups} >= {"GroupIds", "Buckets"}
    for step in groups:
        (grouped,) = step.inputs.values()
        pairs = components.coders[components.pcollections[grouped].coder_id]
        key = pairs.component_coder_ids[0]
        assert "Deterministic" in key or components.coders[key].spec.urn == "beam:coder:varint:v1", step.unique_name


def test_its_size_does_not_depend_on_the_input(translate: Translate, one_file: Path, tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for number in range(3_000):
        (many / f"{number}.csv").write_text("y,x\n" + "".join(f"{i},{i}\n" for i in range(10)))
    counts = {str(label): 5 for label in range(10_000)}
    small = translate(one_file).proto_pipeline
    for large in (translate(many / "*.csv"), translate(one_file, strategy="counts:" + json.dumps(counts))):
        assert large.proto_pipeline.ByteSize() == pytest.approx(small.ByteSize(), abs=1_000)
        assert max(_payloads(large.proto_pipeline)) == pytest.approx(max(_payloads(small)), abs=1_000)


def _within(graph: Any, step: str) -> list[str]:
    return list(graph.components.transforms[step].subtransforms)


def _name(graph: Any, step: str) -> str:
    return str(graph.components.transforms[step].unique_name)
