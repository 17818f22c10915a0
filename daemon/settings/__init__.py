"""config.toml and the environment."""
