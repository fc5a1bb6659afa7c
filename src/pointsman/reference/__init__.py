"""Pages of documentation that are made from the code: `python -m pointsman.reference docs` writes them."""
