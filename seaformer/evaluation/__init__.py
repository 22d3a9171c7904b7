"""Evaluation: how accurate a model or an exported file is on a data set. No torch here."""
