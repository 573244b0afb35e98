"""What a storage says when it refuses, in our words.

Libraries are many, and none is imported to look at its errors: they are told apart by
what Python makes of them, and by the codes in them.
"""
from __future__ import annotations

import re

from git_model_driver.core.errors import GitModelError

_SECRET = re.compile(
    r'((?:key|secret|token|password|signature|sig|credential)[a-z]*["\']?\s*[=:]\s*["\']?)'
    r'[^\s,&"\']+|(://)[^/@\s]*@', re.IGNORECASE,
)
_LONGEST = 300
_CREDENTIALS = {
    's3': 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE',
    'gs': 'GOOGLE_APPLICATION_CREDENTIALS',
    'az': 'AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME and '
          'AZURE_STORAGE_ACCOUNT_KEY',
    'sftp': 'an agent (ssh-add) or a key in ~/.ssh that the server knows',
}
_NO_CREDENTIALS = (
    'nocredentials', 'partialcredentials', 'defaultcredentialserror', 'unable to '
    'locate credentials', 'no authentication methods', 'anonymous caller',
    'must provide either a connection_string', 'defaultazurecredential',
    'noauthenticationinformation', 'public access is not permitted',
)
_UNREADABLE = (     # Azure's, then Google's
    'blank or malformed', 'incorrect padding', 'invalid base64',
    "keyerror 'refresh_token'", 'malformederror', 'deserialize key',
)
_DENIED = (
    'authenticationexception', 'accessdenied', 'access denied', 'forbidden',
    'authenticationfailed', 'invalidaccesskeyid', 'signaturedoesnotmatch',
    'access key id you provided does not exist', 'authentication failed',
    'tokenrefresh', 'expiredtoken', 'invalid credentials', 'permission denied',
    'failed to authenticate', 'authorizationfailure', 'clientauthenticationerror',
    'authorizationpermissionmismatch', 'not authorized to perform',
)
_NO_PLACE = (
    'nosuchbucket', 'specified bucket does not exist', 'containernotfound',
    'the specified container does not exist',
)
_LOST = (
    'connection', 'timeout', 'timed out', 'endpoint', 'unreachable', 'eof', 'network',
    'resolve', 'name or service', 'no existing session', 'socket', 'reset', 'broken',
    'disconnected',
)
_BUSY = (
    'slowdown', 'slow down', 'serviceunavailable', 'internalerror', 'internal error',
    'toomanyrequests', 'throttl', 'reduce your request rate',
    'serverbusy', 'service unavailable', 'backend error', 'rate limit',
)
_OTHER_HOST = ('badhostkey', 'does not match')
_UNKNOWN_HOST = ('not found in known_hosts', *_OTHER_HOST, 'host key')


def is_passing(error: BaseException) -> bool:
    """Whether it may be gone when the same is asked again."""
    said = _said(error)
    if _any(said, _NO_CREDENTIALS + _UNREADABLE + _DENIED + _NO_PLACE + _UNKNOWN_HOST):
        return False
    return _any(said, _LOST + _BUSY)


def is_no_place(error: BaseException) -> bool:
    """Whether not only a file is lacking, but where it would be."""
    return _any(_said(error), _NO_PLACE)


def told(error: BaseException, label: str, scheme: str) -> GitModelError:
    """The error for a user, with what mends it."""
    said = _said(error)
    if _any(said, _UNKNOWN_HOST):
        return _host(label, _any(said, _OTHER_HOST))
    if _any(said, _NO_CREDENTIALS):
        return GitModelError(
            f"there are no credentials for '{label}'", _credentials(scheme),
        )
    if _any(said, _UNREADABLE):
        return GitModelError(
            f"the credentials for '{label}' cannot be read: {_plain(error)}",
            _credentials(scheme),
        )
    if _any(said, _NO_PLACE):
        return no_place(label)
    if isinstance(error, PermissionError) or _any(said, _DENIED):
        return GitModelError(
            f"'{label}' refuses: {_plain(error)}", _credentials(scheme),
        )
    if _any(said, _LOST + _BUSY):
        return GitModelError(
            f"'{label}' cannot be reached: {_plain(error)}",
            'see to the network, then run the command again: what arrived is not '
            'transferred again',
        )
    return GitModelError(
        f"'{label}': {_plain(error)}",
        'see to it there, or choose another: git config remote.<name>.modelStore <url>',
    )


def _host(label: str, has_another_key: bool) -> GitModelError:
    found = re.match(r'[^:]*://(\[[^]]*\]|[^/:]*)(?::(\d+))?', label)
    host, port = (found[1].strip('[]'), found[2]) if found else ('<host>', None)
    option = f'-p {port} ' if port else ''
    if has_another_key:
        known = f'[{host}]:{port}' if port else host
        return GitModelError(
            f"the host of '{label}' has another key than the one that is known here: "
            'it may not be that host',
            'ask who runs it; if its key was changed, forget the old one: '
            f"ssh-keygen -R '{known}'",
        )
    return GitModelError(
        f"the host of '{label}' is not one that is known here",
        f'compare its fingerprint and note it: ssh {option}{host}',
    )


def no_place(label: str) -> GitModelError:
    return GitModelError(
        f"there is no bucket or container at '{label}'",
        'make it, or mend the address: git config remote.<name>.modelStore <url>',
    )


def _credentials(scheme: str) -> str:
    usual = _CREDENTIALS.get(scheme, 'those that its fsspec library reads')
    return f'set the credentials in the environment: {usual}'


def _said(error: BaseException) -> str:
    """All that it and its causes say."""
    found: list[str] = []
    next_: BaseException | None = error
    while next_ is not None and len(found) < 8:
        found.append(f'{type(next_).__name__} {next_}')
        next_ = next_.__cause__ or next_.__context__
    return ' '.join(found).lower()


def _any(said: str, words: tuple[str, ...]) -> bool:
    return any(word in said for word in words)


def _plain(error: BaseException) -> str:
    """One line of what it says, without what looks like a secret."""
    text = ' '.join(str(error).split()) or type(error).__name__
    if text == 'Failure':       # SFTP has no word for it
        text = 'Failure, as it says of a disk that is full'
    return _SECRET.sub(lambda m: f'{m[1] or m[2] or ""}…', text)[:_LONGEST]
