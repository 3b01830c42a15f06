"""Mistakes as a user types them: a sentence, an exit code, nothing measured, and never a traceback."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import venv

import pytest

from adapters.base import EXTRA_PHASES
from harness.config.compose import job_settings
from harness.errors import UserError
from harness.records.metrics import METRICS
from harness.records.record import read
from harness.sweep import preflight
from tests.config.conftest import ROOT


def assert_refused(result, results, *said):
    assert result.returncode != 0
    assert "Traceback" not in result.stdout + result.stderr
    for text in said:
        assert text in result.stderr
    assert len(result.stderr.splitlines()) <= 20
    assert not list(results.rglob("*.json"))


def assert_refused_in_a_sentence(result, results, *said):
    assert_refused(result, results, *said)
    assert result.stderr.startswith("twofold: ")
    assert len(result.stderr.splitlines()) == 1


def named(value):
    return " ".join(value) if isinstance(value, list) else "says"


MISTAKES = (
    (["model.batch=0"], "model.batch=0"),
    (["model.depth=-1"], "model.depth=-1"),
    (["model.width=2.5"], "model.width=2.5"),
    (["model.width=wide"], "model.width='wide'"),
    (["model.width="], "model.width=''"),
    (["model.batch=null"], "model.batch=None"),
    (["model.batch=1000000000000000000000000000000"], "model.batch"),
    (["+model.layers=3"], "model.layers"),
    (["model=gpt2", "model.heads=3"], "heads=3"),
    (["model=gpt2", "model.tokens=65"], "tokens=65"),
    (["+speed=1"], "speed: no such key"),
    (["+measure.speed=1"], "measure.speed: no such key"),
    (["~model"], "model: is missing"),
    (["~seed"], "seed: is missing"),
    (["gradients=all"], "gradients=all"),
    (["model=gpt2", "gradients=inputs"], "choose params"),
    (["+choices.speed=fast"], "choices=speed"),
    (["choices.residuals=[some]"], "store, blocks, all"),
    (["choices.tangent=1"], "false, true"),
    (["choices.residuals=[]"], "choices.residuals=[]"),
    (["choices.residuals=[all,all]"], "twice"),
    (["measure=null"], "Config group override"),
    (["tracking=null"], "Config group override"),
    (["device=cuda"], "choose device=cpu"),
    (["device.name=tpu"], "cpu, cuda"),
    (["device.threads=100000"], "device.threads=100000"),
    (["device.threads=0"], "device.threads=0"),
    (["precision=tf32"], "choose precision=fp32"),
    (["precision.name=fp64"], "fp32, tf32, bf16"),
    (["variants.numpy=[jit]"], "by_hand"),
    (["variants.torch=[eager,xla]"], "eager, compile"),
    (["variants.numpy=by_hand"], "[eager]"),
    (["variants.numpy=[]"], "nothing to measure"),
    (["variants.numpy=[by_hand,by_hand]"], "twice"),
    (["measure.trials=0"], "measure.trials=0"),
    (["measure.budget_s=-5"], "measure.budget_s=-5"),
    (["measure.budget_s=inf"], "measure.budget_s=inf"),
    (["measure.budget_s=nan"], "measure.budget_s=nan"),
    (["measure.budget_s=1e300"], "measure.budget_s=1e+300"),
    (["measure.deadline_s=soon"], "measure.deadline_s='soon'"),
    (["seed=-1"], "seed=-1"),
    (["study.name=a/b"], "study.name='a/b'"),
    (["study.name=.."], "study.name='..'"),
    (["study.name=null"], "study.name=None"),
    (["sweep=../../x"], "sweep='../../x'"),
    (["results="], "results=''"),
    (["results=null"], "results=None"),
    (["results=/proc/nowhere"], "results=/proc/nowhere"),
    (["model.width=${model.nothing}"], "model.nothing"),
    (["model.width=???"], "model.width"),
    (["frameworks.numpy.interpreters.cpu=/nowhere/bin/python"], "/nowhere/bin/python"),
    (["frameworks.numpy.interpreters.cpu=/etc/hostname"], "/etc/hostname"),
    (
        ["+frameworks.absent={executions: [eager], interpreters: {}}", "variants.numpy=[]", "+variants.absent=[eager]"],
        "absent is n",
    ),
    (["tracking=server", "tracking.uri=http://host:port"], "tracking.uri=http://host:port"),
    (["tracking=server", "tracking.uri=http://"], "tracking.uri=http://"),
    (["tracking=server", "tracking.uri='http://a b'"], "tracking.uri=http://a b"),
    (["tracking.uri=5"], "tracking.uri=5"),
)


@pytest.mark.parametrize(("typed", "said"), MISTAKES, ids=named)
def test_a_mistake_is_answered_in_one_sentence(type_in, typed, said):
    assert_refused_in_a_sentence(type_in(*typed), type_in.results, said)


@pytest.mark.parametrize(
    ("typed", "said"), [("model=perceptron", "resnet18"), ("device=gpu", "cuda"), ("variants=pytorch", "torch")]
)
def test_an_unknown_option_of_a_group_is_answered_with_what_there_is(type_in, typed, said):
    assert_refused_in_a_sentence(type_in(typed), type_in.results, f"{typed}: not known; choose from", said)


# Hydra finds these by itself, before any of our code runs, and says what there is to choose from.
FOUND_BY_HYDRA = (
    (["bogus=1"], ["bogus"]),
    (["model.widht=8"], ["model.widht"]),
    (["model.width={"], ["{"]),
    (["model.depth"], ["model.depth"]),
    (["model.depth=1,2"], ["model.depth", "-m"]),
    (["--nonsense"], ["--nonsense"]),
)


@pytest.mark.parametrize(("typed", "said"), FOUND_BY_HYDRA, ids=named)
def test_what_hydra_finds_stays_readable(type_in, typed, said):
    assert_refused(type_in(*typed), type_in.results, *said)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["model.depth=2,-1"], "model.depth=-1"),
        (["model.depth=2,3", "device=cpu,cuda"], "device=cuda"),
        (["model=mlp,perceptron"], "model=perceptron"),
        (["model.depth=2,2"], "measured twice"),
        (["device=auto,cpu"], "measured twice"),
        (["study.name=a,b"], "cannot be swept"),
        (["results=a,b"], "cannot be swept"),
        (["model.depth=2,3", "tracking=server", "tracking.uri=http://127.0.0.1:1"], "does not answer"),
        (["model.depth=range(1,"], "range(1,"),
    ],
    ids=named,
)
def test_in_a_sweep_the_bad_job_is_refused_before_the_first_is_measured(type_in, typed, said):
    assert_refused(type_in(*typed, flags=["-m"]), type_in.results, said)


def test_a_sweep_over_everything_in_a_group_is_checked_too(type_in):
    """`glob(*)` needs the list of options, which only Hydra has."""
    assert_refused_in_a_sentence(type_in("precision=glob(*)", flags=["-m"]), type_in.results, "precision=tf32")


def test_help_is_the_choices_and_the_answer_as_it_stands_in_the_readme(type_in):
    shown = type_in("study=smoke", flags=["--help"])
    assert shown.returncode == 0
    assert "study/why: " in shown.stdout and "model: alexnet" in shown.stdout
    answer = shown.stdout[shown.stdout.index("A layer is one multiply") : shown.stdout.index("make sweep STUDY=why")]
    assert len(answer.splitlines()) < 40, "one screen"
    readme = {line.strip() for line in (ROOT / "README.md").read_text().splitlines()}
    assert {line.strip() for line in answer.splitlines()} <= readme


def test_a_good_run_ends_with_zero_and_a_record(type_in):
    """What all refusals above are told apart from."""
    result = type_in("model.depth=2")
    assert (result.returncode, result.stderr) == (0, "")
    (path,) = type_in.results.glob("records/adhoc/main/mlp-*.json")
    record = read(path)
    assert record.outcome == "ok"
    too_few_pairs = {f"{name}_{end}" for name in ("ratio", "ratio_marginal") for end in ("low", "high")}
    forms = ("{}_ms", "first_{}_s", "executed_{}_matmuls", "executed_{}_flops")
    not_asked = {form.format(phase) for form in forms for phase in EXTRA_PHASES}
    not_everywhere = {"counter_coverage", "cpu_mhz", "cpu_celsius", "throttles", "gpu_mhz", "gpu_celsius"}
    always = set(METRICS) - too_few_pairs - not_everywhere - not_asked
    assert always <= set(record.metrics) <= set(METRICS) - not_asked


def test_choices_are_variants_beside_each_other(type_in):
    chosen = ["choices.autodiff=[reverse,by_hand_recomputed]", "choices.tangent=[false,true]", "gradients=both"]
    result = type_in(*chosen)
    assert (result.returncode, result.stderr) == (0, "")
    found = {r.cell.partition(".cpu.")[2]: r for r in map(read, type_in.results.glob("records/adhoc/main/mlp-*.json"))}
    assert found.keys() == {
        "numpy-by_hand",
        "numpy-by_hand-autodiff=by_hand_recomputed",
        "numpy-by_hand-tangent=True",
        "numpy-by_hand-autodiff=by_hand_recomputed-tangent=True",
    }
    plain = found["numpy-by_hand"]
    assert plain.metrics["executed_backward_inputs_matmuls"] == plain.metrics["executed_forward_matmuls"]
    assert plain.metrics["backward_params_ms"] > 0
    assert found["numpy-by_hand-tangent=True"].outcome == "unsupported"
    assert "by_hand autodiff=by_hand_recomputed" in result.stdout


def test_a_good_sweep_ends_with_zero_and_a_record_for_each(type_in):
    result = type_in("model.depth=2,3", flags=["-m"])
    assert (result.returncode, result.stderr) == (0, "")
    assert len(list(type_in.results.glob("records/adhoc/main/mlp-*.json"))) == 2


def test_results_that_are_a_file_are_refused(type_in, tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()
    result = type_in(f"results={blocked}/results")
    assert_refused_in_a_sentence(result, type_in.results, f"results={blocked}/results", "choose another folder")


def test_an_interpreter_without_the_framework_is_refused(type_in, tmp_path):
    venv.create(tmp_path / "bare", symlinks=True)
    python = tmp_path / "bare" / "bin" / "python"
    result = type_in("variants=torch", f"frameworks.torch.interpreters.cpu={python}")
    assert_refused_in_a_sentence(result, type_in.results, f"torch is not installed for {python}", "variants.torch=[]")


def test_where_no_wanted_framework_is_there_it_says_so_of_each(type_in):
    missing = [f"frameworks.{name}.interpreters.cpu=/nowhere/{name}" for name in ("torch", "jax")]
    result = type_in("variants=torch,jax", *missing, flags=["-m"])
    assert_refused_in_a_sentence(result, type_in.results, "torch: its interpreter /nowhere/torch", "jax: its interp")


def test_mlflow_that_is_not_installed_is_refused_only_where_it_is_asked_for(composed, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    asked = ("variants=numpy", "device=cpu", f"results={tmp_path}")
    assert preflight.check([job_settings(composed(*asked, "tracking=off"))]) == []
    for tracking in ("local", "server"):
        with pytest.raises(UserError, match=r"MLflow is not installed for .*; install mlflow, or choose tracking=off"):
            preflight.check([job_settings(composed(*asked, f"tracking={tracking}"))])


def test_an_interpreter_that_does_not_start_is_refused(type_in, tmp_path):
    broken = tmp_path / "python"
    broken.write_bytes(b"\x7fELF, but not really")
    broken.chmod(0o755)
    result = type_in("variants=torch", f"frameworks.torch.interpreters.cpu={broken}")
    assert_refused_in_a_sentence(result, type_in.results, str(broken))


@contextlib.contextmanager
def answering(reply):
    """A server on a free port that sends `reply` to whoever connects, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(4096)
                        connection.sendall(reply)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    "reply", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.0 404 Not Found\r\n\r\n"], ids=["silence", "ssh", "no MLflow"]
)
def test_a_server_that_is_not_mlflow_is_refused(type_in, reply):
    with answering(reply) as port:
        result = type_in("tracking=server", f"tracking.uri=http://127.0.0.1:{port}")
    assert_refused_in_a_sentence(result, type_in.results, f":{port}", "does not answer", "tracking=off")


def test_a_port_where_nobody_listens_is_refused(type_in):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    result = type_in("tracking=server", f"tracking.uri=http://127.0.0.1:{port}")
    assert_refused_in_a_sentence(result, type_in.results, f":{port}", "refused", "tracking=local")
