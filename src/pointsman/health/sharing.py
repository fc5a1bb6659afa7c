"""What of health other processes have a part in: who probes, what they hear from here, and what they may ask."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from pointsman.catalog.spec import ModelSpec
from pointsman.health.breaker import Breaker, Window
from pointsman.health.records import Records, credential_subject, model_subjects
from pointsman.health.vitals import Vital
from pointsman.registry.facts import credential_fact
from pointsman.replicas import Alone, Replicas

Probe = tuple[str, Breaker]


class Sharing:
    """The part of health that several processes share.

    Attributes:
        replicas: the other processes.
    """

    def __init__(self, records: Records, lock: threading.RLock) -> None:
        self.replicas: Replicas = Alone()
        self._records = records
        self._lock = lock

    # -- what others may ask

    def windows(self) -> dict[str, Window]:
        """What is not well here, by subject; see `Replicas`."""
        with self._lock:
            subjects = self._records.subjects()
            return {subject: breaker.window for subject, breaker in subjects.items() if breaker.state != "closed"}

    def window(self, subject: str) -> Window:
        """What is known here of a subject."""
        with self._lock:
            return self._records.breaker(subject).window

    # -- what others hear

    def news(self, spec: ModelSpec, vital: Vital) -> list[str]:
        """The subjects that other processes should hear of now; the caller holds the lock, and passes them on without."""
        credentials = self._records.credentials
        if not (credentials or vital.breaker.is_news or vital.throttle.is_news):
            return []
        news = [(subject, breaker) for subject, breaker in model_subjects(spec.key, vital) if breaker.is_news]
        fact = credential_fact(spec)
        credential = credentials.get(fact)
        if credential is not None and credential.breaker.is_news:
            news.append((credential_subject(fact), credential.breaker))
        for _, breaker in news:
            breaker.is_news = False
        return [subject for subject, _ in news]

    def pass_on(self, news: Sequence[str]) -> None:
        """Tell the others."""
        for subject in news:
            self.replicas.changed(subject)

    # -- who probes

    def take(self, key: str, vital: Vital, probes: Sequence[Probe]) -> bool:
        """Ask for a model's probes; False, with all of them given back, if another process has one."""
        for subject, breaker in probes:
            if not self.replicas.take_probe(subject, breaker.limits.lease):
                self.give_back(key, vital)
                return False
        return True

    def give_back(self, key: str, vital: Vital, news: Sequence[str] = ()) -> None:
        """Let others probe; of what is news they hear first, and with it that the probe is over."""
        for subject, _ in model_subjects(key, vital):
            if subject not in news:
                self.replicas.give_back(subject)


def probes_of(key: str, vital: Vital) -> list[Probe]:
    """What a call to the model would find out."""
    return [(subject, each) for subject, each in model_subjects(key, vital) if each.state == "half_open"]
