"""Data: what is done with detections. numpy alone, no torch."""
