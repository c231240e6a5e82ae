from ganeti_extstorage_folder.conformance import TestFolderProvider  # noqa: F401
