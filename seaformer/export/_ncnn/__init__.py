"""What writing an ncnn network needs besides pnnx."""
