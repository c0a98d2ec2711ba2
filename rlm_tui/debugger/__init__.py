"""Who may hold a run: gates that hold, changes by hand, and the session a front end talks to."""
