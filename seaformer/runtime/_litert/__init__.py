"""LiteRT's files: what a ``.tflite`` reports of itself."""
