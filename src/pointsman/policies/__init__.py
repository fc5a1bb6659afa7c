"""Routing policies: each spreads probability over the eligible models and may learn from what came of it."""

from __future__ import annotations

from pointsman.policies.base import Context, LearningPolicy, Lesson, Policy
from pointsman.policies.names import make_policy, policy_names

__all__ = ["Context", "LearningPolicy", "Lesson", "Policy", "make_policy", "policy_names"]
