"""What the shop answers to requests: pages and their forms, one module for each kind of page."""
