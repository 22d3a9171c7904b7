"""Evaluation: accuracy on a data set, and what a network sees in pictures. No torch."""
