"""A plugin written for API 0 of collectors. Frozen: it loads as long as API 0 is accepted."""

import os

from ganeti_core.plugin_api import Description, HookContext, hookimpl
from ganeti_core.plugin_api.data import Collected, Report


class Oldest:
    @hookimpl
    def describe(self) -> Description:
        return Description(api_version=0, title="oldest")

    @hookimpl
    def collect(self, ctx: HookContext) -> Collected:
        one, five, fifteen = os.getloadavg()
        return Collected(Report({"load": {"1": one, "5": five, "15": fifteen}}))
