"""The command line for a daemon that runs: `seedvr2d ps`, `submit`, `status`… It asks the REST API and nothing else."""
