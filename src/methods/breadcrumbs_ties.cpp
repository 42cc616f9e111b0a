// Model Breadcrumbs (Davari and Belilovsky 2023) with TIES' election of signs.
#include "methods/parts/breadcrumbs.h"

namespace merganser::methods {

extern const Descriptor breadcrumbs_ties;
const Descriptor breadcrumbs_ties = {
    .name = "breadcrumbs_ties",
    .title = "Model Breadcrumbs, TIES",
    .summary =
        "Drops the largest and the smallest entries of each task vector and merges those that "
        "agree with the elected sign.",
    .formula =
        "d_i = x_i - b without its int(gamma n) largest entries, then without all but the "
        "int(density n) largest left;  s = sign(sum_i w_i d_i);  "
        "y = b + lambda * sum_{sign(w_i d_i) = s} w_i d_i",
    .paper = "Davari and Belilovsky 2023, arXiv 2312.06795; Yadav et al. 2023, arXiv 2306.01708",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .parameters = breadcrumbs_parameters(true),
    .outline = breadcrumbs_outline,
    .make_f32 = make_breadcrumbs<float, true>,
    .make_f64 = make_breadcrumbs<double, true>,
};

}  // namespace merganser::methods
