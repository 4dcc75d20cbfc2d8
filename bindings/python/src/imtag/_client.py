"""The client: five operations, each one call of the library; bulk runs and batchers."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Mapping
from ctypes import c_void_p
from typing import Any, Literal, NoReturn

from . import _exit
from ._batcher import Batcher
from ._bulk import Bulk
from ._call import Call, Cancel
from ._changes import Change
from ._credentials import CredentialCallback, Supplier
from ._errors import ClosedError, CredentialsError
from ._library import lib
from ._marshal import Accounts, Flat, Text, Users, accounts_flat, users_flat
from ._progress import Progress
from ._raise import exception_of
from ._result import Result, read_result
from ._settings import Config, Options, Settings
from ._stats import Stats, read_stats


class _Handle:
    """An im_client, freed when neither its Client nor a running call refers to it."""

    __slots__ = ("pointer", "supplier")

    def __init__(self, settings: Settings, config: Config) -> None:
        self.pointer: Any = None
        callback = settings.credential_callback
        self.supplier = None if callback is None else Supplier(callback)
        self.pointer = settings.client(config, self.supplier)

    def __del__(self, free: Any = lib.im_client_free) -> None:
        if self.pointer:
            free(self.pointer)


class Client:
    """A client of the service: connections, quota, UserSig and retry budget, which all threads share.

    Every call sends at most one request (and its retries, within the timeout): at most 100 users, each once, with at
    most 10 tags each, 100 to replace all; a tag has 1 to 50 bytes of UTF-8, an account 1 to 32. All is checked before a
    byte is sent. Any number of threads may call at once; a forked child may use its parent's client. Close it with
    ``with`` or ``close``; otherwise it is closed when it is garbage.
    """

    __slots__ = ("__weakref__", "_handle", "_name", "_warnings")

    def __init__(
        self,
        *,
        sdkappid: int | None = None,
        identifier: Text | None = None,
        secret_key: Text | None = None,
        usersig: Text | None = None,
        credential_callback: CredentialCallback | None = None,
        region: Text | None = None,
        endpoint: Text | None = None,
        spare_endpoint: Text | None = None,
        proxy: Text | None = None,
        generation: Text | None = None,
        calls_per_second: float | None = None,
        fresh_start: bool | None = None,
        timeout: float | None = None,
        connect_timeout: float | None = None,
        max_attempts: int | None = None,
        roots: Text | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> None:
        """Make a client. Nothing is sent yet.

        sdkappid             the app's number, as the console shows it
        identifier           an account that is an administrator of the app, such as administrator
        secret_key           the app's key, from which the client makes UserSigs; or
        usersig              a ready UserSig, used until it expires; or
        credential_callback  is called without arguments when a UserSig is needed, by a thread that calls the client,
                             one at a time, and returns the text, (text, seconds that it is valid for) or a UserSig.
                             What it raises becomes the cause of a CredentialsError. A timeout cannot interrupt it.
        region               the app's data centre: china, singapore, seoul, tokyo, frankfurt, silicon-valley,
                             jakarta, mumbai, saudi-arabia; or
        endpoint             an address in its place: https://host[:port], or http:// with a loopback address
        spare_endpoint       the host that is called while the first cannot be reached: an address as endpoint, or none;
                             default: of a region the one that the service names for it, of an endpoint none. Calls go
                             there for a minute if a look-up, a connection or a TLS handshake with the first fails and
                             one with the spare succeeds. Once any of a call was written to a host, all its attempts go
                             to that host. A change that a bulk run or a batcher sends again in another request is in
                             another call
        proxy                the proxy through which the service is called: http://, https:// or socks5://, then
                             [user:password@]host[:port], where what URLs reserve is percent-encoded in user and
                             password; the ports are 80, 443 and 1080 if none is given; host:port is http; or direct: no
                             proxy. Default: the environment's when the client is made, HTTPS_PROXY or else ALL_PROXY
                             (also in lower case), unless NO_PROXY names the host. An endpoint on this machine is never
                             called through a proxy, not even through this one. No error shows user or password
        generation           the generation of the service's paths: all_member_push (default) or timpush
        calls_per_second     calls of each operation, 0.001 to 100000 with at most three decimals (100): from 1 up that
                             many whole calls in any second (2.5: two), below 1 one call in any 1 / calls_per_second
                             seconds (0.5: one in 2 s); an app's processes share its quota: give each a part, which its
                             clients with the same app, endpoint and calls_per_second share
        fresh_start          True: no other process of the app called in the last second, so no call waits for others;
                             None: one call at a time until this process has run for 1.1 s; False: for 1.1 s from the
                             making of this process' first client, as a process that exec has replaced looks older than
                             it is
        timeout              seconds for a whole call with its waits and retries, above 0 (10)
        connect_timeout      seconds for opening a connection (look-up, TCP, a proxy and TLS), above 0 (5); where there
                             is a spare host, half of it is for the host that is tried first, with a proxy half of what
                             is left once that is reached
        max_attempts         attempts of a call, including the first, above 0 (4); attempts without an answer are not
                             counted: the call waits for the end of an outage for up to half of the time that it has
                             left; with 1 nothing is tried again
        roots                the public root certificates to trust: built-in (default), of the library's age, or
                             platform, those of this system, where a company's proxy that opens TLS has its CA; or
        ca_file              CA certificates (PEM) to trust in place of the public ones
        limits               limits of the service, if the app's plan has others: users_per_request (100),
                             tags_per_user_and_request (10), tags_per_user (100), tag_bytes (50), account_bytes (32)

        None means the default. Unless a proxy is set or the endpoint is on this machine, the environment is read, and
        for the platform's roots too (SSL_CERT_FILE, SSL_CERT_DIR): no other thread may change os.environ meanwhile.
        Raises SettingsError for all settings that are needed and not set (sdkappid, identifier, credentials, region or
        endpoint), or for one that cannot be used; TypeError for a value of another type.
        """
        self._handle: _Handle | None = None
        self._warnings: tuple[str, ...] = ()
        settings = Settings(
            sdkappid=sdkappid,
            identifier=identifier,
            secret_key=secret_key,
            usersig=usersig,
            credential_callback=credential_callback,
            region=region,
            endpoint=endpoint,
            spare_endpoint=spare_endpoint,
            proxy=proxy,
            generation=generation,
            calls_per_second=calls_per_second,
            fresh_start=fresh_start,
            timeout=timeout,
            connect_timeout=connect_timeout,
            max_attempts=max_attempts,
            roots=roots,
            ca_file=ca_file,
            limits=limits,
        )
        del secret_key, usersig, proxy  # else a traceback that shows locals would show them
        self._name = f"sdkappid={sdkappid} identifier={identifier!r}"
        self._handle = _Handle(settings, Config(lib.im_config_new()))

    @staticmethod
    def from_env(
        profile: Text | None = None,
        *,
        sdkappid: int | None = None,
        identifier: Text | None = None,
        secret_key: Text | None = None,
        usersig: Text | None = None,
        credential_callback: CredentialCallback | None = None,
        region: Text | None = None,
        endpoint: Text | None = None,
        spare_endpoint: Text | None = None,
        proxy: Text | None = None,
        generation: Text | None = None,
        calls_per_second: float | None = None,
        fresh_start: bool | None = None,
        timeout: float | None = None,
        connect_timeout: float | None = None,
        max_attempts: int | None = None,
        roots: Text | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> Client:
        """Make a client by the environment and a settings file, as the command line ``imtag`` reads them.

        profile   the table [profile.NAME] of the file whose keys win over those at its top; None: the one that
                  IMTAG_PROFILE names, if it is set
        others    as of ``Client``; each takes the place of what is found. None takes no place

        Variables: IMTAG_SDKAPPID, IMTAG_IDENTIFIER, IMTAG_SECRET_KEY or IMTAG_SECRET_KEY_FILE or IMTAG_USERSIG,
        IMTAG_REGION or IMTAG_ENDPOINT, and so on. The file: the one that IMTAG_CONFIG names, or
        ~/.config/imtag/config.toml if it is there; TOML, with these names in lower case and without IMTAG_, over which
        the variables win. Both are read once, during this call, and ``warnings`` says what is probably a mistake there.
        No other thread may change os.environ meanwhile.

        Raises SettingsError for everything that is missing or cannot be used, with each place where it could stand.
        """
        settings = Settings(
            sdkappid=sdkappid,
            identifier=identifier,
            secret_key=secret_key,
            usersig=usersig,
            credential_callback=credential_callback,
            region=region,
            endpoint=endpoint,
            spare_endpoint=spare_endpoint,
            proxy=proxy,
            generation=generation,
            calls_per_second=calls_per_second,
            fresh_start=fresh_start,
            timeout=timeout,
            connect_timeout=connect_timeout,
            max_attempts=max_attempts,
            roots=roots,
            ca_file=ca_file,
            limits=limits,
        )
        del secret_key, usersig, proxy  # else a traceback that shows locals would show them
        client = Client.__new__(Client)
        client._handle = None
        client._name = "from_env" if profile is None else f"from_env profile={profile!r}"
        config = Config.of_environment(profile)
        client._warnings = config.warnings()
        client._handle = _Handle(settings, config)
        return client

    @property
    def warnings(self) -> tuple[str, ...]:
        """What ``from_env`` found that is probably a mistake, such as a file with a secret that others can read."""
        return self._warnings

    def add_tag(
        self,
        users: Users,
        *,
        timeout: float | None = None,
        attempt_timeout: float | None = None,
        cancel: Cancel | None = None,
    ) -> Result:
        """Add tags to users. A tag that an account has already changes nothing.

        users            a mapping of accounts to their tags, or pairs (account, tags); str, or bytes of UTF-8
        timeout          seconds for the whole call, in place of the client's; 0: the time is already over
        attempt_timeout  seconds for one attempt, from its turn in the quota; then the call may try again. If it is
                         None, an attempt has half of the time that the call has left: of 10 s, the first has 5 s. After
                         an attempt without an answer in that time, the next has all that is left
        cancel           ends the call early

        Returns a Result if it was done for every account. Raises PartialFailure, which names the others, if it was
        done for some; InvalidRequest, with every violation, if the request breaks limits; TypeError for a value that is
        no text, with its place; any other Error of ``imtag``, with what is known of the effect.
        """
        return self._call(lib.im_add_tag_flat, users_flat(users), timeout, attempt_timeout, cancel)

    def remove_tag(
        self,
        users: Users,
        *,
        timeout: float | None = None,
        attempt_timeout: float | None = None,
        cancel: Cancel | None = None,
    ) -> Result:
        """Remove tags from users. A tag that an account does not have changes nothing. All else as ``add_tag``."""
        return self._call(lib.im_remove_tag_flat, users_flat(users), timeout, attempt_timeout, cancel)

    def replace_tags(
        self,
        users: Users,
        *,
        timeout: float | None = None,
        attempt_timeout: float | None = None,
        cancel: Cancel | None = None,
    ) -> Result:
        """Replace tags: afterwards each user has these tags and no others, at most 100.

        Only the timpush paths (``generation="timpush"``) can do this; on the other paths it is InvalidRequest. All else
        as ``add_tag``.
        """
        return self._call(lib.im_replace_tags_flat, users_flat(users), timeout, attempt_timeout, cancel)

    def get_tag(
        self,
        accounts: Accounts,
        *,
        timeout: float | None = None,
        attempt_timeout: float | None = None,
        cancel: Cancel | None = None,
    ) -> Result:
        """Read the tags of at most 100 accounts, each once: ``get_tag(["xiaojun012"]).users``.

        The result's ``unanswered`` has the accounts that the answer does not name. All else as ``add_tag``.
        """
        return self._call(lib.im_get_tag_flat, accounts_flat(accounts), timeout, attempt_timeout, cancel)

    def clear_tags(
        self,
        accounts: Accounts,
        *,
        timeout: float | None = None,
        attempt_timeout: float | None = None,
        cancel: Cancel | None = None,
    ) -> Result:
        """Remove all tags of at most 100 accounts, each once. All else as ``add_tag``."""
        return self._call(lib.im_clear_tags_flat, accounts_flat(accounts), timeout, attempt_timeout, cancel)

    def bulk(
        self,
        changes: Iterable[Change],
        *,
        progress: Progress | None = None,
        linger: float | None = None,
        capacity: int | None = None,
        timeout: float | None = None,
        attempt_timeout: float | None = None,
        late_window: float | None = None,
    ) -> Bulk:
        """Make any number of changes, packed into as few requests as possible and sent at the full quota.

        changes          an iterable of ``imtag.add(account, tags)`` and the other changes. It is pulled
                         as there is capacity, a collection up to 128 ahead. Those of an account are made in this order
        progress         is called with a Summary about every 100 ms of waiting. If it returns something true or raises,
                         the run is cancelled: nothing more is sent, requests under way complete, and it is not called
                         again
        linger           seconds that a change waits for others to share its request, while more may come (1)
        capacity         how many changes the run holds before they are sent (4096). The greater it is, the fewer
                         requests are needed for users with many tags
        timeout          seconds for each request with its waits and retries (60); its waits for the quota, and for a
                         connection where the machine gives no more, are not counted
        attempt_timeout  seconds for one attempt (10)
        late_window      seconds after an attempt without an answer in which its request may still arrive (10). For so
                         long the account's next change of another kind waits, so that it is not undone: an add of vip
                         gets no answer; a remove of vip is sent 10 s later

        Returns a Bulk: iterate it for the Outcome of each change, or ``finish`` it. Nothing is sent before. An
        exception of the iterable, of ``progress`` or of a signal handler (Ctrl-C) is raised once requests under way
        have completed; iterate further for the outcomes.
        """
        options = Options(linger, capacity, timeout, attempt_timeout, late_window)
        handle = self._open_handle()
        return Bulk(handle.pointer, handle.supplier, changes, progress, options)

    def batcher(
        self,
        *,
        linger: float | None = None,
        capacity: int | None = None,
        when_full: Literal["wait", "fail"] | None = None,
        timeout: float | None = None,
        attempt_timeout: float | None = None,
        late_window: float | None = None,
    ) -> Batcher:
        """Make a batcher, in which changes of many threads, of one user each, share requests.

        linger           seconds that a change waits for others to share its request (0.01)
        capacity         how many changes it holds before they are sent (10000); with that many it is full
        when_full        if it is full, a change waits for capacity ("wait") or raises Full ("fail")
        timeout          seconds for a change, with its waits and retries (30)
        attempt_timeout  seconds for one attempt of a request (10)
        late_window      as in ``bulk`` (10)

        Returns a Batcher. Close it: use ``with``.
        """
        options = Options(linger, capacity, timeout, attempt_timeout, late_window, when_full)
        handle = self._open_handle()
        return Batcher(handle.pointer, handle.supplier, options)

    def stats(self) -> Stats:
        """Return the figures of the client in this process, also of the requests of its bulk runs and batchers.

        Calls by operation and outcome, attempts, waits for the quota, connections, UserSigs, outages; the README lists
        them. It holds up no call. A forked child begins with zeros.
        """
        return read_stats(lib.im_client_stats, self._open_handle().pointer)

    def close(self) -> None:
        """Close the client. Running calls go on, and it is freed when they end. A later call raises ClosedError."""
        self._handle = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("an imtag.Client cannot be copied or pickled: make one in each process")

    def __repr__(self) -> str:
        return f"<imtag.Client {self._name}{' closed' if self._handle is None else ''}>"

    def _open_handle(self) -> _Handle:
        handle = self._handle
        if handle is None:
            raise ClosedError("the client is closed: make another one", remedy="make another one")
        return handle

    def _call(
        self, function: Any, flat: Flat, timeout: float | None, attempt_timeout: float | None, cancel: Cancel | None
    ) -> Result:
        handle = self._open_handle()
        with Call(timeout, attempt_timeout, cancel) as call:
            outcome = _perform(function, handle, flat, call)
        if isinstance(outcome, Result):
            return outcome
        try:
            raise outcome
        finally:
            del outcome, handle  # else the exception's traceback would keep the exception and the client alive


def _perform(function: Any, handle: _Handle, flat: Flat, call: Call) -> Result | BaseException:
    """Make the call, and free what it returned. Returns an exception that is to be raised."""
    result, error = c_void_p(), c_void_p()
    supplier = handle.supplier
    try:
        if supplier is not None:
            supplier.ready()
            if not _exit.begin(call):
                return ClosedError("the interpreter is ending: no call can begin", remedy="call before it ends")
        status = function(handle.pointer, *flat.arguments, call.pointer, ctypes.byref(result), ctypes.byref(error))
        failure = None if status == 0 else exception_of(status, error, result)
        raised = call.take_raised()
        supplied = None
        if supplier is not None:
            supplied, interrupted = supplier.take_raised(), supplier.take_interrupted()
            raised = interrupted if raised is None else raised
        if raised is None and isinstance(failure, CredentialsError) and supplied is not None:
            if isinstance(supplied, Exception):
                failure.__cause__ = supplied
            else:  # KeyboardInterrupt and the like are not errors of the callback
                raised = supplied
        if raised is not None:
            if failure is not None:
                raised.__cause__ = failure  # with what is known of the effect
            return raised
        return read_result(result) if failure is None else failure
    finally:
        failure = raised = supplied = interrupted = None  # else an exception's traceback would keep it alive
        _exit.end(call)
        lib.im_result_free(result)
        lib.im_error_free(error)
