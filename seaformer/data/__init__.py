"""Data: the sets and what is done with them: layouts, transforms, metrics, boxes. No torch."""
