"""Who answers: the protocol of a chat model, and its implementations. One attempt per call."""
