"""Curves: rows after a checkpoint are dropped, parts have columns, TensorBoard has the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from seaformer.core.errors import UnknownName
from seaformer.training.logs import CsvLog, Entry, TensorBoardLog, check_kind

ENTRIES = [Entry(i, 2.0 - i / 4, 1e-3, (("cls", 1.5), ("feat", -0.25 * i))) for i in range(4)]


def test_a_table_that_continues_has_each_iteration_once(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    log = CsvLog(path, 0)
    for entry in ENTRIES[:3]:
        log.write(entry)
    again = CsvLog(path, 2)
    for entry in ENTRIES[2:]:
        again.write(entry)
    lines = path.read_text().splitlines()
    assert lines[0] == "iteration,loss,lr,cls,feat"
    assert lines[1:] == [f"{i},{2 - i / 4},0.001,1.5,{-0.25 * i}" for i in range(4)]
    CsvLog(path, 0).write(Entry(0, 7.0, 1.0))
    assert path.read_text() == "iteration,loss,lr\n0,7.0,1.0\n"


def test_tensorboard_reads_the_curves_of_both_halves(tmp_path: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    first = TensorBoardLog(tmp_path, 0)
    for entry in ENTRIES[:3]:
        first.write(entry)
    first.close()
    again = TensorBoardLog(tmp_path, 2)
    for entry in ENTRIES[2:]:
        again.write(entry)
    again.close()
    curves = accumulators.EventAccumulator(str(tmp_path)).Reload()
    read = {
        name: [(e.step, e.value) for e in curves.Scalars(name)] for name in curves.Tags()["scalars"]
    }
    assert read["loss"] == [(e.iteration, e.loss) for e in ENTRIES]
    assert read["loss/feat"] == [(e.iteration, dict(e.parts)["feat"]) for e in ENTRIES]
    assert set(read) == {"loss", "lr", "loss/cls", "loss/feat"}


def test_another_log_is_refused_by_name() -> None:
    with pytest.raises(UnknownName, match="csv, tensorboard"):
        check_kind("wandb")
