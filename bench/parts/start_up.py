"""What starting costs."""

import statistics

import make_inputs
import measure
from figures import spread, verdict
from methods import MERGES, START_UP
from sections import table

ABOUT = "start-up, seconds"
NEEDS_INPUTS = False
RUNS = 20


def run(session):
    folder = session.work / "small"
    shape = make_inputs.SIZES["small"]
    make_inputs.make(folder, shape, lambda text: None)
    session.results["small_bytes"] = make_inputs.size_of_one(shape)
    recipe = session.recipe(MERGES["linear"], folder)
    commands = {
        "true": ["true"],
        "`--version`": [session.options.program, "--version"],
        "a small merge, `--no-sync`": session.command(recipe, "xxh3"),
        "a small merge, default options": session.command(recipe, "xxh3", sync=True),
    }
    session.say("start-up")
    for title, command in commands.items():
        walls = []
        for _ in range(RUNS + 1):  # the first is not counted
            measure.remove(session.merged)
            sample = measure.run(command, session.environment, watch=False, log=session.log)
            if sample.status:
                session.fail(f"{title}: {sample.error}")
                break
            walls.append(sample.wall)
        else:
            session.results["start_up"][title] = walls[1:]
            session.say(f"  {title}: {1000 * statistics.median(walls[1:]):.1f} ms")


def targets(results):
    rows = []
    for title, values in results["start_up"].items():
        if title != "true":
            value = statistics.median(values)
            rows.append([f"start-up: {title}", f"≤ {1000 * START_UP:.0f} ms",
                         f"{1000 * value:.1f} ms", verdict(value <= START_UP)])
    return rows


def markdown(results):
    if not results["start_up"]:
        return []
    return ["## Start-up", "",
            f"{RUNS} runs each. `true` is what starting any process costs here. The small merge is "
            f"linear of 3, {results['small_bytes'] / 1e6:.1f} MB each.", "",
            *table(["what", "ms"], [[title, spread((1000 * v for v in values), 1)]
                                    for title, values in results["start_up"].items()])]
