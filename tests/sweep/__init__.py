"""Sweeps over processes of a Dask cluster."""
