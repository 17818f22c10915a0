"""`seedvr2d init`, `install-service` and `uninstall-service`: what an installed program needs around it."""
