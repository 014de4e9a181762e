"""Which files of one pinned distribution the user's package indexes offer."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from gptasks.data.pip_settings import PipSettings, without_credentials
from gptasks.errors import DataError

if TYPE_CHECKING:
    import httpx2
    from packaging.version import Version
    from unearth import Package
    from unearth.fetchers import PyPIClient

logger = logging.getLogger(__name__)


@dataclass
class Found:
    """What the sources said of one distribution."""

    packages: list[Package] = field(default_factory=list)
    """Files of the wanted version, the most fitting first: wheels before the sdist."""

    versions: list[Version] = field(default_factory=list)
    """All versions there are, ascending."""

    answered: list[str] = field(default_factory=list)
    """Hosts and folders that could be asked."""

    failed: list[str] = field(default_factory=list)
    """Hosts that could not be asked, each with the reason."""

    absent: list[str] = field(default_factory=list)
    """Local folders that pip's configuration names and that don't exist."""


@contextmanager
def session(settings: PipSettings) -> Iterator[PyPIClient]:
    """An HTTP client with pip's certificates, proxies, timeout and credentials.

    While it is open unearth logs nothing: a missing folder would be a warning, and its debug lines
    show URLs with passwords.
    """
    from unearth.auth import MultiDomainBasicAuth
    from unearth.fetchers import PyPIClient

    options: dict[str, Any] = {} if settings.proxy is None else {"proxy": settings.proxy}
    client = PyPIClient(
        trusted_hosts=settings.trusted_hosts,
        verify=_certificates(settings),
        timeout=settings.timeout,
        follow_redirects=True,
        mounts=_trusted_mounts(settings),
        **options,
    )
    client.auth = MultiDomainBasicAuth(prompting=False, index_urls=settings.index_urls)
    with client, _silenced("unearth", logging.CRITICAL), _silenced("httpx2", logging.WARNING):
        yield client


def search(
    client: PyPIClient, settings: PipSettings, name: str, version: str, *, is_offline: bool
) -> Found:
    """Ask every index and find-links place for `name`; one that fails doesn't stop the others.

    is_offline: only local folders are asked.
    """
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    found = Found()
    packages: list[Package] = []
    sources = [(written, False) for written in settings.find_links]
    sources += [(written, True) for written in settings.index_urls]
    for written, is_index in sources:
        url, place = _location(written)
        if not url:
            found.absent.append(place)
        elif is_offline and not url.startswith("file:"):
            found.failed.append(f"{place}: GPTASKS_OFFLINE is set")
        else:
            fault = _ask(client, url, name, packages, is_index=is_index)
            if fault:
                logger.info("%s: %s", place, fault)
                found.failed.append(f"{place}: {fault}")
            else:
                found.answered.append(place)
    wanted = SpecifierSet(f"=={version}", prereleases=True)
    seen = set()
    for package in packages:
        found.versions.append(Version(package.version or "0"))
        if wanted.contains(package.version or "0") and package.link.url not in seen:
            seen.add(package.link.url)
            found.packages.append(package)
    found.packages.sort(key=lambda package: (package.link.is_yanked, not package.link.is_wheel))
    found.versions = sorted(set(found.versions))
    return found


def place_of(url: str) -> str:
    """A URL's host, or a file's path: what may be shown of it, without user and password."""
    parts = urlsplit(url)
    return parts.path if parts.scheme == "file" else parts.netloc.rpartition("@")[2]


def _location(written: str) -> tuple[str, str]:
    """A source as URL, and as it may be shown; the URL is empty for a folder that isn't there."""
    if "://" in written and not written.startswith("file:"):
        return written, place_of(written)
    if written.startswith("file:"):
        from unearth.utils import url_to_path

        path = url_to_path(written)
    else:
        path = Path(os.path.expanduser(written))
    return (path.absolute().as_uri() if path.exists() else ""), str(path)


def _ask(
    client: PyPIClient, url: str, name: str, packages: list[Package], *, is_index: bool
) -> str:
    """Add what one source offers to `packages`; gives what went wrong, or nothing."""
    import httpx2
    from unearth import Link, PackageFinder
    from unearth.collector import is_secure_origin

    fetcher: Any = client  # its type doesn't fit unearth's own protocol, for looser arguments
    if not is_secure_origin(fetcher, Link(url)):
        return "is not https, nor among pip's trusted-host"
    statuses: list[int] = []

    def note(response: httpx2.Response) -> None:
        statuses.append(response.status_code)

    client.event_hooks = {"request": [], "response": [note]}
    finder = PackageFinder(
        session=fetcher,
        index_urls=[url] if is_index else [],
        find_links=[] if is_index else [url],
        ignore_compatibility=True,
    )
    try:
        packages += finder.find_all_packages(name, allow_yanked=True)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        return reason(error)
    except ValueError:
        return "answered with a page that is no package index"
    finally:
        client.event_hooks = {}
    if statuses and statuses[-1] >= 400 and statuses[-1] != 404:
        return f"answered {statuses[-1]}"
    return ""


def reason(error: Exception) -> str:
    """What a network error was, in a few words without credentials."""
    text = without_credentials(str(error)).strip()
    return text or type(error).__name__


def _certificates(settings: PipSettings) -> ssl.SSLContext | bool:
    # requests, which pip is built on, reads these two variables where no cert is set.
    bundle = settings.cert or os.environ.get("REQUESTS_CA_BUNDLE")
    bundle = bundle or os.environ.get("CURL_CA_BUNDLE")
    if not bundle and not settings.client_cert:
        return True
    try:
        if bundle and os.path.isdir(bundle):
            context = ssl.create_default_context(capath=bundle)
        else:
            context = ssl.create_default_context(cafile=bundle)
        return _with_own(context, settings)
    except OSError as error:
        which = f"cert={bundle}, client-cert={settings.client_cert}"
        raise DataError(f"pip's certificates can't be read ({which}): {error}.") from error


def _with_own(context: ssl.SSLContext, settings: PipSettings) -> ssl.SSLContext:
    if settings.client_cert:
        context.load_cert_chain(settings.client_cert)
    return context


def _trusted_mounts(settings: PipSettings) -> dict[str, httpx2.HTTPTransport]:
    """Unchecked connections to pip's trusted hosts.

    unearth would make them itself, but past every proxy and without the user's certificate.
    """
    import httpx2

    mounts = {}
    for host in settings.trusted_hosts:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context = _with_own(context, settings)
        for scheme in ("http", "https"):
            surroundings = None if proxy_bypass(host) else getproxies().get(scheme)
            mounts[f"{scheme}://{host}"] = httpx2.HTTPTransport(
                verify=context, proxy=settings.proxy or surroundings
            )
    return mounts


@contextmanager
def _silenced(name: str, level: int) -> Iterator[None]:
    noisy = logging.getLogger(name)
    before = noisy.level
    noisy.setLevel(level)
    try:
        yield
    finally:
        noisy.setLevel(before)
