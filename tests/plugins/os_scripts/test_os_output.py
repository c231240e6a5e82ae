"""What scripts print: bounded, without control characters, and without the values of parameters."""

import base64
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from os_conftest import MakeOs

from ganeti_core.plugin_api import HookContext, InstanceSpec, OpPrereqError, OsScriptError
from ganeti_plugins.os_scripts import logs
from ganeti_plugins.os_scripts.driver import OsScripts
from ganeti_plugins.os_scripts.hiding import Hidden

SECRET = 'h\u00fcnter2 & "friends"+/'
INSTANCE = InstanceSpec(
    uuid="c0ffee00-0000-4000-8000-000000000001", name="inst1.example.com", hypervisor="fake",
    beparams={"maxmem": 128, "vcpus": 1}, os="some+default")


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("form", [
    SECRET, quote(SECRET), quote(SECRET, safe=""), json.dumps(SECRET), SECRET.encode().hex(),
    encoded(SECRET), encoded(f"{SECRET}\n"), encoded(f"user:{SECRET}"),
    encoded(f"ab{SECRET}, and more"), base64.urlsafe_b64encode(SECRET.encode()).decode(),
])
def test_a_value_is_hidden_in_every_usual_form(form: str) -> None:
    shown = Hidden({"OSP_TOKEN": SECRET})(f"bad token {form}.")
    assert "(the value of OSP_TOKEN)" in shown
    assert len(shown.replace("(the value of OSP_TOKEN)", "").replace("bad token ", "")) < 22


def test_each_line_of_a_value_is_hidden() -> None:
    """Of a long value, such as a key, only the last lines may be shown."""
    key = "-----BEGIN-----\nMIIBVwIBADANBgkq\nhkiG9w0BAQEF\n-----END-----\n"
    shown = Hidden({"OSP_KEY": key})("hkiG9w0BAQEF\n-----END-----\n")
    assert "hkiG9w0BAQEF" not in shown


def test_short_values_are_hidden_as_words_only() -> None:
    hide = Hidden({"OSP_PIN": "4711", "OSP_FLAG": "y", "OSP_NONE": ""})
    assert hide("4711 is not 147112, y?") == "(the value of OSP_PIN) is not 147112, y?"


def test_what_verify_says_hides_values_and_is_readable(make_os: MakeOs, ctx: HookContext) -> None:
    script = '#!/bin/sh\nprintf "\\033[31mbad \\007%s\\033[0m" "$OSP_COLOUR"; exit 4\n'
    driver = OsScripts("some", make_os("some", verify=script))
    with pytest.raises(OpPrereqError) as failure:
        driver.validate(ctx, "default", {"colour": SECRET}, False)
    assert failure.value.args[0].endswith("status 4: bad (the value of OSP_COLOUR)")


def test_what_a_failing_script_says_is_readable_and_bounded(
    make_os: MakeOs, ctx: HookContext
) -> None:
    script = ("#!/bin/sh\nhead -c 100000 /dev/zero | tr '\\0' x\n"
              "printf '\\033]0;hi\\007end'; exit 1\n")
    with pytest.raises(OsScriptError) as failure:
        OsScripts("some", make_os("some", create=script)).create(ctx, INSTANCE, "default", False)
    text = str(failure.value)
    assert len(text) < logs.TAIL_CHARACTERS + 500
    assert text.endswith("xend")
    assert "\033" not in text


def test_private_values_are_in_no_log(make_os: MakeOs, ctx: HookContext) -> None:
    script = '#!/bin/sh\necho "$OSP_COLOUR and $OSP_FAIL"; printf "$OSP_COLOUR"\n'
    instance = replace(INSTANCE, osparams={"colour": "hunter2-hunter2", "fail": "nothing"},
                       secret_osparams=("colour",))
    OsScripts("some", make_os("some", create=script)).create(ctx, instance, "default", False)
    log, = ctx.logs.iterdir()
    assert log.read_text() == "(the value of OSP_COLOUR) and nothing\n(the value of OSP_COLOUR)"


def test_a_log_has_a_limited_size(make_os: MakeOs, ctx: HookContext) -> None:
    script = "#!/bin/sh\necho first; seq 1 2000000; echo last\n"
    OsScripts("some", make_os("some", create=script)).create(ctx, INSTANCE, "default", False)
    log, = ctx.logs.iterdir()
    text = log.read_text()
    assert len(text) <= logs.LARGEST + 100
    assert text.startswith("first\n1\n2\n")
    assert text.endswith("1999999\n2000000\nlast\n")
    assert text.count("bytes dropped]") == 1


def test_what_has_no_end_of_line_is_in_the_log(make_os: MakeOs, ctx: HookContext) -> None:
    script = "#!/bin/sh\nhead -c 200000 /dev/zero | tr '\\0' x\n"
    OsScripts("some", make_os("some", create=script)).create(ctx, INSTANCE, "default", False)
    log, = ctx.logs.iterdir()
    assert log.read_text() == "x" * 200000


def old_log(folder: Path, name: str, age: int) -> Path:
    log = folder / name
    log.touch()
    os.utime(log, (time.time() - age,) * 2)
    return log


def test_only_the_last_logs_of_an_instance_are_kept(make_os: MakeOs, ctx: HookContext) -> None:
    ctx.logs.mkdir(exist_ok=True)
    own = [old_log(ctx.logs, f"add-some+default-inst1.example.com-2026-01-01_00_00_{age:02}.log",
                   age) for age in range(20)]
    others = [old_log(ctx.logs, f"add-some+default-{name}-2026-01-01_00_00_00.log", 99)
              for name in ("inst1.example.com.other", "a-inst1.example.com", "inst1")]
    OsScripts("some", make_os("some")).create(ctx, INSTANCE, "default", False)
    left = set(ctx.logs.iterdir())
    assert {*own[:logs.KEPT - 1], *others} < left
    assert len(left) == logs.KEPT + len(others)


def test_logs_of_instances_that_are_gone_do_not_pile_up(ctx: HookContext) -> None:
    ctx.logs.mkdir(exist_ok=True)
    kept = [old_log(ctx.logs, f"add-some-i{age}-2026-01-01_00_00_00.log", age)
            for age in range(logs.KEPT_IN_ALL + 5)][:logs.KEPT_IN_ALL - 1]
    foreign = old_log(ctx.logs, "notes.txt", 10 ** 6)
    logs.new_log(ctx.logs, "add", "some", "inst1.example.com")
    assert set(ctx.logs.iterdir()) == {*kept, foreign}


def test_a_daemon_that_a_script_leaves_does_not_hold_it_up(
    make_os: MakeOs, ctx: HookContext
) -> None:
    script = "#!/bin/sh\necho begun\n(setsid sleep 60 &)\n"
    before = time.monotonic()
    OsScripts("some", make_os("some", create=script)).create(ctx, INSTANCE, "default", False)
    assert time.monotonic() - before < 30
    log, = ctx.logs.iterdir()
    assert log.read_text() == "begun\n"
