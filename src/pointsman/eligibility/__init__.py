"""Eligibility: who can serve a request, and why the others cannot."""
