"""Who is told: event streams, webhook, metrics, log, systemd."""
