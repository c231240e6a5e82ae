"""What a person has of a guest: screen (VNC or SPICE), graphics card, USB, sound."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganeti_core.plugin_api import InstanceSpec

from .bind import address_of
from .guests import Guest

FIRST_VNC_PORT = 5900
USB_DEVICES = {"mouse": "usb-mouse", "tablet": "usb-tablet", "keyboard": "usb-kbd",
               "wacom-tablet": "usb-wacom-tablet"}
SOUND_CARDS = {"ac97": ("AC97,audiodev=sound",), "es1370": ("ES1370,audiodev=sound",),
               "hda": ("intel-hda", "hda-duplex,audiodev=sound")}
SPICE_OPTIONS = {
    "spice_image_compression": "image-compression",
    "spice_jpeg_wan_compression": "jpeg-wan-compression",
    "spice_zlib_glz_wan_compression": "zlib-glz-wan-compression",
    "spice_streaming_video": "streaming-video"}
CERTIFICATES = "var/lib/ganeti"


def screen(guest: Guest, instance: InstanceSpec) -> list[str]:
    """QEMU's words for all of it.

    :raises OpPrereqError: the interface of the screen has no address here
    """
    params = instance.hvparams
    where, spice = vnc_address(params, instance), spice_port(params, instance)
    # Which of them there is does not depend on the node, unlike their addresses.
    words = ["-vga", params["vga"] or ("qxl" if spice else "std" if where else "none"),
             *_usb(params), *_sound(params, is_spice=spice is not None)]
    if params["keymap"]:
        words += ["-k", params["keymap"]]
    if spice is not None:
        return [*words, "-display", "none", *_spice(guest, params, spice)]
    if not where:
        return [*words, "-display", "none"]
    return [*words, *_vnc(params, where)]


def _usb(params: Mapping[str, Any]) -> list[str]:
    named = [params["usb_mouse"], *listed(params["usb_devices"])]
    found = [USB_DEVICES[name] for name in named if name]
    return ["-usb", *(word for name in found for word in ("-device", name))] if found else []


def _sound(params: Mapping[str, Any], *, is_spice: bool) -> list[str]:
    cards = listed(params["soundhw"])
    if not cards:
        return []
    words = ["-audiodev", f"{'spice' if is_spice else 'none'},id=sound"]
    for card in cards:
        for device in SOUND_CARDS[card]:
            words += ["-device", device]
    return words


def listed(text: str) -> list[str]:
    """The words of a list with commas."""
    return [word.strip() for word in str(text).split(",") if word.strip()]


def _vnc(params: Mapping[str, Any], where: str) -> list[str]:
    words, credentials = [], ""
    if params["vnc_tls"] and not where.startswith("unix:"):
        credentials = "tls-creds-anon,id=vnctls0,endpoint=server"
        if params["vnc_x509_path"]:
            folder = str(params["vnc_x509_path"]).replace(",", ",,")
            credentials = (f"tls-creds-x509,id=vnctls0,endpoint=server,dir={folder},verify-peer="
                           f"{'on' if params['vnc_x509_verify'] else 'off'}")
        words, where = ["-object", credentials], where + ",tls-creds=vnctls0"
    if params["vnc_password_file"]:
        where += ",password=on"
    return [*words, "-vnc", where]


def vnc_address(params: Mapping[str, Any], instance: InstanceSpec) -> str:
    """Where the VNC screen is, in QEMU's words; empty for none.

    :raises OpPrereqError: its interface has no address here
    """
    if (path := vnc_socket(params, instance)) is not None:
        return "unix:" + str(path).replace(",", ",,")
    bind = str(params["vnc_bind_address"])
    if not bind or instance.network_port is None:
        return ""
    address = address_of("vnc_bind_address", bind)
    return (f"{f'[{address}]' if ':' in address else address}:"
            f"{instance.network_port - FIRST_VNC_PORT}")


def vnc_socket(params: Mapping[str, Any], instance: InstanceSpec) -> Path | None:
    """The Unix socket of the VNC screen; None where it is none, or at an address."""
    bind = str(params["vnc_bind_address"])
    return Path(bind) / f"{instance.name}.vnc" if bind.startswith("/") else None


def spice_port(params: Mapping[str, Any], instance: InstanceSpec) -> int | None:
    """The port of the SPICE screen; None where there is none."""
    return instance.network_port if params["spice_bind"] else None


def _spice(guest: Guest, params: Mapping[str, Any], port: int) -> list[str]:
    address = address_of("spice_bind", params["spice_bind"], int(params["spice_ip_version"]))
    options = [f"addr={address}"]
    if params["spice_use_tls"]:
        folder = str(guest.cards.ctx.root / CERTIFICATES).replace(",", ",,")
        options += [f"tls-port={port}", f"x509-cacert-file={folder}/spice-ca.pem",
                    f"x509-key-file={folder}/spice.pem", f"x509-cert-file={folder}/spice.pem"]
        if params["spice_tls_ciphers"]:
            options.append(f"tls-ciphers={params['spice_tls_ciphers'].replace(',', ',,')}")
    else:
        options.append(f"port={port}")
    if not params["spice_password_file"]:
        options.append("disable-ticketing=on")
    options += [f"{word}={params[name]}" for name, word in SPICE_OPTIONS.items() if params[name]]
    if not params["spice_playback_compression"]:
        options.append("playback-compression=off")
    if not params["spice_use_vdagent"]:
        return ["-spice", ",".join([*options, "agent-mouse=off"])]
    return ["-spice", ",".join(options), "-device", "virtio-serial-pci,id=spice",
            "-chardev", "spicevmc,id=spicechannel0,name=vdagent", "-device",
            "virtserialport,bus=spice.0,chardev=spicechannel0,name=com.redhat.spice.0"]
