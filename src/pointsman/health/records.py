"""The records of all models and credentials, and the names by which processes speak of them."""

from __future__ import annotations

from dataclasses import replace

from pointsman.catalog.spec import ModelSpec
from pointsman.health.breaker import Breaker, BreakerLimits
from pointsman.health.vitals import Credential, Vital
from pointsman.registry.facts import credential_fact

# Seconds within which a server says that it is full; a stream that runs longer keeps nobody from trying.
_LONGEST_REFUSAL = 10.0


class Records:
    """What is remembered of each model and each credential; whoever changes something holds the lock of health.

    Attributes:
        vitals: by the model's key.
        credentials: by the credential's fact.
    """

    __slots__ = ("_limits", "credentials", "vitals")

    def __init__(self, limits: BreakerLimits) -> None:
        self._limits = limits
        self.vitals: dict[str, Vital] = {}
        self.credentials: dict[str, Credential] = {}

    def vital(self, key: str) -> Vital:
        """What is remembered of a model; begins when it is first asked for."""
        vital = self.vitals.get(key)
        if vital is None:
            throttle = Breaker(replace(self._limits, lease=_LONGEST_REFUSAL))
            vital = self.vitals[key] = Vital(Breaker(self._limits), throttle)
        return vital

    def credential(self, fact: str) -> Credential:
        """What is remembered of a credential; begins when it is first asked for."""
        credential = self.credentials.get(fact)
        if credential is None:
            credential = self.credentials[fact] = Credential(Breaker(self._limits))
        return credential

    def credential_of(self, spec: ModelSpec) -> Credential | None:
        """What is remembered of a model's credential, if anything is."""
        # While no credential was refused, which is nearly always, its name need not be put together.
        return self.credentials.get(credential_fact(spec)) if self.credentials else None

    def breaker(self, subject: str) -> Breaker:
        """The breaker that processes speak of by this name; see `Replicas`."""
        kind, _, name = subject.partition("|")
        if kind == "credential":
            return self.credential(name).breaker
        vital = self.vital(name)
        return vital.throttle if kind == "throttle" else vital.breaker

    def subjects(self) -> dict[str, Breaker]:
        """All that processes could speak of."""
        found = {credential_subject(fact): each.breaker for fact, each in self.credentials.items()}
        for key, vital in self.vitals.items():
            found.update(model_subjects(key, vital))
        return found


def model_subjects(key: str, vital: Vital) -> tuple[tuple[str, Breaker], tuple[str, Breaker]]:
    """The two subjects of a model, with their breakers."""
    return (f"throttle|{key}", vital.throttle), (f"breaker|{key}", vital.breaker)


def credential_subject(fact: str) -> str:
    """The subject of a credential."""
    return f"credential|{fact}"
