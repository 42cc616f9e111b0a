"""Running merganser: training, heads, measuring; what it prints is read as JSON."""

import json
import os
import subprocess
import sys


class Program:
    def __init__(self, path):
        self.path = path

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

    def methods(self):
        return {method["name"] for method in self.run("methods")["methods"]}

    def train(self, base, tasks, out, recipe):
        """recipe: options of `merganser train` by their names."""
        options = [f"--{name}={value}" for name, value in recipe.items()]
        return self.run("train", base, *_each("--task", tasks), "--out", out, "--force", *options)

    def route(self, mixture, tasks, experts):
        """experts: {task: its own expert's name}."""
        own = [f"{task}={expert}" for task, expert in experts.items()]
        return self.run("route", mixture, *_each("--task", tasks.values()), *_each("--expert", own),
                        "--batch", 128)

    def evaluate(self, models, tasks, split, base=None, inputs=(), oracle=False):
        ends = (["--base", base] if base else []) + (["--inputs", *inputs] if inputs else [])
        ends += ["--oracle"] if oracle else []
        report = self.run("evaluate", *models, *_each("--task", tasks), "--split", split, *ends)
        return report["rows"], {task["name"]: task["rows"] for task in report["tasks"]}


def _each(option, values):
    return [part for value in values for part in (option, value)]


def check_runtime(program):
    """Ends the demo with what to do, where merganser cannot run models."""
    done = subprocess.run([str(program), "evaluate", os.devnull, "--task", os.devnull],
                          capture_output=True, text=True)
    if "runtime library" in done.stderr:
        sys.exit(f"demo: {done.stderr.strip()}")
