"""Digests what a time depends on besides config and machine: the traced work, the code, the framework's version."""

from __future__ import annotations

import ast
import hashlib
from functools import cache

from ..job import Job, Variant
from ..paths import ROOT
from .interpreters import framework_version, interpreter, lacking

# The files of `harness/workload` that programs execute (rules of ops for manual backprop) or that decide the values of
# arrays. The others decide the traced graph, which has its own digest, or only count and check.
_EXECUTED = (
    *("ops/*.py", "backprop.py", "jacobian.py", "rematerialise.py", "primitives.py", "interpret.py"),
    *("draw.py", "kinks.py"),
)

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def versions(job: Job, variant: Variant) -> dict[str, str]:
    """Compute the digests of a variant's work and code, and look up its framework's version without importing it.

    An interpreter of its own stands beside them: two builds may call themselves by one version.
    """
    name, environment = variant.framework, variant.environment
    own = {"interpreter": environment.interpreter} if environment.interpreter else {}
    code = code_digest(name, frozenset(job.frameworks))
    return {"work": job.workload.digest, "code": code, name: version(job, variant), **own}


def version(job: Job, variant: Variant) -> str:
    """Look up the version of a variant's framework without importing it."""
    name, environment = variant.framework, variant.environment
    absent = lacking(job, name, environment)
    found = None if absent else framework_version(name, interpreter(job, name, environment))
    return found or "not installed"


@cache
def code_digest(framework: str, frameworks: frozenset[str]) -> str:
    """Digest the code that a framework's programs execute, without comments and docstrings.

    That is `_EXECUTED` of `harness/workload`, and everything in `adapters` except the other frameworks' own code.
    """
    workload, adapters = ROOT / "harness" / "workload", ROOT / "adapters"
    files = [path for pattern in _EXECUTED for path in workload.glob(pattern)]
    for path in adapters.rglob("*.py"):
        owner = path.relative_to(adapters).parts[0].removesuffix(".py")
        if owner == framework or owner not in frameworks:
            files.append(path)
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.relative_to(ROOT)}\n{_statements(path.read_text())}\n".encode())
    return digest.hexdigest()[:12]


@cache
def _statements(source: str) -> str:
    """Dump the syntax tree of a module, without its docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)
