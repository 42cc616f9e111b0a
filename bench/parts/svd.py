"""The truncated SVD beside LAPACK's."""

import truncated_svd
from sections import table

ABOUT = "the truncated SVD beside LAPACK's gesdd, 6 minutes"
NEEDS_INPUTS = False


def run(session):
    options = session.options
    session.say("truncated SVD beside gesdd")
    if not options.svd_bench.exists():
        session.skip("the truncated SVD: svd_bench is not built "
                     "(cmake --build build/release --target svd_bench)")
        return
    large = not (options.no_large_gesdd or options.quick)
    if not large:
        session.skip("gesdd of 14336 x 4096")
    session.results["svd"] = truncated_svd.run(
        options.svd_bench, session.work, session.environment, 512 if options.quick else 4096, large,
        session.say)


def markdown(results):
    rows = results.get("svd")
    if not rows:
        return []
    out = ["## The truncated SVD", "",
           f"`bench/truncated_svd.py`: beside LAPACK's sgesdd (all singular vectors of the smaller side), "
           f"both on {rows[0]['blas']}; medians, one process a case. gesdd is timed once for each size and "
           "shared among the spectra. Excess: how much larger the error is than that of the best matrix of "
           "that rank, as a part of it; the true one is that of the factors, multiplied out in f64, beside "
           "the eigenvalues of the Gram matrix in f64, which are good to 1e-8 or so. noisy_full: k "
           "directions and noise; noisy: half as many, so that the k-th lies amid the noise; unproven: the "
           "excess is estimated, as merges do by default.", ""]
    return out + table(*truncated_svd.table(rows))
