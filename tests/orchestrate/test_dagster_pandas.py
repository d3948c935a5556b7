"""Contracts on frames with dagster-pandas: an asset of the user's states what it takes from a step."""

from __future__ import annotations

import dagster as dg
import pytest
from dagster_pandas import PandasColumn, create_dagster_pandas_dataframe_type

from .code_location import CodeLocation


def typed_asset(lowest: int) -> dg.Definitions:
    orders = create_dagster_pandas_dataframe_type(
        name=f"Orders{lowest}",
        columns=[PandasColumn.integer_column("id"), PandasColumn.integer_column("amount", min_value=lowest)],
    )

    @dg.asset(ins={"orders": dg.AssetIn(key=dg.AssetKey(["shop", "orders"]), dagster_type=orders)})
    def report(orders):  # type: ignore[no-untyped-def]
        return dg.MaterializeResult(metadata={"rows": len(orders)})

    job = dg.define_asset_job("both", selection=dg.AssetSelection.all())
    return dg.Definitions(assets=[report], jobs=[job], executor=dg.in_process_executor)


@pytest.mark.parametrize(("lowest", "success"), [(1, True), (3, False)])
def test_a_frame_of_a_step_is_checked_against_what_its_taker_expects(
    location: CodeLocation, lowest: int, success: bool
) -> None:
    job = location.load(typed_asset(lowest)).resolve_job_def("both")
    result = job.execute_in_process(instance=location.instance, raise_on_error=False)
    assert result.success == success
    failures = [event.step_key for event in result.all_events if event.is_step_failure]
    assert failures == ([] if success else ["report"])
