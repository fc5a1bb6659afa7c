"""Learning: what attempts and scores teach, what rewards are made of, and the ledger of it all."""
