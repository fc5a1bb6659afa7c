"""How routing policies are compared: traces with every model's answer scored, and the scenarios they are replayed in."""
