"""presample's options as parameters of a Flex Template: one definition for both, in beam_jobs/options.py."""

from __future__ import annotations

import dataclasses
from typing import Any

from beam_jobs.options import PresampleOptions
from tfrecord_io.errors import UsageError

NOT_IN_A_TEMPLATE = {"plan_only": "a template's job writes a dataset"}
"""Options that are no parameters, and why."""

_FOLDERS = ("output",)
_REGEXES = {
    "input": r"[a-z]+://[^\n]+",
    "output": r"gs://[^\n]+",
    "shard_size": r"[0-9.]+ ?([KMGkmg][Ii]?)?[Bb]?",
    "block_size": r"[0-9.]+ ?([KMGkmg][Ii]?)?[Bb]?",
    "max_rows": r"[1-9][0-9]*",
    "max_classes": r"[1-9][0-9]*",
    "folds": r"[1-9][0-9]*",
    "seed": r"-?[0-9]+",
}
_HELP = {"input": "files or patterns to read, gs://, with commas between them; or a table, bq://PROJECT.DATASET.TABLE"}
"""Where the text for the command line does not fit."""


def parameter_options() -> list[dataclasses.Field[Any]]:
    """The options that are parameters."""
    return [option for option in dataclasses.fields(PresampleOptions) if option.name not in NOT_IN_A_TEMPLATE]


def metadata() -> dict[str, Any]:
    """The template's metadata.json: name, description and parameters."""
    return {
        "name": "Presample",
        "description": "Samples imbalanced files into a dataset of per-class, weighted TFRecords with a manifest.",
        "parameters": [_parameter(option) for option in parameter_options()],
    }


def parameters_of(options: PresampleOptions) -> dict[str, str]:
    """The parameters that differ from their defaults, as text.

    Raises:
      UsageError: an option that a template's job cannot have.
    """
    texts = {}
    for option in dataclasses.fields(options):
        value = getattr(options, option.name)
        if value == option.default:
            continue
        if option.name in NOT_IN_A_TEMPLATE:
            raise UsageError(f"--{option.name} is not for templates: {NOT_IN_A_TEMPLATE[option.name]}. Leave it out.")
        texts[option.name] = _text(value)
    if options.schema is not None:
        from beam_jobs.schema_file import content_of, read_schema

        texts["schema"] = content_of(read_schema(options.schema)) or "[]"  # the file may be on this machine
    return texts


def _parameter(option: dataclasses.Field[Any]) -> dict[str, Any]:
    argument = option.metadata["argument"]
    text = _HELP.get(option.name, option.metadata["help"])
    required = option.default is dataclasses.MISSING  # the input may be a query
    parameter: dict[str, Any] = {
        "name": option.name,
        "label": option.name.replace("_", " ").capitalize(),
        "helpText": text[0].upper() + text[1:],
        "isOptional": not required,
    }
    if option.name in _REGEXES:
        parameter["regexes"] = [f"^{_REGEXES[option.name]}$"]
    if argument.get("choices"):
        parameter["paramType"] = "ENUM"
        parameter["enumOptions"] = [{"value": choice} for choice in argument["choices"]]
    elif option.type == "bool":
        parameter["paramType"] = "BOOLEAN"
    elif option.name in _FOLDERS:
        parameter["paramType"] = "GCS_WRITE_FOLDER"
    else:
        parameter["paramType"] = "TEXT"
    if not required and option.default not in (None, ()):
        parameter["defaultValue"] = _text(option.default)
    return parameter


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)
