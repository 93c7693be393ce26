"""Floor 2: where the truth of sessions lives (``base`` is the contract), and how state is written down (``codec``)."""
