"""Contracts as test suites, for authors of other stores; only tests import this, since it needs pytest."""

import pytest

pytest.register_assert_rewrite("odibi_assets.testing.store_contract")

from odibi_assets.testing.store_contract import StoreContract  # noqa: E402 (after its asserts are registered)

__all__ = ["StoreContract"]
