"""A job: its states, what it can be asked for, the order of the waiting ones."""
