"""State that processes share: health and probes through Redis, and what keeps all of it off the calls."""
