"""What tables and pictures need of a row beside itself: its device's name, its model's entry."""

from __future__ import annotations

from seaformer.core.table import ResultRow
from seaformer.report.table import Report
from seaformer.report.zoo import ZooRow


def device_label(report: Report, row: ResultRow) -> str:
    """The device's name, with its id where another device has the same name."""
    same = {one.device.id for one in report.devices if one.device.model == row.device_name}
    return f"{row.device_name} ({row.device})" if len(same) > 1 else row.device_name


def zoo_row(report: Report, row: ResultRow) -> ZooRow | None:
    """What is known of the row's model, where the row ran it at the model's own size."""
    return report.models.get((row.model, row.height, row.width))
