"""What a job will look like, in seconds: one small window of its source, restored once, at several strengths."""
