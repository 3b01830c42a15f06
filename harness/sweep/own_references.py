"""Has each framework of a job compute a user's own model in float64, and compares what several say of it."""

from __future__ import annotations

import math

from ..measure.protocol import Failure, Outcome
from ..workload.own import OwnWorkload, write_own
from ..workload.own_truth import difference, read_truth, write_refusal
from .references import References


class OwnReferences(References):
    """Each framework is judged by itself in float64: nobody else has the model.

    A framework whose model cannot be run, or is another than that of the first framework, is refused in its folder.
    """

    _most_s = math.inf  # nobody else knows the answer, so it may take as long as any other

    def _save(self) -> None:
        workload = self._job.workload
        assert isinstance(workload, OwnWorkload)
        write_own(workload, self._folder)
        asked = dict.fromkeys(v.framework for v in self._job.variants if v.framework in self._frameworks)
        first = ""
        for framework in asked:
            if self._closed:
                return
            if failure := self._failure(framework, draw=not first):
                write_refusal(self._folder, framework, failure.outcome, self._said(framework, failure))
            elif not first:
                first = framework
            elif said := difference(read_truth(self._folder, first), read_truth(self._folder, framework)):
                reason = f"{framework} does not have the model of {first} with the same weights: {said}"
                write_refusal(self._folder, framework, Outcome.INVALID, reason)

    def _said(self, framework: str, failure: Failure) -> str:
        """Why a framework failed, in words of the user's own model."""
        workload = self._job.workload
        assert isinstance(workload, OwnWorkload)
        if failure.outcome != Outcome.TIMEOUT:
            return failure.reason
        return (
            f"{workload.factory(framework)}: to build it, to run it and to run it in float64 took more than "
            f"measure.deadline_s={self._job.measure.deadline_s:g}; raise that, or make the model smaller"
        )
