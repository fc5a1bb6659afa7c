"""Discovery: asks the servers that a registry names which models they have, and says what differs; changes nothing."""

from __future__ import annotations

from pointsman.discovery.applying import apply
from pointsman.discovery.asking import adiscover, discover
from pointsman.discovery.findings import Discovery, ModelChange
from pointsman.discovery.schedule import DiscoverySchedule

__all__ = ["Discovery", "DiscoverySchedule", "ModelChange", "adiscover", "apply", "discover"]
