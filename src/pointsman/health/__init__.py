"""Health: breakers, throttles and credentials, and the states that people read."""
