"""The other end of a stream, for tests of hooks that send or receive one."""

from __future__ import annotations

import datetime
import functools
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ganeti_core.plugin_api.context import HookContext, StreamEndpoint
from ganeti_core.plugin_api.disk_streams import plain_receive, plain_send
from ganeti_core.plugin_api.transfer import Giver, Limits, Offer, Receiver, Sink, Source

SOON = Limits(offered=60.0, stall=60.0, all=300.0)


def with_streams(ctx: HookContext) -> HookContext:
    """The context with an end of streams, on this host, and disks of any template that have a path.
    """
    plain = {"send_data": plain_send, "receive_data": plain_receive}

    def call(kind: str, name: str, hook: str, /, **arguments: Any) -> Any:
        if kind == "disk_templates" and hook in plain:
            return plain[hook](ctx=streaming, **arguments)
        return ctx.driver(kind, name, hook, **arguments)

    streaming = replace(ctx, endpoint=_endpoint, driver=call)
    return streaming


@contextmanager
def receiving(ctx: HookContext, sink: Sink) -> Iterator[tuple[Offer, Future[int]]]:
    """Take a stream meanwhile; gives the offer, and what becomes of it."""
    left = threading.Event()
    own = replace(ctx, cancelled=left.is_set)
    with Receiver(own, sink, limits=SOON) as receiver:
        yield from _meanwhile(receiver, left)


@contextmanager
def giving(ctx: HookContext, source: Source) -> Iterator[tuple[Offer, Future[int]]]:
    """Give a stream meanwhile; gives the offer, and what becomes of it."""
    left = threading.Event()
    own = replace(ctx, cancelled=left.is_set)
    with Giver(own, source, limits=SOON) as giver:
        yield from _meanwhile(giver, left)


def _meanwhile(
    listener: Receiver | Giver, left: threading.Event
) -> Iterator[tuple[Offer, Future[int]]]:
    """Let it run until the test leaves it; one that nobody has called ends then."""
    with ThreadPoolExecutor(1) as pool:
        try:
            yield listener.offer, pool.submit(listener.run)
        finally:
            left.set()


def sent_by(ctx: HookContext, hook: Callable[[Offer], int]) -> bytes:
    """What a hook sends to the offer that it gets; it must return how much that was."""
    found = bytearray()
    with receiving(ctx, found.extend) as (offer, done):
        count = hook(offer)
        assert count == done.result(SOON.all) == len(found), "it returned another number of bytes"
    return bytes(found)


def given_to(ctx: HookContext, data: bytes, hook: Callable[[Offer], int]) -> None:
    """Give a hook a stream; it must return how much that was."""
    with giving(ctx, [data]) as (offer, _):
        assert hook(offer) == len(data), "it returned another number of bytes"


def breaking_off(data: bytes) -> Iterator[bytes]:
    """A source that fails after its first bytes, as when its node's disk is broken."""
    yield data[:len(data) // 2]
    raise OSError("the source breaks off, as the test wants it")


@functools.cache
def _endpoint() -> StreamEndpoint:
    """This host's end of streams; who shows the same certificate is let in."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "conformance")])
    now = datetime.datetime.now(datetime.UTC)
    shown = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
             .public_key(key.public_key()).serial_number(x509.random_serial_number())
             .not_valid_before(now - datetime.timedelta(days=1))
             .not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256()))
    pem = shown.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())

    def context(purpose: ssl._SSLMethod) -> ssl.SSLContext:
        made = ssl.SSLContext(purpose)
        made.check_hostname = False
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(cadata=pem.decode())
        with tempfile.NamedTemporaryFile() as file:
            Path(file.name).write_bytes(pem + private)
            made.load_cert_chain(file.name)
        return made

    der = shown.public_bytes(serialization.Encoding.DER)
    return StreamEndpoint(
        "127.0.0.1", lambda: context(ssl.PROTOCOL_TLS_SERVER),
        lambda: context(ssl.PROTOCOL_TLS_CLIENT), lambda caller: caller == der)
