"""Evaluation: accuracy on a data set, and answers for pictures somebody brings. No torch."""
