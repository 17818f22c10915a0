"""The watched folder: which files are complete, what they are asked for, what becomes of them afterwards."""
