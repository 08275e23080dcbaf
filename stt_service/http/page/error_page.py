"""Errors as a short document, for a person who opens an address in a browser. Other clients get the shape of their API.

It has no style if the address of the page is not accepted: the page's files are rejected then, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from html import escape
from string import Template
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from stt_service.errors import SttError
from stt_service.http.errors import http_status, retry_headers
from stt_service.http.guard import WrongHostError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from stt_service.http.guard import OnError

OnHttpError = Callable[["Request", Exception], Awaitable[Response]]
NAVIGATIONS = ("GET", "HEAD")  # methods of requests that open a document
NOT_FOUND = 404
HEADERS = {"Vary": "Accept, Accept-Language"}
STYLE = """<link rel="stylesheet" href="/assets/theme.css">
    <link rel="stylesheet" href="/assets/error.css">"""
DOCUMENT = Template("""<!doctype html>
<html lang="$lang">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>$heading</title>
    <link rel="icon" href="data:,">
    $style
  </head>
  <body>
    <main>
      <h1>$heading</h1>
      <p>$text</p>
      $link
    </main>
  </body>
</html>
""")


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of a language: heading and sentence of an unknown host and of an unknown path; other errors."""

    wrong_host: tuple[str, str]
    not_found: tuple[str, str]
    rejected: str
    link: str


TEXTS = {
    "en": Texts(
        wrong_host=(
            "This address is not accepted",
            "Open the page by an IP address of the server, or by its name without a domain. The operator of the server "
            "can permit this address with HTTP_ALLOWED_ORIGINS.",
        ),
        not_found=(
            "Page not found",
            "Check the address. Captions are at /captions/NAME: their names have Latin letters, digits, hyphens and "
            "underscores.",
        ),
        rejected="The server rejected the request",
        link="Dictation",
    ),
    "ru": Texts(
        wrong_host=(
            "Этот адрес не принимается",
            "Откройте страницу по IP-адресу сервера или по его имени без домена. Администратор сервера может разрешить "
            "этот адрес в настройке HTTP_ALLOWED_ORIGINS.",
        ),
        not_found=(
            "Страница не найдена",
            "Проверьте адрес. Субтитры открываются по адресу /captions/ИМЯ: в имени могут быть латинские буквы, цифры, "
            "дефис и подчёркивание.",
        ),
        rejected="Сервер отклонил запрос",
        link="Диктовка",
    ),
}


def with_error_pages(on_error: OnError) -> OnError:
    """Return a handler that answers browsers with a document, and other clients like `on_error`."""

    async def handle(scope: Scope, receive: Receive, send: Send, error: SttError) -> None:
        if is_navigation(scope):
            await error_page(scope, error)(scope, receive, send)
        else:
            await on_error(scope, receive, send, error)

    return handle


def with_page_of_unknown_path(on_error: OnHttpError) -> OnHttpError:
    """Return a handler of HTTPException that answers browsers with a document if there is nothing at the path."""

    async def handle(request: Request, error: Exception) -> Response:
        is_unknown = isinstance(error, HTTPException) and error.status_code == NOT_FOUND
        if not is_unknown or not is_navigation(request.scope):
            return await on_error(request, error)
        lang, texts = _texts(request.scope)
        return HTMLResponse(_document(lang, *texts.not_found, texts.link), NOT_FOUND, HEADERS)

    return handle


def is_navigation(scope: Scope) -> bool:
    """Whether a browser opens a document: scripts and API clients do not ask for HTML."""
    if scope["type"] != "http" or scope["method"] not in NAVIGATIONS:
        return False
    accepted = (each.replace(" ", "").split(";") for each in Headers(scope=scope).get("accept", "").split(","))
    return any(media_type == "text/html" and "q=0" not in parameters for media_type, *parameters in accepted)


def error_page(scope: Scope, error: SttError) -> HTMLResponse:
    """Return the document of an error, in the language of the browser."""
    lang, texts = _texts(scope)
    if isinstance(error, WrongHostError):
        content = _document(lang, *texts.wrong_host)
    else:
        content = _document(lang, texts.rejected, str(error), texts.link)
    return HTMLResponse(content, http_status(error), {**HEADERS, **retry_headers(error)})


def _texts(scope: Scope) -> tuple[str, Texts]:
    """Return the language of the texts and the texts, as the page selects them by `navigator.language`."""
    lang = "ru" if Headers(scope=scope).get("accept-language", "").lower().startswith("ru") else "en"
    return lang, TEXTS[lang]


def _document(lang: str, heading: str, text: str, link: str = "") -> str:
    """Return the document; without a text for the link to the page, none of the server's files are used."""
    shown, style = (f'<p><a href="/">{escape(link)}</a></p>', STYLE) if link else ("", "")
    return DOCUMENT.substitute(lang=lang, heading=escape(heading), text=escape(text), link=shown, style=style)
