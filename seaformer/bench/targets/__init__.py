"""Targets: one file per kind of machine that can run the runner."""
