"""Commands that need no PyTorch."""
