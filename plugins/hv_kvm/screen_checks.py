"""Can the parameters of screens, USB and sound work on this node?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from ganeti_core.plugin_api import ECODE_ENVIRON

from .bind import address_of
from .parameters import PARAMETERS, refusal
from .screen import SOUND_CARDS, USB_DEVICES, listed

NEED_SPICE = ("spice_password_file", "spice_ip_version", "spice_image_compression",
              "spice_jpeg_wan_compression", "spice_zlib_glz_wan_compression",
              "spice_streaming_video", "spice_use_tls")


def check(params: Mapping[str, Any]) -> None:
    """:raises OpPrereqError: names the first parameter that cannot work, and its value"""
    _names("usb_devices", params, USB_DEVICES)
    _names("soundhw", params, SOUND_CARDS)
    _vnc(params)
    _spice(params)


def _names(name: str, params: Mapping[str, Any], known: Iterable[str]) -> None:
    if unknown := sorted(set(listed(params[name])) - set(known)):
        raise refusal(name, params[name], f"{', '.join(unknown)} cannot be had; there are, with "
                                          f"commas between them: {', '.join(sorted(known))}")


def _vnc(params: Mapping[str, Any]) -> None:
    bind = str(params["vnc_bind_address"])
    if bind.startswith("/"):
        if not os.path.isdir(bind):
            raise refusal("vnc_bind_address", bind, "this node has no such folder", ECODE_ENVIRON)
        if params["vnc_tls"]:
            raise refusal("vnc_tls", True, "is of no use for a unix socket, which nobody reaches "
                                           "over a network")
    elif bind:
        address_of("vnc_bind_address", bind)
    if params["vnc_password_file"] and not bind:
        raise refusal("vnc_password_file", params["vnc_password_file"], "needs vnc_bind_address")
    folder = params["vnc_x509_path"]
    if params["vnc_x509_verify"] and not folder:
        raise refusal("vnc_x509_verify", True, "needs vnc_x509_path")
    if folder and not os.path.isdir(folder):
        raise refusal("vnc_x509_path", folder, "this node has no such folder", ECODE_ENVIRON)


def _spice(params: Mapping[str, Any]) -> None:
    bind = params["spice_bind"]
    if not bind:
        for name in NEED_SPICE:
            if params[name] != PARAMETERS[name].default:
                raise refusal(name, params[name], "needs spice_bind")
        return
    if params["vnc_bind_address"]:
        raise refusal("spice_bind", bind, "there can be one screen only, and vnc_bind_address is "
                                          "set, too")
    address_of("spice_bind", bind, int(params["spice_ip_version"]))
