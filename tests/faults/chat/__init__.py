"""The chat on real workers that die, stop, and lose their Redis or their database."""
