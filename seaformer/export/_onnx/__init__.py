"""What only ONNX files need: precision, simplification, and cutting into components."""
