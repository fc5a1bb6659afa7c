"""The scorecard of `benchmarks/chaos.py`: who is compared, and what happens to them."""
