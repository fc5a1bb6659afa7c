"""Failures, named: a table of what each class means, and the classifier that finds an exception's row.

Three questions that are easily mixed up are separate columns: is the *model* sick, is the *credential* throttled, is
the *request* bad? `classify` reads an exception by its code, then its type, then its status, then its text, and never
raises, however hostile the exception is.
"""

from __future__ import annotations

from pointsman.faults.classifier import classify
from pointsman.faults.table import TABLE, Charges, Fault, FaultKind, FaultRule, RetrySame
from pointsman.faults.waits import LONGEST_WAIT, parse_retry_after

__all__ = [
    "LONGEST_WAIT",
    "TABLE",
    "Charges",
    "Fault",
    "FaultKind",
    "FaultRule",
    "RetrySame",
    "classify",
    "parse_retry_after",
]
