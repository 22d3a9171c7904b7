"""What only ExecuTorch programs need: what the delegate took."""
