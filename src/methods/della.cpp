// DELLA (Deep et al. 2024): dropping by magnitude rank, then TIES' election of signs.
#include "methods/parts/della.h"

namespace merganser::methods {

extern const Descriptor della;
const Descriptor della = {
    .name = "della",
    .title = "DELLA",
    .summary =
        "Drops entries of the task vectors at random, the smaller of a row more often, rescales "
        "the rest, and merges those that agree with the elected sign.",
    .formula =
        "m_i ~ Bernoulli(p),  p = density - epsilon + 2 epsilon (r - 1) / (n - 1) for the entry of "
        "magnitude rank r = 1..n in its row;  d_i = c_i m_i (x_i - b);  s = sign(sum_i w_i d_i);  "
        "y = b + lambda * sum_{sign(w_i d_i) = s} w_i d_i / sum_{same} w_i",
    .paper =
        "Deep et al. 2024, DELLA-Merging, arXiv 2406.11617 (whose epsilon is the whole width, "
        "twice this one)",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .parameters = della_parameters(true),
    .outline = della_outline<true>,
    .make_f32 = make_della<float, true>,
    .make_f64 = make_della<double, true>,
};

}  // namespace merganser::methods
