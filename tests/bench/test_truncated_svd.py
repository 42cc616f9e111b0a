"""What svd_bench prints, read again; gesdd is timed once for each size."""

from types import SimpleNamespace

import pytest

import truncated_svd

KRYLOV = (
    "4096x4096 k=64 excess 0.0001 power0.7 | OpenBLAS 0.3.21 Cooperlake 2 threads | 0.4512 s (krylov, "
    "6 steps, 64 triples), sgesdd 22.345 s: 49.5x | residual 0.4053, bound 2.92e-06, true -1.33e-08, "
    "leading resolved, gap 0.079"
)
ALONE = (
    "384x384 k=16 excess 0.001 lora16 | OpenBLAS 0.3.21 Cooperlake 2 threads | 0.0008 s (factors, 0 steps, "
    "16 triples) | residual 0.0000, bound 0.00e+00, leading not resolved, gap 0.000"
)


def test_a_line_with_everything():
    row = truncated_svd.parse(KRYLOV)
    assert (row["rows"], row["cols"], row["rank"], row["excess"]) == (4096, 4096, 64, 1e-4)
    assert (row["spectrum"], row["way"], row["steps"]) == ("power0.7", "krylov", 6)
    assert row["blas"] == "OpenBLAS 0.3.21 Cooperlake 2 threads"
    assert (row["ours"], row["gesdd"], row["bound"], row["true"]) == (0.4512, 22.345, 2.92e-6, -1.33e-8)


def test_a_line_of_ours_alone():
    row = truncated_svd.parse(ALONE)
    assert (row["ours"], row["gesdd"], row["true"]) == (0.0008, None, None)


def test_another_line_is_refused():
    with pytest.raises(ValueError, match="svd_bench: unknown spectrum"):
        truncated_svd.parse("svd_bench: unknown spectrum steep")


@pytest.mark.parametrize("large", [True, False])
def test_gesdd_is_timed_once_for_each_size_and_shared(tmp_path, monkeypatch, large):
    asked = []

    def fake(command, environment, log):
        _, rows, cols, rank, tolerance, spectrum, _, gesdd, *_ = command
        if gesdd:
            asked.append((rows, cols))
        beside = f", sgesdd {rows}.5 s: 1.0x" if gesdd else ""
        log.write_text(f"{rows}x{cols} k={rank} excess {tolerance} {spectrum} | OpenBLAS | 0.5 s (gram, 0 "
                       f"steps, {rank} triples){beside} | residual 0.1, bound 0.00e+00, leading resolved\n")
        return SimpleNamespace(error="", other_cpu=0, wall=1)

    monkeypatch.setattr(truncated_svd.measure, "run", fake)
    rows = truncated_svd.run("svd_bench", tmp_path, {}, 4096, large, lambda text: None)
    sizes = {(4096, 4096), (1536, 384), (384, 384)} | ({(14336, 4096)} if large else set())
    assert len(asked) == len(sizes) and set(asked) == sizes
    for row in rows:
        shared = (row["rows"], row["cols"]) in sizes
        assert row["gesdd"] == (row["rows"] + 0.5 if shared else None)
