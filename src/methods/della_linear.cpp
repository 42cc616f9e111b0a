// DELLA's dropping by magnitude rank (Deep et al. 2024), then plain task arithmetic.
#include "methods/parts/della.h"

namespace merganser::methods {

extern const Descriptor della_linear;
const Descriptor della_linear = {
    .name = "della_linear",
    .title = "DELLA, linear",
    .summary =
        "Drops entries of the task vectors at random, the smaller of a row more often, rescales "
        "the rest, and adds them.",
    .formula =
        "m_i ~ Bernoulli(p),  p = density - epsilon + 2 epsilon (r - 1) / (n - 1) for the entry of "
        "magnitude rank r = 1..n in its row;  d_i = c_i m_i (x_i - b);  "
        "y = b + lambda * sum_i w_i d_i",
    .paper =
        "Deep et al. 2024, DELLA-Merging, arXiv 2406.11617 (whose epsilon is the whole width, "
        "twice this one)",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .parameters = della_parameters(false),
    .outline = della_outline<false>,
    .make_f32 = make_della<float, false>,
    .make_f64 = make_della<double, false>,
};

}  // namespace merganser::methods
