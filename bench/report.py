"""results.json as Markdown. Nothing here names a host, a path or a registry."""

import os
import platform

import sections
from parts import PARTS
from sections import table


def machine():
    facts = {}
    for line in open("/proc/cpuinfo"):
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    memory = int(open("/proc/meminfo").readline().split()[1])
    return {
        "cpu": f"{facts.get('model name', platform.machine())} (family {facts.get('cpu family', '?')}"
               f", model {facts.get('model', '?')})",
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{memory / (1 << 20):.1f} GiB",
        "kernel": platform.release(),
        "flags": " ".join(f for f in ("avx2", "avx512f", "avx512_bf16", "sha_ni")
                          if f in facts.get("flags", "").split()),
    }


def targets(results):
    """[what, target, measured, verdict]"""
    return [row for part in PARTS.values() if hasattr(part, "targets") for row in part.targets(results)]


def markdown(results):
    out = head(results)
    if results["failures"]:
        out += ["## Failures", ""] + [f"- {line}" for line in results["failures"]] + [""]
    out += ["## Targets", ""]
    out += table(["what", "target", "measured", ""], targets(results))
    for part in PARTS.values():
        out += part.markdown(results)
    if results["skipped"]:
        out += ["## Left out", ""] + [f"- {line}" for line in results["skipped"]] + [""]
    return "\n".join(out)


def head(results):
    m, options = results["machine"], results["options"]
    return ["# Results of the benchmarks", "",
            "Written by `make bench`; how it measures is in [README.md](README.md).", "",
            *table(["", ""], [
                ["date", results["date"]],
                ["program", results["program"].replace("\n", "; ")],
                ["CPU", f"{m['cpu']}, {m['cores']} cores, {m['flags']}"],
                ["memory", m["memory"]],
                ["kernel", m["kernel"]],
                ["inputs", f"base and three fine-tunes, bf16, {results['layers']} layers, "
                           f"{results['bytes_each'] / 1e9:.2f} GB each"],
                ["runs", f"{options['runs']}, medians (smallest–largest)"],
            ])]


def added(old, results):
    """RESULTS.md with the sections of this run, each saying when it was measured."""
    m = results["machine"]
    note = (f"Measured {results['date']}: {results['program'].splitlines()[0]}; {m['cpu']}, {m['cores']} "
            "cores.")
    return sections.added(old, markdown(results), ("Targets", "Failures", "Left out"), note)
