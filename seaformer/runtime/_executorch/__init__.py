"""Programs of this format, read without running them."""
