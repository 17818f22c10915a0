"""What a job takes, what this machine has, and how the one is made to fit into the other."""
