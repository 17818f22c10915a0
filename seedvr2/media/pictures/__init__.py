"""Reading and writing still pictures, and animations kept as pictures."""
