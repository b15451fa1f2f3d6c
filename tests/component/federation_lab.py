"""Federators in processes of their own on loopback, over real TLS, and an independent client (httpx)."""

import contextlib
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from hosts_child import DEADLINE_S, running
from mec_lab import free_port

from hosts.federation import interface
from hosts.federation.identity import AUTHORITY, Authority, Identity
from hosts.federation.interface import Place
from meclab.federation.parties import Party, Settings, Terms
from meclab.federation.partnership import PATH as GSMA
from meclab.federation.systems import PATH as MEC

SYSTEM_INFO = f"{MEC}/fed_resources/system_info"
AVAILABLE = f"{MEC}/fed_resources/available_systems"
SUBSCRIPTIONS = f"{MEC}/subscriptions"
PARTNER = f"{GSMA}/partner"
ADDRESS = "127.0.0.1"
COMPUTE = {"cpuArchType": "ISA_X86_64", "numCPU": "8", "memory": 16384}
FLAVOUR = {
    "flavourId": "small",
    "cpuArchType": "ISA_X86_64",
    "supportedOSTypes": [
        {"architecture": "x86_64", "distribution": "OTHER", "version": "OTHER", "license": "NOT_SPECIFIED"}
    ],
    "numCPU": 1,
    "memorySize": 512,
    "storageSize": 1,
}


def zone(name: str) -> dict[str, Any]:
    return {"zoneId": name, "geolocation": "48.2082,16.3738", "geographyDetails": "a site of the lab"}


def resources(name: str, memory: int = 16384) -> dict[str, Any]:
    compute = [{**COMPUTE, "memory": memory}]
    return {"zoneId": name, "reserved": compute, "quota": compute, "flavours": [FLAVOUR]}


def catalogue(*zones: str, memory: int = 16384) -> dict[str, Any]:
    """A zone, a platform with an open and a local service, resources and an application for each name."""
    services = [
        {"serName": "v2x", "version": "1", "consumedLocalOnly": False},
        {"serName": "radio", "version": "1"},
    ]
    return {
        "zones": [zone(name) for name in zones],
        "platforms": [{"platformId": f"mep-{name}", "zoneId": name, "services": services} for name in zones],
        "resources": [resources(name, memory) for name in zones],
        "applications": [{"appId": "game", "appProviderId": "provider", "zones": list(zones)}],
    }


@dataclass
class Lab:
    """An authority, the parties' certificates, and where each federator is."""

    folder: Path
    authority: Authority = field(default_factory=lambda: Authority("meclab test"))
    urls: dict[str, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.authority.publish(self.folder)

    def identity(self, name: str, until: datetime | None = None, since: datetime | None = None) -> Identity:
        """A party's certificate, made when it is needed first."""
        if not (self.folder / f"{name}.pem").exists():
            self.authority.issue(self.folder, name, [ADDRESS], since, until)
        return Identity(name, self.folder, self.folder / f"{name}-tls-keys.log")

    def party(self, name: str, role: str) -> Party:
        """A party; federators get a port when they are named first."""
        if role != "orchestrator":
            self.urls.setdefault(name, f"https://{ADDRESS}:{free_port()}")
        return Party.model_validate({"name": name, "role": role, "url": self.urls.get(name, "")})

    def settings(self, name: str, parties: dict[str, str], **content: Any) -> Settings:
        """A federator that knows these parties, name to role, and its own operator `NAME-meo`."""
        role = content.pop("role", "manager")
        self.party(name, role)
        known = [self.party(f"{name}-meo", "orchestrator"), *(self.party(other, r) for other, r in parties.items())]
        return Settings(name=name, role=role, url=self.urls[name], parties=tuple(known), **content)

    @contextlib.contextmanager
    def federator(self, settings: Settings, clock: Callable[[], int] | None = None) -> Iterator["Asker"]:
        """A federator's process, and its operator."""
        identity = self.identity(settings.name)
        place = Place(identity, self.folder, seed=1)
        if clock is not None:
            place = Place(identity, self.folder, 1, clock)
        process = running(lambda ready: interface.run(settings, place, ready))
        with process, self.asker(f"{settings.name}-meo", settings.name) as operator:
            yield operator

    @contextlib.contextmanager
    def asker(self, name: str, whom: str, **certificate: Any) -> Iterator["Asker"]:
        """An independent client with a party's certificate."""
        with Asker(self, self.identity(name, **certificate), whom) as asker:
            yield asker


class Asker(httpx.Client):
    """httpx with a client certificate and, once it has asked for one, a token."""

    def __init__(self, lab: Lab, identity: Identity | None, whom: str) -> None:
        context = ssl.create_default_context(cafile=str(lab.folder / AUTHORITY))
        if identity is not None:
            context.load_cert_chain(
                identity.folder / f"{identity.name}.pem", identity.folder / f"{identity.name}-key.pem"
            )
        super().__init__(base_url=lab.urls[whom], verify=context, timeout=DEADLINE_S)
        self.name = "" if identity is None else identity.name

    def token(self, scope: str | None = None) -> str:
        """A new token, which is not used by itself."""
        form = {"grant_type": "client_credentials", "client_id": self.name}
        response = self.post("/oauth2/token", data=form | ({"scope": scope} if scope else {}))
        assert response.status_code == 200, response.text
        return str(response.json()["access_token"])

    def authorised(self, scope: str | None = None) -> "Asker":
        """Itself, with a token from now on."""
        self.headers["Authorization"] = f"Bearer {self.token(scope)}"
        return self

    def audit(self) -> list[dict[str, Any]]:
        """The federator's audit log."""
        answer = self.get("/v1/audit")
        assert answer.status_code == 200, answer.text
        entries: list[dict[str, Any]] = answer.json()["entries"]
        return entries


def soon(happens: Callable[[], bool]) -> None:
    """Waits for something that other processes do; fails when it does not happen."""
    deadline = time.monotonic() + DEADLINE_S
    while not happens():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)


TERMS = Terms(zones=("vienna",), services=True, applications=True)
