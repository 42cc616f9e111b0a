"""LoRA adapters beside PEFT: each script prints a table."""

import pathlib
import subprocess
import sys

import peers

ABOUT = "LoRA adapters beside PEFT, 5 minutes"
NEEDS_INPUTS = True
HERE = pathlib.Path(__file__).resolve().parents[1]


def run(session):
    lacks = peers.lacks(session.python, "peft")
    if lacks:
        session.skip(f"PEFT: {lacks}")
        return
    session.say("LoRA adapters, beside PEFT")
    options = session.options
    found = session.results["adapters"] = {}
    touch = [] if options.touch is None else ["--touch", options.touch / 1e9]
    common = ["--merganser", options.program, *touch, "--work"]
    scripts = {
        "lora": ["lora.py", *common, session.work / "lora" / session.inputs.name, "--inputs",
                 session.inputs, "--python", session.python, "--runs", 1 if options.quick else 3],
        # PEFT's part takes some minutes.
        "merge": ["adapters.py", *common, session.work / "adapters", "--part", "merge", "--venv",
                  options.venv],
    }
    for name, (script, *arguments) in scripts.items():
        done = subprocess.run([sys.executable, "-B", HERE / script, *map(str, arguments)],
                              stdout=subprocess.PIPE, text=True, env=session.environment)
        if done.returncode != 0:
            session.fail(f"{script}: status {done.returncode}")
            continue
        found[name] = done.stdout.strip()
        session.say(done.stdout)


def markdown(results):
    found, out = results.get("adapters", {}), []
    if "lora" in found:
        out += ["## A base with a LoRA adapter", "",
                "Rank 16, f32, on all linear layers of the base; PEFT's `merge_and_unload` and "
                "`save_pretrained`, imports included, in the same run.", "", found["lora"], ""]
    if "merge" in found:
        out += ["## Adapters merged with one another", "",
                "merge-lora beside PEFT's `add_weighted_adapter`.", "", found["merge"], ""]
    return out
