// Drop and rescale (Yu et al. 2023), then plain task arithmetic.
#include "methods/parts/dare.h"

namespace merganser::methods {

extern const Descriptor dare_linear;
const Descriptor dare_linear = {
    .name = "dare_linear",
    .title = "DARE, linear",
    .summary = "Drops entries of the task vectors at random, rescales the rest, and adds them.",
    .formula =
        "m_i ~ Bernoulli(density);  d_i = r_i m_i (x_i - b);  y = b + lambda * sum_i w_i d_i",
    .paper = "Yu et al. 2023, Language models are Super Mario, arXiv 2311.03099",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .parameters = dare_parameters(false),
    .outline = dare_outline,
    .make_f32 = make_dare<float, false>,
    .make_f64 = make_dare<double, false>,
};

}  // namespace merganser::methods
