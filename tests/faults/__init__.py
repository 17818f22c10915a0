"""The fault table: each row makes a fault for real, and looks at what the daemon makes of it."""
