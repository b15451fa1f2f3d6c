"""The methods of ETSI White Paper 39 by which a device comes to its MEC host, and their variants."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema, model_validator

from meclab.model import Model

MethodName = Literal["cloud", "sticky", "ecs", "edge-dns", "easdf", "http-redirect", "devapp", "vip", "bgp-anycast"]

VARIANTS: dict[MethodName, tuple[str, ...]] = {
    "cloud": (),
    "sticky": (),
    "ecs": (),
    "edge-dns": ("handed", "anycast"),
    "easdf": ("dynamic", "pre-established"),
    "http-redirect": (),
    "devapp": (),
    "vip": ("immediate", "pinned"),
    "bgp-anycast": (),
}
"""Variants of each method, the default first; a method without variants has none."""

BY_NAME: frozenset[MethodName] = frozenset({"ecs", "edge-dns", "easdf"})
"""Methods whose clients look a name up."""
BY_SWITCH: frozenset[MethodName] = frozenset({"vip"})
"""Methods that the SDN controller carries to the devices' packets."""
BY_ADDRESS: frozenset[MethodName] = frozenset({"vip", "bgp-anycast"})
"""Methods whose clients use the virtual address."""


class Method(Model):
    """A method of White Paper 39 and its variant; written `vip` or `vip:pinned` in a file."""

    name: MethodName
    variant: str | None = None

    @model_validator(mode="after")
    def _known_variant(self) -> "Method":
        if self.variant is not None and self.variant not in VARIANTS[self.name]:
            allowed = ", ".join(VARIANTS[self.name]) or "no variant"
            raise ValueError(f"a variant of {self.name} ({allowed})")
        return self

    @property
    def label(self) -> str:
        """`vip-pinned`: the method's name in folders and tables."""
        return f"{self.name}-{self.variant}" if self.variant else self.name


def parse_method(value: Any) -> Any:
    """`vip:pinned` to the fields of `Method`; `vip` takes the method's first variant."""
    if not isinstance(value, str):
        return value
    name, _, variant = value.partition(":")
    variants = VARIANTS.get(name, ())  # type: ignore[call-overload]
    return {"name": name, "variant": variant or (variants[0] if variants else None)}


MethodField = Annotated[
    Method,
    BeforeValidator(parse_method),
    PlainSerializer(lambda m: f"{m.name}:{m.variant}" if m.variant else m.name, when_used="json"),
    WithJsonSchema(
        {"enum": [*VARIANTS, *(f"{name}:{variant}" for name, variants in VARIANTS.items() for variant in variants)]}
    ),
]
