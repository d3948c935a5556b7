"""Dagster components: the YAML surface."""

from odibi_assets.components.medallion_pipeline import MedallionPipeline

__all__ = ["MedallionPipeline"]
