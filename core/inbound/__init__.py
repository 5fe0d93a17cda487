"""What the telephone network tells us: callbacks and what was said, saved as the backend saves them."""
