"""Compare: two sets of measurements, what got worse, and the gate. No torch."""
