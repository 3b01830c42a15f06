"""How pytest-xdist hands out groups of tests, so that a test that kills its process is one failure and no more."""

from __future__ import annotations

from xdist.scheduler import LoadGroupScheduling
from xdist.workermanage import WorkerController


class CrashProofScheduling(LoadGroupScheduling):
    """Groups as `--dist loadgroup` has them, where a crash costs the test that was running.

    pytest-xdist 3.8 hands a test that crashed out again, to the next process and the one after it. And a process that
    replaces a crashed one gets a single group; if only one test of it is left, it waits forever for a second, because
    a worker starts a test only when it knows what follows.
    """

    def remove_node(self, node: WorkerController) -> str | None:
        """Give back what a process has not run, but for the test in which it crashed, whose id is returned."""
        workload = self.assigned_work.pop(node)
        left = [(group, test) for group, tests in workload.items() for test, done in tests.items() if not done]
        if not left:
            return None
        group, crashed = left[0]
        workload[group][crashed] = True
        self.workqueue.update({group: tests for group, tests in workload.items() if not all(tests.values())})
        for other in self.assigned_work:
            self._reschedule(other)
        return crashed

    def schedule(self) -> None:
        """Hand out work: at the start, and again whenever a process that replaces another one is ready."""
        started = self.collection is not None
        super().schedule()
        if started:
            for node in self.nodes:
                self._reschedule(node)  # a second group, or the message that there is none
