"""What a row says, as styled pieces of text: pure functions of the run, without Textual."""
