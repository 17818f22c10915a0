"""`seedvr2d cluster …` and `seedvr2d join`: how machines come together, and part again."""
