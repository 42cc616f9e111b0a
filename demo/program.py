"""Running merganser: training, heads, measuring; what it prints is read as JSON. What was measured is
kept, and taken again where program, models and tasks are the same."""

import json
import os
import subprocess
import sys

import kept

KEPT = "measured/"


class Program:
    def __init__(self, path, notes, say):
        self.path, self.notes, self.say = path, notes, say
        self.used = set()  # keys of what was measured for this run, or kept
        self.said = False
        real = path.resolve()
        self.digests = [kept.file_digest(file) for file in
                        (real, real.parent.parent / "lib" / "libmerganser_runtime.so") if file.exists()]

    def run(self, *arguments):
        """The report of a command that must end well. A terminal sees its progress and its words."""
        told = None if sys.stderr.isatty() else subprocess.PIPE
        done = subprocess.run([str(self.path), *map(str, arguments), "--json"],
                              stdout=subprocess.PIPE, stderr=told, text=True)
        if done.returncode != 0:
            said = (done.stderr or "").strip().splitlines() or ["see above" if told is None else
                                                                "(it said nothing)"]
            raise SystemExit(f"demo: error: merganser {arguments[0]} failed: {said[-1]}")
        return json.loads(done.stdout)

    def measure(self, models, tasks, *arguments):
        """The report of a command that measures these models on these tasks, or that of an earlier run."""
        key = KEPT + kept.fingerprint(
            self.digests, [str(argument) for argument in arguments],
            [kept.contents(model) for model in models], [kept.task_contents(task) for task in tasks])
        self.used.add(key)
        report = self.notes.get(key)
        if report is None:
            report = self.run(*arguments)
            self.notes.put(key, report)
        elif not self.said:
            self.say("figures of an earlier run count where program, models and tasks are the same")
            self.said = True
        return report

    def forget_the_rest(self):
        """Drops the figures that this run had no use for."""
        self.notes.keep(lambda key: not key.startswith(KEPT) or key in self.used)

    def methods(self):
        return {method["name"] for method in self.run("methods")["methods"]}

    def train(self, base, tasks, out, recipe):
        """recipe: options of `merganser train` by their names."""
        options = [f"--{name}={value}" for name, value in recipe.items()]
        return self.run("train", base, *_each("--task", tasks), "--out", out, "--force", *options)

    def route(self, mixture, tasks, experts):
        """experts: {task: its own expert's name}."""
        own = [f"{task}={expert}" for task, expert in experts.items()]
        return self.measure([mixture], tasks.values(), "route", mixture,
                            *_each("--task", tasks.values()), *_each("--expert", own), "--batch", 128)

    def evaluate(self, models, tasks, split, base, inputs, gains=False, oracle=False):
        """gains: beside base and inputs, and their ensemble. These are also what recipes among the
        models merge."""
        ends = ["--base", base, "--inputs", *inputs] if gains else []
        ends += ["--oracle"] if oracle else []
        report = self.measure([*models, base, *inputs], tasks, "evaluate", *models,
                              *_each("--task", tasks), "--split", split, *ends)
        return report["rows"], {task["name"]: task["rows"] for task in report["tasks"]}


def _each(option, values):
    return [part for value in values for part in (option, value)]


def check_runtime(program):
    """Ends the demo with what to do, where merganser cannot run models."""
    done = subprocess.run([str(program), "evaluate", os.devnull, "--task", os.devnull],
                          capture_output=True, text=True)
    if "runtime library" in done.stderr:
        sys.exit(f"demo: {done.stderr.strip()}")
