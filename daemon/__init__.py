"""The service: folders that are watched, jobs that survive, a REST API. `docs/architecture.md` is the map."""
