"""One run of the benchmarks: its folders, its results so far, and what every part does alike."""

import subprocess

import make_inputs
import measure
import record


class Session:
    def __init__(self, options):
        self.options = options
        self.work = options.work
        self.work.mkdir(parents=True, exist_ok=True)
        self.merged, self.copied = self.work / "merged", self.work / "copied"
        self.log = self.work / "log"
        self.twice = self.work / "inputs2x"
        self.python = options.venv / "bin/python"  # has what is compared with, where it is installed
        self.environment = measure.environment()
        self.shape = dict(make_inputs.SIZES["1x"])
        self.inputs = self.work / "inputs"
        if options.layers:
            self.shape["layers"] = options.layers
            self.inputs = self.work / f"inputs-{options.layers}"
        self.results = record.begin(options, self.shape)

    def say(self, text):
        print(text, flush=True)

    def fail(self, text):
        self.say(f"  FAILED {text}")
        self.results["failures"].append(text)

    def skip(self, text):
        self.say(f"  left out: {text}")
        self.results["skipped"].append(text)

    def find_program(self):
        program = self.options.program
        try:
            found = subprocess.run([program, "--version"], capture_output=True, text=True,
                                   env=self.environment)
        except OSError as error:
            raise SystemExit(f"bench: {program} does not start ({error.strerror}); "
                             "build it with `make build`") from None
        if found.returncode != 0:
            raise SystemExit(f"bench: {program} --version failed: {found.stderr.strip()}")
        self.results["program"] = found.stdout.strip()
        self.say(self.results["program"])

    def make_inputs(self):
        seconds = make_inputs.make(self.inputs, self.shape, self.say)
        if seconds:
            self.say(f"inputs: made in {seconds:.0f} s")

    # Merges

    def files(self, merge, folder=None):
        return [(folder or self.inputs) / model / "model.safetensors" for model in merge.models]

    def recipe(self, merge, folder=None):
        folder = folder or self.inputs
        path = self.work / f"{merge.name}-{folder.name}.yml"
        path.write_text(merge.recipe(folder))
        return path

    def command(self, recipe, hash_name, sync=False):
        command = [self.options.program, "merge", recipe, self.merged, "--force", "--quiet",
                   "--hash", hash_name]
        if not sync:
            command.append("--no-sync")
        if self.options.threads:
            command += ["--threads", self.options.threads]
        if self.options.memory:
            command += ["--memory", self.options.memory]
        return command

    def prepare(self, merge):
        measure.prepare(self.files(merge), [self.merged, self.copied], self.options.touch)

    def ours(self, merge, hash_name, sync=False):
        """None where it fails."""
        self.prepare(merge)
        sample = measure.run(self.command(self.recipe(merge), hash_name, sync), self.environment,
                             log=self.log)
        if sample.status:
            self.fail(f"{merge.name} --hash {hash_name}: {sample.error}")
            return None
        return sample

    def yardstick(self, merge, sync=False):
        self.prepare(merge)
        files = self.files(merge)
        sample = measure.yardstick(files, files[0], self.copied, sync)
        if sample.status:
            raise RuntimeError(f"the yardstick failed ({sample.error}); is the disk full?")
        return sample

    def clean(self):
        measure.remove(self.merged, self.copied, self.twice)
