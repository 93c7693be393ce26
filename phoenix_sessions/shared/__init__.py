"""Floor 2½: sessions whose truth lives in a shared backend, and what a worker holds of them."""
