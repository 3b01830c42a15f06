"""Mistakes that a user may type, each answered in one sentence. In this process: what is said is what would be printed.

`test_machine_mistakes.py` has those about this machine, and `test_command_line.py` one of each kind through the whole
program.
"""

from __future__ import annotations

import pytest

from tests.config.conftest import Refused


def named(value: list[str] | str) -> str:
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
    (["frozen=stage.*"], "frozen=stage.*: no parameter has such a name; there are w1, b1, w2, b2 and 8 others"),
    (["frozen=.*"], "frozen=.*: leaves no parameter that is trained"),
    (["frozen=first:7"], "frozen=first:7: must be first: and a whole number from 1 to 6"),
    (["frozen=3"], "frozen=3: must be text or null"),
    (["frozen=w1", "gradients=inputs"], "every parameter is frozen"),
    (["model.lora=0"], "model.lora=0"),
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
    (["precision.name=fp16"], "fp32, tf32, bf16"),
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
def test_a_mistake_is_answered_in_one_sentence(refused: Refused, typed: list[str], said: str) -> None:
    message = refused(*typed)
    assert said in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("model=perceptron", "resnet18"),
        ("device=gpu", "cuda"),
        ("variants=pytorch", "torch"),
        ("study=attention", "study=why/attention?"),
    ],
)
def test_an_unknown_option_of_a_group_is_answered_with_what_there_is(refused: Refused, typed: str, said: str) -> None:
    message = refused(typed)
    assert message.startswith(f"{typed}: not known; choose from") and said in message


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["bogus=1"], "bogus: no such key; there are study, jobs,"),
        (["batch=8"], "; did you mean model.batch?"),
        (["model.widht=8"], "model.widht: no such key of mlp; there are model.batch, model.depth, model.width,"),
        (["model.widht=8,16"], "; did you mean model.width?"),
        (["model.a.b=8"], "model.a.b: no such key of mlp; there are model.batch,"),
        (["model=gpt2", "model.depth=2"], "model.depth: no such key of gpt2; there are model.batch, model.tokens,"),
        (["model=mlp,gpt2", "model.depth=2"], "model.depth: no such key of gpt2; there are model.batch,"),
        (["study=default", "model.depth=2"], "model.depth: no such key of resnet18; there are model.batch,"),
        (["measure.budget=2"], "; did you mean measure.budget_s?"),
        (["choices.resid=[all]"], "; did you mean choices.residuals?"),
        (["framework=pytorch"], "a framework is chosen by its variants; choose variants= one of all, compiled, each,"),
        (["framework=torch", "model.depht=2"], "model.depht: no such key of mlp"),
    ],
    ids=named,
)
def test_a_key_that_is_none_is_answered_with_those_that_are(refused: Refused, typed: list[str], said: str) -> None:
    message = refused(*typed)
    assert said in message
    assert "append" not in message and len(message.splitlines()) == 1


def test_only_a_key_that_is_nearly_the_same_is_proposed(refused: Refused) -> None:
    assert "did you mean" not in refused("model=gpt2", "model.depth=2")
    assert "did you mean" not in refused("bogus=1")


# Hydra finds these by itself.
FOUND_BY_HYDRA = (
    (["hydra.bogus=1"], ["hydra.bogus"]),
    (["model.width={"], ["{"]),
    (["model.depth"], ["model.depth"]),
    (["model.depth=range(1,"], ["range(1,"]),
)


@pytest.mark.parametrize(("typed", "said"), FOUND_BY_HYDRA, ids=named)
def test_what_hydra_finds_stays_readable(refused: Refused, typed: list[str], said: list[str]) -> None:
    message = refused(*typed)
    assert all(text in message for text in said)
    assert len(message.splitlines()) <= 20


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
        (["model.depth=interval(1,4)"], "list its values"),
        (["precision=glob(*)"], "precision=tf32"),  # every option of a group
    ],
    ids=named,
)
def test_a_sweep_with_one_bad_job_is_refused(refused: Refused, typed: list[str], said: str) -> None:
    assert said in refused(*typed)
