"""The component ``odibi_assets.MedallionPipeline``: a thin surface over ``declare``."""

from __future__ import annotations

from typing import Any

import dagster as dg
from pydantic import BaseModel

from odibi_assets.declare.pipeline import Pipeline
from odibi_assets.declare.project import Project
from odibi_assets.errors import UsageError
from odibi_assets.identify.pipeline_source import PipelineSource
from odibi_assets.orchestrate.assets import pipeline_definitions


class MedallionPipeline(dg.Component):
    """A pipeline of steps in layers, declared in YAML.

    Example ``defs.yaml``::

        type: odibi_assets.MedallionPipeline
        attributes:
          name: orders
          steps:
            - name: orders
              layer: bronze
              read: {format: csv, path: data/orders.csv}
            - name: by_customer
              layer: gold
              inputs: [orders]
              sql: select customer, sum(amount) as amount from orders group by customer order by customer
    """

    def __init__(self, source: PipelineSource) -> None:
        self.source = source

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The fields, as ``dg check yaml`` checks them."""
        return Pipeline

    @classmethod
    def load(cls, attributes: Any, context: dg.ComponentLoadContext) -> MedallionPipeline:
        """Read the file itself: mistakes then carry their lines, and templates one meaning everywhere."""
        project = Project.at(context.project_root)
        for name in ("defs.yaml", "component.yaml"):
            path = context.path / name
            if path.is_file():
                return cls(PipelineSource(project, path))
        raise UsageError(f"There is no defs.yaml in {context.path}: expected one that declares the pipeline.")

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        return pipeline_definitions(self.source)
