"""The parts of the benchmarks, in the order of running and of the report. To add one, write a module
beside these and name it here; it has

    ABOUT           what it does, and how long on two quiet cores
    NEEDS_INPUTS    whether the checkpoints of make_inputs.py have to be there
    run(session)    measures, and puts figures into session.results, under a key of its own, from the
                    start, so that what is measured stays where it breaks off; fails and leaves out by
                    session.fail() and session.skip()
    markdown(results)   lines of RESULTS.md, headings of the second level included; none without figures
    targets(results)    [what, target, measured, verdict] for the table of targets; may be absent
"""

from parts import adapters, analyze, matrices, memory, mergekit, merges, smile, start_up, svd

PARTS = {
    "merges": merges,
    "start-up": start_up,
    "mergekit": mergekit,
    "matrices": matrices,
    "svd": svd,
    "smile": smile,
    "analyze": analyze,
    "adapters": adapters,
    "memory": memory,
}
