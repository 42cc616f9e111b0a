"""Merges beside copying, and the same with the output on the disk."""

import statistics

import check
from figures import MIB, gigabytes, ratios, spread, verdict
from methods import MERGES, RSS_ANON
from sections import table

ABOUT = "merges of 1.1 billion parameters beside copying, 15 minutes (and the inputs, once, 2)"
NEEDS_INPUTS = True


def run(session):
    for name in session.options.only or MERGES:
        one(session, MERGES[name])


def one(session, merge):
    options = session.options
    hashes = [h for h in merge.hashes if not options.hash or h in options.hash]
    hashes += [h for h in options.hash or () if h not in merge.hashes]
    rows = {"R": [], **{h: [] for h in hashes}}
    session.say(f"{merge.title}: reads "
                f"{gigabytes(sum(f.stat().st_size for f in session.files(merge)))}")
    for turn in range(options.runs):
        samples = {"R": session.yardstick(merge)}
        for hash_name in hashes:
            samples[hash_name] = session.ours(merge, hash_name)
            if samples[hash_name] and turn == 0:
                verify(session, merge, f"{merge.name} --hash {hash_name}")
        line = "  ".join(f"{mode} {s.wall:.2f} s" + (
            f" = {s.wall / samples['R'].wall:.2f} R, {s.cpu:.1f} s CPU, {s.peak_anon >> 20} MiB"
            if mode != "R" else "") for mode, s in samples.items() if s)
        session.say(f"  {turn + 1}/{options.runs}  {line}")
        for mode, sample in samples.items():
            if sample:
                rows[mode].append(sample.as_dict())
        if not all(samples.values()):
            break  # it would fail again
    shortest = min(map(len, rows.values()))
    rows = {mode: samples[:shortest] for mode, samples in rows.items()}
    if not shortest:
        return
    session.results["merges"][merge.name] = rows
    for hash_name in hashes:
        limit = merge.target(hash_name)
        value = statistics.median(ratios(rows, hash_name))
        session.say(f"  --hash {hash_name}: {value:.2f} R" + (f", target {limit} R" if limit else ""))
    if options.sync:
        synced(session, merge, "xxh3" if "xxh3" in hashes else hashes[0])


def synced(session, merge, hash_name):
    theirs = session.yardstick(merge, sync=True)
    ours = session.ours(merge, hash_name, sync=True)
    if ours:
        session.say(f"  with sync: R {theirs.wall:.2f} s, --hash {hash_name} {ours.wall:.2f} s")
        session.results["synced"][merge.name] = {"hash": hash_name, "R": theirs.as_dict(),
                                                 "ours": ours.as_dict()}


def verify(session, merge, what):
    try:
        problems = check.check(merge, session.inputs, session.merged)
    except (OSError, KeyError, ValueError, StopIteration) as error:
        problems = [f"the output cannot be read: {type(error).__name__}"]
    for problem in problems:
        session.fail(f"{what}: {problem}")
    if problems:
        session.results["wrong"].append(what)


def anon(merges):
    """The largest RssAnon of each merge, over all its runs."""
    found = {}
    for name, rows in merges.items():
        peaks = [s["peak_anon"] for mode, runs in rows.items() if mode in MERGES[name].hashes
                 for s in runs]
        if peaks:
            found[name] = max(peaks)
    return found


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
    found = anon(results["merges"])
    if found:
        value = max(found.values())
        rows.append(["private memory (RssAnon), all merges", f"≤ {RSS_ANON / MIB:.0f} MiB",
                     f"{value / MIB:.0f} MiB", verdict(value <= RSS_ANON)])
    return rows


def markdown(results):
    out = []
    if results["merges"]:
        out += ["## Merges beside copying", "",
                "R is `cat` of all inputs of that merge plus `cp --reflink=never` of one. Neither "
                "side waits for the disk here (`--no-sync`). Whole processes; the ratio is the "
                "median of the paired ratios. RssAnon and peak RSS are the largest of all runs; "
                "bytes are those of read and write calls.", ""]
        out += table(["merge", "", "wall, s", "times R", "user+sys, s", "RssAnon, MiB",
                      "peak RSS, MiB", "read, GB", "written, GB"], timing_rows(results["merges"]))
        out += noise(results["merges"])
    if results["synced"]:
        out += ["## The same with the output on the disk", "",
                "merganser as it is called by default (it syncs its output before the rename) beside "
                "R with `sync FILE` after the copy. One run each; the disk decides.", ""]
        out += table(["merge", "hash", "R with sync, s", "merganser, s", "times R"], [
            [MERGES[name].title, row["hash"], f"{row['R']['wall']:.2f}", f"{row['ours']['wall']:.2f}",
             f"{row['ours']['wall'] / row['R']['wall']:.2f}"]
            for name, row in results["synced"].items()])
    return out


def timing_rows(merges):
    rows = []
    for name, runs in merges.items():
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


def noise(merges):
    shares = [s["other_cpu"] / s["wall"] for rows in merges.values() for runs in rows.values()
              for s in runs if s["wall"] > 0.5]
    if not shares:
        return []
    return [f"Other processes and the hypervisor took {100 * statistics.median(shares):.0f} % of one "
            f"core during the timed runs (median), {100 * max(shares):.0f} % at worst.", ""]
