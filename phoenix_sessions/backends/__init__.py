"""Floor 2: how state is written down."""
