"""The registry: which models exist now, as an immutable indexed snapshot, with everything that was before."""
