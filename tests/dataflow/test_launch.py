"""`presample dataflow launch` against a Dataflow and a storage server on loopback: what is sent, and what is said."""

from __future__ import annotations

import re

import pytest
from google.api_core import exceptions
from google.cloud import dataflow_v1beta3 as api

from tests.dataflow.cloud_storage import PRIVATE
from tests.dataflow.conftest import LoopbackDataflow
from tests.dataflow.launching import IMAGE, Launch, launcher
from tests.dataflow.objects import names, put
from tests.dataflow.scripts import Stage


@pytest.fixture
def launch(dataflow_rest: LoopbackDataflow, bucket: str, capsys: pytest.CaptureFixture[str]) -> Launch:
    return launcher(dataflow_rest, bucket, capsys)


def _sent(dataflow: LoopbackDataflow) -> api.Job:
    (record,) = dataflow.service.records.values()
    return record.job


def test_a_job_is_started_with_the_defaults(launch: Launch, dataflow_rest: LoopbackDataflow, bucket: str) -> None:
    code, out, err = launch(sdk_container_image=None)
    assert (code, "presample:" in err) == (0, False)
    job = _sent(dataflow_rest)
    (pool,) = job.environment.worker_pools
    assert (pool.machine_type, pool.disk_size_gb, pool.num_threads_per_worker) == ("e2-standard-4", 50, 4)
    assert pool.autoscaling_settings.max_num_workers == 32
    assert pool.autoscaling_settings.algorithm == api.AutoscalingAlgorithm.AUTOSCALING_ALGORITHM_BASIC
    assert dict(job.labels) == {"presample": "0-1-0"}
    assert re.fullmatch(r"presample-clicks-\d{8}-\d{6}", job.name)
    staged = f"{bucket}/staging/{job.name}"
    assert {path.rpartition("/")[2] for path in names(f"{staged}*/*")} >= {"pipeline.pb", "workflow.tar.gz"}
    assert job.environment.temp_storage_prefix.startswith(f"storage.googleapis.com/bucket/temp/{job.name}")
    assert f"Id       {job.id}\n" in out
    assert f"https://console.cloud.google.com/dataflow/jobs/us-central1/{job.id}?project=project\n" in out
    assert "Watch    presample dataflow watch --project project --region us-central1 " in out
    assert f"Dataset  {bucket}/datasets/clicks, once the job is done" in out


def test_flags_that_are_given_win(launch: Launch, dataflow_rest: LoopbackDataflow, bucket: str) -> None:
    code, _, _ = launch(
        "--machine_type=n2-highmem-8",
        "--num_workers=40",
        "--disk_size_gb=80",
        "--job_name=nightly",
        "--labels=team=ads",
        f"--temp_location={bucket}/elsewhere",
        "--service_account_email=worker@project.iam.gserviceaccount.com",
        "--no_use_public_ips",
    )
    assert code == 0
    job = _sent(dataflow_rest)
    (pool,) = job.environment.worker_pools
    assert (job.name, dict(job.labels)) == ("nightly", {"presample": "0-1-0", "team": "ads"})
    assert (pool.machine_type, pool.num_threads_per_worker, pool.disk_size_gb) == ("n2-highmem-8", 8, 80)
    assert (pool.num_workers, pool.autoscaling_settings.max_num_workers) == (40, 40)
    assert pool.ip_configuration == api.WorkerIPAddressConfiguration.WORKER_IP_PRIVATE
    assert job.environment.temp_storage_prefix.startswith("storage.googleapis.com/bucket/elsewhere/")
    assert job.environment.service_account_email == "worker@project.iam.gserviceaccount.com"


def test_with_an_image_nothing_but_the_graph_is_staged(
    launch: Launch, dataflow_rest: LoopbackDataflow, bucket: str
) -> None:
    assert launch("--job_name=imaged").code == 0
    (pool,) = _sent(dataflow_rest).environment.worker_pools
    assert pool.worker_harness_container_image == IMAGE
    staged = {path.rpartition("/")[2] for path in names(f"{bucket}/staging/imaged*/*")}
    assert "pipeline.pb" in staged
    assert "workflow.tar.gz" not in staged


def test_a_dry_run_sends_and_stages_nothing(launch: Launch, dataflow_rest: LoopbackDataflow, bucket: str) -> None:
    before = names(f"{bucket}/**")
    code, out, _ = launch("--dry_run", "--job_name=shape", sdk_container_image=None)
    assert (code, dataflow_rest.service.calls, names(f"{bucket}/**")) == (0, [], before)
    shown = dict(re.findall(r"^  (\w+) +(.*)$", out, flags=re.MULTILINE))
    assert shown["workers"] == "1 to 32 x e2-standard-4, 4 threads, 50 GB of disk each"
    assert shown["image"].endswith("/beam_python3.11_sdk:2.77.0")
    assert shown["packages"].startswith("workflow.tar.gz (")
    assert shown["source"] == "1 file, 1.1 kB, read twice"
    assert re.fullmatch(r"under 0.01 core-hours, .* to .* shuffled: none or all kept", shown["cost"])
    assert (shown["name"], shown["labels"]) == ("shape", "presample=0-1-0")


def test_a_dry_run_exports_no_table(launch: Launch, dataflow_rest: LoopbackDataflow) -> None:
    code, out, _ = launch("--dry_run", "--row_id=id", input="bq://project.data.clicks")
    assert (code, dataflow_rest.service.calls) == (0, [])
    assert "bq://project.data.clicks, exported to Parquet first: not in a dry run" in out


def test_the_project_may_be_that_of_the_environment(launch: Launch, dataflow_rest: LoopbackDataflow) -> None:
    code, out, _ = launch(project=None)
    assert code == 0
    assert out.startswith("Project project, from the environment.\n")
    assert _sent(dataflow_rest).project_id == "project"


def test_watch_ends_with_the_jobs_fate(launch: Launch, dataflow_rest: LoopbackDataflow) -> None:
    dataflow_rest.service.scripted = [Stage("DONE")]
    assert launch("--watch").code == 0
    dataflow_rest.service.scripted = [Stage("FAILED", messages=[("ERROR", "a shard could not be written")])]
    code, out, err = launch("--watch", "--job_name=second")
    assert code == 1
    assert "a shard could not be written" in out + err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (exceptions.AlreadyExists("There is already an active job named nightly."), "--job_name"),
        (exceptions.TooManyRequests("Quota exceeded for quota metric 'CPUs'."), "quota is used up"),
        (exceptions.Unauthenticated("Request had expired credentials."), "gcloud auth application-default login"),
        (exceptions.PermissionDenied("The caller does not have permission"), "No permission in project project"),
        (
            exceptions.PermissionDenied("Dataflow API has not been used in project 1 before or it is disabled."),
            "gcloud services enable dataflow.googleapis.com",
        ),
    ],
    ids=["name taken", "quota", "expired", "permission", "api disabled"],
)
def test_what_the_service_refuses_is_one_message(
    launch: Launch, dataflow_rest: LoopbackDataflow, error: Exception, message: str
) -> None:
    dataflow_rest.service.fail("create_job", error, times=9)
    code, out, err = launch()
    assert (code, out) == (1, "")
    assert (err.startswith("presample: "), err.count("\n")) == (True, 1)
    assert message in err


def test_a_running_job_keeps_its_name(launch: Launch, dataflow_rest: LoopbackDataflow) -> None:
    assert launch("--job_name=nightly").code == 0
    code, out, err = launch("--job_name=nightly")
    assert (code, out) == (1, "")
    assert "another --job_name" in err


def test_a_bucket_of_somebody_elses(launch: Launch, dataflow_rest: LoopbackDataflow) -> None:
    code, out, err = launch(bucket=f"gs://{PRIVATE}", output=f"gs://{PRIVATE}/clicks")
    assert (code, out, err.count("\n")) == (1, "", 2)
    assert f"--bucket gs://{PRIVATE} may not be read with these credentials" in err
    assert f"gs://{PRIVATE}/clicks" in err.splitlines()[1]
    assert dataflow_rest.service.calls == []


@pytest.mark.parametrize(
    ("bucket_is", "given", "code", "message"),
    [
        ("US", {"region": "europe-west4"}, 2, r"gs://bucket is in US, not in --region europe-west4: .* cost\."),
        ("", {"bucket": "gs://not-there"}, 2, r"gs://not-there does not exist\. .*buckets create gs://not-there"),
        ("", {"temp_location": "gs://not-there/temp"}, 2, r"--temp_location gs://not-there does not exist\. "),
    ],
    ids=["another region", "no bucket", "no bucket for temporary files"],
)
def test_the_bucket_is_looked_at(
    launch: Launch, dataflow_rest: LoopbackDataflow, bucket_is: str, given: dict[str, str], code: int, message: str
) -> None:
    outcome = launch(**given)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (code, "", 1)
    assert re.search(message, outcome.err)
    assert dataflow_rest.service.calls == []


def test_data_are_looked_at_before_anything_is_sent(
    launch: Launch, dataflow_rest: LoopbackDataflow, bucket: str
) -> None:
    code, _, err = launch(input=f"{bucket}/none/*.csv")
    assert (code, err.count("\n")) == (1, 1)
    assert "none/*.csv: no file matches" in err
    put(f"{bucket}/taken/manifest.json", b'{"format": "presample"}')
    code, _, err = launch(output=f"{bucket}/taken")
    assert (code, err.count("\n")) == (1, 1)
    assert "already holds a dataset" in err
    assert launch("--overwrite", output=f"{bucket}/taken", region="us-west1").code == 0
    assert dataflow_rest.service.calls == ["create_job"]
