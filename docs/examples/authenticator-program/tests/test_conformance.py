from ganeti_authenticator_program.conformance import TestProgramAuthenticator  # noqa: F401
