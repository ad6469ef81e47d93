"""Programs that travel with an exported network: numpy, its runtime and, for texts, tokenizers are all they need."""
