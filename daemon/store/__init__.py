"""What must survive: jobs, history, and the file operations that have to be right."""
