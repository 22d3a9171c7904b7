"""Stores that are filled, and what lies in them."""

from __future__ import annotations

from pathlib import Path

from seaformer.core.measurement import Measurement
from seaformer.store.index import Listing
from seaformer.store.results import ResultStore


def filled(store: ResultStore, *measurements: Measurement) -> list[Path]:
    return [store.append(one) for one in measurements]


def ids(listing: Listing) -> list[str]:
    return [entry.id for entry in listing.entries]


def snapshot(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
