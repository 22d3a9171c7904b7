"""Agreement: the photographs that networks are fed, and how far two outputs agree. No torch."""
