"""Long forms for curious people: the policy, and the components of the score."""

from __future__ import annotations

from ..formats.haskell import fixed, show_float
from ..model.arrays import Floats
from ..model.score import COMPONENTS
from ..records import Policy, Spec
from .tables import columns

_TEMPLATE_NAMES = {
    "diskless": "DTDiskless",
    "file": "DTFile",
    "sharedfile": "DTSharedFile",
    "plain": "DTPlain",
    "blockdev": "DTBlock",
    "drbd": "DTDrbd8",
    "rbd": "DTRbd",
    "ext": "DTExt",
    "gluster": "DTGluster",
}


def show_policy(policy: Policy) -> str:
    """An instance policy in one line."""
    pairs = ",".join(
        f"MinMaxISpecs {{minMaxISpecsMinSpec = {_spec(low)}, minMaxISpecsMaxSpec = {_spec(high)}}}"
        for low, high in policy.pairs
    )
    templates = ",".join(_TEMPLATE_NAMES[name] for name in policy.templates)
    return (
        f"IPolicy {{iPolicyMinMaxISpecs = [{pairs}], iPolicyStdSpec = {_spec(policy.std)}, "
        f"iPolicyDiskTemplates = [{templates}], "
        f"iPolicyVcpuRatio = {show_float(policy.vcpu_ratio)}, "
        f"iPolicySpindleRatio = {show_float(policy.spindle_ratio)}}}"
    )


def _spec(spec: Spec) -> str:
    return (
        f"ISpec {{iSpecMemorySize = {spec.memory}, iSpecCpuCount = {spec.cpus}, "
        f"iSpecDiskSize = {spec.disk_size}, iSpecDiskCount = {spec.disk_count}, "
        f"iSpecNicCount = {spec.nics}, iSpecSpindleUse = {spec.spindles}}}"
    )


def score_table(components: Floats | None) -> str:
    """The components of a score, with weights; None for a cluster without nodes."""
    rows = [["Field", "Value", "Weight"]]
    if components is not None:
        for (name, weight), value in zip(COMPONENTS, components.tolist(), strict=True):
            rows.append([name, fixed(value, 8), f"x{fixed(weight, 2)}"])
    return columns(rows, [False, True, True], "   ")


def general(value: float) -> str:
    """A number as messages show it: six decimals, or an exponent if tiny or huge."""
    if value == 0 or 0.1 <= abs(value) < 1e7:
        return fixed(value, 6)
    mantissa, exponent = f"{value:.6e}".split("e")
    return f"{mantissa}e{int(exponent)}"
