"""The one loop that measures artifacts on targets. No torch here, nor in anything it calls."""
