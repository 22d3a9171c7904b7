"""Renderers: one file per kind of document a table can become."""
