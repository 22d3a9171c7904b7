"""Files of this format, read without running them; and a graph computed by its standard."""
