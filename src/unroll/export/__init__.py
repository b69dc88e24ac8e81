"""Models to give away: safetensors, programs, ONNX."""
