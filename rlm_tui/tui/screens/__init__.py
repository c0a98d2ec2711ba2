"""The screens: the debugger itself, and what opens over it."""
