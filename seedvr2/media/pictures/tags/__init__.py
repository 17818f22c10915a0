"""What a picture carries beside its pixels: found in each kind of file, brought up to date, written to others."""
