"""What the LiteRT format needs besides its file: half precision."""
