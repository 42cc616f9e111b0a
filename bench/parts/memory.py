"""Memory with a model twice as large."""

import shutil

import make_inputs
import measure
from figures import MIB, gigabytes, verdict
from methods import MERGES, RSS_ANON
from parts.merges import anon
from sections import table

ABOUT = "memory with a model twice as large, 5 minutes"
NEEDS_INPUTS = False  # it makes its own, for as long as it runs


def run(session):
    shape = dict(session.shape, layers=2 * session.shape["layers"])
    one = make_inputs.size_of_one(shape)
    needed, free = int(5.2 * one), shutil.disk_usage(session.work).free
    session.say(f"memory with a model twice as large ({gigabytes(one)} each)")
    if free < needed:
        session.skip(f"the model twice as large: {gigabytes(needed)} of disk needed, "
                     f"{gigabytes(free)} free")
        return
    session.results["twice_layers"] = shape["layers"]
    try:
        make_inputs.make(session.twice, shape, session.say)
        for name in session.options.only or MERGES:
            measure.remove(session.merged)
            sample = measure.run(session.command(session.recipe(MERGES[name], session.twice), "xxh3"),
                                 session.environment, log=session.log)
            if sample.status:
                session.fail(f"{name}, twice as large: {sample.error}")
                continue
            session.say(f"  {name}: RssAnon {sample.peak_anon >> 20} MiB, peak RSS "
                        f"{sample.peak_rss >> 20} MiB, {sample.wall:.1f} s")
            session.results["twice"][name] = sample.as_dict()
    finally:
        measure.remove(session.merged, session.twice)


def targets(results):
    large = {name: row["peak_anon"] for name, row in results["twice"].items()}
    small = anon(results["merges"])
    both = [large[name] / small[name] for name in large if small.get(name)]
    if not both:
        return []
    value, worst = max(large.values()), max(both)
    return [["private memory, a model twice as large", f"≤ {RSS_ANON / MIB:.0f} MiB, the same",
             f"{value / MIB:.0f} MiB, at most {worst:.2f} times the smaller model's",
             verdict(value <= RSS_ANON and worst <= 1.1)]]


def markdown(results):
    if not results["twice"]:
        return []
    small = anon(results["merges"])
    return ["## Memory and the size of the model", "",
            "Largest RssAnon (private memory), sampled every 20 ms; for the larger model one run.", "",
            *table(["merge", f"{results['layers']} layers, MiB",
                    f"{results['twice_layers']} layers, MiB", "peak RSS, MiB"], [
                [MERGES[name].title, f"{small[name] / MIB:.0f}" if name in small else "",
                 f"{row['peak_anon'] / MIB:.0f}", f"{row['peak_rss'] / MIB:.0f}"]
                for name, row in results["twice"].items()])]
