"""Models to share: safetensors, torch programs, ONNX."""
