"""What only ONNX files need: simplification, and cutting into components."""
