"""The HTTP application: the routes of all surfaces, each behind its access rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Router

from stt_service.access.file_watcher import ReloadingFile
from stt_service.access.tokens import Tokens
from stt_service.http.guard import AccessRules, Guard
from stt_service.http.monitoring import Monitoring
from stt_service.http.openai.errors import http_error_response, reject
from stt_service.http.page.error_page import OnHttpError, with_error_pages, with_page_of_unknown_path
from stt_service.http.page.headers import SecurityHeaders
from stt_service.settings.network import NetworkSettings

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

METRICS, PAGE, OPENAI = "metrics", "page", "openai"
METHODS = ("GET", "POST", "PATCH")  # of all surfaces
FORM_BYTES = 2**20  # of an upload, in addition to its recording


def access_rules(settings: NetworkSettings, tokens: ReloadingFile[Tokens] | None) -> AccessRules:
    """Return the rules of the surfaces for clients.

    Without tokens, requests must name an address: otherwise any web page could reach the server through a name of its
    own site that resolves to this machine (DNS rebinding).
    """
    return AccessRules(
        tokens=tokens,
        client_certificates=bool(settings.tls_client_ca),
        addresses_only=tokens is None,
        origins=frozenset(filter(None, settings.http_allowed_origins.split(","))),
        max_body_bytes=settings.max_upload_mb * 2**20 + FORM_BYTES,
    )


def operator_rules(settings: NetworkSettings, tokens: ReloadingFile[Tokens] | None) -> AccessRules:
    """Return the rules of Control, which has tokens of its own.

    The HTTP port is often open to more machines than the control port: to Prometheus and to clients. Beyond loopback,
    Control is therefore closed without tokens, even with ALLOW_INSECURE.
    """
    rules = access_rules(settings, tokens)
    if tokens is not None or settings.is_on_loopback:
        return rules
    return replace(
        rules, closed=f"Control over HTTP needs CONTROL_TOKENS_FILE with SERVER_BIND={settings.server_bind}."
    )


def application(
    surfaces: frozenset[str],
    monitoring: Monitoring,
    page_routes: Sequence[BaseRoute],
    openai_routes: Sequence[BaseRoute],
    rules: AccessRules,
    on_rejected: Callable[[str], None],
) -> ASGIApp:
    """Return the application with these surfaces."""
    app = Starlette(routes=monitoring.routes if METRICS in surfaces else [])
    app.router.redirect_slashes = False
    on_error = reject
    on_http_error: OnHttpError = http_error_response if OPENAI in surfaces else plain_error_response
    if PAGE in surfaces:
        app.router.routes.extend(page_routes)
        on_error, on_http_error = with_error_pages(on_error), with_page_of_unknown_path(on_http_error)
    if OPENAI in surfaces:
        # A redirect of `/v1/models/` to `/v1/models` would have no body, and lose the token in some clients.
        openai = Guard(Router(routes=openai_routes, redirect_slashes=False), rules, on_error, on_rejected)
        app.router.routes.append(Mount("/", app=openai))
    app.add_exception_handler(HTTPException, on_http_error)
    return SecurityHeaders(_shared(app, rules.origins) if rules.origins else app)


async def plain_error_response(_: Request, error: Exception) -> Response:
    """Return the response to a request for an unknown path or method, on a port without an API for it."""
    assert isinstance(error, HTTPException)
    return PlainTextResponse(error.detail, error.status_code, error.headers)


def _shared(app: ASGIApp, origins: frozenset[str]) -> ASGIApp:
    """Return the app with CORS: browsers let pages of these origins read its responses, errors too.

    Requests before the actual one (preflights) carry no token, so they are answered before the access rules.
    """
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=METHODS,
        allow_headers=("*",),  # OpenAI's clients send a dozen of their own; cookies are not used
        expose_headers=("Retry-After",),
    )
