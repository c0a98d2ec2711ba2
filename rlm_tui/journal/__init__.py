"""What happened: the vocabulary of events, the file they are written to, and the fold that makes a run of them."""
