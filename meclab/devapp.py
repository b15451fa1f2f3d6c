"""Bodies of the device application interface (GS MEC 016 clause 6): contexts, the list of applications, notifications.

A null is an attribute left out.
"""

from typing import Annotated, Literal

from pydantic import Field

from meclab.messages import Body

PATH = "/dev_app/v1"
APP_NAME = "app"
APP_PROVIDER = "meclab"
APP_VERSION = "1"
"""Of the software and of the descriptor."""
APP_DESCRIPTOR = "meclab-app"

Short = Annotated[str, Field(max_length=32)]


class Polygon(Body):
    coordinates: tuple[tuple[tuple[float, ...], ...], ...] | None = None


class CivicAddressElement(Body):
    caType: int
    caValue: str


class LocationConstraints(Body):
    """Where an application may run (clause 6.5.2). MODEL: kept and given back; the policy decides by itself."""

    countryCode: str | None = None
    civicAddressElement: tuple[CivicAddressElement, ...] | None = None
    area: Polygon | None = None


class UserAppInstance(Body):
    """An application's instance; the first two are the answer's alone, and overlooked in a request."""

    appInstanceId: str | None = None
    referenceURI: str | None = None
    appLocation: LocationConstraints | None = None


class AppInfo(Body):
    """Which application a context is for."""

    appDId: str | None = None
    appName: Short
    appProvider: Short
    appSoftVersion: Short | None = None
    appDVersion: str
    appDescription: Annotated[str, Field(max_length=128)] | None = None
    userAppInstanceInfo: tuple[UserAppInstance, ...]
    appPackageSource: str | None = None


class AppContext(Body):
    """An application context (clause 6.2.3)."""

    contextId: Short | None = None
    """The system's, not the request's that creates it."""
    associateDevAppId: Short
    callbackReference: str | None = None
    """Where notifications go; none are sent without."""
    appLocationUpdates: bool | None = None
    appAutoInstantiation: bool | None = None
    appInfo: AppInfo


class AddressChangeNotification(Body):
    """The application is at another address from now on (clause 6.4.2)."""

    notificationType: Literal["AddressChangeNotification"] = "AddressChangeNotification"
    contextId: str
    appInstanceId: str
    referenceURI: str
