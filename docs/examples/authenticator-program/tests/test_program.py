from pathlib import Path

import pytest

from ganeti_authenticator_program import PROGRAM, ProgramAuthenticator
from ganeti_core.plugin_api import OpExecError
from ganeti_core.plugin_api.authenticator import Identity
from ganeti_core.plugin_api.testing.contexts import make_context


@pytest.mark.parametrize(("said", "options"), [("@operator", "@operator"), ("-", None)])
def test_the_program_says_what_somebody_may_do(
    tmp_path: Path, said: str, options: str | None
) -> None:
    (tmp_path / PROGRAM).parent.mkdir(parents=True)
    (tmp_path / PROGRAM).write_text(f"#!/bin/sh\necho {said}\n")
    (tmp_path / PROGRAM).chmod(0o755)

    found = ProgramAuthenticator().authenticate(make_context(tmp_path), "jill", "sesame")

    assert found == Identity("jill", options)


def test_without_the_program_nobody_is_let_in(tmp_path: Path) -> None:
    with pytest.raises(OpExecError, match="authenticate"):
        ProgramAuthenticator().authenticate(make_context(tmp_path), "jill", "sesame")
