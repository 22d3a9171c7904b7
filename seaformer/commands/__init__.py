"""Commands: one file each. A command parses, makes one library call, and prints."""
