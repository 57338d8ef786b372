"""Flex Templates: one definition with the command line, valid for Google's client, and the same options at the end."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
from google.cloud import dataflow_v1beta3 as api

from beam_jobs import run
from beam_jobs.command import make_parser
from beam_jobs.dataflow.container import main as container
from beam_jobs.dataflow.template_parameters import NOT_IN_A_TEMPLATE, metadata, parameters_of
from beam_jobs.flags import parse
from beam_jobs.options import PresampleOptions
from presample.cli import main
from tests.dataflow.conftest import LoopbackDataflow
from tests.dataflow.launching import IMAGE, Launch, launcher
from tests.dataflow.objects import names

_VALUES = {
    "input": ("gs://b/a,b/*.csv", "gs://b/{c,d}.csv"),
    "query": "SELECT * FROM `p.d.t` WHERE x > 1",
    "output": "gs://b/a dataset",
    "label": "y",
    "format": "csv",
    "schema": '[{"name": "x", "type": "INT64"}]',
    "where": "x > 1 and name == 'a, b'",
    "columns": ("y", "x"),
    "drop_columns": ("z",),
    "row_id": ("user", "day"),
    "strategy": 'counts:{"a,b": 1000}',
    "max_rows": 1000,
    "weights": "balanced",
    "weight_in": "w",
    "weight_out": "w2",
    "seed": -7,
    "folds": 3,
    "splits": "train=0.8,eval=0.2",
    "split_by": "user",
    "split_time": "day=2026-01-01",
    "shard_size": 64 * 10**6,
    "compression": "gzip",
    "on_bad_row": "fail",
    "max_bad_fraction": 0.001,
    "validate": "all",
    "quoted_newlines": True,
    "max_classes": 10,
    "overwrite": "purge",
    "shuffle": "runner",
    "verbose": True,
    "block_size": 2**20,
}
_PATHS = {"input": ("gs://b/*.csv",), "output": "gs://b/d", "label": "y"}
_PARTNERS = {
    "split_by": {"splits": "train=0.8,eval=0.2"},
    "columns": {"columns": ("y", "x")},
    "query": {"input": (), "row_id": ("id",)},
}


@pytest.fixture
def launch(dataflow_rest: LoopbackDataflow, bucket: str, capsys: pytest.CaptureFixture[str]) -> Launch:
    return launcher(dataflow_rest, bucket, capsys)


def test_template_and_command_line_have_the_same_options() -> None:
    flags = {action.dest for action in make_parser()._actions} - {"help", "like"}
    parameters = [parameter["name"] for parameter in metadata()["parameters"]]
    assert flags == {*parameters, *NOT_IN_A_TEMPLATE}
    assert len(set(parameters)) == len(parameters)
    required = {parameter["name"] for parameter in metadata()["parameters"] if not parameter["isOptional"]}
    assert required == {"output", "label"}


def test_googles_client_takes_the_metadata() -> None:
    taken = api.TemplateMetadata.from_json(json.dumps(metadata()), ignore_unknown_fields=False)
    for parameter, option in zip(taken.parameters, _defined(), strict=True):
        assert all([parameter.name, parameter.label, parameter.help_text])
        assert [each.value for each in parameter.enum_options] == list(option.metadata["argument"].get("choices", ()))
        kind = {"bool": "BOOLEAN"}.get(str(option.type), "ENUM" if parameter.enum_options else "TEXT")
        assert parameter.param_type.name == ("GCS_WRITE_FOLDER" if parameter.name == "output" else kind)


def test_every_option_has_a_value_in_this_table() -> None:
    assert set(_VALUES) == {option.name for option in _defined()}


@pytest.mark.parametrize("name", _VALUES)
def test_an_option_survives_the_way_through_a_template(name: str) -> None:
    options = PresampleOptions(**(_PATHS | _PARTNERS.get(name, {}) | {name: _VALUES[name]}))
    parameters = parameters_of(options)
    for parameter in metadata()["parameters"]:
        if parameter["name"] in parameters:
            for regex in parameter.get("regexes", ()):
                assert re.fullmatch(regex, parameters[parameter["name"]])
    read, rest = parse(make_parser(), [f"--{name}={text}" for name, text in parameters.items()])
    if name == "schema":  # as the columns that it declares, wherever it was written down
        assert json.loads(str(read.schema))[0]["name"] == "x"
        read = dataclasses.replace(read, schema=options.schema)
    assert (read, rest) == (options, [])


def test_false_is_a_value_too(tmp_path: Path) -> None:
    flags = [f"--input={tmp_path}/a.csv", f"--output={tmp_path}/d", "--label=y"]
    assert not parse(make_parser(), [*flags, "--verbose=false"])[0].verbose
    (tmp_path / "a.csv").write_text("y,x\n" + "1,2\n2,3\n" * 9)
    run(parse(make_parser(), [*flags, "--quoted_newlines=TRUE"])[0])
    like = ["--like", f"{tmp_path}/d", f"--output={tmp_path}/e"]
    assert parse(make_parser(), like)[0].quoted_newlines
    assert not parse(make_parser(), [*like, "--quoted_newlines=false"])[0].quoted_newlines


def test_build_writes_a_spec_that_googles_client_takes(bucket: str, tmp_path: Path) -> None:
    assert main(["dataflow", "template", "build", "--image", IMAGE, "--output", f"{tmp_path}/t/presample.json"]) == 0
    spec = api.ContainerSpec.from_json((tmp_path / "t/presample.json").read_text(), ignore_unknown_fields=False)
    assert (spec.image, spec.default_environment.sdk_container_image) == (IMAGE, IMAGE)
    assert spec.sdk_info.language == api.SDKInfo.Language.PYTHON
    assert spec.metadata == api.TemplateMetadata.from_json(json.dumps(metadata()))
    assert main(["dataflow", "template", "build", "--metadata_only", "--output", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "metadata.json").read_text()) == metadata()
    assert main(["dataflow", "template", "build", "--image", IMAGE, "--output", f"{bucket}/t/presample.json"]) == 0
    assert names(f"{bucket}/t/*") == [f"{bucket}/t/presample.json"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--output=t.json"], "--image is missing"),
        (["--output=folder", f"--image={IMAGE}"], "--output folder must be a file"),
        (["--output=t.json", "--image=p:0.1.0-beam2.60.0-py3.11"], "--image p:0.1.0-beam2.60.0-py3.11 has Apache Beam"),
        ([], "required: --output"),
    ],
    ids=["no image", "a folder", "another Beam", "no output"],
)
def test_a_build_that_cannot_be(flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dataflow", "template", "build", *flags]) == 2
    err = capsys.readouterr().err
    assert (err.startswith("presample: "), err.count("\n")) == (True, 1)
    assert message in err


def test_a_template_is_started_with_what_was_given(
    launch: Launch, dataflow_rest: LoopbackDataflow, bucket: str
) -> None:
    code, out, _ = launch(
        "--max_rows=50",
        "--quoted_newlines",
        "--max_num_workers=5",
        "--labels=team=ads",
        "--no_use_public_ips",
        f"--template={bucket}/t/presample.json",
    )
    assert code == 0
    (request,) = dataflow_rest.service.flex_launches
    sent = request.launch_parameter
    assert (sent.container_spec_gcs_path, request.validate_only) == (f"{bucket}/t/presample.json", False)
    assert dict(sent.parameters) == {
        "input": f"{bucket}/in/*.csv",
        "output": f"{bucket}/datasets/clicks",
        "label": "label",
        "max_rows": "50",
        "quoted_newlines": "true",
    }
    environment = sent.environment
    assert (environment.max_workers, environment.machine_type) == (5, "e2-standard-4")
    assert dict(environment.additional_user_labels) == {"presample": "0-1-0", "team": "ads"}
    assert environment.ip_configuration == api.WorkerIPAddressConfiguration.WORKER_IP_PRIVATE
    (record,) = dataflow_rest.service.records.values()
    assert f"Id       {record.job.id}\n" in out


def test_a_template_is_checked_without_starting_it(launch: Launch, dataflow_rest: LoopbackDataflow) -> None:
    code, out, _ = launch("--dry_run", template="gs://bucket/t/presample.json")
    assert code == 0
    assert out.startswith("Nothing was started")
    assert [request.validate_only for request in dataflow_rest.service.flex_launches] == [True]
    assert dataflow_rest.service.records == {}


def test_a_flag_that_a_template_has_no_field_for(launch: Launch, dataflow_rest: LoopbackDataflow) -> None:
    code, _, err = launch("--min_cpu_platform=Intel", template="gs://bucket/t/presample.json")
    assert (code, err.count("\n")) == (2, 1)
    assert "--min_cpu_platform cannot be given to a template" in err
    assert dataflow_rest.service.calls == []


def test_the_container_writes_the_job_for_the_service(
    launch: Launch, dataflow_rest: LoopbackDataflow, bucket: str
) -> None:
    """The flags with which Dataflow starts it; the service itself is what starts the job then."""
    flags = {
        "input": f"{bucket}/in/rows.csv,{bucket}/in/*.csv",
        "output": f"{bucket}/datasets/flex",
        "label": "label",
        "quoted_newlines": "true",
        "runner": "DataflowRunner",
        "project": "project",
        "region": "us-central1",
        "job_name": "flex",
        "temp_location": f"{bucket}/temp",
        "staging_location": f"{bucket}/staging",
        "template_location": f"{bucket}/launches/job_object",
        "sdk_container_image": IMAGE,
        "worker_machine_type": "n2-standard-8",
        "labels": '{"goog-dataflow-provided": "no"}',
    }
    assert container([f"--{name}={value}" for name, value in flags.items()]) == 0
    from apache_beam.io.filesystems import FileSystems

    with FileSystems.open(f"{bucket}/launches/job_object") as file:
        job = json.loads(file.read())
    (pool,) = job["environment"]["workerPools"]
    assert (job["name"], pool["machineType"], pool["numThreadsPerWorker"]) == ("flex", "n2-standard-8", 8)
    assert job["labels"] == {"presample": "0-1-0", "goog-dataflow-provided": "no"}
    assert names(f"{bucket}/staging/flex*/pipeline.pb")
    assert dataflow_rest.service.calls == []


def test_the_container_says_what_is_wrong(bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert container([f"--input={bucket}/none/*", f"--output={bucket}/o", "--label=y", "--runner=DataflowRunner"]) == 1
    assert "no file matches" in capsys.readouterr().err
    assert container(["--input=a", "--output=b", "--label=y", "--quoted_newlines=maybe"]) == 2
    assert "'maybe' is neither true nor false" in capsys.readouterr().err


def _defined() -> list[dataclasses.Field]:
    return [option for option in dataclasses.fields(PresampleOptions) if option.name not in NOT_IN_A_TEMPLATE]
