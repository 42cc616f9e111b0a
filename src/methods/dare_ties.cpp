// Drop and rescale (Yu et al. 2023), then TIES' election of signs.
#include "methods/parts/dare.h"

namespace merganser::methods {

extern const Descriptor dare_ties;
const Descriptor dare_ties = {
    .name = "dare_ties",
    .title = "DARE-TIES",
    .summary =
        "Drops entries of the task vectors at random, rescales the rest, and merges those that "
        "agree with the elected sign.",
    .formula =
        "m_i ~ Bernoulli(density);  d_i = r_i m_i (x_i - b);  s = sign(sum_i w_i d_i);  "
        "y = b + lambda * sum_{sign(w_i d_i) = s} w_i d_i",
    .paper = "Yu et al. 2023, arXiv 2311.03099; Yadav et al. 2023, arXiv 2306.01708",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .parameters = dare_parameters(true),
    .outline = dare_outline,
    .make_f32 = make_dare<float, true>,
    .make_f64 = make_dare<double, true>,
};

}  // namespace merganser::methods
