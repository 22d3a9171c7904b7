"""The nouns, the errors, and what every layer shares. Standard library only."""
