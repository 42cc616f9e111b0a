"""The sections of RESULTS.md about singular values and SMILE."""

import smile
import smile_linear
import truncated_svd
from sections import table


def markdown(results):
    return truncated(results.get("svd")) + mixtures(results.get("smile"))


def truncated(rows):
    if not rows:
        return []
    out = ["## The truncated SVD", "",
           f"`bench/truncated_svd.py`: beside LAPACK's sgesdd (all singular vectors of the smaller side), "
           f"both on {rows[0]['blas']}; medians, one process a case. gesdd is timed once for each size and "
           "shared among the spectra. Excess: how much larger the error is than that of the best matrix of "
           "that rank, as a part of it; the true one is from the eigenvalues of the Gram matrix in f64, "
           "which are good to 1e-8 or so. noisy_full: k directions and noise; noisy: half as many, so that "
           "the k-th lies amid the noise; unproven: the excess is estimated, as merges do by default.", ""]
    return out + table(*truncated_svd.table(rows))


def mixtures(found):
    if not found:
        return []
    out = []
    if found["layer"]:
        out += ["## SMILE", "", "### A layer of Mistral-7B's shape", "",
                f"`bench/smile.py`: hidden {found['hidden']}, bf16, three fine-tunes, experts of rank "
                f"{found['rank']}, tolerance 1e-3; merganser as a whole program with `--no-sync`, one run.",
                ""]
        out += table(*smile.table(found["layer"]))
        if "lapack" in found:
            out += [smile.lapack_line(found["lapack"]) + ".", ""]
    if found["linear"]:
        about = ", ".join(f"{key} {value}" for key, value in found["linear"][0]["about"].items())
        out += ["### One linear layer, beside FusionBench", "",
                f"`bench/smile_linear.py`: `upscale_to_smile_linear` of FusionBench 0.2.33 ({about}) and "
                "`merganser merge --no-sync` on the same bf16 files, one run each in the same minutes. "
                "Error: what an expert leaves of its difference, |D - U S Vᵀ| / |D|.", ""]
        out += table(*smile_linear.table(found["linear"]))
        for row in found["linear"]:
            whole = row["theirs"]["wall"] / row["ours"]["wall"]
            memory = row["theirs"]["peak_rss"] / row["ours"]["peak_rss"]
            out += [f"{row['rows']} x {row['cols']}: **{smile_linear.times(row):.1f} times as fast** (their "
                    f"function alone to our whole program; {whole:.1f} times program to program), "
                    f"peak RSS 1/{memory:.0f} of theirs.", ""]
    return out
