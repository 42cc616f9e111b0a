"""results.json as Markdown. Nothing here names a host, a path or a registry."""

import statistics

import analyze
import report_smile
import sections
from methods import MERGEKIT, MERGES, RSS_ANON, START_UP
from sections import table

MIB = 1 << 20


def machine():
    import os
    import platform

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


def spread(values, digits=2):
    values = list(values)
    middle = f"{statistics.median(values):.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def ratios(rows, mode, against="R"):
    return [ours["wall"] / theirs["wall"] for ours, theirs in zip(rows[mode], rows[against])]


def verdict(met, wrong=False):
    return "**wrong output**" if wrong else "met" if met else "**missed**"


def targets(results):
    rows = []
    for name, merge in MERGES.items():
        measured = results["merges"].get(name, {})
        for hash_name in merge.hashes:
            limit = merge.target(hash_name)
            if limit and measured.get(hash_name):
                value = statistics.median(ratios(measured, hash_name))
                wrong = f"{name} --hash {hash_name}" in results["wrong"]
                rows.append([f"{merge.title}, `--hash {hash_name}`", f"≤ {limit} R",
                             f"{value:.2f} R", verdict(value <= limit, wrong)])
    small = anon(results["merges"])
    if small:
        value = max(small.values())
        rows.append(["private memory (RssAnon), all merges", f"≤ {RSS_ANON / MIB:.0f} MiB",
                     f"{value / MIB:.0f} MiB", verdict(value <= RSS_ANON)])
    large = {name: row["peak_anon"] for name, row in results.get("twice", {}).items()}
    if large:
        value = max(large.values())
        worst = max(large[name] / small[name] for name in large if small.get(name))
        rows.append(["the same, a model twice as large", f"≤ {RSS_ANON / MIB:.0f} MiB, the same",
                     f"{value / MIB:.0f} MiB, at most {worst:.2f} times the smaller model's",
                     verdict(value <= RSS_ANON and worst <= 1.1)])
    matrices = results.get("spectral", {})
    for row in matrices.get("rows", []):
        rows.append([f"{row['method']}, {row['differences']}, beside LAPACK",
                     f"≥ {row['target']} times", f"{row['times']:.1f} times",
                     verdict(row["times"] >= row["target"])])
    if matrices.get("wudi"):
        row = matrices["wudi"]
        rows.append(["an iteration of WUDI, beside FusionBench", f"≥ {row['target']} times",
                     f"{row['times']:.0f} times", verdict(row["times"] >= row["target"])])
    for name, row in results.get("mergekit", {}).get("merges", {}).items():
        value = row["mergekit"]["wall"] / row["none"]["wall"]
        rows.append([f"{MERGES[name].title}, against MergeKit", f"≥ {MERGEKIT[name]} times",
                     f"{value:.1f} times",
                     verdict(value >= MERGEKIT[name], f"{name} --hash none" in results["wrong"])])
    for title, values in results.get("start_up", {}).items():
        if title != "true":
            value = statistics.median(values)
            rows.append([f"start-up: {title}", f"≤ {1000 * START_UP:.0f} ms",
                         f"{1000 * value:.1f} ms", verdict(value <= START_UP)])
    return rows


def anon(merges):
    """The largest RssAnon of each merge, over all its runs."""
    found = {}
    for name, rows in merges.items():
        peaks = [s["peak_anon"] for mode, runs in rows.items() if mode in MERGES[name].hashes
                 for s in runs]
        if peaks:
            found[name] = max(peaks)
    return found


def timing_rows(results):
    rows = []
    for name, runs in results["merges"].items():
        for mode in ("R", *MERGES[name].hashes):
            samples = runs.get(mode)
            if not samples:
                continue
            ours = mode != "R"
            rows.append([
                MERGES[name].title,
                f"`--hash {mode}`" if ours else "R",
                spread(s["wall"] for s in samples),
                spread(ratios(runs, mode)) if ours else "1",
                spread(s["user"] + s["system"] for s in samples),
                f"{max(s['peak_anon'] for s in samples) / MIB:.0f}" if ours else "",
                f"{max(s['peak_rss'] for s in samples) / MIB:.0f}" if ours else "",
                f"{samples[0]['read'] / 1e9:.2f}",
                f"{samples[0]['written'] / 1e9:.2f}" if ours else "",
            ])
    return rows


def noise(results):
    shares = [s["other_cpu"] / s["wall"] for rows in results["merges"].values()
              for runs in rows.values() for s in runs if s["wall"] > 0.5]
    if not shares:
        return []
    return [f"Other processes and the hypervisor took {100 * statistics.median(shares):.0f} % of one "
            f"core during the timed runs (median), {100 * max(shares):.0f} % at worst.", ""]


def markdown(results):
    m, options = results["machine"], results["options"]
    gigabytes = results["bytes_each"] / 1e9
    out = ["# Results of the benchmarks", "",
           "Written by `make bench`; how it measures is in [README.md](README.md).", ""]
    out += table(["", ""], [
        ["date", results["date"]],
        ["program", results["program"].replace("\n", "; ")],
        ["CPU", f"{m['cpu']}, {m['cores']} cores, {m['flags']}"],
        ["memory", m["memory"]],
        ["kernel", m["kernel"]],
        ["inputs", f"base and three fine-tunes, bf16, {results['layers']} layers, "
                   f"{gigabytes:.2f} GB each"],
        ["runs", f"{options['runs']}, medians (smallest–largest)"],
    ])
    if results["failures"]:
        out += ["## Failures", ""] + [f"- {line}" for line in results["failures"]] + [""]
    out += ["## Targets", ""]
    out += table(["what", "target", "measured", ""], targets(results))

    if results["merges"]:
        out += ["## Merges beside copying", "",
                "R is `cat` of all inputs of that merge plus `cp --reflink=never` of one. Neither "
                "side waits for the disk here (`--no-sync`). Whole processes; the ratio is the "
                "median of the paired ratios. RssAnon and peak RSS are the largest of all runs; "
                "bytes are those of read and write calls.", ""]
        out += table(["merge", "", "wall, s", "times R", "user+sys, s", "RssAnon, MiB",
                      "peak RSS, MiB", "read, GB", "written, GB"], timing_rows(results))
        out += noise(results)

    if results.get("synced"):
        out += ["## The same with the output on the disk", "",
                "merganser as it is called by default (it syncs its output before the rename) beside "
                "R with `sync FILE` after the copy. One run each; the disk decides.", ""]
        out += table(["merge", "hash", "R with sync, s", "merganser, s", "times R"], [
            [MERGES[name].title, row["hash"], f"{row['R']['wall']:.2f}", f"{row['ours']['wall']:.2f}",
             f"{row['ours']['wall'] / row['R']['wall']:.2f}"]
            for name, row in results["synced"].items()])

    if results.get("twice"):
        small = anon(results["merges"])
        out += ["## Memory and the size of the model", "",
                "Largest RssAnon (private memory), sampled every 20 ms; for the larger model one run.",
                ""]
        out += table(["merge", f"{results['layers']} layers, MiB",
                      f"{results['twice_layers']} layers, MiB", "peak RSS, MiB"], [
            [MERGES[name].title, f"{small[name] / MIB:.0f}" if name in small else "",
             f"{row['peak_anon'] / MIB:.0f}", f"{row['peak_rss'] / MIB:.0f}"]
            for name, row in results["twice"].items()])

    kit = results.get("mergekit", {})
    if kit.get("merges"):
        out += ["## MergeKit", "",
                f"{kit['about']}. The same inputs, the same recipe, the same preparation, one run "
                "each, in the same minutes; whole processes, imports included. MergeKit neither "
                "hashes nor syncs, so the target is judged against `--hash none --no-sync`.", ""]
        out += table(["merge", "MergeKit, s", "`--hash none`, s", "times", "default hash, s", "times",
                      "MergeKit: RssAnon, MiB", "peak RSS, MiB"], [
            [MERGES[name].title, f"{row['mergekit']['wall']:.1f}", f"{row['none']['wall']:.2f}",
             f"{row['mergekit']['wall'] / row['none']['wall']:.1f}", f"{row['xxh3']['wall']:.2f}",
             f"{row['mergekit']['wall'] / row['xxh3']['wall']:.1f}",
             f"{row['mergekit']['peak_anon'] / MIB:.0f}", f"{row['mergekit']['peak_rss'] / MIB:.0f}"]
            for name, row in kit["merges"].items()])

    adapters = results.get("adapters", {})
    if "lora" in adapters:
        out += ["## A base with a LoRA adapter", "",
                "Rank 16, f32, on all linear layers of the base; PEFT's `merge_and_unload` and "
                "`save_pretrained`, imports included, in the same run.", "", adapters["lora"], ""]
    if "merge" in adapters:
        out += ["## Adapters merged with one another", "",
                "merge-lora beside PEFT's `add_weighted_adapter`.", "", adapters["merge"], ""]

    matrices = results.get("spectral")
    if matrices:
        out += ["## Methods on matrices", "",
                f"A base and four models of one f32 matrix, {matrices['size']} x "
                f"{matrices['size']}; merganser as a whole program (BLAS: {matrices['blas']}), "
                "LAPACK's arithmetic alone through NumPy. Memory is what `merganser plan` states.",
                ""]
        out += table(["method", "differences", "merganser, s", "LAPACK, s", "times",
                      "memory, MiB"], [
            [row["method"], row["differences"], f"{row['ours']:.2f}", f"{row['lapack']:.2f}",
             f"{row['times']:.1f}", f"{row['memory'] / MIB:.0f}"] for row in matrices["rows"]])
        if matrices["wudi"]:
            row = matrices["wudi"]
            out += [f"An iteration of WUDI on {matrices['wudi_size']} x {matrices['wudi_size']}: "
                    f"{1000 * row['ours']:.1f} ms, as FusionBench writes it in torch "
                    f"{1000 * row['theirs']:.0f} ms.", ""]

    out += report_smile.markdown(results)
    out += analyze.report(results.get("analyze"))

    if results.get("start_up"):
        out += ["## Start-up", "",
                "20 runs each. `true` is what starting any process costs here. The small merge is "
                f"linear of 3, {results['small_bytes'] / 1e6:.1f} MB each.", ""]
        out += table(["what", "ms"], [[title, spread((1000 * v for v in values), 1)]
                                      for title, values in results["start_up"].items()])
    if results["skipped"]:
        out += ["## Left out", ""] + [f"- {line}" for line in results["skipped"]] + [""]
    return "\n".join(out)


def added(old, results):
    """RESULTS.md with the sections of this run, each saying when it was measured."""
    m = results["machine"]
    note = (f"Measured {results['date']}: {results['program'].splitlines()[0]}; {m['cpu']}, {m['cores']} "
            "cores.")
    return sections.added(old, markdown(results), ("Targets", "Failures", "Left out"), note)
