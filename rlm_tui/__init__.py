"""The debugger for Recursive Language Models."""
