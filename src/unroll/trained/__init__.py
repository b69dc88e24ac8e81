"""Opens a trained model, tests it again, and predicts with it."""
