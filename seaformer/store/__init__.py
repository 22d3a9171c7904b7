"""Store: the runs on disk, append-only: write, index, merge, prune. No torch."""
