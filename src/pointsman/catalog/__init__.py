"""What models are: their typed facts, the capability tree, prices, parameter names and the files they come from."""
