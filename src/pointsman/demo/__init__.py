"""The demo: local model servers or your own models, prompts through every door, and what came of it."""
