"""The report: one self-contained page of what a ledger holds, for people on any device and without a network."""

from __future__ import annotations

from pointsman.report.findings import Findings, gather
from pointsman.report.page import page_of

__all__ = ["Findings", "gather", "page_of"]
