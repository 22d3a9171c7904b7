"""``python -m seaformer`` is ``seaformer``."""

from seaformer.cli import main

main()
