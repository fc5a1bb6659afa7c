"""Discovery: asks the servers that a registry names which models they have, and says what differs; changes nothing."""

from __future__ import annotations

from pointsman.discovery.applying import apply
from pointsman.discovery.asking import adiscover, discover
from pointsman.discovery.findings import Discovery, ModelChange

__all__ = ["Discovery", "ModelChange", "adiscover", "apply", "discover"]
