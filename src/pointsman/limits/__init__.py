"""Limits: what may be taken per model, credential and tenant, before a call is made."""
