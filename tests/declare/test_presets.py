"""A preset fills in what the pipeline does not say, field by field, and it can be told who said what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from generate.presets import presets

from odibi_assets.declare.definition import Definition
from odibi_assets.declare.effective import Effective, effective
from odibi_assets.declare.mistake import DefinitionError
from odibi_assets.declare.pipeline import Pipeline
from odibi_assets.declare.presets import MEANT_FOR, PRESETS
from odibi_assets.declare.reading import define
from odibi_assets.declare.yaml_source import parse_yaml

STEPS = """\
steps:
  - {name: raw, layer: bronze, read: {format: csv, path: raw.csv}}
  - {name: total, layer: gold, inputs: [raw], sql: select count(*) as n from raw, retry: {max_retries: 7}, timeout: 60}
"""


def declared(settings: str) -> Definition:
    return define(parse_yaml(f"name: pipe\n{settings}\n{STEPS}", file="pipe.yaml"), Path())


def read(settings: str) -> Pipeline:
    return declared(settings).checked()


def policies(settings: str) -> Effective:
    definition = declared(settings)
    return effective(definition.checked(), definition.data)


def told(found: Effective, name: str) -> tuple[Any, str]:
    return next((policy.value, policy.origin) for policy in found.pipeline if policy.name == name)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_comes_out_as_its_table_says(preset: str) -> None:
    pipeline = read(f"preset: {preset}")
    for name, value in PRESETS[preset].items():
        found = getattr(pipeline, name)
        assert (found if isinstance(value, str) else found.model_dump(exclude_unset=True)) == value


def test_every_preset_is_a_value_of_the_field_and_says_what_it_is_for() -> None:
    schema = Pipeline.model_json_schema()["properties"]["preset"]
    assert schema["anyOf"][0]["enum"] == list(PRESETS) == list(MEANT_FOR)


def test_what_the_pipeline_says_stands_above_also_a_single_field_below_another() -> None:
    pipeline = read("preset: production\nretry: {max_retries: 1}\non_error: fail_fast")
    assert pipeline.retry.max_retries == 1
    assert (pipeline.retry.delay, pipeline.retry.backoff) == (5, "exponential")
    assert pipeline.on_error == "fail_fast"
    assert pipeline.checkpoint.mode == "layer"


def test_without_a_preset_nothing_is_filled_in() -> None:
    assert read("") == read("").model_copy()
    assert read("").model_fields_set == {"name", "steps"}


def test_null_exempts_a_step_from_what_the_pipeline_says() -> None:
    text = STEPS.replace("retry: {max_retries: 7}, timeout: 60", "retry: null, timeout: null")
    definition = define(parse_yaml(f"name: pipe\npreset: production\ntimeout: 9\n{text}", file="pipe.yaml"), Path())
    pipeline = definition.checked()
    assert (pipeline.timeout_of("raw"), pipeline.retry_of("raw").max_retries) == (9, 3)
    assert (pipeline.timeout_of("total"), pipeline.retry_of("total").max_retries) == (None, 0)
    shown = {policy.name: policy for policy in effective(pipeline, definition.data).steps["total"]}
    assert (shown["timeout"].value, shown["timeout"].origin) == (None, "step")
    assert (shown["retry"].value, shown["retry"].origin) == (None, "step")


def test_a_preset_may_come_from_a_param() -> None:
    assert read('params: {kind: streaming}\npreset: "{{ params.kind }}"').cache.enabled is False


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(DefinitionError) as caught:
        read("preset: productoin")
    (mistake,) = caught.value.mistakes
    assert (mistake.line, mistake.key, mistake.found, mistake.nearest) == (2, "preset", "productoin", "production")


def test_a_mistake_beside_a_preset_is_the_mistake_of_the_pipeline() -> None:
    with pytest.raises(DefinitionError) as caught:
        read("preset: production\nretry: 3\ncache: {enbled: true}")
    assert {(mistake.line, mistake.key) for mistake in caught.value.mistakes} == {(3, "retry"), (4, "cache.enbled")}


def test_each_policy_says_where_it_comes_from() -> None:
    found = policies("preset: production\nretry: {max_retries: 1}\nrun_timeout: 60")
    assert told(found, "retry.max_retries") == (1, "pipeline")
    assert told(found, "retry.delay") == (5.0, "preset")
    assert told(found, "retry.on_timeout") == (True, "default")
    assert told(found, "checkpoint.mode") == ("layer", "preset")
    assert told(found, "run_timeout") == (60.0, "pipeline")
    assert told(found, "timeout") == (None, "default")


def test_a_step_takes_the_policies_of_the_pipeline_unless_it_has_its_own() -> None:
    found = policies("preset: production\ntimeout: 5")
    raw = {policy.name: (policy.value, policy.origin) for policy in found.steps["raw"]}
    total = {policy.name: (policy.value, policy.origin) for policy in found.steps["total"]}
    assert raw["retry.delay"] == (5.0, "preset")
    assert raw["timeout"] == (5.0, "pipeline")
    assert total["retry.max_retries"] == (7, "step")
    assert total["retry.delay"] == (0.0, "default")
    assert total["timeout"] == (60.0, "step")


def test_the_page_has_a_row_for_each_policy_and_a_column_for_each_preset() -> None:
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in presets().splitlines() if "|" in line]
    assert table[0] == ["policy", *(f"`{name}`" for name in PRESETS)]
    rows = {row[0].strip("`"): dict(zip(PRESETS, row[1:], strict=True)) for row in table[2:]}
    assert rows["retry.max_delay"] == {
        "development": "none",
        "production": "300",
        "production-critical": "600",
        "streaming": "60",
        "one-off": "none",
    }
    for name, values in PRESETS.items():
        for policy, value in values.items():
            inner = value.items() if isinstance(value, dict) else [("", value)]
            for key, each in inner:
                shown = str(each).lower() if isinstance(each, bool) else str(each)
                assert rows[f"{policy}.{key}".rstrip(".")][name] == shown
