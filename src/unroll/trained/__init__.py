"""A trained model: opened, tested again, asked for predictions."""
