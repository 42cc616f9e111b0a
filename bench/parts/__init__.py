"""The parts of the benchmarks, in the order of running and of the report. To add one, write a module
beside these and name it here; it has

    ABOUT           what it does, and how long on two quiet cores
    NEEDS_INPUTS    whether the checkpoints of make_inputs.py have to be there
    run(session)    measures, and puts figures into session.results under a key of its own as they come,
                    so that they stay where it breaks off; session.fail() and session.skip() say what
                    went wrong and what is left out
    markdown(results)   lines of RESULTS.md, headings of the second level included; none without figures
    targets(results)    [what, target, measured, verdict] for the table of targets; may be absent
"""

from parts import adapters, analyze, matrices, memory, mergekit, merges, runtime, smile, start_up, svd, training, tune

PARTS = {
    "merges": merges,
    "start-up": start_up,
    "mergekit": mergekit,
    "matrices": matrices,
    "svd": svd,
    "smile": smile,
    "analyze": analyze,
    "adapters": adapters,
    "runtime": runtime,
    "training": training,
    "tune": tune,
    "memory": memory,
}
