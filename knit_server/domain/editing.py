"""What may be changed about a Plan once it is registered: its resources, its annotations, its service account,
how often its Runs are tried and how long.

Rules: docs/rules.md, "Changing Plans". Each change is a value that makes a new spec of an old one, all or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from knit_server.domain import resources, retries
from knit_server.domain.errors import InvalidInput
from knit_server.domain.plans import Annotation, PlanSpec, check_text, checked_annotations
from knit_server.domain.retries import RetryPolicy


@dataclass(frozen=True, kw_only=True)
class ResourceChange:
    """Amounts to set by name, then names to forget: what is in both is forgotten."""

    set: Mapping[str, str] = field(default_factory=dict)
    unset: tuple[str, ...] = ()

    def of(self, spec: PlanSpec) -> PlanSpec:
        """Return the changed spec. What was forgotten has no limit any more: no default steps in.

        Raises `InvalidInput`.
        """
        wanted = {**spec.resources, **resources.checked(self.set)}
        return replace(spec, resources=resources.checked({k: v for k, v in wanted.items() if k not in self.unset}))


@dataclass(frozen=True, kw_only=True)
class AnnotationChange:
    """Annotations to remove, by key or as a whole, then annotations to add."""

    add: tuple[Annotation, ...] = ()
    remove: tuple[Annotation, ...] = ()
    remove_keys: tuple[str, ...] = ()

    def of(self, spec: PlanSpec) -> PlanSpec:
        """Return the changed spec. Raises `InvalidInput`."""
        kept = (each for each in spec.annotations if each.key not in self.remove_keys and each not in self.remove)
        return replace(spec, annotations=checked_annotations((*kept, *self.add)))


@dataclass(frozen=True)
class ServiceAccountChange:
    """A service account to use from now on, or None for none."""

    name: str | None

    def of(self, spec: PlanSpec) -> PlanSpec:
        """Return the changed spec. Raises `InvalidInput`."""
        if self.name is not None:
            if not self.name:
                raise InvalidInput("service_account is empty", advice="Name one, or unset it.")
            check_text("service_account", self.name)
        return replace(spec, service_account=self.name)


@dataclass(frozen=True)
class RetryChange:
    """A policy to follow from now on, as a whole, or None for none."""

    policy: RetryPolicy | None

    def of(self, spec: PlanSpec) -> PlanSpec:
        """Return the changed spec. Raises `InvalidInput`."""
        return replace(spec, retry=None if self.policy is None else retries.check_policy(self.policy))


@dataclass(frozen=True)
class TimeoutChange:
    """How long attempts may run that start from now on, in milliseconds, or None for as long as they like."""

    timeout: int | None

    def of(self, spec: PlanSpec) -> PlanSpec:
        """Return the changed spec. Raises `InvalidInput`."""
        return replace(spec, timeout=None if self.timeout is None else retries.check_timeout(self.timeout))


Change = ResourceChange | AnnotationChange | ServiceAccountChange | RetryChange | TimeoutChange
"""Anything that may be changed."""
