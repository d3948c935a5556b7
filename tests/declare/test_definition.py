"""Every mistake that a file alone shows: where it stands, what was found, what was expected, what is near."""

from __future__ import annotations

import random
import textwrap
from pathlib import Path

import pytest

from odibi_assets.declare.mistake import DefinitionError, Mistake
from odibi_assets.declare.not_built import NOT_BUILT_PIPELINE, NOT_BUILT_STEP
from odibi_assets.declare.overrides import Overrides
from odibi_assets.declare.pipeline import Pipeline
from odibi_assets.declare.reading import COMPONENT_TYPE, define
from odibi_assets.declare.step import Step
from odibi_assets.declare.yaml_source import parse_yaml

GOOD = """\
name: shop
params: {year: 2013}
checkpoint: {mode: layer}
steps:
  - name: orders
    layer: bronze
    read: {format: csv, path: data/orders.csv}
  - name: clean
    layer: silver
    inputs: [orders]
    python: transforms:clean
    params: {limit: 10}
    files: [config.json]
  - name: total
    layer: gold
    inputs: [clean]
    after: [orders]
    sql: select sum(amount) as total from clean
"""


def mistakes(text: str, overrides: Overrides | None = None) -> tuple[Mistake, ...]:
    with pytest.raises(DefinitionError) as caught:
        define(parse_yaml(text, file="pipe.yaml"), Path(), overrides).checked()
    return caught.value.mistakes


def edited(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def test_a_good_file_gives_its_pipeline() -> None:
    pipeline = define(parse_yaml(GOOD, file="pipe.yaml"), Path()).checked()
    assert [step.name for step in pipeline.ordered] == ["orders", "clean", "total"]
    assert pipeline.checkpoint.mode == "layer"
    assert pipeline.by_name["clean"].params == {"limit": 10}


# old text → new text, line, key, found, part of what is expected, nearest name
TABLE = {
    "unknown field of the pipeline": (
        "checkpoint:", "chekpoint:", 3, "chekpoint", "chekpoint", "one of name, description", "checkpoint"),
    "unknown field of a step": (
        "inputs: [orders]", "input: [orders]", 10, "steps[1].input", "input", "one of name, layer", "inputs"),
    "unknown field of a nested model": (
        "format: csv,", "format: csv, pth: x,", 7, "steps[0].read.pth", "pth", "format, path, url, headers",
        "path"),
    "on as a key of the pipeline": ("checkpoint: {mode: layer}", "on: x", 3, "on", "on", "one of name", None),
    "on as a key of a step": ("params: {limit: 10}", "on: x", 12, "steps[1].on", "on", "one of name", "python"),
    "unknown step in a list of inputs": (
        "inputs: [clean]", "inputs: [claen]", 16, "steps[2].inputs[0]", "claen", "orders, clean, total", "clean"),
    "unknown step in a mapping of inputs": (
        "inputs: [clean]", "inputs: {clean: ordrs}", 16, "steps[2].inputs.clean", "ordrs", "a step of", "orders"),
    "unknown step in after": (
        "after: [orders]", "after: [order]", 17, "steps[2].after[0]", "order", "a step of", "orders"),
    "a step that takes its own result": (
        "inputs: [clean]", "inputs: [total]", 16, "steps[2].inputs[0]", "total", "another step", None),
    "cycle": (
        "inputs: [orders]\n    python", "inputs: [orders]\n    after: [total]\n    python",
        10, "steps[1].inputs", "clean → total → clean", "without a cycle", None),
    "reading from a later layer": (
        "layer: gold", "layer: bronze", 16, "steps[2].inputs[0]", "clean (silver)", "in bronze or an earlier", None),
    "waiting for a later layer": (
        "    files: [config.json]", "    after: [last]\n  - {name: last, layer: gold, inputs: [clean], sql: select 1}",
        13, "steps[1].after[0]", "last (gold)", "in silver or an earlier layer, since clean is silver", None),
    "duplicate name": ("name: total", "name: clean", 14, "steps[2].name", "clean", "line 8 has the same", None),
    "unknown layer": ("layer: silver", "layer: silvr", 9, "steps[1].layer", "silvr", "bronze, silver, gold", "silver"),
    "a layer named twice": (
        "params: {year: 2013}", "layers: [bronze, silver, gold, gold]", 2, "layers[3]", "gold", "once", None),
    "no layers": ("params: {year: 2013}", "layers: []", 2, "layers", "[]", "at least one", None),
    "missing name of the pipeline": ("name: shop\n", "", 1, "document", "no name", "name: Names the", None),
    "missing layer": ("    layer: gold\n", "", 14, "steps[2]", "no layer", "layer: One of", None),
    "missing field of a nested model": (
        "format: csv, ", "", 7, "steps[0].read", "no format", "format: How the files are parsed", None),
    "no transform": (
        "    sql: select sum(amount) as total from clean\n", "", 14, "steps[2]", "none", "exactly one of read", None),
    "two transforms": (
        "after: [orders]", "python: a:b", 14, "steps[2]", "sql and python", "exactly one of read, sql, python", None),
    "wrong type of a text": ("layer: silver", "layer: [silver]", 9, "steps[1].layer", "['silver']", "a text", None),
    "wrong type of a list": ("[config.json]", "config.json", 13, "steps[1].files", "config.json", "a list", None),
    "wrong type of a mapping": ("{mode: layer}", "layer", 3, "checkpoint", "layer", "a mapping", None),
    "wrong type of a union": ("inputs: [clean]", "inputs: 5", 16, "steps[2].inputs", "5", "a list or a mapping", None),
    "wrong type inside a union": ("inputs: [clean]", "inputs: [5]", 16, "steps[2].inputs[0]", "5", "a text", None),
    "a function that is a number": ("transforms:clean", "5", 11, "steps[1].python", "5", "a text or a function", None),
    "steps that are a mapping": (
        GOOD[GOOD.index("steps:"):], "steps: {a: b}\n", 4, "steps", "{'a': 'b'}", "a list of steps", None),
    "a step that is a text": ("  - name: orders", "  - orders\n  - name: orders", 5, "steps[0]", "orders",
                              "a mapping with name, layer", None),
    "no steps": (GOOD[GOOD.index("steps:"):], "", 1, "steps", "nothing", "a list of steps", None),
    "a name with a blank": ("name: total", "name: the total", 14, "steps[2].name", "the total", "letters", None),
    "wrong choice": ("{mode: layer}", "{mode: layr}", 3, "checkpoint.mode", "layr",
        "'auto', 'layer', 'interval' or 'manual'", "layer"),
    "a number below its bound": (
        "{mode: layer}", "{mode: layer}\nretry: {max_retries: -1}", 4, "retry.max_retries", "-1", "or equal", None),
    "a template of an unknown param": (
        "limit: 10", 'limit: "{{ params.yaer }}"', 12, "steps[1].params.limit", "{{ params.yaer }}",
        "a parameter of the pipeline (year)", "year"),
    "a template that names neither": (
        "limit: 10", 'limit: "{{ today }}"', 12, "steps[1].params.limit", "{{ today }}", "{{ params.NAME }}", None),
    "a template that does not end": (
        "limit: 10", 'limit: "{{ params.year"', 12, "steps[1].params.limit", "{{ params.year", "}} after {{", None),
    "a path above the project": (
        "data/orders.csv", "../orders.csv", 7, "steps[0].read.path", "../orders.csv", "below the project root", None),
    "a path that leaves and returns": (
        "data/orders.csv", "data/../../o.csv", 7, "steps[0].read.path", "data/../../o.csv", "below the project", None),
    "an absolute path": ("config.json", "/etc/passwd", 13, "steps[1].files[0]", "/etc/passwd", "below the", None),
    "a path with backslashes": (
        "config.json", "'a\\..\\..\\b'", 13, "steps[1].files[0]", "a\\..\\..\\b", "below the project", None),
    "a SQL file outside": (
        "select sum(amount) as total from clean", "{file: ../x.sql}", 18, "steps[2].sql.file", "../x.sql",
        "a path below the project root", None),
    "an absolute path made by a template": (
        "data/orders.csv", '"/{{ params.year }}.csv"', 7, "steps[0].read.path", "/2013.csv", "below the", None),
    "SQL without inputs": ("    inputs: [clean]\n", "", 14, "steps[2]", "no inputs", "inputs: the steps whose", None),
    "params of a SQL step": (
        "after: [orders]", "params: {a: 1}", 17, "steps[2].params", "params", "a field that a sql step takes", None),
    "files of a read step": (
        "layer: bronze", "layer: bronze\n    files: [a.csv]", 7, "steps[0].files", "files",
        "a field that a read step takes (read)", None),
    "seconds of another mode": (
        "{mode: layer}", "{mode: layer, seconds: 60}", 3, "checkpoint", "{'mode': 'layer', 'seconds': 60}",
        "no seconds, since the mode is layer", None),
    "no seconds between publications": (
        "{mode: layer}", "{mode: interval, seconds: 0}", 3, "checkpoint.seconds", "0", "greater than 0", None),
    "a retry's errors that are no list": (
        "files: [config.json]", "retry: {on: x.Y}", 13, "steps[1].retry.on", "x.Y", "a list", None),
    "a retry's params without a value": (
        "files: [config.json]", "retry: {params: {factor: []}}", 13, "steps[1].retry.params.factor", "[]",
        "at least one", None),
    "a secret in a retry's params": (
        "files: [config.json]", 'retry: {params: {factor: [1, {secret: "{{ env.F }}"}]}}', 13,
        "steps[1].retry.params.factor[1]", "a secret", "part of the key", None),
    "a pipeline's retry with params": (
        "{mode: layer}", "{mode: layer}\nretry: {params: {seed: [1]}}", 4, "retry.params", "seed", "of the step", None),
    "an engine that is not built": (
        "files: [config.json]", "engine: spark", 13, "steps[1].engine", "spark", "not built yet", None),
    "neither path nor url": (", path: data/orders.csv", "", 7, "steps[0].read", "none",
        "exactly one of path and url", None),
    "both path and url": (
        "path: data/orders.csv", "path: data/orders.csv, url: 'https://x'", 7, "steps[0].read", "path and url",
        "exactly one of path and url", None),
    "an address as a path": (
        "data/orders.csv", "'https://x/y'", 7, "steps[0].read.path", "an address", "an address goes to url", "url"),
    "an address of another kind": (
        "path: data/orders.csv", "url: 'ftp://x/y'", 7, "steps[0].read.url", "ftp://…", "http:// or https://", None),
    "an address that is none": (
        "path: data/orders.csv", "url: 'x/y'", 7, "steps[0].read.url", "no address", "http:// or https://", None),
    "an address without a host": (
        "path: data/orders.csv", "url: 'https:///y'", 7, "steps[0].read.url", "https://…", "http:// or https://", None),
    "an address with a port that is none": (
        "path: data/orders.csv", "url: 'https://x:y/z'", 7, "steps[0].read.url", "an address that can't be read",
        "http:// or https://", None),
    "a password in an address": (
        "path: data/orders.csv", "url: 'https://u:p@x/y'", 7, "steps[0].read.url", "a user or password before the host",
        "headers: {Authorization", None),
    "a url that is no text": (
        "path: data/orders.csv", "url: 7", 7, "steps[0].read.url",
        "a value that is not shown, since it may hold a secret", "a text", None),
    "a credential in clear": (
        "path: data/orders.csv", "url: 'https://x', headers: {X-Api-Key: abc}", 7, "steps[0].read.headers.X-Api-Key",
        "a value in clear", "{{ env.NAME }}", None),
    "a header that is none": (
        "path: data/orders.csv", "url: 'https://x', headers: {'a b': c}", 7, "steps[0].read.headers.a b", "a b",
        "a header's name", None),
    "headers of a file": (
        "data/orders.csv", "data/orders.csv, headers: {Accept: text/csv}", 7, "steps[0].read.headers", "headers",
        "url beside it", None),
    "duplicate key of the pipeline": ("params: {year: 2013}", "name: x", 2, "name", "name a second time", "once", None),
    "duplicate key of a step": (
        "after: [orders]", "layer: gold", 17, "steps[2].layer", "layer a second time", "each key once", None),
    "a command without outputs": (
        "sql: select sum(amount) as total from clean", "command: [python, x.py]", 14, "steps[2]", "no outputs",
        "what the command makes", None),
    "a command's output without a path": (
        "sql: select sum(amount) as total from clean", "command: [a]\n    outputs: {x: {format: file}}",
        19, "steps[2].outputs.x", "no path", "that the command makes", None),
    "a command's output that is a pickle": (
        "sql: select sum(amount) as total from clean", "command: [a]\n    outputs: {x: {format: pickle, path: x}}",
        19, "steps[2].outputs.x.format", "pickle", "without running code", None),
    "an empty command": (
        "sql: select sum(amount) as total from clean", "command: []", 18, "steps[2].command", "[]", "at least", None),
    "a command that is a text": (
        "sql: select sum(amount) as total from clean", "command: make", 18, "steps[2].command", "make", "a list", None),
    "outputs of a SQL step": (
        "after: [orders]", "outputs: {x: {format: json}}", 17, "steps[2].outputs", "outputs", "a sql step takes", None),
    "an unknown format of an output": (
        "files: [config.json]", "outputs: {x: {format: jsn}}", 13, "steps[1].outputs.x.format", "jsn", "json", "json"),
    "a format of an output that is not built": (
        "files: [config.json]", "outputs: {x: {format: skops}}", 13, "steps[1].outputs.x.format", "skops",
        "not built yet", None),
    "a path of an output that is no file": (
        "files: [config.json]", "outputs: {x: {format: json, path: a}}", 13, "steps[1].outputs.x.format", "json",
        "file or folder", None),
    "a path of an output outside": (
        "files: [config.json]", "outputs: {x: {format: file, path: ../a}}", 13, "steps[1].outputs.x.path", "../a",
        "below the project root", None),
    "a name of an output with a blank": (
        "files: [config.json]", "outputs: {the x: {format: json}}", 13, "steps[1].outputs.the x", "the x", "letters",
        None),
    "an output that the step has not": (
        "inputs: [clean]", "inputs: [clean.model]", 16, "steps[2].inputs[0]", "clean.model", "one of clean", "clean"),
    "one of several outputs left open": (
        "files: [config.json]", "outputs: {a: {format: json}, b: {format: json}}", 16, "steps[2].inputs[0]", "clean",
        "clean.a, clean.b", None),
    "an output in after": (
        "after: [orders]", "after: [orders.x]", 17, "steps[2].after[0]", "orders.x", "hands on no data", "orders"),
    "two inputs for one parameter": (
        "inputs: [clean]", "inputs: [clean, clean]", 16, "steps[2].inputs", "clean, clean", "each name once", None),
    "an absent table": (
        "inputs: [clean]", "inputs: {clean: {step: clean, if_absent: none}}", 16, "steps[2].inputs.clean.if_absent",
        "none", "SQL has no absent table", None),
    "another word for an absent input": (
        "inputs: [orders]", "inputs: {orders: {step: orders, if_absent: nil}}", 10, "steps[1].inputs.orders.if_absent",
        "nil", "'none'", None),
    "an input that may be absent, of an unknown step": (
        "inputs: [orders]", "inputs: {orders: {step: ordrs, if_absent: none}}", 10, "steps[1].inputs.orders.step",
        "ordrs", "a step of this pipeline", "orders"),
    "optional as a text": (
        "after: [orders]", "optional: 'yes'", 17, "steps[2].optional", "yes", "true or false", None),
    "a condition that is no template": (
        "after: [orders]", "when: x", 17, "steps[2].when", "x", "true, false or one condition", None),
    "a condition of an unknown param": (
        "after: [orders]", 'when: "{{ params.yaer > 2012 }}"', 17, "steps[2].when", "{{ params.yaer }}",
        "a parameter of the pipeline", "year"),
    "a condition that is a number": (
        "after: [orders]", 'when: "{{ params.year }}"', 17, "steps[2].when", "params.year, which is a number",
        "a comparison, true or false", None),
    "a condition that compares a variable with a number": (
        "after: [orders]", 'when: "{{ env.YEAR > 2012 }}"', 17, "steps[2].when",
        "env.YEAR > 2012, which compares a text with a number", "a variable is always a text", None),
    "a condition that calls": (
        "after: [orders]", 'when: "{{ exit() }}"', 17, "steps[2].when", "exit()", "a comparison, and, or, not", None),
    "a copy outside": (
        "after: [orders]", "write: {format: csv, path: /tmp/x}", 17, "steps[2].write.path", "/tmp/x", "below", None),
    "a copy in an unknown format": (
        "after: [orders]", "write: {format: cvs, path: x}", 17, "steps[2].write.format", "cvs", "csv", "csv"),
    "a copy of several outputs": (
        "files: [config.json]", "outputs: {a: {format: json}, b: {format: json}}\n    write: {format: json, path: x}",
        14, "steps[1].write", "outputs a, b", "one result", None),
    "a path that two steps write": (
        "    files: [config.json]", "    write: {format: csv, path: x}\n  - {name: z, layer: gold, inputs: [clean], "
        "sql: select 1, write: {format: csv, path: ./x}}", 14, "steps[2].write.path", "./x", "step clean writes", None),
    "a path that another step writes": (
        "after: [orders]", "write: {format: csv, path: config.json}", 13, "steps[1].files[0]", "config.json",
        "take the result of total as an input", "total"),
    "a path within one that another step writes": (
        "    files: [config.json]", "    write: {format: csv, path: x/a}\n  - {name: z, layer: gold, inputs: [clean], "
        "sql: select 1, write: {format: csv, path: x}}", 14, "steps[2].write.path", "x", "step clean writes", None),
    "a folder in which a step writes": (
        "path: data/orders.csv}", "path: data}\n    write: {format: csv, path: data/copy.csv}", 7, "steps[0].read.path",
        "data", "take the result of orders as an input", "orders"),
    "a glob that names what a step writes": (
        "path: data/orders.csv}", "path: data/*.csv}\n    write: {format: csv, path: data/copy.csv}", 7,
        "steps[0].read.path", "data/*.csv", "take the result of orders as an input", "orders"),
    "a schedule that is no cron": (
        "{mode: layer}", '{mode: layer}\nschedule: {cron: "61 * * * *"}', 4, "schedule.cron", "61 * * * *", "0 6 * * *",
        None),
    "a schedule with seconds": (
        "{mode: layer}", '{mode: layer}\nschedule: {cron: "0 0 6 * * *"}', 4, "schedule.cron", "0 0 6 * * *", "five",
        None),
    "a schedule in an unknown time zone": (
        "{mode: layer}", '{mode: layer}\nschedule: {cron: "@daily", timezone: Europe/Wien}', 4, "schedule.timezone",
        "Europe/Wien", "an IANA time zone", None),
    "a schedule without a cron": (
        "{mode: layer}", "{mode: layer}\nschedule: {timezone: UTC}", 4, "schedule", "no cron", "cron: Five", None),
    "a job of an unknown step": (
        "{mode: layer}", "{mode: layer}\njobs: {quick: [ordrs]}", 4, "jobs.quick[0]", "ordrs", "a step of", "orders"),
    "a job without steps": (
        "{mode: layer}", "{mode: layer}\njobs: {quick: []}", 4, "jobs.quick", "[]", "at least one", None),
    "an unknown format to read": (
        "format: csv", "format: cvs", 7, "steps[0].read.format", "cvs", "'csv', 'parquet'", "csv"),
    "a number as a key": ("after: [orders]", "1: 2", 17, "steps[2][1]", "1", "keys should be strings", None),
    "a list as a key": ("after: [orders]", "? [a]\n    : 2", 17, "steps[2]", "a list or mapping as a key", "a", None),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLE, ids=list(TABLE))
def test_a_mistake_is_told_with_line_found_expected_and_nearest(case: str) -> None:
    old, new, line, key, found, expected, near = TABLE[case]
    told = {(m.file, m.line, m.key, m.found, m.nearest): m.expected for m in mistakes(edited(old, new))}
    assert ("pipe.yaml", line, key, found, near) in told
    assert expected in told["pipe.yaml", line, key, found, near]


@pytest.mark.parametrize(
    "case",
    [
        "unknown field of the pipeline", "unknown step in after", "unknown layer", "missing layer",
        "wrong type of a text", "wrong type of a union", "wrong type inside a union", "a template of an unknown param",
        "a path above the project", "seconds of another mode", "duplicate key of a step",
        "reading from a later layer", "no transform", "two transforms", "steps that are a mapping",
    ],
)  # fmt: skip
def test_one_thing_that_is_wrong_is_told_once(case: str) -> None:
    old, new, *_ = TABLE[case]
    assert len(mistakes(edited(old, new))) == 1


@pytest.mark.parametrize("field", sorted(NOT_BUILT_PIPELINE))
def test_a_field_of_the_pipeline_that_is_not_built_is_refused(field: str) -> None:
    (only,) = mistakes(edited("params: {year: 2013}", f"{field}: 1"))
    assert (only.line, only.key, only.found) == (2, field, field)
    assert "not built yet" in only.expected


@pytest.mark.parametrize("field", sorted(NOT_BUILT_STEP))
def test_a_field_of_a_step_that_is_not_built_is_refused(field: str) -> None:
    (only,) = mistakes(edited("after: [orders]", f"{field}: 1"))
    assert (only.line, only.key, only.found) == (17, f"steps[2].{field}", field)
    assert "not built yet" in only.expected


def test_no_field_is_both_built_and_refused() -> None:
    assert not set(Pipeline.model_fields) & NOT_BUILT_PIPELINE
    assert not set(Step.model_fields) & NOT_BUILT_STEP


def test_all_mistakes_of_one_file_come_at_once() -> None:
    text = (
        GOOD.replace("params: {year: 2013}", "prams: {year: 2013}")
        .replace("{mode: layer}", "{mode: manuel}")
        .replace("data/orders.csv", "../orders.csv")
        .replace("layer: silver", "layer: silvr")
        .replace("limit: 10", 'limit: "{{ params.x }}"')
        .replace("inputs: [clean]", "inputs: [claen]")
        .replace("after: [orders]", "whenn: x")
    )
    assert [(mistake.line, mistake.key) for mistake in mistakes(text)] == [
        (2, "prams"),
        (3, "checkpoint.mode"),
        (7, "steps[0].read.path"),
        (9, "steps[1].layer"),
        (12, "steps[1].params.limit"),
        (16, "steps[2].inputs[0]"),
        (17, "steps[2].whenn"),
    ]


def test_the_error_says_how_many_there_are_and_that_nothing_ran() -> None:
    error = DefinitionError(mistakes(GOOD.replace("[clean]", "[claen]").replace("silver", "silvr")))
    assert str(error).splitlines()[-1] == "2 mistakes found; nothing was run."
    assert error.exit_code == 2


def wrapped(text: str, kind: str = COMPONENT_TYPE) -> str:
    return f"type: {kind}\nattributes:\n" + textwrap.indent(text, "  ")


def test_the_component_wrapper_changes_nothing_but_the_lines() -> None:
    assert (
        define(parse_yaml(wrapped(GOOD), file="p"), Path()).checked()
        == define(parse_yaml(GOOD, file="p"), Path()).checked()
    )
    (only,) = mistakes(wrapped(edited("layer: silver", "layer: silvr")))
    assert (only.line, only.key) == (11, "attributes.steps[1].layer")


def test_a_wrong_type_is_told_with_the_right_one() -> None:
    (only,) = mistakes(wrapped(GOOD, "odibi.Medallion"))
    assert (only.line, only.key, only.found, only.nearest) == (1, "type", "odibi.Medallion", COMPONENT_TYPE)


def test_a_wrapper_without_attributes_is_told() -> None:
    first, second = mistakes(f"type: {COMPONENT_TYPE}\natributes: {{}}\n")
    assert (first.line, first.key, first.found) == (1, "attributes", "nothing")
    assert (second.line, second.found, second.nearest) == (2, "atributes", "attributes")


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "---\n", "5", "[]", "just words"])
def test_a_file_that_is_no_mapping_is_one_mistake(text: str) -> None:
    (only,) = mistakes(text)
    assert only.line is not None
    assert only.key == "document"
    assert only.expected == "a mapping with name and steps"


def test_a_merged_mapping_is_overridden_by_the_keys_beside_it() -> None:
    text = edited("    params: {limit: 10}", "    params:\n      <<: &base {limit: 10, rate: 1}\n      limit: 11")
    pipeline = define(parse_yaml(text, file="pipe.yaml"), Path()).checked()
    assert pipeline.by_name["clean"].params == {"limit": 11, "rate": 1}


def test_set_changes_a_param_of_the_pipeline_and_of_a_step() -> None:
    text = edited("{limit: 10}", '{limit: 10, year: "{{ params.year }}"}')
    overrides = Overrides({"year": 2014}, {"clean": {"limit": 3}})
    pipeline = define(parse_yaml(text, file="pipe.yaml"), Path(), overrides).checked()
    assert pipeline.by_name["clean"].params == {"limit": 3, "year": 2014}
    assert Overrides.from_json(overrides.to_json()) == overrides


@pytest.mark.parametrize(
    ("overrides", "found", "near"),
    [
        (Overrides({"yaer": 1}), "--set yaer=1", "year"),
        (Overrides({}, {"claen": {"limit": 1}}), "--set claen.…", "clean"),
    ],
)
def test_set_of_an_unknown_name_is_told(overrides: Overrides, found: str, near: str) -> None:
    (only,) = mistakes(GOOD, overrides)
    assert (only.found, only.nearest) == (found, near)


# What a mutation may put in: broken syntax, wrong types, tags, anchors, templates, our own words in wrong places.
FRAGMENTS = [
    "{", "}", "[", "]", ":", "- ", "\n", "  ", "\t", "#", "'", '"', "|", ">", "&a ", "*a", "<<: *a\n",
    "!!bool x", '!!int ""', "!!timestamp z", "!!set {a}", "? ", "~", "null", "true", "on: x\n", "1: 2\n",
    "1e400", ".nan", "2013-02-30", "{{", "}}", "{{ params.year }}", "{{ env.X }}", "name: ", "steps:",
    "layer: [", "inputs: {a: b}", "cache: ", "retry: {on: [x]}", "python: 5", "sql: {file: x}", "...",
    "---\n", "\x00", "\ufeff", "\u2028", "é", "👍", "0x10", "-", "steps: &a [*a]\n",
]  # fmt: skip


@pytest.mark.fuzz
@pytest.mark.parametrize("seed", range(100))
def test_a_mutated_file_is_a_pipeline_or_a_definition_error(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(5):
        text = source.choice([GOOD, wrapped(GOOD)])
        for _ in range(source.randint(1, 4)):
            start = source.randrange(len(text) + 1)
            end = min(len(text), start + source.choice([0, 0, 1, 2, 8]))
            text = text[:start] + source.choice([*FRAGMENTS, text[end : end + 20]]) + text[end:]
        assert_pipeline_or_definition_error(text)


def assert_pipeline_or_definition_error(text: str) -> None:
    try:
        pipeline = define(parse_yaml(text, file="pipe.yaml"), Path()).checked()
    except DefinitionError as error:
        told = error.mistakes
    else:
        assert isinstance(pipeline, Pipeline)
        assert {step.name for step in pipeline.ordered} == set(pipeline.by_name)
        return
    assert told
    assert all(mistake.file == "pipe.yaml" and mistake.expected for mistake in told)
