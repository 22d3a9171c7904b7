"""Tests of seaformer.estimate."""
