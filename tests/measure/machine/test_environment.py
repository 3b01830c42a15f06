"""Which variables of the environment are recorded, and what differs between two environments."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.measure.machine.environment import differences, kernel_variables
from harness.paths import ROOT


@pytest.mark.parametrize(
    "name",
    [
        *(
            "TF_ENABLE_ONEDNN_OPTS",
            "XLA_FLAGS",
            "JAX_ENABLE_X64",
            "TORCH_LOGS",
            "TORCHINDUCTOR_FREEZING",
            "OMP_NUM_THREADS",
        ),
        *("MKL_DEBUG_CPU_TYPE", "ONEDNN_MAX_CPU_ISA", "DNNL_VERBOSE", "OPENBLAS_CORETYPE", "KMP_AFFINITY"),
        *("GOMP_SPINCOUNT", "CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "ATEN_CPU_CAPABILITY", "LD_PRELOAD"),
    ],
)
def test_what_changes_kernels_is_recorded(name: str) -> None:
    assert kernel_variables({name: "a value", "PATH": "/bin", "HOME": "/root"}) == {name: "a value"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("TF_VAR_database", "hunter2"), ("TF_TOKEN_app_terraform_io", "abc"), ("TF_CLI_CONFIG_FILE", "/home/me/.rc")),
        *(("TF_HTTP_PASSWORD", "hunter2"), ("TORCH_HUB_TOKEN", "abc"), ("JAX_API_KEY", "abc"), ("XLA_AUTH", "abc")),
        *(("TORCH_HOME", "https://me:hunter2@example.org/models"), ("TORCHINDUCTOR_CACHE_DIR", "/home/me/cache")),
    ],
)
def test_nothing_that_may_be_a_secret_and_nothing_that_is_set_anew_is_recorded(name: str, value: str) -> None:
    assert kernel_variables({name: value}) == {}


def test_differences_name_the_variable_and_both_values() -> None:
    assert differences({"A": "1", "B": "2"}, {"A": "1", "B": "3", "C": ""}) == [("B", "2", "3"), ("C", "not set", "")]
    assert differences(None, {}) == [("environment", "not known", "known")]
    assert differences(None, None) == []


def test_a_sweep_adds_nothing_to_it_by_itself() -> None:
    """What it imports, MLflow included, sets variables of its own; a record made later must name the same."""
    program = (
        "from harness.measure.machine.environment import kernel_variables\n"
        "before = kernel_variables()\n"
        "import harness.__main__, harness.sweep.sweeper, mlflow, numpy\n"
        "from mlflow import MlflowClient\n"
        "assert kernel_variables() == before, (before, kernel_variables())"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
