"""Failover: from a decision to an answer, one generator of steps and the thin drivers that do them."""
