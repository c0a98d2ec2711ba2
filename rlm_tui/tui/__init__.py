"""What you see: the screen, its panes and what a key does."""
