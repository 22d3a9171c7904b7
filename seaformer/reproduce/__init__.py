"""Reproduce: the tables of the paper with our column beside: plan, run, table."""
