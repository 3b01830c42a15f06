"""`make gpu-check` without a GPU: what it looks at, on a fake framework in real processes and a fake driver."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hydra import compose, initialize_config_dir

from harness import gpu_check
from harness.jobs import job_settings
from harness.measure.pool import ROOT


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """An `nvidia-smi` that lists one GPU."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'Fake GPU, 600.00'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


@pytest.fixture
def job(driver, fake_python, tmp_path):
    """A job on the fake framework and device, in a given precision."""

    def make(precision: str, execution: str):
        overrides = [
            *("device=cuda", f"precision={precision}", f"results='{tmp_path}'", "variants=numpy", "variants.numpy=[]"),
            *(f"+frameworks.fake.executions=[{execution}]", f"+frameworks.fake.interpreters.cuda='{fake_python}'"),
            *(f"+variants.fake=[{execution}]", "model.batch=2", "model.depth=2", "model.width=4"),
        ]
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            return job_settings(compose("config", overrides=overrides))

    return make


def checked(job, folder):
    return gpu_check.check_variant(job, job.variants[0], folder)


def test_an_exact_framework_passes_in_fp32(job, tiny_folder):
    found = checked(job("fp32", "plain"), tiny_folder)
    assert [finding.good for finding in found] == [True] * 5
    assert {f"{phase}: device time within host time" for phase in ("inference", "forward", "backward", "gradient")} < {
        finding.name for finding in found
    }


def test_tf32_that_is_not_in_force_is_found(job, tiny_folder):
    found = checked(job("tf32", "plain"), tiny_folder)
    assert not found[0].good
    assert "tf32 multiplies in force" in found[0].name


def test_a_wrong_gradient_fails_the_check(job, tiny_folder):
    (finding,) = checked(job("fp32", "off"), tiny_folder)
    assert not finding.good
    assert "gradient of w1" in finding.seen


def test_what_a_framework_cannot_do_is_no_failure(job, tiny_folder):
    (finding,) = checked(job("fp32", "unsupported"), tiny_folder)
    assert finding.good
    assert finding.name == "unsupported"


@pytest.mark.parametrize(("device_s", "good"), [(0.9, True), (1.2, False), (0.3, False)])
def test_the_device_clock_must_see_the_work_that_the_host_sees(device_s, good):
    (finding,) = gpu_check.clocks({"forward": 1.0}, {"forward": device_s})
    assert finding.good is good


def test_without_a_gpu_it_says_so_and_checks_nothing():
    ended = subprocess.run([sys.executable, "-m", "harness.gpu_check"], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "no NVIDIA GPU answers here" in ended.stderr
    assert "Traceback" not in ended.stderr
