"""``python -m odibi_assets``: the ``oda`` command."""

from odibi_assets.cli.quick import main

main()
